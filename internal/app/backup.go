package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/vault"
	"golang.org/x/sys/unix"
)

// Backup makes one backup.
func (a *App) Backup(ctx context.Context, req bacvault.BackupRequest) (_ backup.Result, err error) {
	asked := req.Database
	defer func() { a.noteEnd(ctx, KindBackup, asked, req.Envelope, err) }()
	srv, err := a.server(req.Server)
	if err != nil {
		return backup.Result{}, err
	}
	req.Server = srv.name // as it is configured: blob names tell cases apart, servers do not
	id := newRun()
	defer a.report(bacvault.Progress{Run: id, Ended: true})
	b := &backup.Backup{
		Server: srv, Vault: backupVault{a}, State: backupState{a}, Protects: a.cfg.Protects,
		Posture: a.gate.Observe, Judge: a.judge, Export: a.export(srv), Verify: a.verifyExport, Tool: a.toolVersion,
		AppVersion: a.opts.Version, Consistency: bacvault.ConsistencyCopy, OrLive: a.cfg.Consistency == "copy-or-live",
		ReadBack: a.cfg.ReadBack == "full", WorkDir: a.cfg.WorkDir, CommitPause: 5 * time.Second,
		FreeBytes: freeBytes, Now: a.now, NewRun: func() string { return id }, Report: a.report,
	}
	if a.cfg.Fingerprint != "off" {
		b.Fingerprint = azuresql.FingerprintMethod
	}
	if a.cfg.Consistency == "live" {
		b.Consistency = bacvault.ConsistencyLive
	}
	res, err := b.Run(ctx, req)
	var busy *backup.Busy
	if err != nil && !errors.As(err, &busy) && !stopped(ctx) {
		a.noteFailure(ctx, req, err)
	}
	return res, err
}

func (a *App) judge(p bacvault.Posture) ([]string, *bacvault.Failure) {
	return gate.Judge(p, gate.Requirement{
		MinDays: a.cfg.MinRetentionDays, AllowUnlockedUntil: a.cfg.AllowUnlockedUntil, AllowUnlockedReason: a.cfg.AllowUnlockedReason,
		NoManagementPlane: a.cfg.NoManagementPlane,
	}, a.now())
}

func (a *App) export(srv *server) func(ctx context.Context, database, file, workDir string, report func(bacvault.Work)) ([]string, error) {
	return func(ctx context.Context, database, file, workDir string, report func(bacvault.Work)) ([]string, error) {
		res, err := a.tool.Export(ctx, sqlpackage.ExportSpec{
			Address: srv.address, Database: database, File: file, WorkDir: workDir, Report: func(l sqlpackage.Line) { report(working(l)) },
		})
		return res.Warnings, err
	}
}

// working is how far sqlpackage has come.
func working(l sqlpackage.Line) bacvault.Work { return bacvault.Work{Note: l.Text, Tables: l.Tables} }

// verifyExport walks a fresh archive. A table that it can't count is refused, unless the settings let it degrade the backup.
func (a *App) verifyExport(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error) {
	return walk(ctx, r, size, a.cfg.Unverified == "degrade")
}

// verifyStored walks an archive that is a backup already: what it can't count is told, and the restore goes on.
func verifyStored(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error) {
	return walk(ctx, r, size, true)
}

func walk(ctx context.Context, r io.ReaderAt, size int64, allowUnverified bool) (bacvault.Archive, error) {
	rep, err := bacpac.Verify(ctx, r, size, bacpac.Options{AllowUnverified: allowUnverified})
	if err != nil {
		return bacvault.Archive{}, err
	}
	out := bacvault.Archive{Rows: rep.Rows(), Unverified: map[bacvault.Table]string{}, Schema: rep.Schema}
	for _, t := range rep.Tables {
		if t.Verdict != bacpac.VerdictOK {
			out.Unverified[t.Table] = t.Why
			delete(out.Rows, t.Table)
		}
	}
	return out, nil
}

// toolVersion gives the tool's version. One with known faults is refused, unless the settings let it degrade the backup.
func (a *App) toolVersion(ctx context.Context) (version, weakness string, err error) {
	version, err = a.tool.Version(ctx)
	if err != nil {
		return version, "", err
	}
	ok, why := sqlpackage.CheckVersion(version)
	switch {
	case ok:
		return version, "", nil
	case a.cfg.AllowOldTool == "yes":
		return version, "An old sqlpackage was allowed: " + why, nil
	}
	return version, "", bacvault.Fail(bacvault.CodeToolOld, "%s", why)
}

// freeBytes is what an unprivileged process may still write below a folder.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// The adapters return concrete types and the runs name small interfaces: what lies between is here, and nothing else.

// Source joins what master says of a database and what it says of itself.
func (s *server) Source(ctx context.Context, database string) (bacvault.SourceState, error) {
	info, there, err := s.sql.Exists(ctx, database)
	if err == nil && !there {
		err = bacvault.Fail(bacvault.CodeSQLNotFound, "there is no database %s on %s, or this identity does not see it", database, s.name)
	}
	if err != nil {
		return bacvault.SourceState{}, err
	}
	size, err := s.sql.Size(ctx, database)
	return bacvault.SourceState{
		Collation: info.Collation, CompatibilityLevel: info.Compatibility, Edition: size.Edition, ServiceObjective: size.Objective,
		MaxSizeBytes: max(size.MaxSizeBytes, 0), // negative: the edition has no maximum
	}, err
}

type backupVault struct{ *App }

func (v backupVault) Manifest(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error) {
	return v.vault.Manifest(ctx, d, s)
}

func (v backupVault) Head(ctx context.Context, blob string) (backup.Stored, bool, error) {
	s, ok, err := v.vault.Head(ctx, blob)
	return backup.Stored{Blob: s.Blob, Created: s.Created}, ok, err
}

func (v backupVault) Stage(ctx context.Context, blob string, r io.ReaderAt, size int64, progress func(int64)) (backup.Staged, error) {
	s, err := v.vault.Stage(ctx, blob, r, size, progress)
	return staged{v.App, s}, err
}

func (v backupVault) ReadBack(ctx context.Context, blob string, size int64) (string, error) {
	return v.vault.ReadBack(ctx, blob, size, nil)
}

func (v backupVault) PutManifest(ctx context.Context, m bacvault.Manifest) error {
	return v.vault.PutManifest(ctx, m)
}

type staged struct {
	app *App
	vault.Staged
}

func (s staged) SHA256() string { return s.Staged.SHA256 }

func (s staged) Sent() (int64, time.Duration) { return s.SentBytes, s.Took }

func (s staged) Commit(ctx context.Context, metadata map[string]string) (backup.Stored, error) {
	st, err := s.app.vault.Commit(ctx, s.Staged, metadata, s.app.cfg.AccessTier)
	return backup.Stored{Blob: st.Blob, Created: st.Created}, err
}

// leaseKey is what keeps two runs off one database.
func leaseKey(d bacvault.Database) string { return "backup/" + d.Prefix() }

type backupState struct{ *App }

func (s backupState) Acquire(ctx context.Context, d bacvault.Database, h backup.Holder) (context.Context, backup.Lease, *backup.Holder, error) {
	l, by, err := s.state.Acquire(ctx, leaseKey(d), state.Holder{Run: h.Run, Request: h.Request, Slot: h.Slot, Since: time.Now().UTC(), Host: host()})
	if err != nil {
		return nil, nil, nil, err
	}
	if by != nil {
		return nil, nil, &backup.Holder{Run: by.Run, Request: by.Request, Slot: by.Slot}, nil
	}
	ctx, stop := l.Run(ctx)
	return ctx, heldLease{l, stop}, nil, nil
}

func (s backupState) SavePending(ctx context.Context, m bacvault.Manifest) error {
	return s.state.SavePending(ctx, m)
}

func (s backupState) Pending(ctx context.Context, d bacvault.Database, slot bacvault.Slot) (bacvault.Manifest, bool, error) {
	return s.state.Pending(ctx, d, slot)
}

func (s backupState) DropPending(ctx context.Context, d bacvault.Database, slot bacvault.Slot) error {
	return s.state.DropPending(ctx, d, slot)
}

// heldLease stops the renewal before it lets go, so that no renewal can outlive the run.
type heldLease struct {
	*state.Lease
	stop func()
}

func (h heldLease) Release(ctx context.Context) error {
	h.stop()
	return h.Lease.Release(ctx)
}
