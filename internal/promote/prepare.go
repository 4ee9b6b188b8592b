package promote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// admit refuses what is not ours to rename, whatever the servers say.
func (r *run) admit(context.Context) error {
	switch {
	case !r.Protects(r.req.Server, r.req.Name):
		return bacvault.Fail(bacvault.CodeRequestUnknownDB, "%s is not a database that this app protects", r.live)
	case strings.EqualFold(r.req.Name, r.req.TargetDatabase):
		return refuse("Name the restored database in targetDatabase.", "%s can't be put in its own place", r.live)
	case r.Policies == nil:
		return refuse("Set BACVAULT_SQL_RESOURCE_GROUP, and the server's subscription, for this app.",
			"BACVAULT_SQL_RESOURCE_GROUP is not set: backup retention can only be read and set in the management plane")
	}
	return nil
}

// decision is what there is to do for a request to apply.
type decision int

const (
	fresh  decision = iota // from the beginning; nothing was renamed for this promotion yet
	resume                 // names were exchanged, in part or whole
	done                   // it is finished
)

// decide reads record and names. Never are two promotions mixed: one of another restored database goes first, or is undone.
func (r *run) decide(ctx context.Context) (decision, error) {
	ok, err := r.load(ctx)
	if err != nil || !ok {
		return fresh, err
	}
	same, finished := r.rec.Restored == r.restored.Name, r.rec.Finished != nil
	switch {
	case !same && !finished:
		f := changed("the %s of %s by request %s is not finished", r.rec.Action, r.rec.Restored, r.rec.last())
		f.Next = fmt.Sprintf("Apply or undo the promotion of %s first: send a request with that targetDatabase.", r.rec.Restored)
		r.aim(true)
		f.Exists = r.tellNames(ctx)
		return fresh, f
	case !same, finished && r.rec.Action == bacvault.PromoteUndo:
		return fresh, nil
	}
	r.aim(true)
	n, err := r.look(ctx)
	if err != nil {
		return fresh, err
	}
	if finished && n.inWas != nil && !slices.Contains(r.rec.Requests, r.req.ID) {
		r.find("the promotion of request %s is over and can't be undone any more once this one began; %s stays", r.rec.last(), r.rec.Old)
		return fresh, nil // a later restore of the same name
	}
	at, err := r.where(n)
	switch {
	case err != nil:
		return fresh, err
	case finished && at != after:
		f := changed("the promotion was finished by request %s, and the names were exchanged again since", r.rec.last())
		f.Exists = r.tell(n)
		return fresh, f
	case finished:
		return done, nil
	case at == before:
		return fresh, nil
	}
	return resume, nil
}

// plan tells each step as it stands, and fails as the apply would fail: a plan that looks well must not be refused later.
func (r *run) plan(ctx context.Context) error {
	d, err := r.decide(ctx)
	if err != nil {
		return err
	}
	switch d {
	case fresh:
		kept := r.keeps()
		if err := r.examine(ctx); err != nil {
			return err
		}
		if !kept {
			r.find("%s takes the moment of the apply into its name", r.rec.Old)
		}
		return nil
	case resume:
		r.find("the %s of request %s broke off; an apply goes on where it did, an undo takes it back", r.rec.Action, r.rec.last())
	}
	r.out.Complete = d == done
	return r.show(ctx)
}

// apply gets ready for the exchange: checks, then the record.
func (r *run) apply(ctx context.Context) error {
	d, err := r.decide(ctx)
	if err != nil {
		return err
	}
	switch d {
	case done:
		r.out.Complete = true
		return r.show(ctx)
	case resume:
		r.begun = true
		r.out.Old, r.out.Forced = r.rec.Old, r.rec.Forced
		if want := r.wanted(r.rec.Size); want != r.rec.Want && r.asksSize() {
			r.find("the size stays that of request %s, %s: the names were exchanged for it", r.rec.last(), r.rec.Want)
		}
		if !r.rec.turn(bacvault.PromoteApply, r.req.ID) {
			return nil
		}
		return r.save(ctx)
	}
	if err := r.examine(ctx); err != nil {
		return err
	}
	r.begun = true // from here on names are read for a failure, not believed
	return r.save(ctx)
}

// undo gets ready for the exchange back. It needs no checks: what it brings back was in service.
func (r *run) undo(ctx context.Context) error {
	ok, err := r.load(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return changed("no promotion of %s is on record", r.live)
	}
	if r.rec.Restored != r.restored.Name {
		f := changed("the last promotion of %s was that of %s, not of %s", r.live, r.rec.Restored, r.restored.Name)
		f.Next = fmt.Sprintf("To undo that one, send a request with targetDatabase %s.", r.rec.Restored)
		return f
	}
	r.aim(false)
	r.out.Old, r.out.Forced = r.rec.Old, r.rec.Forced
	n, err := r.look(ctx)
	if err != nil {
		return err
	}
	at, err := r.where(n)
	if err != nil {
		return err
	}
	if r.rec.Action == bacvault.PromoteUndo && r.rec.Finished != nil {
		if at != after {
			f := changed("the promotion was undone by request %s, and the names were exchanged again since", r.rec.last())
			f.Exists = r.tell(n)
			return f
		}
		r.out.Complete = true
		return r.show(ctx)
	}
	r.begun = true
	if n.live.is(r.goal.out) {
		r.find("what was written to %s since the promotion is in %s after the undo", r.live.Name, r.restored.Name)
	}
	if !r.rec.turn(bacvault.PromoteUndo, r.req.ID) {
		return nil
	}
	return r.save(ctx)
}

// show tells the steps of a promotion that was begun, and changes nothing.
func (r *run) show(ctx context.Context) error {
	r.out.Old, r.out.Forced = r.rec.Old, r.rec.Forced
	n, err := r.look(ctx)
	if err != nil {
		return err
	}
	r.setNames(n)
	name := r.live.Name
	if !n.live.is(r.goal.in) {
		name = r.goal.inWas
	}
	size, err := r.Server.Size(ctx, name)
	if err != nil {
		return err
	}
	r.set(StepScale, size.String(), r.goal.size.String(), size.same(r.goal.size))
	if err := r.shown(ctx, name, r.goal.in, r.goal.out); err != nil {
		return err
	}
	kept, _, err := r.Policies.Retention(ctx, name)
	if err != nil {
		return err
	}
	r.setRetention(kept)
	if r.out.Complete {
		r.findLater()
	}
	return nil
}

// findLater tells what somebody changed after the end: that is theirs to change.
func (r *run) findLater() {
	for i := range r.out.Steps {
		if s := &r.out.Steps[i]; !s.Done {
			r.find("%s was done by request %s, and is not so now (%s): it was left alone", s.Step, r.rec.last(), s.Now)
		}
	}
}
