package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Staged is an archive whose blocks lie in the store, uncommitted: it is no blob yet and lapses by itself.
type Staged struct {
	Name     string
	BlockIDs []string
	Size     int64
	// SHA256 is that of the whole, lower-case hex.
	SHA256 string
	// Skipped counts the blocks that an earlier try had left there, SkippedBytes their bytes; SentBytes went over the wire,
	// tries that were repeated counted once.
	Skipped                 int
	SentBytes, SkippedBytes int64
	// Took is the wall time of Stage, so that SentBytes / Took is a rate.
	Took time.Duration
}

// Stage sends size bytes of r as uncommitted blocks, each checked by the store with a CRC64, and hashes the whole on the
// way: every byte is read once. Blocks that lie there with the same id and size are not sent again. progress gets the bytes
// that are safe, never going down, one call at a time; it may be nil.
func (v *Vault) Stage(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(int64)) (Staged, error) {
	if size <= 0 {
		return Staged{}, fmt.Errorf("stage %s: size %d is not that of an archive", name, size)
	}
	block, workers, err := v.fit(size)
	if err != nil {
		return Staged{}, fmt.Errorf("stage %s: %w", name, err)
	}
	began := time.Now()
	there, err := v.uncommitted(ctx, name)
	if err != nil {
		return Staged{}, err
	}
	s := &stager{
		v: v, client: v.c.NewBlockBlobClient(name), r: r, there: there, progress: progress, block: block, whole: sha256.New(),
		out:  Staged{Name: name, Size: size, BlockIDs: make([]string, (size+block-1)/block)},
		free: make(chan []byte, workers), jobs: make(chan job),
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.read(gctx) })
	for range workers {
		s.free <- nil
		g.Go(func() error { return s.send(gctx) })
	}
	if err := g.Wait(); err != nil {
		return Staged{}, v.failure(ctx, writing(rightWrite, "stage %s", name), err)
	}
	s.out.SHA256 = hex.EncodeToString(s.whole.Sum(nil))
	s.out.Took = time.Since(began)
	return s.out, nil
}

// uncommitted lists the blocks that an earlier try left, by id.
func (v *Vault) uncommitted(ctx context.Context, name string) (map[string]int64, error) {
	there := map[string]int64{}
	list, err := v.c.NewBlockBlobClient(name).GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if absent(err) {
		return there, nil
	}
	if err != nil {
		return nil, v.failure(ctx, reading("list the uncommitted blocks of %s", name), err)
	}
	for _, b := range list.UncommittedBlocks {
		if b.Name != nil && b.Size != nil {
			there[*b.Name] = *b.Size
		}
	}
	return there, nil
}

// stager is one run of Stage: one reader in order, several senders, and as many buffers as senders.
type stager struct {
	v      *Vault
	client *blockblob.Client
	r      io.ReaderAt
	block  int64
	there  map[string]int64
	whole  hash.Hash
	free   chan []byte
	jobs   chan job

	mu       sync.Mutex
	out      Staged
	done     int64
	progress func(int64)
}

// job is one block on its way. id is its name in the store; a fetch has none.
type job struct {
	i    int
	data []byte
	id   string
}

func (s *stager) read(ctx context.Context) error {
	defer close(s.jobs)
	for i := range s.out.BlockIDs {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if buf == nil {
			buf = make([]byte, min(s.block, s.out.Size))
		}
		off := int64(i) * s.block
		buf = buf[:min(s.block, s.out.Size-off)]
		// ReadAt may give io.EOF together with all the bytes.
		if n, err := s.r.ReadAt(buf, off); n < len(buf) {
			return unread(s.out.Name, off+int64(n), err)
		}
		s.whole.Write(buf)
		select {
		case s.jobs <- job{i, buf, blockID(i, s.whole.Sum(nil))}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func unread(name string, at int64, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	f := bacvault.Fail(bacvault.CodeUnknown, "read the archive of %s at byte %d: %v", name, at, err)
	f.Exists = nothingStored
	return f
}

func (s *stager) send(ctx context.Context) error {
	for j := range s.jobs {
		size, ok := s.there[j.id]
		skip := ok && size == int64(len(j.data))
		if !skip {
			if err := s.put(ctx, j); err != nil {
				return err
			}
		}
		s.account(j, skip)
		s.free <- j.data[:cap(j.data)]
	}
	return nil
}

func (s *stager) put(ctx context.Context, j job) error {
	b := newBody(j.data)
	defer b.revoke()
	_, err := s.client.StageBlock(ctx, j.id, b, &blockblob.StageBlockOptions{TransactionalValidation: checksum(j.data)})
	if err != nil {
		return s.v.failure(ctx, writing(rightWrite, "stage block %d of %d of %s", j.i+1, len(s.out.BlockIDs), s.out.Name), err)
	}
	return nil
}

func (s *stager) account(j job, skipped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.BlockIDs[j.i] = j.id
	n := int64(len(j.data))
	s.done += n
	if skipped {
		s.out.Skipped++
		s.out.SkippedBytes += n
	} else {
		s.out.SentBytes += n
	}
	if s.progress != nil {
		s.progress(s.done)
	}
}
