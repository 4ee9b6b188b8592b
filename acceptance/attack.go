package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

// What the store is asked to do to the blob. The questions refer to these words.
const (
	whatHead         = "Get Blob Properties"
	whatBlock        = "Put Block on the existing name"
	whatPut          = "Put Blob over it"
	whatPutNew       = "Put Blob over it, If-None-Match: *"
	whatCommit       = "Put Block List over it"
	whatCommitNew    = "Put Block List over it, If-None-Match: *"
	whatDelete       = "Delete Blob"
	whatMetadata     = "Set Blob Metadata"
	whatProperties   = "Set Blob Properties"
	whatSnapshot     = "Snapshot Blob"
	whatTier         = "Set Blob Tier"
	whatTags         = "Set Blob Tags"
	whatLease        = "Lease Blob"
	whatPolicyOnPut  = "Put Blob of a new name with policy headers"
	whatPolicyOnBlob = "Set Blob Immutability Policy"
	whatHoldOnBlob   = "Set Blob Legal Hold"
	whatNoPolicy     = "GetImmutabilityPolicy of a container without a policy"
	whatVersions     = "Get Container Properties of a version-level container"
)

// block is the one block of the blob under attack: its id is good for a commit over it too.
var block = base64.StdEncoding.EncodeToString([]byte("acceptance-block-00000000"))

const content = "An acceptance run of bacvault tries to overwrite and to delete this blob. Neither may succeed.\n"

// expectation is what bacvault assumes of an answer.
type expectation struct {
	words string
	holds func(status int, code string) bool
	must  bool // else it is a question, not a promise
}

func immutable(status int, code string) bool {
	return status == http.StatusConflict && (code == "BlobImmutableDueToPolicy" || code == "BlobImmutableDueToLegalHold")
}

func denied(status int, _ string) bool { return status == http.StatusForbidden }

var (
	refusedByPolicy = expectation{"409 BlobImmutableDueToPolicy", immutable, true}
	// Microsoft's tables list these as refused, but no promise of ours stands on them.
	refusedToo    = expectation{"409 BlobImmutableDueToPolicy", immutable, false}
	refusedAsName = expectation{"409 BlobAlreadyExists or BlobImmutableDueToPolicy", func(s int, c string) bool {
		return immutable(s, c) || s == http.StatusConflict && c == "BlobAlreadyExists"
	}, true}
	refusedOrDenied = expectation{"409 BlobImmutableDueToPolicy, or 403 for want of the right", func(s int, c string) bool { return immutable(s, c) || denied(s, c) }, true}
	allowed         = expectation{"allowed, or 403 for want of the right", func(s int, c string) bool { return s/100 == 2 || denied(s, c) }, false}
	eitherWay       = expectation{"201, or 409 BlobImmutableDueToPolicy", func(s int, c string) bool { return s/100 == 2 || immutable(s, c) }, false}
	refusedSomehow  = expectation{"refused", func(s int, _ string) bool { return s/100 == 4 }, false}
	noneAnswered    = expectation{"404, or 200 with a policy of no days", func(s int, _ string) bool { return s == http.StatusOK || s == http.StatusNotFound }, false}
	answered        = expectation{"an answer", func(s int, _ string) bool { return s/100 == 2 }, false}
)

// layCanary makes the blob under attack as a backup is made: by Put Block and Put Block List.
func (a *acceptance) layCanary(ctx context.Context) (string, error) {
	c, err := a.store(a.cfg.VaultURL())
	if err != nil {
		return "", err
	}
	name := canaries + "acceptance-" + a.stamp + ".txt"
	b := c.NewBlockBlobClient(name)
	if _, err := b.StageBlock(ctx, block, body(content), nil); err != nil {
		return "", err
	}
	if _, err := b.CommitBlockList(ctx, []string{block}, &blockblob.CommitBlockListOptions{AccessConditions: createOnly()}); err != nil {
		return "", err
	}
	a.canary = name
	return name, nil
}

func body(s string) io.ReadSeekCloser { return streaming.NopCloser(strings.NewReader(s)) }

func createOnly() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

// attack does everything to the blob that it must or may withstand, once each, and reads it again at the end.
func (a *acceptance) attack(ctx context.Context) (string, error) {
	c, err := a.store(a.cfg.VaultURL())
	if err != nil {
		return "", err
	}
	b := c.NewBlockBlobClient(a.canary)
	var broken []string
	for _, t := range attacks(b, c.NewBlockBlobClient(canaries+"acceptance-"+a.stamp+"-policy.txt")) {
		at := a.try(ctx, t.what, t.want, t.do)
		if at.Status == 0 {
			broken = append(broken, t.what+": no answer: "+at.Error)
		} else if t.want.must && at.Differs {
			broken = append(broken, fmt.Sprintf("%s: %d %s, not %s", t.what, at.Status, at.Code, t.want.words))
		}
	}
	if err := unchanged(ctx, b); err != nil {
		broken = append(broken, err.Error())
	}
	if len(broken) > 0 {
		return "", errors.New(strings.Join(broken, "; "))
	}
	return fmt.Sprintf("%d attempts; the blob's bytes are as they were", len(a.rep.Attempts)), nil
}

// attackOn is one request that the store is asked, and what is assumed of its answer.
type attackOn struct {
	what string
	want expectation
	do   func(context.Context) error
}

// attacks are in an order in which none stands in another's way: the block comes after the commits, and the lease, which would
// refuse the others, comes last. fresh is a name that is not taken.
func attacks(b, fresh *blockblob.Client) []attackOn {
	soon, unlocked := time.Now().Add(25*time.Hour), to.Ptr(blob.ImmutabilityPolicySettingUnlocked)
	const other = "overwritten\n"
	upload := func(to *blockblob.Client, o *blockblob.UploadOptions) func(context.Context) error {
		return func(ctx context.Context) error { _, err := to.Upload(ctx, body(other), o); return err }
	}
	commit := func(o *blockblob.CommitBlockListOptions) func(context.Context) error {
		return func(ctx context.Context) error { _, err := b.CommitBlockList(ctx, []string{block}, o); return err }
	}
	return []attackOn{
		{whatHead, answered, func(ctx context.Context) error { _, err := b.GetProperties(ctx, nil); return err }},
		{whatPut, refusedByPolicy, upload(b, nil)},
		{whatPutNew, refusedAsName, upload(b, &blockblob.UploadOptions{AccessConditions: createOnly()})},
		{whatCommit, refusedByPolicy, commit(nil)},
		{whatCommitNew, refusedAsName, commit(&blockblob.CommitBlockListOptions{AccessConditions: createOnly()})},
		{whatBlock, eitherWay, func(ctx context.Context) error { _, err := b.StageBlock(ctx, block, body(other), nil); return err }},
		{whatDelete, refusedOrDenied, func(ctx context.Context) error { _, err := b.Delete(ctx, nil); return err }},
		{whatMetadata, refusedToo, func(ctx context.Context) error {
			_, err := b.SetMetadata(ctx, map[string]*string{"acceptance": to.Ptr("changed")}, nil)
			return err
		}},
		{whatProperties, refusedToo, func(ctx context.Context) error {
			_, err := b.SetHTTPHeaders(ctx, blob.HTTPHeaders{BlobContentType: to.Ptr("text/x-changed")}, nil)
			return err
		}},
		{whatSnapshot, refusedToo, func(ctx context.Context) error { _, err := b.CreateSnapshot(ctx, nil); return err }},
		{whatTier, allowed, func(ctx context.Context) error { _, err := b.SetTier(ctx, blob.AccessTierCool, nil); return err }},
		{whatTags, allowed, func(ctx context.Context) error {
			_, err := b.SetTags(ctx, map[string]string{"acceptance": "changed"}, nil)
			return err
		}},
		{whatPolicyOnBlob, refusedSomehow, undone(func(ctx context.Context) error {
			_, err := b.SetImmutabilityPolicy(ctx, soon, &blob.SetImmutabilityPolicyOptions{Mode: unlocked})
			return err
		}, unprotect(b))},
		{whatHoldOnBlob, refusedSomehow, undone(hold(b, true), hold(b, false))},
		{whatPolicyOnPut, refusedSomehow, undone(upload(fresh, &blockblob.UploadOptions{
			AccessConditions: createOnly(), ImmutabilityPolicyExpiryTime: &soon, ImmutabilityPolicyMode: unlocked,
		}), unprotect(fresh))},
		{whatLease, allowed, func(ctx context.Context) error {
			l, err := lease.NewBlobClient(b, nil)
			if err != nil {
				return err
			}
			return undone(func(ctx context.Context) error { _, err := l.AcquireLease(ctx, 15, nil); return err },
				func(ctx context.Context) error { _, err := l.ReleaseLease(ctx, nil); return err })(ctx)
		}},
	}
}

// brief is an error in one line, and none that its answer could be read from.
func brief(err error) string {
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		return fmt.Sprintf("%d %s", refused.StatusCode, refused.ErrorCode)
	}
	return err.Error()
}

func hold(b *blockblob.Client, on bool) func(context.Context) error {
	return func(ctx context.Context) error { _, err := b.SetLegalHold(ctx, on, nil); return err }
}

func unprotect(b *blockblob.Client) func(context.Context) error {
	return func(ctx context.Context) error { _, err := b.DeleteImmutabilityPolicy(ctx, nil); return err }
}

// undone takes back what a request may have done, Ctrl-C or not: a hold or a policy that stayed would outlast the run, and a lease stand
// in the way of clean-up. The answer that counts, and is written down, is the first one.
func undone(do, undo func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := do(ctx)
		var refused *azcore.ResponseError
		if errors.As(err, &refused) && refused.StatusCode < http.StatusInternalServerError {
			return err
		}
		var unheard *http.Response
		after, cancel := context.WithTimeout(policy.WithCaptureResponse(context.WithoutCancel(ctx), &unheard), tryLimit)
		defer cancel()
		if uerr := undo(after); err == nil && uerr != nil {
			return fmt.Errorf("the store took it, and did not take it back: %s", brief(uerr))
		}
		return err
	}
}

func unchanged(ctx context.Context, b *blockblob.Client) error {
	got, err := b.DownloadStream(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the blob after the attempts: %w", err)
	}
	all, err := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	if err = errors.Join(err, got.Body.Close()); err != nil {
		return fmt.Errorf("read the blob after the attempts: %w", err)
	}
	if !bytes.Equal(all, []byte(content)) {
		return fmt.Errorf("the blob's bytes were changed: it now holds %q", all)
	}
	return nil
}

// try makes one request, never twice, and writes down the answer to the letter.
func (a *acceptance) try(ctx context.Context, what string, want expectation, do func(context.Context) error) Attempt {
	ctx, cancel := context.WithTimeout(ctx, 2*tryLimit)
	defer cancel()
	var resp *http.Response
	once := policy.WithRetryOptions(policy.WithCaptureResponse(ctx, &resp), policy.RetryOptions{MaxRetries: -1, TryTimeout: tryLimit})
	err := do(once)
	at := Attempt{What: what, Expected: want.words}
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		at.Code, at.Status = refused.ErrorCode, refused.StatusCode
		if refused.RawResponse != nil {
			resp = refused.RawResponse
		}
	} else if err != nil {
		at.Error = err.Error()
	}
	if resp != nil && at.Error == "" {
		at.Status, at.RequestID, at.Headers = resp.StatusCode, resp.Header.Get("x-ms-request-id"), kept(resp.Header)
	}
	at.Differs = at.Status == 0 || !want.holds(at.Status, at.Code)
	a.rep.Attempts = append(a.rep.Attempts, at)
	fmt.Fprintf(a.words, "    %s: %d %s\n", what, at.Status, at.Code)
	return at
}

// kept are the headers that are about the blob or the answer. What an owner wrote on a container of theirs is nobody else's: the
// report is to be sent to us.
func kept(h http.Header) map[string]string {
	out := map[string]string{}
	for name, values := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-ms-") && !strings.HasPrefix(name, "x-ms-meta-") || name == "etag" || name == "last-modified" || name == "content-type" {
			out[name] = strings.Join(values, ", ")
		}
	}
	return out
}
