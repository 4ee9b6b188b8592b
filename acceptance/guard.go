package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/gate"
)

const (
	// mostBytes bounds the database: an acceptance run is to be cheap.
	mostBytes = 1 << 30
	// canaries is where the tamper probe and this run lay blobs that are no backups.
	canaries = ".bacvault/"
	// tryLimit bounds one call of the data or the management plane.
	tryLimit = 30 * time.Second
)

// small are the service objectives that cost little for an hour; one in an elastic pool cannot be scaled by itself.
var small = regexp.MustCompile(`(?i)^(Basic|S[0-3]|GP_Gen5_2|GP_S_Gen5_[1-4])$`)

// refuse looks at everything before anything is made.
func (a *acceptance) refuse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := a.parts.Gate.Observe(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read the container's policy: %w", err)
	case p.Locked():
		return fmt.Errorf("the policy of %s is locked: what a run leaves there could not be removed. Take a container with an unlocked policy of one day", a.cfg.VaultURL())
	case p.Scope != gate.ScopeContainer:
		return fmt.Errorf("%s has version-level immutability; take one with a policy on the container, and name this one with --version-container", a.cfg.VaultURL())
	case p.State != gate.StateUnlocked || p.PeriodDays != 1:
		return fmt.Errorf("the policy of %s is %s of %d days, not Unlocked of 1 day", a.cfg.VaultURL(), p.State, p.PeriodDays)
	case p.LegalHold:
		return fmt.Errorf("%s is under a legal hold", a.cfg.VaultURL())
	}
	if err := a.onlyOurs(ctx); err != nil {
		return err
	}
	info, there, err := a.parts.SQL.Exists(ctx, a.source)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("there is no database %s on %s, or this identity does not see it", a.source, a.parts.Server)
	case info.Name != a.source:
		return fmt.Errorf("the database is spelled %s, not %s", info.Name, a.source)
	}
	all, err := a.parts.SQL.Databases(ctx)
	if err != nil {
		return err
	}
	if err := a.unnamed(all); err != nil {
		return err
	}
	f, err := a.parts.SQL.Preflight(ctx, a.source)
	if err != nil {
		return err
	}
	if f.UsedBytes > mostBytes {
		return fmt.Errorf("%s holds %d MiB, more than the %d MiB of a cheap run", a.source, f.UsedBytes>>20, mostBytes>>20)
	}
	z, err := a.parts.SQL.Size(ctx, a.source)
	if err != nil {
		return err
	}
	if !small.MatchString(z.Objective) {
		return fmt.Errorf("%s has service objective %s; take a database of Basic, S0 to S3, GP_Gen5_2 or GP_S_Gen5_1 to 4: this run makes up to three like it", a.source, z.Objective)
	}
	a.size = size{z.Edition, z.Objective, z.MaxSizeBytes}
	if _, _, err := a.parts.ToolVersion(ctx); err != nil {
		return fmt.Errorf("sqlpackage (on PATH, or BACVAULT_SQLPACKAGE): %w", err)
	}
	return nil
}

// onlyOurs refuses a container with anything in it that no acceptance run made.
func (a *acceptance) onlyOurs(ctx context.Context) error {
	names, err := a.blobs(ctx, "")
	if err != nil {
		return fmt.Errorf("list %s: %w", a.cfg.VaultURL(), err)
	}
	for _, n := range names {
		if !ours(n) {
			return fmt.Errorf("%s holds %s, which no acceptance run made: take an empty container", a.cfg.VaultURL(), n)
		}
	}
	return nil
}

var ourFolder = regexp.MustCompile(`^[^/]+/[^/]+` + mark + `\d{14}/`)

func ours(blob string) bool { return strings.HasPrefix(blob, canaries) || ourFolder.MatchString(blob) }

// store is the container by the client library itself: the vault has no words for what must not happen to it.
func (a *acceptance) store(url string) (*container.Client, error) {
	return container.NewClient(url, a.parts.Credential, &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry: policy.RetryOptions{TryTimeout: tryLimit},
	}})
}

func (a *acceptance) blobs(ctx context.Context, prefix string) (names []string, err error) {
	c, err := a.store(a.cfg.VaultURL())
	if err != nil {
		return nil, err
	}
	pager := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if page.Segment == nil {
			return nil, errors.New("the store's answer has no list")
		}
		for _, b := range page.Segment.BlobItems {
			if b.Name != nil {
				names = append(names, *b.Name)
			}
		}
	}
	return names, nil
}
