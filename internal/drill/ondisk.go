package drill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// onDisk writes one copy of each of two kinds beside the archive, as a restore would find it, and shows it to the
// verification and to the comparison of hashes.
func (t *trial) onDisk(ctx context.Context, damages []Damage, f *os.File, size int64) error {
	if size > t.DiskBytes {
		t.leave("a copy on disk", fmt.Sprintf("the archive of %d MiB is larger than %d MiB", size>>20, t.DiskBytes>>20))
		return nil
	}
	done := map[string]bool{}
	for _, d := range damages {
		if done[d.Name] || d.Name != "flipped-byte" && d.Name != "cut" {
			continue
		}
		c, err := d.Open(ctx)
		if err != nil {
			return err
		}
		if c.ReaderAt == nil {
			continue
		}
		done[d.Name] = true
		if err := t.written(ctx, filepath.Dir(f.Name()), d.Name, c); err != nil {
			return err
		}
	}
	return nil
}

// written is one copy on disk. A disk that does not take it says nothing about the verification.
func (t *trial) written(ctx context.Context, dir, name string, c Copy) (err error) {
	out, err := os.CreateTemp(dir, "damaged-*.bacpac")
	if err != nil {
		t.leave("a copy on disk", err.Error())
		return nil
	}
	defer func() { err = errors.Join(err, out.Close(), os.Remove(out.Name())) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), io.NewSectionReader(bounded{ctx, c}, 0, c.Size))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil || n != c.Size:
		t.leave("a copy on disk", fmt.Sprintf("%d of %d bytes were written: %v", n, c.Size, err))
		return nil
	}
	if err := t.verdict(ctx, name, c.Where+"; on disk", out, c.Size); err != nil {
		return err
	}
	return t.record(name, c.Where+"; on disk, by its hash", t.HashAgree(t.m, hex.EncodeToString(sum.Sum(nil))))
}

// bounded ends a copy with its context.
type bounded struct {
	ctx context.Context // for one copy: io.ReaderAt has no room for it
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (b bounded) ReadAt(p []byte, off int64) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.ReaderAt.ReadAt(p, off)
}
