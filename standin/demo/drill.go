package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
)

// drill fires the drill timer: the backup is restored to a throw-away name, compared, dropped, and its proof lies beside it.
func (d *demo) drill(ctx context.Context) error {
	now := d.stack.Clock.Now()
	sunday := time.Date(now.Year(), now.Month(), now.Day()-int(now.Weekday()), 6, 0, 0, 0, time.UTC)
	if sunday.After(now) {
		sunday = sunday.AddDate(0, 0, -7)
	}
	look := d.lookForDrill()
	d.say("firing the timer drill, past due, for the occurrence %s", sunday.Format(time.RFC3339))
	ev, err := d.drilled(ctx, sunday)
	name, restored := look()
	if err != nil {
		return err
	}
	d.say("drilled in %.2f s: %s came back as %s and was dropped again", ev.Data.Proof.RestoreSeconds, ev.Data.Proof.Blob, name)
	if err := d.compareDrill(*ev.Data.Proof, restored); err != nil {
		return err
	}
	if slices.Contains(d.stack.SQL.Databases(), name) {
		return fmt.Errorf("the drill left its database %s behind", name)
	}
	if err := d.proofIsStored(ctx, ev); err != nil {
		return err
	}
	return d.negative(*ev.Data.Proof)
}

func (d *demo) drilled(ctx context.Context, occurrence time.Time) (stack.Event, error) {
	if status, body, err := d.stack.Restore.FireTimer(ctx, "drill", occurrence, true); err != nil {
		return stack.Event{}, fmt.Errorf("the timer's call ended with %d %s: %w", status, body, err)
	}
	ev, err := d.await(ctx, "bacvault.drill.passed.v1", "bacvault.drill.failed.v1")
	if err != nil {
		return ev, err
	}
	if p := ev.Data.Proof; p == nil || !p.Passed || p.Negative == nil || p.RestoreSeconds <= 0 {
		return ev, fmt.Errorf("the drill's event has no proof that passed: %s", ev.Raw)
	}
	return ev, nil
}

// compareDrill: the proof must tell as many rows as the throw-away database held.
func (d *demo) compareDrill(p stack.Proof, restored map[string]int64) error {
	source, _ := d.stack.SQL.Rows(database)
	archive, err := rowsOf(d.all.All()[0], func(_, a, _ *int64) *int64 { return a }) // the backup's event
	if err != nil {
		return err
	}
	if err := d.table(source, archive, restored); err != nil {
		return err
	}
	var rows int64
	for _, n := range restored {
		rows += n
	}
	if p.Tables != len(restored) || p.Rows != rows {
		return fmt.Errorf("the proof tells %d rows in %d tables, restored were %d in %d", p.Rows, p.Tables, rows, len(restored))
	}
	return nil
}

// lookForDrill counts the rows of the throw-away database on the server itself, again and again while it is there, for
// afterwards it is gone. The last count is the one that the drill could have seen.
func (d *demo) lookForDrill() (end func() (name string, rows map[string]int64)) {
	var looking sync.WaitGroup
	var name string
	var rows map[string]int64
	stop := make(chan struct{})
	look := func() {
		for _, db := range d.stack.SQL.Databases() {
			if !strings.Contains(db, "_bacvault_drill_") {
				continue
			}
			if got, ok := d.stack.SQL.Rows(db); ok {
				name, rows = db, got
			}
		}
	}
	looking.Go(func() {
		for {
			look()
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return func() (string, map[string]int64) {
		close(stop)
		looking.Wait()
		return name, rows
	}
}

// proofIsStored: what the event says lies in the vault too, where nobody can change it.
func (d *demo) proofIsStored(ctx context.Context, ev stack.Event) error {
	names, err := d.stack.Blob.Blobs(ctx, d.stack.Places.VaultAccount, d.stack.Places.VaultContainer)
	if err != nil {
		return err
	}
	prefix := strings.TrimSuffix(ev.Data.Proof.Blob, ".bacpac") + ".proof-"
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) })
	if i < 0 {
		return fmt.Errorf("the vault holds no proof of %s: %v", ev.Data.Proof.Blob, names)
	}
	d.say("the proof lies beside the backup: %s", names[i])
	return nil
}

// leastDamages is how many damaged copies an archive without a single row has; others have more.
const leastDamages = 5

// negative shows that the verification can fail: each damaged copy of this archive, and what caught it.
func (d *demo) negative(p stack.Proof) error {
	fmt.Fprintf(d.out, "\n  %-16s %-22s %s\n", "damaged copy", "caught by", "where")
	var missed []string
	for _, c := range p.Negative.Cases {
		by := c.Code
		if !c.Detected || by == "" {
			by, missed = "NOT CAUGHT", append(missed, c.Damage+" "+c.Where)
		}
		fmt.Fprintf(d.out, "  %-16s %-22s %s\n", c.Damage, by, c.Where)
	}
	for _, f := range p.Findings {
		fmt.Fprintf(d.out, "  note: %s\n", f)
	}
	fmt.Fprintln(d.out)
	n := p.Negative
	if len(missed) > 0 || n.Tried != n.Detected || n.Tried != len(n.Cases) || n.Tried < leastDamages {
		return fmt.Errorf("%d damaged copies were tried, %d told, %d caught; not caught: %v", n.Tried, len(n.Cases), n.Detected, missed)
	}
	d.say("%d of %d damaged copies were caught", n.Detected, n.Tried)
	return nil
}
