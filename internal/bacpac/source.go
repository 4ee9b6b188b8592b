package bacpac

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// source is the archive's bytes. It keeps a fault of the disk or the network apart from a fault of the archive, and every
// read ends with the context.
type source struct {
	ctx  context.Context // for one Verify only: io.ReaderAt has no room for it
	r    io.ReaderAt
	size int64
}

// sourceError is a read that failed below us: the archive may well be sound.
type sourceError struct {
	offset int64
	err    error
}

func (e *sourceError) Error() string { return fmt.Sprintf("read at offset %d: %v", e.offset, e.err) }
func (e *sourceError) Unwrap() error { return e.err }

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, &sourceError{off, err}
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &sourceError{off, err}
	}
	return n, err
}

// readFull reads exactly len(p) bytes at off.
func (s *source) readFull(p []byte, off int64) error {
	n, err := s.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return broken("the archive ends at offset %d, before the %d bytes at offset %d", off+int64(n), len(p), off)
	}
	return err
}

// broken says that the archive is not what it claims to be.
func broken(format string, args ...any) error {
	f := bacvault.Fail(bacvault.CodeVerifyBroken, format, args...)
	f.Stage = bacvault.StageVerify
	return f
}

// brokenPart keeps a Failure or a fault of the source as it is and makes of anything else that went wrong while reading an
// entry a broken archive.
func brokenPart(e *entry, err error) error {
	var f *bacvault.Failure
	var s *sourceError
	switch {
	case err == nil, errors.As(err, &f), errors.As(err, &s), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return broken("part %s: its data end early: %v", e.name, err)
	}
	return broken("part %s: %v", e.name, err)
}
