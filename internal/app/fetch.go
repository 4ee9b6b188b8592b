package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Fetched is a stored archive on disk. Manifest is nil for an old file without one.
type Fetched struct {
	File     string
	Blob     bacvault.Blob
	Manifest *bacvault.Manifest
	Remove   func() error
}

// FetchBackup brings the archive that a request chooses into the work folder, to be verified; the caller removes it. There
// must be room for it, and it must be of the manifest's size.
func (a *App) FetchBackup(ctx context.Context, req bacvault.RestoreRequest) (Fetched, error) {
	p, err := a.choose(ctx, req)
	if err != nil {
		return Fetched{}, err
	}
	out := Fetched{Blob: p.Blob}
	if !p.Unmanifested {
		m, _, err := a.vault.ReadManifest(ctx, p.Blob.Name)
		if err != nil {
			return Fetched{}, err
		}
		out.Manifest = &m
	}
	if err := os.MkdirAll(a.cfg.WorkDir, 0o700); err != nil {
		return Fetched{}, fmt.Errorf("make the work folder: %w", err)
	}
	dir, err := os.MkdirTemp(a.cfg.WorkDir, "verify-")
	if err != nil {
		return Fetched{}, fmt.Errorf("make a folder for the archive: %w", err)
	}
	out.Remove = func() error { return os.RemoveAll(dir) }
	out.File = filepath.Join(dir, filepath.Base(p.Blob.Name))
	if err := a.fetchInto(ctx, out); err != nil {
		return Fetched{}, errors.Join(err, out.Remove())
	}
	return out, nil
}

func (a *App) fetchInto(ctx context.Context, f Fetched) (err error) {
	w, err := os.OpenFile(f.File, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make %s: %w", f.File, err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	about := bacvault.Progress{Stage: bacvault.StageFetch, BytesTotal: f.Blob.Size, At: a.now()}
	a.tell(about)
	_, err = a.vault.Fetch(ctx, f.Blob.Name, w, f.Blob.Size, func(n int64) {
		at := about
		at.Bytes = n
		a.tell(at)
	})
	return err
}

// tell is for the main alone: no run of a request is at work, so nothing goes into the state container.
func (a *App) tell(p bacvault.Progress) {
	if a.opts.Report != nil {
		a.opts.Report(p)
	}
}
