// Package probe tries what must be impossible: to overwrite and to delete a canary of its own in the vault. It never aims at a backup.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// folder begins with a dot, which no server's name does: nothing here is ever taken for a backup.
	folder = ".bacvault/canary-"
	// renewBefore is how long before its protection ends a canary is given up for a new one.
	renewBefore = 48 * time.Hour
	// tryTimeout bounds one call.
	tryTimeout = 30 * time.Second
)

// The service's codes for a blob that a policy or a legal hold protects
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
const (
	codeByPolicy bloberror.Code = "BlobImmutableDueToPolicy"
	codeByHold   bloberror.Code = "BlobImmutableDueToLegalHold"
)

// Config is what a Probe needs.
type Config struct {
	ContainerURL string // as the vault has it
	Credential   azcore.TokenCredential
	Transport    policy.Transporter // for tests; nil is azcore's
	Now          func() time.Time   // for tests; nil is time.Now
}

// Probe holds no state; it is safe for concurrent use.
type Probe struct {
	c   *container.Client
	now func() time.Time
}

// Result is what was tried, on what, and how the store answered.
type Result struct {
	At     time.Time
	Canary string
	Passed bool
	Tries  []Try
}

// Try is one attempt. Refused is true only for the answer that must come.
type Try struct {
	What      string
	Refused   bool
	Status    int
	Code      string
	RequestID string
}

// New checks the configuration; it does not call the store.
func New(cfg Config) (*Probe, error) {
	if cfg.Credential == nil {
		return nil, errors.New("probe: no credential")
	}
	opts := &container.ClientOptions{}
	opts.Transport = cfg.Transport
	opts.Retry = policy.RetryOptions{TryTimeout: tryTimeout}
	c, err := container.NewClient(strings.TrimRight(cfg.ContainerURL, "/"), cfg.Credential, opts)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	p := &Probe{c: c, now: cfg.Now}
	if p.now == nil {
		p.now = time.Now
	}
	return p, nil
}

// Run tries to overwrite and to delete the canary, once each, and says how the store answered. Without protection both would
// succeed, which costs a canary and shows that the vault is none. An answer that is neither yes nor no is an error, and no
// result. p is the policy as it was observed: a canary is renewed before its protection ends.
func (p *Probe) Run(ctx context.Context, posture bacvault.Posture) (Result, error) {
	r := Result{At: p.now().UTC()}
	var err error
	if r.Canary, err = p.canary(ctx, posture.PeriodDays); err != nil {
		return Result{}, err
	}
	for _, t := range []struct {
		what string
		do   func(context.Context, string) error
		// must says whether a refusal is the one that protects.
		must func(*azcore.ResponseError) bool
	}{
		{"overwrite", p.overwrite, immutable},
		{"delete", p.remove, func(e *azcore.ResponseError) bool { return immutable(e) || e.StatusCode == http.StatusForbidden }},
	} {
		try, err := attempt(ctx, t.what, r.Canary, t.do, t.must)
		if err != nil {
			return Result{}, err
		}
		r.Tries = append(r.Tries, try)
	}
	r.Passed = true
	for _, t := range r.Tries {
		r.Passed = r.Passed && t.Refused
	}
	return r, nil
}

func immutable(e *azcore.ResponseError) bool {
	return e.StatusCode == http.StatusConflict && (e.ErrorCode == string(codeByPolicy) || e.ErrorCode == string(codeByHold))
}

func attempt(ctx context.Context, what, canary string, do func(context.Context, string) error, must func(*azcore.ResponseError) bool) (Try, error) {
	err := do(ctx, canary)
	t := Try{What: what}
	var e *azcore.ResponseError
	switch {
	case err == nil:
		t.Status = http.StatusOK
		return t, nil
	case !errors.As(err, &e) || e.StatusCode >= 500 || e.StatusCode == http.StatusTooManyRequests:
		return t, fmt.Errorf("%s the canary %s: %w", what, canary, err)
	}
	t.Status, t.Code, t.Refused = e.StatusCode, e.ErrorCode, must(e)
	if e.RawResponse != nil {
		t.RequestID = e.RawResponse.Header.Get("x-ms-request-id")
	}
	return t, nil
}

// canary finds one that is protected for a while yet, or lays a new one.
func (p *Probe) canary(ctx context.Context, days int) (string, error) {
	newest := ""
	pager := p.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(folder)})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("look for the canary: %w", err)
		}
		if page.Segment == nil {
			continue
		}
		for _, it := range page.Segment.BlobItems {
			if it.Name == nil || it.Properties == nil || it.Properties.CreationTime == nil {
				continue
			}
			if until := it.Properties.CreationTime.AddDate(0, 0, days); until.After(p.now().Add(renewBefore)) && *it.Name > newest {
				newest = *it.Name
			}
		}
	}
	if newest != "" {
		return newest, nil
	}
	// By Put Blob, so that an alert on Put Block List sees backups alone; create-only, as everything that is meant to stay.
	name := folder + p.now().UTC().Format("2006-01-02_150405") + ".txt"
	_, err := p.c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(strings.NewReader(words)), &blockblob.UploadOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("text/plain; charset=utf-8")},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
	if err != nil && !bloberror.HasCode(err, bloberror.BlobAlreadyExists) && !isImmutable(err) {
		return "", fmt.Errorf("lay the canary %s: %w", name, err)
	}
	return name, nil
}

func isImmutable(err error) bool {
	var e *azcore.ResponseError
	return errors.As(err, &e) && immutable(e)
}

const words = "bacvault tries to overwrite and to delete this blob once a day. Both must be refused.\n"

// once keeps azcore from trying again: an attempt is one request.
func once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: tryTimeout})
}

func (p *Probe) overwrite(ctx context.Context, canary string) error {
	_, err := p.c.NewBlockBlobClient(canary).Upload(once(ctx), streaming.NopCloser(strings.NewReader("overwritten\n")), nil)
	return err
}

func (p *Probe) remove(ctx context.Context, canary string) error {
	_, err := p.c.NewBlobClient(canary).Delete(once(ctx), nil)
	return err
}
