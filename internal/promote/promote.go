// Package promote puts a restored database into the place of the live one, plans it, and undoes it: the story in order.
package promote

import (
	"context"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The stages that only a promotion has.
const (
	StageRename    bacvault.Stage = "rename"
	StageScale     bacvault.Stage = "scale"
	StageRetention bacvault.Stage = "retention"
)

// The steps of a promotion, as its plan and its events name them.
const (
	StepRenameLive     = "rename-live"
	StepRenameRestored = "rename-restored"
	StepScale          = "scale"
	StepShortTerm      = "short-term-retention"
	StepLongTerm       = "long-term-retention"
)

// Server is what a promotion asks the logical server.
type Server interface {
	// Exists looks a name up; false without an error says that it is free.
	Exists(ctx context.Context, database string) (Database, bool, error)
	Size(ctx context.Context, database string) (Size, error)
	// GeoLinks counts the geo-replication links of a database.
	GeoLinks(ctx context.Context, database string) (int, error)
	// Rename renames the database that was created then, and no other; one that has the new name already is renamed.
	Rename(ctx context.Context, from, to string, created time.Time) error
	// Scale gives a database this size and waits until it has it.
	Scale(ctx context.Context, database string, want Size) error
}

// Policies is how long the platform keeps its own backups. They belong to the database, and the management plane has them.
type Policies interface {
	// Created is when the database was created that the management plane shows under the name.
	Created(ctx context.Context, database string) (time.Time, bool, error)
	Retention(ctx context.Context, database string) (r bacvault.Retention, immutable bool, err error)
	SetRetention(ctx context.Context, database string, r bacvault.Retention) error
}

// State is what outlives a killed run.
type State interface {
	// Acquire keeps other promotions off the live name, and restores off both. It gives a lease, and a context that ends
	// when it is lost; or the words that name the present holder.
	Acquire(ctx context.Context, live, restored bacvault.Database, run, request string) (context.Context, Lease, string, error)
	SaveRecord(ctx context.Context, live bacvault.Database, r Record) error
	Record(ctx context.Context, live bacvault.Database) (Record, bool, error)
	// Reconciliation is what the restore left that made the database of this name; false if it did not pass.
	Reconciliation(ctx context.Context, restored bacvault.Database) (Reconciliation, bool, error)
}

// Lease is the right to rename.
type Lease interface {
	// Held asks the store now.
	Held(ctx context.Context) error
	Release(ctx context.Context) error
}

// Database is one that a name stands for. Created tells it from every other: Azure SQL keeps create_date through a rename
// (sys.databases), so a name that moved is still the same database, and a namesake never is. Name is spelled as the server does.
type Database struct {
	Name    string
	State   string // ONLINE, and what else sys.databases says
	Created time.Time
}

// Size is edition, service objective and maximum size.
type Size struct {
	Edition      string `json:"edition"`
	Objective    string `json:"objective"`
	MaxSizeBytes int64  `json:"maxSizeBytes"`
}

// Reconciliation is a restore's proof of the rows of the database that it created then.
type Reconciliation struct {
	Request  string            `json:"request"`
	Source   bacvault.Database `json:"-"`
	Target   bacvault.Database `json:"-"`
	Created  time.Time         `json:"created"`
	Tables   int               `json:"tables"`
	Findings []string          `json:"findings,omitempty"`
}

// Promote is what every run needs.
type Promote struct {
	Server Server
	// Policies is nil where the app was given no management plane for the server.
	Policies Policies
	State    State
	// RestoresOn is the server that restores are made on; a promotion can only rename on the live database's own.
	RestoresOn string
	Protects   func(server, database string) bool
	// Patience is how long the management plane may take to show a rename, Poll the wait between two looks.
	Patience, Poll time.Duration
	Now            func() time.Time
	NewRun         func() string
	Report         bacvault.Report
}

// Busy is how a run ends that found another one at work on one of the names.
type Busy struct{ Holder string }

// Error says who is at work.
func (b *Busy) Error() string { return b.Holder + " is at work on this database" }

// cleanLimit bounds what outlives a cancelled run: letting go, and looking at the names for the failure.
const cleanLimit = 2 * time.Minute

// Run plans, applies or undoes one promotion. It ends in a promotion, a *Busy, or an error that bacvault.AsFailure
// understands; beside an error the promotion tells what was read until then.
func (p *Promote) Run(ctx context.Context, req bacvault.RestoreRequest) (out bacvault.Promotion, err error) {
	r := &run{Promote: p, req: req, id: p.NewRun(), live: req.Database, restored: bacvault.Database{Server: req.Server, Name: req.TargetDatabase}}
	r.stages = bacvault.Stages{Now: p.Now, Report: p.Report, About: r.about, Left: r.left}
	r.out = bacvault.Promotion{Action: req.Action, Server: req.Server, Live: req.Name, Restored: req.TargetDatabase, Steps: []bacvault.PromotionStep{}}

	if err := r.stages.Do(ctx, bacvault.StageAdmit, r.admit); err != nil {
		return r.out, err
	}
	if req.Action == bacvault.PromotePlan { // reads only, so it takes no lease and stands in nobody's way
		err := r.stages.Do(ctx, bacvault.StagePreflight, r.plan)
		return r.out, err
	}
	ctx, err = r.lease(ctx)
	if err != nil {
		return r.out, err
	}
	defer func() {
		if cerr := r.clean(ctx); cerr != nil {
			out.Findings = append(out.Findings, "clean-up: "+cerr.Error())
		}
	}()
	prepare := r.apply
	if req.Action == bacvault.PromoteUndo {
		prepare = r.undo
	}
	for _, step := range []struct {
		stage bacvault.Stage
		do    func(context.Context) error
	}{
		{bacvault.StagePreflight, prepare},
		{StageRename, r.rename},
		{StageScale, r.scale},
		{StageRetention, r.retain},
		{bacvault.StageVerify, r.verify},
	} {
		if err := r.stages.Do(ctx, step.stage, step.do); err != nil {
			return r.out, err
		}
		if r.out.Complete {
			break
		}
	}
	return r.out, nil
}

// run is one run's memory.
type run struct {
	*Promote
	stages         bacvault.Stages
	req            bacvault.RestoreRequest
	id             string
	live, restored bacvault.Database

	lock  Lease
	rec   Record
	goal  goal
	begun bool // names may not be as they were
	out   bacvault.Promotion
}

// now is in UTC: records are read far from here.
func (r *run) now() time.Time { return r.Now().UTC() }

// fail is a passing fault of the promotion itself.
func fail(err error, format string, args ...any) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodePromoteFailed, format, args...)
	if err != nil {
		f.Err = err
	}
	return f
}

// refuse is for what has no code of its own: as things stand, it must not be done.
func refuse(next, format string, args ...any) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodePromoteFailed, format, args...)
	f.Class, f.Next = bacvault.Refused, next
	return f
}

// about is whose run this is.
func (r *run) about() bacvault.Progress {
	return bacvault.Progress{Run: r.id, Kind: string(r.req.Kind), Database: r.live, Target: r.restored.Name, Request: r.req.ID, Attempt: r.req.Attempt}
}

// left makes a failure one of a promotion's, and says which names exist now. What nobody classed passes: the same request goes on.
func (r *run) left(f *bacvault.Failure) {
	if f.Code == bacvault.CodeUnknown {
		stage := f.Stage
		*f = *fail(f.Err, "%s", f.Detail)
		f.Stage = stage
	}
	if r.begun && f.Code == bacvault.CodeSQLNotFound {
		f.Class = bacvault.Retry // a name that was just given may take a while to be known everywhere
	}
	switch {
	case f.Exists != "":
	case !r.begun:
		f.Exists = "nothing was changed"
	default: // the run's own context may be what ended
		ctx, cancel := context.WithTimeout(context.Background(), cleanLimit)
		defer cancel()
		f.Exists = r.tellNames(ctx)
	}
	if r.begun && f.Class != bacvault.Retry && f.Code != bacvault.CodePromoteChanged {
		f.Next += " Then send the same request again, which goes on where it broke off; or undo it."
	}
}

// lease keeps every other promotion of the live database, and every restore to one of the names, away.
func (r *run) lease(ctx context.Context) (context.Context, error) {
	leased := ctx
	var busy *Busy // no failure of the stage: another run is at work, which is as it should be
	err := r.stages.Do(ctx, bacvault.StageLease, func(ctx context.Context) error {
		c, l, holder, err := r.State.Acquire(ctx, r.live, r.restored, r.id, r.req.ID)
		if err != nil {
			return err
		}
		if holder != "" {
			busy = &Busy{Holder: holder}
			return nil
		}
		leased, r.lock = c, l
		return nil
	})
	if busy != nil {
		return nil, busy
	}
	return leased, err
}

// set tells a step: as it was first read, and whether it is done by now.
func (r *run) set(step, now, want string, done bool) {
	for i := range r.out.Steps {
		if s := &r.out.Steps[i]; s.Step == step {
			s.Want, s.Done = want, done
			return
		}
	}
	r.out.Steps = append(r.out.Steps, bacvault.PromotionStep{Step: step, Now: now, Want: want, Done: done})
}

func (r *run) find(format string, args ...any) {
	r.out.Findings = append(r.out.Findings, fmt.Sprintf(format, args...))
}

func (r *run) clean(ctx context.Context) error {
	return r.stages.Clean(ctx, cleanLimit, func(ctx context.Context) error {
		if err := r.lock.Release(ctx); err != nil {
			return fmt.Errorf("let go: %w", err)
		}
		return nil
	})
}
