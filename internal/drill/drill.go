// Package drill proves backups by restoring them to a throw-away name, and records the proof beside the backup.
package drill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Restored is what a drill's restore brought.
type Restored struct {
	Blob   string
	Slot   bacvault.Slot
	Tables []bacvault.TableCheck
}

// Drill is what every run needs.
type Drill struct {
	// Restore brings the backup back under the throw-away name and reconciles its rows.
	Restore  func(ctx context.Context, req bacvault.RestoreRequest) (Restored, error)
	Drop     func(ctx context.Context, database string) error
	PutProof func(ctx context.Context, p bacvault.Proof) error
	Now      func() time.Time
}

// dropLimit bounds the drop, which outlives a cancelled run.
const dropLimit = 2 * time.Minute

// Target is the throw-away name; it is fixed by the request, so that a redelivered one finds what a killed run left.
func Target(req bacvault.RestoreRequest) string {
	name := req.Name
	suffix := "_bacvault_drill_" + req.ID
	if n := 128 - len(suffix); len(name) > n {
		name = strings.ToValidUTF8(name[:n], "")
	}
	return name + suffix
}

// Run restores, counts, drops and records. A drill that did nothing does not pass.
func (d Drill) Run(ctx context.Context, req bacvault.RestoreRequest) (p bacvault.Proof, err error) {
	req.TargetDatabase = Target(req)
	start := d.Now()
	got, err := d.Restore(ctx, req)
	if err != nil {
		return bacvault.Proof{}, err // a restore that fails drops what it created; what it found there is another's
	}
	took := d.Now().Sub(start)
	defer func() { err = d.drop(ctx, req.TargetDatabase, err) }()
	p = bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: req.Database, Slot: got.Slot, Blob: got.Blob, At: d.Now().UTC(),
		RestoreSec: took.Seconds(), Tables: len(got.Tables),
	}
	if p.Tables == 0 {
		return p, bacvault.AsFailure(bacvault.Fail(bacvault.CodeRestoreRows, "the drill compared no table: it proves nothing"), bacvault.StageReconcile)
	}
	for _, t := range got.Tables {
		if err := same(t); err != nil {
			return p, bacvault.AsFailure(err, bacvault.StageReconcile)
		}
		p.Rows += *t.Restored
	}
	p.Passed = true
	if err := d.PutProof(ctx, p); err != nil {
		return p, bacvault.AsFailure(fmt.Errorf("record the proof: %w", err), bacvault.StageProof)
	}
	return p, nil
}

// same takes nothing on trust: all three sides were counted, and they agree.
func same(t bacvault.TableCheck) error {
	switch {
	case t.Source == nil || t.Archive == nil || t.Restored == nil:
		return bacvault.Fail(bacvault.CodeRestoreRows, "table %s was not counted on all three sides: the drill proves nothing", t.Table)
	case *t.Source != *t.Archive || *t.Archive != *t.Restored:
		return bacvault.Fail(bacvault.CodeRestoreRows, "table %s has %d rows at the source, %d in the archive, %d restored", t.Table, *t.Source, *t.Archive, *t.Restored)
	}
	return nil
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
