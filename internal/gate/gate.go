// Package gate is the immutability gate: it observes the vault container on both planes of Azure and judges what it saw.
package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// tryTimeout bounds one try of one call; azcore has no bound of its own.
const tryTimeout = 30 * time.Second

// Config is what a Gate needs.
type Config struct {
	// ManagementEndpoint and ManagementAudience are those of the cloud; empty is the public cloud.
	ManagementEndpoint, ManagementAudience string

	SubscriptionID, ResourceGroup, Account, Container string

	// ContainerURL is the data plane's, as the vault has it.
	ContainerURL string
	Credential   azcore.TokenCredential
	// NoManagementPlane is for the official emulators, which have none: Observe then knows no state and no period, and Judge
	// refuses what it gives.
	NoManagementPlane bool
	// Transport is for tests, on both planes; nil is azcore's.
	Transport policy.Transporter
	// Now is for tests; nil is time.Now.
	Now func() time.Time
}

// Gate reads the immutability of one container. Only Lock and Extend change it, which are for a person at a command line.
type Gate struct {
	cfg        Config
	management *armstorage.BlobContainersClient
	data       *container.Client
}

// New checks the configuration; it calls neither plane.
func New(cfg Config) (*Gate, error) {
	if cfg.Credential == nil {
		return nil, errors.New("gate: no credential")
	}
	if err := cfg.sameContainer(); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	common := policy.ClientOptions{Transport: cfg.Transport, Retry: policy.RetryOptions{TryTimeout: tryTimeout}}
	data, err := container.NewClient(strings.TrimRight(cfg.ContainerURL, "/"), cfg.Credential, &container.ClientOptions{ClientOptions: common})
	if err != nil {
		return nil, fmt.Errorf("gate: data plane: %w", err)
	}
	g := &Gate{cfg: cfg, data: data}
	if cfg.NoManagementPlane {
		return g, nil
	}
	if cfg.SubscriptionID == "" || cfg.ResourceGroup == "" {
		return nil, errors.New("gate: the management plane needs the subscription and the resource group of the account")
	}
	common.Cloud = cfg.cloud()
	// Registering resource providers is no business of a reader; the policy would ask for it on some refusals.
	opts := &arm.ClientOptions{ClientOptions: common, DisableRPRegistration: true}
	if g.management, err = armstorage.NewBlobContainersClient(cfg.SubscriptionID, cfg.Credential, opts); err != nil {
		return nil, fmt.Errorf("gate: management plane: %w", err)
	}
	return g, nil
}

func (c Config) cloud() cloud.Configuration {
	public := cloud.AzurePublic.Services[cloud.ResourceManager]
	if c.ManagementEndpoint != "" {
		public.Endpoint = c.ManagementEndpoint
	}
	if c.ManagementAudience != "" {
		public.Audience = c.ManagementAudience
	}
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: public},
	}
}

// sameContainer refuses settings that would judge one container and write to another.
func (c Config) sameContainer() error {
	u, err := url.Parse(c.ContainerURL)
	if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
		return errors.New("the container's URL is not https://<account>.<suffix>/<container> without a query")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	account, _, _ := strings.Cut(u.Hostname(), ".")
	if len(parts) == 2 {
		account = parts[0]
	}
	if c.Account == "" || c.Container == "" || len(parts) > 2 || account != c.Account || parts[len(parts)-1] != c.Container {
		return fmt.Errorf("the container's URL %s is not that of container %q of account %q", u.Redacted(), c.Container, c.Account)
	}
	return nil
}

// Observe reads both planes. They must agree, else gate.planes_disagree; what cannot be read is gate.unread, with the right
// that is missing and where.
func (g *Gate) Observe(ctx context.Context) (bacvault.Posture, error) {
	p := bacvault.Posture{ObservedAt: g.cfg.Now().UTC(), Scope: ScopeContainer, State: StateNone}
	d, err := g.data.GetProperties(ctx, nil)
	if err != nil {
		return p, g.unread(ctx, "data plane", err)
	}
	// The headers are absent, not false, where a store does not know them.
	version := is(d.IsImmutableStorageWithVersioningEnabled)
	p.DataPlaneHasPolicy, p.DataPlaneHasLegalHold = is(d.HasImmutabilityPolicy), is(d.HasLegalHold)
	if g.management == nil {
		if version {
			p.Scope = ScopeVersion
		}
		if p.DataPlaneHasPolicy {
			p.State = StateUnknown
		}
		p.LegalHold = p.DataPlaneHasLegalHold
		return p, nil
	}
	m, err := g.management.Get(ctx, g.cfg.ResourceGroup, g.cfg.Account, g.cfg.Container, nil)
	if err != nil {
		return p, g.unread(ctx, "management plane", err)
	}
	if m.ContainerProperties == nil {
		return p, g.unread(ctx, "management plane", errors.New("the answer has no properties"))
	}
	if err := fill(&p, m.ContainerProperties); err != nil {
		return p, g.unread(ctx, "management plane", err)
	}
	return p, g.agree(p, version)
}

// fill takes over what the management plane says.
func fill(p *bacvault.Posture, c *armstorage.ContainerProperties) error {
	if w := c.ImmutableStorageWithVersioning; w != nil && is(w.Enabled) {
		p.Scope = ScopeVersion
		if w.MigrationState != nil && *w.MigrationState == armstorage.MigrationStateInProgress {
			return errors.New("the container is being migrated to version-level immutability")
		}
	}
	if h := c.LegalHold; h != nil {
		p.LegalHold = is(h.HasLegalHold)
		for _, t := range h.Tags {
			if t != nil && t.Tag != nil {
				p.LegalHoldTags = append(p.LegalHoldTags, *t.Tag)
			}
		}
	}
	pol := c.ImmutabilityPolicy
	if pol == nil || pol.Properties == nil {
		if is(c.HasImmutabilityPolicy) {
			return errors.New("the container has a policy, but the answer does not show it; the identity may lack " + rightReadPolicies)
		}
		return nil
	}
	q := pol.Properties
	if q.State == nil || q.ImmutabilityPeriodSinceCreationInDays == nil {
		return errors.New("the policy has no state or no period")
	}
	if *q.ImmutabilityPeriodSinceCreationInDays == 0 && *q.State != armstorage.ImmutabilityPolicyStateLocked {
		return nil // 1 day is the least: this is the empty form of no policy
	}
	p.State, p.PeriodDays = string(*q.State), int(*q.ImmutabilityPeriodSinceCreationInDays)
	p.ProtectedAppend, p.ProtectedAppendAll = is(q.AllowProtectedAppendWrites), is(q.AllowProtectedAppendWritesAll)
	p.PolicyETag = value(pol.Etag)
	history(p, pol.UpdateHistory)
	return nil
}

func (g *Gate) agree(p bacvault.Posture, version bool) error {
	var differs []string
	say := func(what string, management, data bool) {
		if management != data {
			differs = append(differs, fmt.Sprintf("%s: management plane %t, data plane %t", what, management, data))
		}
	}
	say("immutability policy", p.State != StateNone, p.DataPlaneHasPolicy)
	say("legal hold", p.LegalHold, p.DataPlaneHasLegalHold)
	say("version-level immutability", p.Scope == ScopeVersion, version)
	if len(differs) == 0 {
		return nil
	}
	f := bacvault.Fail(bacvault.CodeGateDisagrees, "container %s of account %s: %s", g.cfg.Container, g.cfg.Account, strings.Join(differs, "; "))
	f.Exists = nothingYet
	return f
}

// Both planes ask for this one action; policies may be shown only to who may read those as well.
const (
	rightRead         = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
	rightReadPolicies = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read"
)

const nothingYet = "nothing was written to the vault"

func (g *Gate) unread(ctx context.Context, plane string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("observe the gate: %w", context.Cause(ctx))
	}
	where := fmt.Sprintf("container %s of account %s, %s", g.cfg.Container, g.cfg.Account, plane)
	f := bacvault.Fail(bacvault.CodeGateUnread, "%s: %s", where, brief(err))
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		switch re.StatusCode {
		case http.StatusForbidden, http.StatusUnauthorized:
			f.Detail = fmt.Sprintf("%s: the identity lacks %s, or a network rule shuts this host out (%s)", where, rightRead, brief(err))
		case http.StatusNotFound:
			f.Detail = fmt.Sprintf("%s: there is no such container (%s)", where, brief(err))
			f.Next = "Check STORAGE_ACCOUNT_NAME, STORAGE_CONTAINER_NAME, the subscription and the resource group."
		}
	}
	f.Err, f.Exists = err, nothingYet
	return f
}

// brief is an error in one line: azcore's own text runs over twenty lines.
func brief(err error) string {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", re.StatusCode, re.ErrorCode)
}

func is(b *bool) bool { return b != nil && *b }
