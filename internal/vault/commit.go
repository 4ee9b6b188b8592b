package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The metadata keys that the vault itself reads again. Keys are lower case, because HTTP folds their case.
const (
	MetaSHA256 = "sha256"
	MetaRun    = "run"
)

// settleTime bounds the looks after an ambiguous commit. They go on when the run was cancelled: what was sent was sent.
const settleTime = 90 * time.Second

// Stored is a blob that is there for good.
type Stored struct {
	Blob bacvault.Blob
	// Created is the store's own time, from which the retention period runs.
	Created time.Time
	// Metadata has lower-case keys.
	Metadata map[string]string
	// Archived says that the blob must be brought to an online tier before it can be read.
	Archived bool
	// Existing says that the blob was found by looking, not made by the answer to this call.
	Existing bool
}

// Commit makes the staged blocks a blob, for good. It sends one Put Block List that only creates, and never sends it again:
// the store answers the second of two equal commits with a conflict, so a repeat turns success into failure. After any
// answer that leaves doubt it looks and compares. Content that is the same is success, with Existing; other content is
// vault.conflict; nothing there is vault.write, and the caller may commit the same Staged again once it has asked for lease
// and gate again. SHA-256 is put into the metadata here; keys of meta must be C# identifiers, values outside printable ASCII
// are percent-encoded. An empty tier takes the account's.
func (v *Vault) Commit(ctx context.Context, s Staged, meta map[string]string, tier string) (Stored, error) {
	md, err := metadata(s, meta)
	if err != nil {
		return Stored{}, fmt.Errorf("commit %s: %w", s.Name, err)
	}
	if ctx.Err() != nil {
		return Stored{}, fmt.Errorf("commit %s: %w", s.Name, context.Cause(ctx))
	}
	opts := &blockblob.CommitBlockListOptions{
		Metadata: md, AccessConditions: createOnly(), HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
	}
	if tier != "" {
		opts.Tier = to.Ptr(blob.AccessTier(tier))
	}
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: v.noProgress})
	resp, err := v.c.NewBlockBlobClient(s.Name).CommitBlockList(once, s.BlockIDs, opts)
	switch {
	case err == nil:
		return v.confirm(ctx, s, md, resp)
	case definite(err):
		return Stored{}, v.failure(ctx, writing(rightWrite, "commit %s", s.Name), err)
	}
	return v.settle(ctx, s, err)
}

// createOnly is the condition of every write here. blockblob's UploadFile and UploadBuffer drop it on their commit for more
// than 256 MiB (azure-sdk-for-go issue 27031), which is why they are not used.
func createOnly() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

// definite says that the store refused before it did anything.
func definite(err error) bool {
	if taken(err) {
		return false
	}
	switch status := statusOf(err); status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return false
	default:
		return status >= 400 && status < 500
	}
}

// settle looks whether the commit took effect.
func (v *Vault) settle(ctx context.Context, s Staged, cause error) (Stored, error) {
	c := writing(rightWrite, "commit %s", s.Name)
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if ctx.Err() != nil {
		cause = errors.Join(cause, context.Cause(ctx))
	}
	var unread error
	for _, wait := range v.looks {
		if err := pause(look, wait); err != nil {
			unread = err
			break
		}
		got, found, err := v.Head(look, s.Name)
		unread = err
		switch {
		case err != nil || !found:
			continue
		case got.Blob.Size == s.Size && strings.EqualFold(got.Blob.SHA256, s.SHA256):
			return got, nil
		default:
			f := bacvault.Fail(bacvault.CodeVaultConflict, "%s: the name holds %d bytes with sha256 %q of run %q, not these %d bytes with sha256 %q (%s)",
				c.doing, got.Blob.Size, got.Blob.SHA256, got.Metadata[MetaRun], s.Size, s.SHA256, brief(cause))
			f.Err, f.Exists = cause, "the other blob, unchanged"
			return Stored{}, f
		}
	}
	f := bacvault.Fail(bacvault.CodeVaultWrite, "%s: %s; looked, and no blob is there", c.doing, brief(cause))
	f.Err, f.Exists = cause, "no blob when last looked; the blocks are still staged"
	if unread != nil {
		f = bacvault.Fail(bacvault.CodeVaultWrite, "%s: %s; whether it took effect could not be read: %s", c.doing, brief(cause), unread.Error())
		f.Err, f.Exists = errors.Join(cause, unread), "unknown: the commit was sent"
	}
	return Stored{}, f
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// confirm reads the new blob back. If only the reading fails, the store's own answer stands.
func (v *Vault) confirm(ctx context.Context, s Staged, md map[string]*string, resp blockblob.CommitBlockListResponse) (Stored, error) {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	got, found, err := v.Head(look, s.Name)
	if err != nil || !found {
		got = Stored{Blob: bacvault.Blob{Name: s.Name, Size: s.Size, SHA256: s.SHA256}, Metadata: map[string]string{}}
		for k, p := range md {
			got.Metadata[k] = *p
		}
		if resp.ETag != nil {
			got.Blob.ETag = string(*resp.ETag)
		}
		if resp.LastModified != nil {
			got.Created = resp.LastModified.UTC()
		}
	}
	got.Existing = false
	if got.Blob.Size != s.Size || !strings.EqualFold(got.Blob.SHA256, s.SHA256) {
		f := bacvault.Fail(bacvault.CodeVerifyHash, "commit %s: the store holds %d bytes with sha256 %q, sent were %d with %q",
			s.Name, got.Blob.Size, got.Blob.SHA256, s.Size, s.SHA256)
		f.Exists = "a blob without a manifest"
		return Stored{}, f
	}
	return got, nil
}

// metadata makes the commit's metadata: what the caller gave and the hash of the whole.
func metadata(s Staged, meta map[string]string) (map[string]*string, error) {
	key := regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	all := maps.Clone(meta)
	if all == nil {
		all = map[string]string{}
	}
	all[MetaSHA256] = s.SHA256
	md := make(map[string]*string, len(all))
	for k, val := range all {
		if !key.MatchString(k) {
			return nil, fmt.Errorf("metadata key %q is not lower-case letters, digits and underscores", k)
		}
		if strings.ContainsFunc(val, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(val) != val {
			val = url.PathEscape(val)
		}
		md[k] = &val
	}
	return md, nil
}
