package promote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// String is the size in words.
func (s Size) String() string {
	return fmt.Sprintf("%s %s %s", s.Edition, s.Objective, bytes(s.MaxSizeBytes))
}

func bytes(n int64) string {
	switch {
	case n <= 0:
		return "(no maximum size)"
	case n%(1<<30) == 0:
		return fmt.Sprintf("%d GB", n>>30)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// same: the server spells editions and objectives its own way.
func (s Size) same(t Size) bool {
	return strings.EqualFold(s.Edition, t.Edition) && strings.EqualFold(s.Objective, t.Objective) && s.MaxSizeBytes == t.MaxSizeBytes
}

// off is how a retention that is switched off reads; absent means the same.
const off = "PT0S"

func shortTerm(r bacvault.Retention) string {
	if r.DiffHours == 0 {
		return fmt.Sprintf("%d days", r.Days)
	}
	return fmt.Sprintf("%d days, differential every %d h", r.Days, r.DiffHours)
}

func longTerm(r bacvault.Retention) string {
	r = tidy(r)
	if r.Weekly == off && r.Monthly == off && r.Yearly == off {
		return "off"
	}
	s := fmt.Sprintf("weekly %s, monthly %s, yearly %s", r.Weekly, r.Monthly, r.Yearly)
	if r.WeekOfYear > 0 {
		s += fmt.Sprintf(" of week %d", r.WeekOfYear)
	}
	return s
}

// tidy writes the ways of saying the same in one way.
func tidy(r bacvault.Retention) bacvault.Retention {
	for _, p := range []*string{&r.Weekly, &r.Monthly, &r.Yearly} {
		if *p == "" {
			*p = off
		}
	}
	if r.Yearly == off {
		r.WeekOfYear = 0
	}
	return r
}

// short and long-term retention are compared each for itself, for each is a policy of its own. Hours that were not told are
// not compared.
func sameShort(now, want bacvault.Retention) bool {
	return now.Days == want.Days && (want.DiffHours == 0 || now.DiffHours == want.DiffHours)
}

func sameLong(now, want bacvault.Retention) bool {
	now, want = tidy(now), tidy(want)
	return now.Weekly == want.Weekly && now.Monthly == want.Monthly && now.Yearly == want.Yearly && now.WeekOfYear == want.WeekOfYear
}

func (r *run) setRetention(now bacvault.Retention) (same bool) {
	want := r.rec.Retention
	r.set(StepShortTerm, shortTerm(now), shortTerm(want), sameShort(now, want))
	r.set(StepLongTerm, longTerm(now), longTerm(want), sameLong(now, want))
	return sameShort(now, want) && sameLong(now, want)
}

// scale gives the new live database its size.
func (r *run) scale(ctx context.Context) error {
	now, err := r.Server.Size(ctx, r.live.Name)
	if err != nil {
		return err
	}
	want := r.goal.size
	r.set(StepScale, now.String(), want.String(), now.same(want))
	if now.same(want) {
		return nil
	}
	if err := r.Server.Scale(ctx, r.live.Name, want); err != nil {
		return fmt.Errorf("scale %s to %s: %w", r.live.Name, want, err)
	}
	return nil
}

// retain gives the new live database the retention that the old one had, for a restored one has the platform's default.
func (r *run) retain(ctx context.Context) error {
	if err := r.shown(ctx, r.live.Name, r.goal.in, r.goal.out); err != nil {
		return err
	}
	now, immutable, err := r.Policies.Retention(ctx, r.live.Name)
	if err != nil {
		return err
	}
	if r.setRetention(now) {
		return nil
	}
	if immutable {
		return bacvault.Fail(bacvault.CodePromoteImmutable, "the long-term retention of %s is immutable (%s) and can't be set", r.live.Name, longTerm(now))
	}
	if err := r.Policies.SetRetention(ctx, r.live.Name, r.rec.Retention); err != nil {
		return fmt.Errorf("set the retention of %s: %w", r.live.Name, err)
	}
	return nil
}

// verify reads all again: only what was seen is done.
func (r *run) verify(ctx context.Context) error {
	n, err := r.look(ctx)
	if err != nil {
		return err
	}
	if !n.live.is(r.goal.in) {
		f := changed("%s is not %s", r.live.Name, r.goal.inText)
		f.Exists = r.tell(n)
		return f
	}
	size, err := r.Server.Size(ctx, r.live.Name)
	if err != nil {
		return err
	}
	r.set(StepScale, "", r.goal.size.String(), size.same(r.goal.size))
	if err := r.shown(ctx, r.live.Name, r.goal.in, r.goal.out); err != nil {
		return err
	}
	kept, _, err := r.Policies.Retention(ctx, r.live.Name)
	if err != nil {
		return err
	}
	r.setRetention(kept)
	for _, s := range r.out.Steps {
		switch {
		case s.Done:
		case s.Step == StepScale:
			return fail(nil, "%s is %s after it was scaled to %s", r.live.Name, size, s.Want)
		default:
			return fail(nil, "%s of %s is not %s after it was set", s.Step, r.live.Name, s.Want)
		}
	}
	finished := r.now()
	r.rec.Finished = &finished
	if err := r.save(ctx); err != nil {
		return err
	}
	r.out.Complete = true
	return nil
}

// shown waits until the management plane shows a database under its name that is the one and not the other: it hears of a
// rename by T-SQL late, and what it says of a name until then is of the former bearer. Its creation times need not be those
// of sys.databases to the millisecond, so the nearer one decides.
func (r *run) shown(ctx context.Context, name string, is, isNot time.Time) error {
	for until := r.Now().Add(r.Patience); ; {
		created, there, err := r.Policies.Created(ctx, name)
		if err != nil {
			return err
		}
		if there && !created.IsZero() && created.Sub(is).Abs() < created.Sub(isNot).Abs() {
			return nil
		}
		if !r.Now().Before(until) {
			return fail(nil, "the management plane does not show the %s that the server has (created %s)", name, is.UTC().Format(time.RFC3339))
		}
		t := time.NewTimer(r.Poll)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
