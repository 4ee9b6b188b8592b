package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/state"
)

// Restore brings one backup back.
func (a *App) Restore(ctx context.Context, req bacvault.RestoreRequest) (_ restore.Result, err error) {
	defer func() { a.noteEnd(ctx, string(bacvault.KindRestore), req.Database, req.Envelope, err) }()
	return a.restoreWith(ctx, req, nil)
}

// restoreWith lets a drill add to the run before it begins.
func (a *App) restoreWith(ctx context.Context, req bacvault.RestoreRequest, add func(*restore.Restore)) (restore.Result, error) {
	srv, err := a.server(req.Server)
	if err != nil {
		return restore.Result{}, err
	}
	req.Server = srv.name // as it is configured: blob names tell cases apart, servers do not
	id := newRun()
	defer a.report(bacvault.Progress{Run: id, Ended: true})
	r := a.newRestore(a.restoreTarget(srv), id)
	if add != nil {
		add(r)
	}
	return r.Run(ctx, req)
}

// newRestore wires a run onto a server.
func (a *App) newRestore(target *server, id string) *restore.Restore {
	return &restore.Restore{
		Server: restoreServer{target}, Target: target.name, Vault: restoreVault{a}, State: restoreState{a}, Protects: a.cfg.Protects, Verify: verifyStored,
		Import: a.importArchive(target), ServiceObjective: a.cfg.ServiceObjective, MaxSizeGB: a.cfg.MaxSizeGB, Fingerprint: azuresql.FingerprintMethod,
		WorkDir: a.cfg.WorkDir, Pause: pauseToLook, FreeBytes: freeBytes, Now: a.now, NewRun: func() string { return id }, Report: a.report,
	}
}

// pauseToLook is the wait between two looks for the database that an import makes.
func pauseToLook(ctx context.Context) error {
	select {
	case <-time.After(5 * time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *App) importArchive(srv *server) func(ctx context.Context, i restore.Import, report func(bacvault.Work)) error {
	return func(ctx context.Context, i restore.Import, report func(bacvault.Work)) error {
		_, err := a.tool.Import(ctx, sqlpackage.ImportSpec{
			Address: srv.address, Database: i.Database, File: i.File, WorkDir: i.WorkDir, ServiceObjective: i.ServiceObjective,
			Edition: i.Edition, MaxSizeGB: i.MaxSizeGB, Report: func(l sqlpackage.Line) { report(working(l)) },
		})
		return err
	}
}

// restoreServer works over T-SQL throughout: a restored database belongs to the identity that imported it, which needs no
// right in the management plane.
type restoreServer struct{ *server }

func (s restoreServer) Drop(ctx context.Context, database string) error {
	return s.sql.Drop(ctx, database)
}

func (s restoreServer) Exists(ctx context.Context, database string) (bool, time.Time, error) {
	i, ok, err := s.sql.Exists(ctx, database)
	return ok, i.Created, err
}

func (s restoreServer) Health(ctx context.Context, database string) ([]string, error) {
	h, err := s.sql.Health(ctx, database)
	if err != nil {
		return nil, err
	}
	return h.Findings(), nil
}

func (s restoreServer) Schema(ctx context.Context, database string) (bacvault.Schema, error) {
	return s.sql.Schema(ctx, database)
}

type restoreVault struct{ *App }

func (v restoreVault) Catalogue(ctx context.Context, d bacvault.Database) (out []restore.Entry, err error) {
	list, phantoms, err := v.vault.Listing(ctx, d)
	for _, e := range list {
		out = append(out, restore.Entry{Blob: e.Blob, Slot: e.Slot, HasManifest: e.HasManifest, Archived: e.Archived, ProofNames: e.ProofNames})
	}
	for _, p := range phantoms {
		out = append(out, restore.Entry{Blob: p.Blob, Slot: p.Slot, NoArchive: true})
	}
	return out, err
}

func (v restoreVault) ReadManifest(ctx context.Context, name string) (bacvault.Manifest, bool, error) {
	return v.vault.ReadManifest(ctx, name)
}

func (v restoreVault) ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error) {
	return v.vault.ReadProof(ctx, name)
}

func (v restoreVault) Head(ctx context.Context, blob string) (int64, bool, error) {
	s, ok, err := v.vault.Readable(ctx, blob)
	return s.Blob.Size, ok, err
}

func (v restoreVault) Fetch(ctx context.Context, blob string, f *os.File, size int64, progress func(int64)) (string, error) {
	return v.vault.Fetch(ctx, blob, f, size, progress)
}

type restoreState struct{ *App }

func (s restoreState) Acquire(ctx context.Context, target bacvault.Database, run, request string) (context.Context, restore.Lease, string, error) {
	l, by, err := s.state.Acquire(ctx, "restore/"+target.Prefix(), state.Holder{Run: run, Request: request, Since: time.Now().UTC(), Host: host()})
	if err != nil {
		return nil, nil, "", err
	}
	if by != nil {
		return nil, nil, fmt.Sprintf("run %s (request %s)", by.Run, by.Request), nil
	}
	ctx, stop := l.Run(ctx)
	return ctx, heldLease{l, stop}, "", nil
}

func markName(target bacvault.Database) string {
	return "restores/" + strings.TrimSuffix(target.Prefix(), "/")
}

func (s restoreState) SaveMark(ctx context.Context, target bacvault.Database, m restore.Mark) error {
	return s.state.Save(ctx, markName(target), m)
}

func (s restoreState) Mark(ctx context.Context, target bacvault.Database) (m restore.Mark, ok bool, err error) {
	ok, err = s.state.Load(ctx, markName(target), &m)
	return m, ok, err
}
