package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/roles"
)

// kept is how long Azure itself keeps backups of the live database; a promotion must carry it over.
var kept = arm.Retention{RetentionDays: 21, DiffHours: 24, Weekly: "P4W", Monthly: "P12M", Yearly: "P5Y", WeekOfYear: 3}

// restoredName is what a restore calls its database by itself.
const restoredName = database + "_RESTORE"

// promote puts the restored database in the live one's place and takes that back, with the command line, as the identity that
// may. What it did is read from the server and the management plane, not from what it says.
func (d *demo) promote(ctx context.Context) error {
	if err := d.stack.ARM.SetRetention(database, kept); err != nil {
		return err
	}
	before := d.world()
	d.showWorld("before the promotion")
	plan, err := d.promotion(ctx, "plan")
	if err != nil {
		return err
	}
	if len(plan.Steps) == 0 || plan.Complete || !reflect.DeepEqual(d.world(), before) {
		return fmt.Errorf("the plan has %d steps, complete: %t; before it the server had %v, after it %v", len(plan.Steps), plan.Complete, before, d.world())
	}
	d.say("the plan changed nothing")

	applied, err := d.promotion(ctx, "apply", "--yes", "--reason", "the demo")
	if err != nil {
		return err
	}
	d.showWorld("after apply")
	if err := d.exchanged(before, d.world(), applied); err != nil {
		return err
	}
	d.say("%s is the restored database, with the size and retention of the former one, which is kept as %s", database, applied.Old)

	undone, err := d.promotion(ctx, "undo", "--yes", "--reason", "the demo")
	if err != nil {
		return err
	}
	d.showWorld("after undo")
	if err := d.back(before, d.world(), undone); err != nil {
		return err
	}
	d.say("%s is the former live database again, as it was", database)
	return nil
}

// exchanged: both databases are there under the other names, and what is live has the size and retention that live had.
func (d *demo) exchanged(before, after map[string]fact, p promotion) error {
	live, now := before[database], after[database]
	switch {
	case !p.Complete || !strings.HasPrefix(p.Old, database+"_old_"):
		return fmt.Errorf("apply says %+v", p)
	case len(after) != len(before) || !now.created.Equal(before[restoredName].created) || !after[p.Old].created.Equal(live.created):
		return fmt.Errorf("apply left other names than it should: %v, before it %v", after, before)
	case now.size != live.size || now.retention != kept:
		return fmt.Errorf("apply left %s with %+v, the former one had %+v", database, now, live)
	case !maps.Equal(now.rows, before[restoredName].rows):
		return fmt.Errorf("the rows of %s are %v, restored were %v", database, now.rows, before[restoredName].rows)
	}
	return nil
}

func (d *demo) back(before, after map[string]fact, p promotion) error {
	if !p.Complete || len(after) != len(before) || !reflect.DeepEqual(after[database], before[database]) {
		return fmt.Errorf("undo says %+v and left %v, before all there was %v", p, after, before)
	}
	for name, was := range before {
		if now := after[name]; !now.created.Equal(was.created) || !maps.Equal(now.rows, was.rows) {
			return fmt.Errorf("%s is %+v after the undo, it was %+v", name, now, was)
		}
	}
	return nil
}

// promotion is what the command line prints of one.
type promotion struct {
	Old      string
	Complete bool
	Steps    []struct {
		Step, Now, Want string
		Done            bool
	}
	Findings []string
}

func (d *demo) promotion(ctx context.Context, action string, more ...string) (p promotion, err error) {
	out, code, err := d.cli(ctx, "the promoter", roles.Promoter, append([]string{"promote", action, "--database", database}, more...)...)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(out, &p); err != nil || code != 0 {
		return p, fmt.Errorf("promote %s ended with %d and printed %q (%v)", action, code, out, err)
	}
	fmt.Fprintf(d.out, "\n  %-22s %-48s %-48s %s\n", "step", "now", "wanted", "done")
	for _, s := range p.Steps {
		done := "no"
		if s.Done {
			done = "yes"
		}
		fmt.Fprintf(d.out, "  %-22s %-48s %-48s %s\n", s.Step, s.Now, s.Want, done)
	}
	for _, f := range p.Findings {
		fmt.Fprintf(d.out, "  finding: %s\n", f)
	}
	fmt.Fprintln(d.out)
	return p, nil
}

// fact is what the server and the management plane know of a database, asked by their back doors.
type fact struct {
	created   time.Time // tells it from a namesake, and stays when it is renamed
	size      size
	retention arm.Retention
	rows      map[string]int64
}

type size struct {
	edition, objective string
	maxBytes           int64
}

func (d *demo) world() map[string]fact {
	out := map[string]fact{}
	for _, name := range d.stack.SQL.Databases() {
		is, ok := d.stack.SQL.Describe(name)
		if !ok {
			continue
		}
		f := fact{created: is.Created, size: size{is.Edition, is.Objective, is.MaxBytes}}
		f.retention, _ = d.stack.ARM.Retention(name)
		f.rows, _ = d.stack.SQL.Rows(name)
		out[name] = f
	}
	return out
}

func (d *demo) showWorld(when string) {
	d.say("databases of the server %s:", when)
	fmt.Fprintf(d.out, "\n  %-34s %-24s %-34s %8s %6s  %s\n", "name", "created", "size", "rows", "days", "long-term")
	world := d.world()
	for _, name := range slices.Sorted(maps.Keys(world)) {
		f := world[name]
		var rows int64
		for _, n := range f.rows {
			rows += n
		}
		fmt.Fprintf(d.out, "  %-34s %-24s %-34s %8d %6d  %s %s %s\n", name, f.created.Format("2006-01-02 15:04:05.000"),
			fmt.Sprintf("%s %s %d GiB", f.size.edition, f.size.objective, f.size.maxBytes>>30), rows, f.retention.RetentionDays, f.retention.Weekly, f.retention.Monthly, f.retention.Yearly)
	}
	fmt.Fprintln(d.out)
}
