// Package restore is one restore, from request to reconciled database: the story in order.
package restore

import (
	"context"
	"io"
	"os"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Server is what a restore asks the target server.
type Server interface {
	// Exists says whether the name is taken, and since when.
	Exists(ctx context.Context, database string) (taken bool, created time.Time, err error)
	Drop(ctx context.Context, database string) error
	Count(ctx context.Context, database string) (bacvault.Rows, error)
	// Fingerprint gives one for each table that has one, and says what they leave out.
	Fingerprint(ctx context.Context, database string, tables []bacvault.Table) (of map[bacvault.Table]string, leftOut []string, err error)
	// Schema reads what a database shows beside its rows.
	Schema(ctx context.Context, database string) (bacvault.Schema, error)
	// Health lists what is not as it should be in a restored database.
	Health(ctx context.Context, database string) ([]string, error)
}

// Vault is where backups lie.
type Vault interface {
	Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error)
	ReadManifest(ctx context.Context, name string) (bacvault.Manifest, bool, error)
	// ReadProof reads a proof by its name in Entry.
	ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error)
	// Head gives the size of a blob, false where there is none. One that lies in the archive tier is a failure: it can't be
	// fetched before somebody brings it back.
	Head(ctx context.Context, blob string) (size int64, ok bool, err error)
	// Fetch writes the blob into the file and gives the SHA-256 of what came. It outlasts passing faults by itself.
	Fetch(ctx context.Context, blob string, f *os.File, size int64, progress func(int64)) (sha256 string, err error)
}

// Entry is one backup in the catalogue, oldest first.
type Entry struct {
	Blob        string
	Slot        bacvault.Slot
	HasManifest bool
	NoArchive   bool // a manifest alone, which is no backup
	Archived    bool
	ProofNames  []string // oldest first
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

// Import is what sqlpackage is asked to do.
type Import struct {
	Database, File, WorkDir   string
	ServiceObjective, Edition string
	MaxSizeGB                 int
}

// Restore is what every run needs.
type Restore struct {
	// Server is the one that the database is restored on, Target its name; empty for the source's own.
	Server   Server
	Target   string
	Vault    Vault
	State    State
	Protects func(server, database string) bool
	// Verify reads the whole archive and counts each table's rows.
	Verify func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error)
	// Examine, where it is set, looks at the verified archive before it is imported: a drill tries damaged copies of it. m is
	// nil for an old file without a manifest.
	Examine func(ctx context.Context, f *os.File, size int64, m *bacvault.Manifest, a bacvault.Archive) error
	Import  func(ctx context.Context, i Import, report func(bacvault.Work)) error

	ServiceObjective string // where the request names none
	MaxSizeGB        int    // likewise
	// Fingerprint names the method that Server uses.
	Fingerprint string
	WorkDir     string
	// Pause waits before the next look for the database that the import makes.
	Pause     func(ctx context.Context) error
	FreeBytes func(dir string) (int64, error)
	Now       func() time.Time
	NewRun    func() string
	Report    bacvault.Report
}

// Result is a restored, reconciled database. Beside an error it tells how far the run came: where Tables are in it, they
// were compared.
type Result struct {
	Target       bacvault.Database      `json:"target"`
	Source       bacvault.Database      `json:"source"`
	Slot         *bacvault.Slot         `json:"slot,omitempty"`
	Blob         bacvault.Blob          `json:"blob"`
	Unmanifested bool                   `json:"unmanifested,omitempty"`
	Tables       []bacvault.TableCheck  `json:"tables"`
	Objects      []bacvault.ObjectCheck `json:"objects,omitempty"` // of the kinds that either side has
	Findings     []string               `json:"findings,omitempty"`
	Stages       []bacvault.StageTime   `json:"stages"`
	AlreadyDone  bool                   `json:"-"`
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
	if b.Target != "" {
		r.target.Server = b.Target
	}
	r.result = Result{Target: r.target, Source: req.Database}
	r.stages = bacvault.Stages{Now: b.Now, Report: b.Report, About: r.about, Left: r.left}

	if err := r.stages.Do(ctx, bacvault.StageAdmit, r.admit); err != nil {
		return r.sofar(), err
	}
	ctx, err = r.lease(ctx)
	if err != nil {
		return r.sofar(), err
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
		if err := r.stages.Do(ctx, step.stage, step.do); err != nil {
			return r.sofar(), r.abandon(ctx, step.stage, err)
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
	manifest *bacvault.Manifest // nil: an old file without one
	file     *os.File
	archive  bacvault.Archive
	mark     Mark      // as it was saved last
	marked   bool      // the mark may be this run's
	created  bool      // this very run may have created the target
	born     time.Time // when it did; zero: it was not seen yet
	keep     bool      // the target is kept for inspection
	findings []string
	alone    []Entry // manifests without an archive, newest first
	result   Result
	stages   bacvault.Stages
}

// sofar is the result of a run that failed.
func (r *run) sofar() Result {
	res := r.result
	res.Findings, res.Stages = r.findings, slices.Clone(r.stages.Times)
	return res
}

// now is in UTC: marks are read far from here.
func (r *run) now() time.Time { return r.Now().UTC() }

// left says, as long as there is no database of ours, that there is none.
func (r *run) left(f *bacvault.Failure) {
	if f.Exists == "" && !r.created {
		f.Exists = "nothing was created"
	}
}

func (r *run) about() bacvault.Progress {
	return bacvault.Progress{
		Run: r.id, Kind: string(r.req.Kind), Database: r.req.Database, Slot: r.result.Slot, Target: r.target.Name, Request: r.req.ID,
		Attempt: r.req.Attempt,
	}
}
