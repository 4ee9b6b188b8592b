// Package drill proves backups by restoring them to a throw-away name, proves that the proof can fail, and records the result
// beside the backup.
package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Restored is what a drill's restore brought. Beside an error it says what is known by then.
type Restored struct {
	Blob   string // empty until a backup was chosen
	Slot   bacvault.Slot
	Tables []bacvault.TableCheck
	// Negative is nil where the restore did not come that far; Negatives is the time that it took of the restore's.
	Negative  *bacvault.NegativeDrill
	Negatives time.Duration
	Findings  []string
	Stages    []bacvault.StageTime
	// AlreadyDone says that an earlier delivery of the request restored it, and not this call.
	AlreadyDone bool
}

// Drill is what every run needs.
type Drill struct {
	// Restore brings the backup back under the throw-away name and reconciles its rows.
	Restore func(ctx context.Context, req bacvault.RestoreRequest) (Restored, error)
	Drop    func(ctx context.Context, database string) error
	// ProofNames lists the proofs of every backup of a database, in any order.
	ProofNames func(ctx context.Context, d bacvault.Database) ([]string, error)
	ReadProof  func(ctx context.Context, name string) (bacvault.Proof, bool, error)
	PutProof   func(ctx context.Context, p bacvault.Proof) error
	Now        func() time.Time
	App        bacvault.Program
}

// dropLimit bounds the drop, which outlives a cancelled run.
const dropLimit = 2 * time.Minute

// Target is the throw-away name; it is fixed by the request, so that a redelivered one finds what a killed run left.
func Target(req bacvault.RestoreRequest) string {
	return bacvault.FitName(req.Name, "_bacvault_drill_"+req.ID)
}

// Run restores, counts, records and drops. A drill that did nothing does not pass. A drill that condemns its backup ends in a
// *bacvault.Failure beside the proof of it; any other error comes without a proof, which has no schema then.
func (d Drill) Run(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Proof, error) {
	if req.BackupFileName != "" {
		f := bacvault.Fail(bacvault.CodeRequestNoBackup, "%q has no manifest, so nobody counted its source: a drill of it would prove nothing", req.BackupFileName)
		f.Next = "Ask for a restore of it instead."
		return bacvault.Proof{}, bacvault.AsFailure(f, bacvault.StageAdmit)
	}
	req.TargetDatabase = Target(req)
	p, done, err := d.recorded(ctx, req)
	switch {
	case err != nil:
		return bacvault.Proof{}, bacvault.AsFailure(fmt.Errorf("look for a proof of this request: %w", err), bacvault.StageAdmit)
	case done:
		// The proof says that the name was this request's: what a killed run left under it is ours to drop.
		return p, d.drop(ctx, req.TargetDatabase, why(p))
	}
	got, start, err := d.restore(ctx, req)
	if err != nil {
		// A restore that fails drops what it created; what it found there is another's.
		return d.failed(ctx, req, got, start, err)
	}
	p = d.proof(req, got, start)
	if err := reconciled(got); err != nil {
		p.Different = different(got.Tables)
		p, err = d.condemn(ctx, p, bacvault.AsFailure(err, bacvault.StageReconcile))
		return p, d.drop(ctx, req.TargetDatabase, err)
	}
	p.Passed = true
	if p, err = d.put(ctx, p); err != nil {
		err = bacvault.AsFailure(fmt.Errorf("record the proof: %w", err), bacvault.StageProof)
		return bacvault.Proof{}, d.drop(ctx, req.TargetDatabase, err)
	}
	return p, d.drop(ctx, req.TargetDatabase, nil)
}

// restore is done anew where an earlier delivery was killed before it wrote its proof: nobody knows how long that one took,
// nor what became of its damaged copies.
func (d Drill) restore(ctx context.Context, req bacvault.RestoreRequest) (Restored, time.Time, error) {
	start := d.Now()
	got, err := d.Restore(ctx, req)
	if err != nil || !got.AlreadyDone {
		return got, start, err
	}
	if err := d.drop(ctx, req.TargetDatabase, nil); err != nil {
		return Restored{}, start, err
	}
	start = d.Now()
	got, err = d.Restore(ctx, req)
	if err == nil && got.AlreadyDone {
		err = bacvault.Fail(bacvault.CodeUnknown, "the drill's database %s was dropped, and yet it is said to be restored", req.TargetDatabase)
	}
	return got, start, err
}

// proof is all that is the same for one that passed and one that did not.
func (d Drill) proof(req bacvault.RestoreRequest, got Restored, start time.Time) bacvault.Proof {
	now := d.Now().UTC()
	origin := req.Origin()
	p := bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: req.Database, Slot: got.Slot, Blob: got.Blob, Choice: choice(req), At: now,
		RestoreSec: max(0, (now.Sub(start) - got.Negatives).Seconds()), Tables: len(got.Tables), Negative: got.Negative,
		Findings: got.Findings, Stages: got.Stages, Request: &origin,
	}
	if d.App.Name != "" {
		app := d.App
		p.App = &app
	}
	for _, t := range got.Tables {
		if t.Restored != nil {
			p.Rows += *t.Restored
		}
	}
	return p
}

// choice is the request's own word.
func choice(req bacvault.RestoreRequest) string {
	switch {
	case req.At != nil:
		return "at"
	case req.Slot != nil:
		return "slot"
	case req.Blob != "":
		return "blob"
	}
	return req.Backup
}

// reconciled takes nothing on trust: damaged copies were tried, tables were counted on all three sides, and they agree.
func reconciled(got Restored) error {
	if n := got.Negative; n == nil || n.Tried == 0 || n.Detected != n.Tried {
		return bacvault.Fail(bacvault.CodeDrillBlind, "no damaged copies were detected: nothing shows that the verification can fail")
	}
	if len(got.Tables) == 0 {
		return bacvault.Fail(bacvault.CodeRestoreRows, "the drill compared no table: it proves nothing")
	}
	for _, t := range got.Tables {
		switch {
		case t.Source == nil || t.Archive == nil || t.Restored == nil:
			return bacvault.Fail(bacvault.CodeRestoreRows, "table %s was not counted on all three sides: the drill proves nothing", t.Table)
		case *t.Source != *t.Archive || *t.Archive != *t.Restored:
			return bacvault.Fail(bacvault.CodeRestoreRows, "table %s has %d rows at the source, %d in the archive, %d restored", t.Table, *t.Source, *t.Archive, *t.Restored)
		}
	}
	return nil
}

// different lists what the restored database has otherwise than its source.
func different(tables []bacvault.TableCheck) (out []bacvault.Difference) {
	want, got := bacvault.Rows{}, bacvault.Rows{}
	for _, t := range tables {
		if t.Source != nil {
			want[t.Table] = *t.Source
		}
		if t.Restored != nil {
			got[t.Table] = *t.Restored
		}
	}
	return bacvault.Compare(want, got)
}

// drop throws the drill's database away, whatever came before, and says so in the failure that there is, or makes one.
func (d Drill) drop(ctx context.Context, name string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropLimit)
	defer cancel()
	derr := d.Drop(ctx, name)
	if err == nil && derr == nil {
		return nil
	}
	f := bacvault.AsFailure(errors.Join(err, derr), bacvault.StageDrop)
	f.Exists = "the drill's database " + name + " was dropped"
	if derr != nil {
		f.Exists = fmt.Sprintf("the drill's database %s is left: dropping it failed: %v", name, derr)
	}
	return f
}
