package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// mostRanges bounds the ranges in flight: each shares the same wire and disk, and eight took longer than four.
const mostRanges = 4

// Fetch reads a blob of exactly size bytes into f by parallel ranges of one version (ETag), and gives the SHA-256 of what
// came, in lower-case hex: comparing it with the manifest's is for the caller. It takes the file's whole room first, so that a
// full disk is told before anything comes (preflight.disk). A passing fault stops nothing that has landed: only what is missing
// is asked for again, until nothing has come for Config.NoProgress. A blob that is not the same version any more is vault.read.
// progress gets the bytes that are hashed and written, never going down; it may be nil. An archived blob is refused with the
// command that brings it back.
func (v *Vault) Fetch(ctx context.Context, name string, f *os.File, size int64, progress func(int64)) (sha256 string, err error) {
	// Ranges land in any order. What is refused leaves the file alone.
	return v.fetch(ctx, "fetch", name, size, func() (io.WriterAt, error) { return f, preallocate(f, size) }, progress)
}

// ReadBack reads a blob of exactly size bytes as Fetch does, and keeps nothing of it but the SHA-256.
func (v *Vault) ReadBack(ctx context.Context, name string, size int64, progress func(int64)) (sha256 string, err error) {
	return v.fetch(ctx, "read back", name, size, func() (io.WriterAt, error) { return nowhere{}, nil }, progress)
}

// nowhere takes what nobody keeps.
type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func (v *Vault) fetch(ctx context.Context, doing, name string, size int64, into func() (io.WriterAt, error), progress func(int64)) (string, error) {
	st, found, err := v.Head(ctx, name)
	switch {
	case err != nil:
		return "", err
	case !found:
		m := bacvault.Fail(bacvault.CodeVaultMissing, "%s %s: there is no such blob in container %s of account %s", doing, name, v.container, v.account)
		m.Exists = nothingRead
		return "", m
	case st.Archived:
		return "", v.archived(doing, name)
	case st.Blob.Size != size:
		d := bacvault.Fail(bacvault.CodeVerifyHash, "%s %s: the blob has %d bytes, expected %d", doing, name, st.Blob.Size, size)
		d.Exists = nothingRead
		return "", d
	}
	block, workers, err := v.fit(size)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", doing, name, err)
	}
	workers = min(workers, mostRanges)
	w, err := into()
	if err != nil {
		return "", unwritten(name, err)
	}
	fe := &fetcher{
		v: v, client: v.c.NewBlobClient(name), doing: doing, name: name, etag: azcore.ETag(st.Blob.ETag), into: w, size: size, block: block,
		whole: sha256.New(), progress: progress,
		free: make(chan []byte, workers), jobs: make(chan job), landed: make(chan job, workers),
	}
	if err := fe.run(ctx, workers); err != nil {
		return "", v.failure(ctx, reading("%s %s", doing, name), err)
	}
	return hex.EncodeToString(fe.whole.Sum(nil)), nil
}

func (v *Vault) archived(doing, name string) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodeVaultRead, "%s %s: the blob is in the archive tier and can't be read", doing, name)
	f.Class, f.Exists = bacvault.Refused, nothingRead
	f.Next = fmt.Sprintf("Bring it back (hours) and ask again: az storage blob set-tier --auth-mode login --account-name %s --container-name %s --name '%s' --tier Hot --rehydrate-priority High",
		v.account, v.container, name)
	return f
}

// fetcher is one run of Fetch or ReadBack. The ranges are handed out in order and hashed in order; as the earliest range that is
// missing always holds a buffer, as many buffers as workers are enough. What comes of a range is written and hashed piece by
// piece: ranges that were asked for together end together, and nothing would be on the wire while whole ones are worked off.
type fetcher struct {
	v           *Vault
	client      *blob.Client
	doing, name string
	etag        azcore.ETag
	into        io.WriterAt
	size, block int64
	whole       hash.Hash
	progress    func(int64)
	free        chan []byte
	jobs        chan job
	// landed gets what there is of a range, each time more of it has been written.
	landed chan job
}

func (f *fetcher) run(ctx context.Context, workers int) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.hand(gctx) })
	g.Go(func() error { return f.hash(gctx) })
	for range workers {
		f.free <- nil
		g.Go(func() error { return f.get(gctx) })
	}
	return g.Wait()
}

// unwritten is a fault of our own disk, not of the vault.
func unwritten(name string, err error) *bacvault.Failure {
	code := bacvault.CodeUnknown
	if errors.Is(err, syscall.ENOSPC) {
		code = bacvault.CodeDiskFull
	}
	f := bacvault.Fail(code, "write the fetched %s to the work folder: %v", name, err)
	f.Exists = nothingRead
	return f
}

func (f *fetcher) blocks() int { return int((f.size + f.block - 1) / f.block) }

func (f *fetcher) hand(ctx context.Context) error {
	defer close(f.jobs)
	for i := range f.blocks() {
		var buf []byte
		select {
		case buf = <-f.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if buf == nil {
			buf = make([]byte, min(f.block, f.size))
		}
		select {
		case f.jobs <- job{i: i, data: buf[:min(f.block, f.size-int64(i)*f.block)]}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fetcher) get(ctx context.Context) error {
	for j := range f.jobs {
		if err := f.getRange(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// land writes what came of a range behind its first `from` bytes, and hands it on to be hashed.
func (f *fetcher) land(ctx context.Context, j job, from, to int) error {
	if _, err := f.into.WriteAt(j.data[from:to], int64(j.i)*f.block+int64(from)); err != nil {
		return unwritten(f.name, err)
	}
	select {
	case f.landed <- job{i: j.i, data: j.data[:to]}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash takes what landed, in order, and lets the buffers go.
func (f *fetcher) hash(ctx context.Context) error {
	there := map[int][]byte{}
	var done int64
	for next, hashed := 0, 0; next < f.blocks(); {
		select {
		case j := <-f.landed:
			there[j.i] = j.data
		case <-ctx.Done():
			return ctx.Err()
		}
		for data, ok := there[next]; ok && len(data) > hashed; data, ok = there[next] {
			f.whole.Write(data[hashed:])
			done += int64(len(data) - hashed)
			hashed = len(data)
			if f.progress != nil {
				f.progress(done)
			}
			if int64(hashed) == min(f.block, f.size-int64(next)*f.block) {
				delete(there, next)
				next, hashed = next+1, 0
				f.free <- data[:cap(data)]
			}
		}
	}
	return nil
}
