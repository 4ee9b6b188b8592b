// Package backup is one backup, from request to manifest: the story in order.
package backup

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Server is what a backup asks the source server.
type Server interface {
	Copy(ctx context.Context, source, target string) error
	// Drop drops a database; one that is not there is dropped.
	Drop(ctx context.Context, database string) error
	Exists(ctx context.Context, database string) (bool, error)
	Count(ctx context.Context, database string) (bacvault.Rows, error)
	// Statistics gives the rows that the server has stored, whoever may see them.
	Statistics(ctx context.Context, database string) (bacvault.Rows, error)
	Preflight(ctx context.Context, database string) (Facts, error)
	// Source tells what a restore needs to know of the database beside its rows; with an error, as far as it was read.
	Source(ctx context.Context, database string) (bacvault.SourceState, error)
	// Fingerprint gives one for each table that has one, and says what they leave out.
	Fingerprint(ctx context.Context, database string, tables []bacvault.Table) (of map[bacvault.Table]string, leftOut []string, err error)
}

// Facts is what the preflight looks at. UsedBytes is the space that the data takes.
type Facts struct {
	UsedBytes         int64
	CanSelect         bool
	CanViewDefinition bool
	SecurityPolicies  int
	MaskedColumns     int
	Unmask            bool
	Unsupported       []string // what a bacpac cannot hold
	Warnings          []string // what a person should know
}

// Vault is the write-once store.
type Vault interface {
	Manifest(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error)
	Head(ctx context.Context, blob string) (Stored, bool, error)
	// Stage tells the bytes that are hashed and stored so far, never going down.
	Stage(ctx context.Context, blob string, r io.ReaderAt, size int64, progress func(int64)) (Staged, error)
	// ReadBack gives the SHA-256 of the bytes that the store hands out.
	ReadBack(ctx context.Context, blob string, size int64) (sha256 string, err error)
	PutManifest(ctx context.Context, m bacvault.Manifest) error
}

// Staged is an archive whose blocks lie in the store and are not a blob yet.
type Staged interface {
	SHA256() string
	// Sent is what went over the wire, and how long that took: what lay there already was not sent again.
	Sent() (bytes int64, took time.Duration)
	// Commit makes it one, create-only: the point of no return.
	Commit(ctx context.Context, metadata map[string]string) (Stored, error)
}

// Stored is a blob as the store describes it.
type Stored struct {
	Blob    bacvault.Blob
	Created time.Time
}

// Lease keeps other runs off a database.
type Lease interface {
	// Held asks the store now.
	Held(ctx context.Context) error
	Release(ctx context.Context) error
}

// Holder says who holds a lease.
type Holder struct {
	Run, Request string
	Slot         bacvault.Slot
}

// Busy is how a run ends that found another one at work on the database.
type Busy struct{ Holder Holder }

// Error says who is at work.
func (b *Busy) Error() string {
	return fmt.Sprintf("run %s (request %s, slot %s) is at work on this database", b.Holder.Run, b.Holder.Request, b.Holder.Slot)
}

// State is what outlives a killed run.
type State interface {
	// Acquire gives a lease, and a context that ends when it is lost; or the present holder.
	Acquire(ctx context.Context, d bacvault.Database, h Holder) (context.Context, Lease, *Holder, error)
	SavePending(ctx context.Context, m bacvault.Manifest) error
	Pending(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error)
	DropPending(ctx context.Context, d bacvault.Database, s bacvault.Slot) error
}

// Backup is what every run needs.
type Backup struct {
	Server   Server
	Vault    Vault
	State    State
	Protects func(server, database string) bool
	// Posture observes the vault's immutability; Judge says whether it is enough, and why it passed if it only just did.
	Posture func(ctx context.Context) (bacvault.Posture, error)
	Judge   func(p bacvault.Posture) (degraded []string, f *bacvault.Failure)
	// Export runs sqlpackage and gives the warnings that it printed.
	Export func(ctx context.Context, database, file, workDir string, report func(bacvault.Work)) (warnings []string, err error)
	// Verify reads the whole archive and counts each table's rows.
	Verify func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error)

	// Tool gives sqlpackage's version, and what is known against it although it may be used.
	Tool       func(ctx context.Context) (version, weakness string, err error)
	AppVersion string
	// Consistency is what is wanted. OrLive lets a run without a copy go on live, degraded.
	Consistency bacvault.Consistency
	OrLive      bool
	// Fingerprint names the method that Server uses; empty for none.
	Fingerprint string
	// ReadBack reads the whole blob again before its manifest is written.
	ReadBack    bool
	WorkDir     string
	CommitPause time.Duration // before a commit that did not take effect is sent again; longer each time
	FreeBytes   func(dir string) (int64, error)
	Now         func() time.Time
	NewRun      func() string
	Report      bacvault.Report
}

// Result is a finished backup.
type Result struct {
	Manifest    bacvault.Manifest
	AlreadyDone bool
	Findings    []string // what a person should know although it succeeded
}

// finishLimit bounds the writing of the manifest after the commit.
const finishLimit = 2 * time.Minute

// cleanLimit bounds the clean-up, which outlives a cancelled run.
const cleanLimit = 2 * time.Minute

// Run makes one backup. It ends in a result, a *Busy, or an error that bacvault.AsFailure understands. Whatever kills it
// at whatever step, running the same request again ends right.
func (b *Backup) Run(ctx context.Context, req bacvault.BackupRequest) (res Result, err error) {
	r := &run{Backup: b, req: req, id: b.NewRun(), slot: *req.Slot}
	r.stages = bacvault.Stages{Now: b.Now, Report: b.Report, About: r.about, Left: r.left}

	done, err := r.admit(ctx)
	if err != nil || done {
		return r.result, err
	}
	ctx, err = r.lease(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		cerr := r.clean(ctx)
		res.Findings = r.findings
		if cerr != nil {
			res.Findings = append(res.Findings, "clean-up: "+cerr.Error())
		}
	}()
	if done, err = r.adopt(ctx); err != nil || done {
		return r.result, err
	}
	for _, step := range []struct {
		stage bacvault.Stage
		do    func(context.Context) error
	}{
		{bacvault.StageGate, r.gate},
		{bacvault.StageCopy, r.copy},
		{bacvault.StagePreflight, r.preflight},
		{bacvault.StageCount, r.count},
		{bacvault.StageExport, r.export},
		{bacvault.StageVerify, r.verifyAndStage},
		{bacvault.StageCommit, r.commit},
	} {
		if err := r.stages.Do(ctx, step.stage, step.do); err != nil {
			return Result{}, err
		}
	}
	if r.pending.Transfer.ReadBack == readBackFull {
		if err := r.stages.Do(ctx, bacvault.StageReadBack, r.readBack); err != nil {
			return Result{}, err
		}
	}
	// The blob is there for good: its manifest is written even if the run is being stopped.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer cancel()
	if err := r.stages.Do(last, bacvault.StageManifest, r.finish); err != nil {
		return Result{}, err
	}
	return r.result, nil
}

// run is one run's memory.
type run struct {
	*Backup
	req    bacvault.BackupRequest
	id     string
	slot   bacvault.Slot
	result Result

	held     Lease
	lost     bool // the lease is another's now, and with it the copy and the work folder, whose names are fixed
	dir      string
	copied   string // the copy's name, once we may have made it
	exported string // the database that the export reads
	reads    bacvault.Consistency
	policies int // enabled row-level security policies
	posture  bacvault.Posture
	weakness []string // of the posture, as it was judged last
	degraded []string // of all else
	findings []string
	state    *bacvault.SourceState // nil: it could not be read
	source   bacvault.Rows
	after    bacvault.Rows // after a live export
	prints   map[bacvault.Table]string
	leftOut  []string
	archive  bacvault.Archive
	tool     string
	file     *os.File
	size     int64
	staged   Staged
	sent     bool // a commit was sent: until its answer is known, the blob may be there
	stored   Stored
	pending  bacvault.Manifest
	stages   bacvault.Stages
}

// left says what exists now, and gives up what a lost lease has given to others.
func (r *run) left(f *bacvault.Failure) {
	if f.Exists == "" {
		f.Exists = r.exists()
	}
	if f.Code == bacvault.CodeLeaseLost {
		r.lost = true
		if r.copied != "" {
			f.Exists += "; the copy " + r.copied + " is left to whoever holds the lease now, or to the next attempt"
		}
	}
}

func (r *run) about() bacvault.Progress {
	return bacvault.Progress{
		Run: r.id, Kind: "backup", Database: r.req.Database, Slot: &r.slot, Request: r.req.ID, Attempt: r.req.Attempt,
	}
}

// exists says what a failed run leaves in the vault.
func (r *run) exists() string {
	switch {
	case r.stored.Blob.Name != "":
		return "the blob " + r.stored.Blob.Name + " exists without a manifest; the same request finishes it"
	case r.sent:
		return "unknown: the commit of " + r.req.BlobName(r.slot) + " was sent; the same request looks, and finishes it"
	case r.staged != nil:
		return "nothing was written to the vault; staged blocks lapse by themselves"
	}
	return "nothing was written to the vault"
}
