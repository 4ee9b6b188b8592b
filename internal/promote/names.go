package promote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// goal is what a run is to bring about. Apply and undo are the same exchange in the two directions.
type goal struct {
	in, out       time.Time // created: the database that gets the live name, and the one that leaves it
	inWas, outTo  string    // where the one comes from and the other goes
	inStep        string
	outStep       string
	size          Size
	applies       bool
	inText, outAs string // in words
}

func (r *run) aim(applies bool) {
	c := r.rec
	if applies {
		r.goal = goal{
			in: c.RestoredCreated, inWas: c.Restored, inStep: StepRenameRestored, inText: "the restored database",
			out: c.LiveCreated, outTo: c.Old, outStep: StepRenameLive, outAs: "the former live database", size: c.Want, applies: true,
		}
		return
	}
	r.goal = goal{
		in: c.LiveCreated, inWas: c.Old, inStep: StepRenameLive, inText: "the former live database",
		out: c.RestoredCreated, outTo: c.Restored, outStep: StepRenameRestored, outAs: "the restored database", size: c.Size,
	}
}

// position is how far the exchange of names is.
type position int

const (
	before position = iota // the live name is that of the database which is to leave
	gap                    // there is no database of the live name
	after                  // the live name is that of the database which is to have it
)

// names is what the three names stand for; nil is a free one.
type names struct{ live, inWas, outTo *Database }

func (r *run) look(ctx context.Context) (n names, err error) {
	for _, l := range []struct {
		name string
		into **Database
	}{{r.live.Name, &n.live}, {r.goal.inWas, &n.inWas}, {r.goal.outTo, &n.outTo}} {
		d, there, err := r.Server.Exists(ctx, l.name)
		if err != nil {
			return names{}, err
		}
		if there {
			*l.into = &d
		}
	}
	return n, nil
}

func (d *Database) is(created time.Time) bool { return d != nil && d.Created.Equal(created) }

// where says how far the exchange is, and refuses names that nobody left like that: then a person has been here, and only
// a person knows what for. A live name that is right already is right, whatever became of the other database.
func (r *run) where(n names) (position, error) {
	g := r.goal
	switch {
	case n.live.is(g.in):
		return after, nil
	case n.live.is(g.out) && n.inWas.is(g.in) && n.outTo == nil:
		return before, nil
	// The live database comes back even if the restored one is gone by now.
	case n.live == nil && n.inWas.is(g.in) && (n.outTo.is(g.out) || !g.applies):
		return gap, nil
	}
	f := changed("the databases are not as the %s of request %s left them", r.rec.Action, r.rec.last())
	f.Exists = r.tell(n)
	if n.live.is(g.out) && n.inWas.is(g.in) {
		f.Next = fmt.Sprintf("Rename or drop %s, which stands in the way, and send the same request again.", g.outTo)
	}
	return before, f
}

// tell says what each name stands for.
func (r *run) tell(n names) string {
	var parts []string
	for _, p := range []struct {
		name string
		d    *Database
	}{{r.live.Name, n.live}, {r.goal.inWas, n.inWas}, {r.goal.outTo, n.outTo}} {
		switch {
		case p.d == nil:
			parts = append(parts, "there is no "+p.name)
		case p.d.is(r.goal.in):
			parts = append(parts, p.name+" is "+r.goal.inText)
		case p.d.is(r.goal.out):
			parts = append(parts, p.name+" is "+r.goal.outAs)
		default:
			parts = append(parts, fmt.Sprintf("%s is another database, created %s", p.name, p.d.Created.UTC().Format(time.RFC3339)))
		}
	}
	return strings.Join(parts, "; ")
}

func (r *run) tellNames(ctx context.Context) string {
	n, err := r.look(ctx)
	if err != nil {
		return fmt.Sprintf("the names %s, %s and %s were in exchange and could not be read again: %v", r.live.Name, r.goal.inWas, r.goal.outTo, err)
	}
	return r.tell(n)
}

// The limits of the two renames and of putting back, which outlive a cancelled run: between the renames there is no live
// database. The second one is given up early, for the former live database is there to be put back.
const (
	leaveLimit = 5 * time.Minute
	gapLimit   = time.Minute
)

// rename exchanges the names.
func (r *run) rename(ctx context.Context) error {
	n, err := r.look(ctx)
	if err != nil {
		return err
	}
	at, err := r.where(n)
	if err != nil {
		return err
	}
	g := r.goal
	r.setNames(n)
	if at != after {
		if err := r.lock.Held(ctx); err != nil {
			return err
		}
		if err := r.exchange(ctx, at); err != nil {
			return err
		}
		if n, err = r.look(ctx); err != nil {
			return err
		}
		if at, err = r.where(n); err != nil {
			return err
		}
		if at != after {
			return fail(nil, "the renames were taken, and the names are not exchanged")
		}
	}
	if !n.outTo.is(g.out) {
		r.find("there is no %s any more: %s is gone", g.outTo, g.outAs)
	}
	r.set(g.outStep, r.nameOf(n, g.out), g.outTo, true) // if it is gone, there is nothing left to rename
	r.set(g.inStep, r.live.Name, r.live.Name, true)
	return nil
}

// exchange is the moment without a live database: nothing stands between the two renames. If the second one fails, the
// database that left is put back at once, so that applications wait for a person no longer than they must.
func (r *run) exchange(ctx context.Context, at position) error {
	g := r.goal
	ctx = context.WithoutCancel(ctx)
	if at == before {
		leave, cancel := context.WithTimeout(ctx, leaveLimit)
		defer cancel()
		if err := r.Server.Rename(leave, r.live.Name, g.outTo, g.out); err != nil {
			n, lerr := r.look(leave)
			if lerr != nil || n.live != nil || !n.outTo.is(g.out) {
				return fmt.Errorf("rename %s to %s: %w", r.live.Name, g.outTo, err)
			} // only the answer was lost, and the live name is free: on with it
		}
	}
	enter, cancel := context.WithTimeout(ctx, gapLimit)
	defer cancel()
	err := r.Server.Rename(enter, g.inWas, r.live.Name, g.in)
	if err == nil {
		return nil
	}
	back, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	return r.putBack(back, fmt.Errorf("rename %s to %s: %w", g.inWas, r.live.Name, err))
}

// putBack gives the live name back to the database that left it, unless the rename that failed was taken after all.
func (r *run) putBack(ctx context.Context, failed error) error {
	g := r.goal
	n, err := r.look(ctx)
	switch {
	case err != nil:
		return failed
	case n.live.is(g.in): // the answer was lost, not the rename
		return nil
	case n.live != nil || !n.outTo.is(g.out):
		return failed
	}
	if err := r.Server.Rename(ctx, g.outTo, r.live.Name, g.out); err != nil {
		f := bacvault.AsFailure(failed, "")
		f.Detail += fmt.Sprintf("; putting %s back failed too: %v", g.outAs, err)
		return f
	}
	return failed
}

func (r *run) setNames(n names) {
	g := r.goal
	r.set(g.outStep, r.nameOf(n, g.out), g.outTo, n.outTo.is(g.out))
	r.set(g.inStep, r.nameOf(n, g.in), r.live.Name, n.live.is(g.in))
}

// nameOf is the name that a database has now.
func (r *run) nameOf(n names, created time.Time) string {
	switch {
	case n.live.is(created):
		return r.live.Name
	case n.inWas.is(created):
		return r.goal.inWas
	case n.outTo.is(created):
		return r.goal.outTo
	}
	return "gone"
}
