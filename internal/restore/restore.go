// Package restore is one restore, from request to reconciled database: the story in order.
package restore

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Server is what a restore asks the target server.
type Server interface {
	// Exists says whether the name is taken, and since when.
	Exists(ctx context.Context, database string) (taken bool, created time.Time, err error)
	Drop(ctx context.Context, database string) error
	Count(ctx context.Context, database string) (bacvault.Rows, error)
	// Health lists what is not as it should be in a restored database.
	Health(ctx context.Context, database string) ([]string, error)
}

// Vault is where backups lie.
type Vault interface {
	Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error)
	ReadManifest(ctx context.Context, name string) (bacvault.Manifest, bool, error)
	// Head gives the size of a blob, false where there is none.
	Head(ctx context.Context, blob string) (size int64, ok bool, err error)
	// Fetch writes the blob into the file and gives the SHA-256 of what came.
	Fetch(ctx context.Context, blob string, f *os.File, size int64) (sha256 string, err error)
}

// Entry is one backup in the catalogue, oldest first.
type Entry struct {
	Blob        string
	Slot        bacvault.Slot
	HasManifest bool
	Proofs      int
}

// Lease keeps other runs off a target name.
type Lease interface {
	Release(ctx context.Context) error
}

// State is what outlives a killed run.
type State interface {
	// Acquire gives a lease, and a context that ends when it is lost; or the words that name the present holder.
	Acquire(ctx context.Context, target bacvault.Database, run, request string) (context.Context, Lease, string, error)
	SaveMark(ctx context.Context, target bacvault.Database, m Mark) error
	Mark(ctx context.Context, target bacvault.Database) (Mark, bool, error)
}

// Mark says whose database a target is: written before the import creates it, so that a killed run's successor may drop
// it and nobody else ever does.
type Mark struct {
	Request string    `json:"request"`
	Started time.Time `json:"started"`
	// Result is there once the restore was reconciled.
	Result *Result `json:"result,omitempty"`
}

// Import is what sqlpackage is asked to do.
type Import struct {
	Database, File, WorkDir   string
	ServiceObjective, Edition string
	MaxSizeGB                 int
}

// Restore is what every run needs.
type Restore struct {
	Server   Server
	Vault    Vault
	State    State
	Protects func(server, database string) bool
	// Verify reads the whole archive and counts each table's rows.
	Verify func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error)
	// Examine, where it is set, looks at the verified archive before it is imported: a drill tries damaged copies of it. m is
	// nil for an old file without a manifest.
	Examine func(ctx context.Context, f *os.File, size int64, m *bacvault.Manifest, a bacvault.Archive) error
	Import  func(ctx context.Context, i Import, report func(note string)) error

	ServiceObjective string // where the request names none
	MaxSizeGB        int    // likewise
	WorkDir          string
	FreeBytes        func(dir string) (int64, error)
	Now              func() time.Time
	NewRun           func() string
	Report           bacvault.Report
}

// Result is a restored, reconciled database.
type Result struct {
	Target       bacvault.Database     `json:"target"`
	Source       bacvault.Database     `json:"source"`
	Slot         *bacvault.Slot        `json:"slot,omitempty"`
	Blob         bacvault.Blob         `json:"blob"`
	Unmanifested bool                  `json:"unmanifested,omitempty"`
	Tables       []bacvault.TableCheck `json:"tables"`
	Findings     []string              `json:"findings,omitempty"`
	Stages       []bacvault.StageTime  `json:"stages"`
	AlreadyDone  bool                  `json:"-"`
}

// Busy is how a run ends that found another one at work on the target name.
type Busy struct{ Holder string }

// Error says who is at work.
func (b *Busy) Error() string { return b.Holder + " is at work on this target" }

// cleanLimit bounds the clean-up, which outlives a cancelled run.
const cleanLimit = 2 * time.Minute

// Run makes one restore. It ends in a result, a *Busy, or an error that bacvault.AsFailure understands.
func (b *Restore) Run(ctx context.Context, req bacvault.RestoreRequest) (res Result, err error) {
	r := &run{Restore: b, req: req, id: b.NewRun(), target: bacvault.Database{Server: req.Server, Name: req.TargetDatabase}}

	if err := r.stage(ctx, bacvault.StageAdmit, r.admit); err != nil {
		return Result{}, err
	}
	ctx, err = r.lease(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		if cerr := r.clean(ctx); cerr != nil {
			res.Findings = append(res.Findings, "clean-up: "+cerr.Error())
		}
	}()
	for _, step := range []struct {
		stage bacvault.Stage
		do    func(context.Context) error
	}{
		{bacvault.StagePreflight, r.preflight},
		{bacvault.StageFetch, r.fetch},
		{bacvault.StageVerify, r.verify},
		{bacvault.StageImport, r.importArchive},
		{bacvault.StageReconcile, r.reconcile},
	} {
		if err := r.stage(ctx, step.stage, step.do); err != nil {
			return Result{}, r.abandon(ctx, step.stage, err)
		}
		if r.result.AlreadyDone {
			break
		}
	}
	return r.result, nil
}

// run is one run's memory.
type run struct {
	*Restore
	req    bacvault.RestoreRequest
	id     string
	target bacvault.Database

	lock     Lease
	dir      string
	slot     *bacvault.Slot
	blob     bacvault.Blob
	manifest *bacvault.Manifest // nil: an old file without one
	file     *os.File
	archive  bacvault.Archive
	marked   bool // the mark may be this run's
	created  bool // this very run may have created the target
	keep     bool // the target is kept for inspection
	result   Result
	stages   []bacvault.StageTime
}

// now is in UTC: marks and results are read far from here.
func (r *run) now() time.Time { return r.Now().UTC() }

// stage runs one step, tells its start and end, and names it in the failure.
func (r *run) stage(ctx context.Context, s bacvault.Stage, do func(context.Context) error) error {
	if err := context.Cause(ctx); err != nil {
		return r.failure(ctx, err, s)
	}
	start := r.now()
	r.report(s, false, 0, "")
	err := do(ctx)
	end := r.now()
	r.stages = append(r.stages, bacvault.StageTime{Stage: s, Start: start, End: end})
	if err != nil {
		f := r.failure(ctx, err, s)
		r.report(s, true, end.Sub(start), f.Error())
		return f
	}
	r.report(s, true, end.Sub(start), "")
	return nil
}

// failure says where it happened and, as long as there is no database of ours, that there is none. A lost lease ends the
// context: the cause is then the truth, and what the step says only a symptom.
func (r *run) failure(ctx context.Context, err error, s bacvault.Stage) *bacvault.Failure {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	f := bacvault.AsFailure(err, s)
	if f.Exists == "" && !r.created {
		f.Exists = "nothing was created"
	}
	return f
}

func (r *run) report(s bacvault.Stage, done bool, took time.Duration, note string) {
	r.Report(bacvault.Progress{
		Run: r.id, Kind: string(r.req.Kind), Database: r.req.Database, Slot: r.slot, Target: r.target.Name, Request: r.req.ID,
		Attempt: r.req.Attempt, Stage: s, Done: done, Elapsed: took, Note: note, At: r.now(),
	})
}

// abandon undoes a failed restore: it drops only the database that this very run created, and says what is left. What it
// does not drop is nobody's any more: without its mark no later attempt takes it, or its namesake, for its own.
func (r *run) abandon(ctx context.Context, s bacvault.Stage, err error) error {
	f := bacvault.AsFailure(err, s)
	if f.Code == bacvault.CodeLeaseLost {
		// Whoever holds the name now may have begun anew: neither its database nor its mark is ours to touch.
		if r.created {
			f.Exists = fmt.Sprintf("the database %s may be left half-restored; the next attempt of this request drops it", r.target.Name)
		}
		return f
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	switch {
	case r.keep:
		f.Exists = fmt.Sprintf("the database %s is kept for inspection", r.target.Name)
	case r.created:
		if derr := r.Server.Drop(ctx, r.target.Name); derr != nil {
			f.Exists = fmt.Sprintf("the database %s that this run created is left half-restored: dropping it failed: %v", r.target.Name, derr)
			return f // the mark stays: the next attempt drops it
		}
		f.Exists = fmt.Sprintf("the database %s that this run created was dropped", r.target.Name)
	}
	if r.marked {
		if merr := r.State.SaveMark(ctx, r.target, Mark{}); merr != nil {
			f.Exists += fmt.Sprintf("; its mark is left: before this request is sent again, see that nobody else has taken the name (%v)", merr)
		}
	}
	return f
}
