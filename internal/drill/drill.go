// Package drill proves backups by restoring them to a throw-away name, and records the proof beside the backup.
package drill

import (
	"context"
	"errors"
	"fmt"
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
		name = name[:n]
	}
	return name + suffix
}

// Run restores, counts, drops and records. A drill that did nothing does not pass.
func (d Drill) Run(ctx context.Context, req bacvault.RestoreRequest) (p bacvault.Proof, err error) {
	req.TargetDatabase = Target(req)
	start := d.Now()
	got, err := d.Restore(ctx, req)
	if err != nil {
		return bacvault.Proof{}, err
	}
	took := d.Now().Sub(start)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropLimit)
		defer cancel()
		if derr := d.Drop(ctx, req.TargetDatabase); derr != nil {
			err = errors.Join(err, fmt.Errorf("drop the drill's database %s: %w", req.TargetDatabase, derr))
		}
	}()
	p = bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: req.Database, Slot: got.Slot, Blob: got.Blob, At: d.Now().UTC(),
		RestoreSec: took.Seconds(), Tables: len(got.Tables),
	}
	for _, t := range got.Tables {
		if t.Source == nil || t.Archive == nil || t.Restored == nil {
			return p, bacvault.Fail(bacvault.CodeRestoreRows, "table %s was not counted on all three sides: the drill proves nothing", t.Table)
		}
		p.Rows += *t.Restored
	}
	if p.Tables == 0 {
		return p, bacvault.Fail(bacvault.CodeRestoreRows, "the drill compared no table: it proves nothing")
	}
	p.Passed = true
	if err := d.PutProof(ctx, p); err != nil {
		return p, fmt.Errorf("record the proof: %w", err)
	}
	return p, nil
}
