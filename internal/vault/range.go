package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// rangeTries is how often a range is asked for at least before it is given up for a passing fault.
	rangeTries = 4
	// firstWait is the pause before the second try; it doubles up to mostWait.
	firstWait, mostWait = 500 * time.Millisecond, 30 * time.Second
	// piece is what is written and hashed at once: it stays in a core's cache.
	piece = 512 << 10
)

// getRange brings one range. What came before an answer broke off stays, and only the rest is asked for again. It gives up
// when the fault is no passing one, or when in all the last tries nothing came for as long as NoProgress. azcore's own repeats
// are off: it repeats only up to the answer's headers, and two loops would multiply their waits.
func (f *fetcher) getRange(ctx context.Context, j job) error {
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: f.v.noProgress})
	lastByte, tries := time.Now(), 0
	for came := 0; ; {
		n, err := f.tryRange(once, j, came)
		if err == nil {
			return nil
		}
		if came += n; n > 0 {
			lastByte, tries = time.Now(), 0
		}
		tries++
		if !unanswered(err) || tries >= rangeTries && time.Since(lastByte) >= f.v.noProgress {
			return f.v.failure(ctx, reading("%s %s at byte %d", f.doing, f.name, int64(j.i)*f.block+int64(came)), err)
		}
		if err := pause(ctx, min(firstWait<<min(tries-1, 10), mostWait, f.v.noProgress/4)); err != nil {
			return err
		}
	}
}

// tryRange asks once for what follows the first `from` bytes of a range, and says how much of it landed.
func (f *fetcher) tryRange(ctx context.Context, j job, from int) (landed int, err error) {
	off, count := int64(j.i)*f.block+int64(from), int64(len(j.data)-from)
	resp, err := f.client.DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: off, Count: count},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &f.etag}},
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		// A body that was read to its end is whole, whatever closing it says.
		if cerr := resp.Body.Close(); err != nil {
			err = errors.Join(err, cerr)
		}
	}()
	switch {
	case resp.ETag == nil || *resp.ETag != f.etag:
		return 0, f.changed(off)
	case resp.ContentLength == nil || *resp.ContentLength != count:
		return 0, fmt.Errorf("the answer does not have the %d bytes that were asked for", count)
	}
	for at := from; at < len(j.data); {
		n, err := io.ReadFull(resp.Body, j.data[at:min(at+piece, len(j.data))])
		if n > 0 {
			if err := f.land(ctx, j, at, at+n); err != nil {
				return landed, err
			}
			at, landed = at+n, landed+n
		}
		if err != nil {
			return landed, fmt.Errorf("the answer broke off: %w", err)
		}
	}
	return landed, nil
}

// changed is a store, or something before it, that did not heed If-Match. Bytes of two versions are never mixed.
func (f *fetcher) changed(off int64) *bacvault.Failure {
	c := bacvault.Fail(bacvault.CodeVaultRead, "%s %s at byte %d: the blob changed while it was read: the answer is not of version %s", f.doing, f.name, off, f.etag)
	c.Exists = nothingRead
	return c
}

// unanswered says that asking again may help: the connection failed, or the store's status is a passing one.
func unanswered(err error) bool {
	var f *bacvault.Failure
	return !errors.As(err, &f) && (statusOf(err) == 0 || passingStatus(statusOf(err)))
}
