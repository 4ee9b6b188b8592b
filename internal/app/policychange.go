package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

const (
	// settleTries and settlePause are how long a policy is looked at that does not show a change yet.
	settleTries = 3
	settlePause = 2 * time.Second
	// settleLimit bounds the reading back, also after Ctrl-C: what can't be undone must not be left untold.
	settleLimit = 2 * time.Minute
)

// PlanPolicyChange reads the policy anew and says what a change would do; it changes nothing. What must not be done is an error.
func (a *App) PlanPolicyChange(ctx context.Context, w PolicyWish) (PolicyChange, error) {
	return a.custody().plan(ctx, w)
}

// ChangePolicy makes a planned change, if the policy is still the one that the plan was made from. It can't be undone.
func (a *App) ChangePolicy(ctx context.Context, plan PolicyChange) (PolicyChange, error) {
	return a.custody().apply(ctx, plan)
}

func (a *App) custody() custody {
	return custody{
		vault: a.cfg.VaultURL(), require: a.requirement(), observe: a.gate.Observe, lock: a.gate.Lock, extend: a.gate.Extend,
		stored: a.storedBackups, now: a.now, pause: settlePause,
	}
}

// storedBackups lists every backup in the vault. Who may lock a policy need not be able to see the backups.
func (a *App) storedBackups(ctx context.Context) (list []stored, unread []string) {
	dbs, err := a.vault.Databases(ctx)
	if err != nil {
		return nil, []string{"the backups: " + bacvault.AsFailure(err, "").Detail}
	}
	for _, d := range dbs {
		entries, err := a.vault.Catalogue(ctx, d)
		if err != nil {
			unread = append(unread, "the backups of "+d.String()+": "+bacvault.AsFailure(err, "").Detail)
			continue
		}
		for _, e := range entries {
			if e.HasManifest {
				list = append(list, stored{e.Blob, e.Created, e.Size})
			}
		}
	}
	return list, unread
}

// apply sends the change once, and then goes by what the policy says and not by the answer.
func (c custody) apply(ctx context.Context, ch PolicyChange) (PolicyChange, error) {
	if ch.Outcome != PolicyPlanned {
		return ch, nil
	}
	var err error
	if ch.Action == PolicyLock {
		err = c.lock(ctx, ch.Before.PolicyETag)
	} else {
		err = c.extend(ctx, ch.Before.PolicyETag, ch.Days)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	var f *bacvault.Failure
	switch {
	case errors.Is(err, gate.ErrUnsettled):
		ch.Notes = append(ch.Notes, "The service's answer was lost or said nothing, so the policy was read again: "+err.Error())
	case errors.As(err, &f) && f.Code == bacvault.CodePolicyChanged:
		after, rerr := c.observe(ctx)
		return ch, ch.differs(f, after, rerr)
	case err != nil:
		return ch, ch.explained(err)
	}
	after, rerr := c.settle(ctx, ch)
	if rerr != nil {
		ch.Outcome, ch.Next = PolicyUnknown, "Read it: bacvault policy check."
		ch.Notes = append(ch.Notes, "The policy could not be read back: "+bacvault.AsFailure(rerr, "").Detail)
		return ch, nil
	}
	ch.After = &after
	switch {
	case ch.made(after):
		ch.Outcome, ch.ExtensionsAfter = PolicyDone, after.ExtensionsLeft
		ch.done()
		return ch, nil
	case err != nil && after.PolicyETag == ch.Before.PolicyETag:
		f := bacvault.Fail(bacvault.CodePolicyFailed, "the %s was sent, its answer was lost, and the policy is still as it was: %s", ch.Action, err)
		f.Err, f.Exists = err, "the policy is "+stands(after)+", as before; a call that hangs may still arrive"
		return ch, f
	case err != nil:
		return ch, ch.differs(bacvault.Fail(bacvault.CodePolicyChanged, "the %s was sent, its answer was lost, and the policy is another one now", ch.Action), after, nil)
	}
	ch.Outcome, ch.Next = PolicyUnknown, "Read it: bacvault policy check."
	ch.Notes = append(ch.Notes, "The service said that it was done, and yet the policy reads "+stands(after)+".")
	return ch, nil
}

// settle reads the policy back until it is as it was wanted, or some seconds are over.
func (c custody) settle(ctx context.Context, ch PolicyChange) (p bacvault.Posture, err error) {
	for n := range settleTries {
		if n > 0 {
			select {
			case <-ctx.Done():
				return p, errors.Join(err, context.Cause(ctx))
			case <-time.After(c.pause):
			}
		}
		if p, err = c.observe(ctx); err == nil && ch.made(p) {
			return p, nil
		}
	}
	return p, err
}

func (ch PolicyChange) made(p bacvault.Posture) bool {
	return p.Locked() && p.PeriodDays == ch.Days && p.Scope == ch.Before.Scope
}

// explained adds what a refusal by the service most likely means.
func (ch PolicyChange) explained(err error) error {
	var f *bacvault.Failure
	if errors.As(err, &f) && f.Code == bacvault.CodePolicyRefused && ch.Action == PolicyExtend {
		f.Next = fmt.Sprintf("Azure takes %d extensions in a policy's life; its history shows %d, but may not show all. Else the service's own words say why.",
			gate.MaxExtensions, gate.MaxExtensions-ch.Before.ExtensionsLeft)
	}
	return err
}

// differs says what somebody changed between the plan and the call.
func (ch PolicyChange) differs(f *bacvault.Failure, now bacvault.Posture, err error) error {
	if err != nil {
		f.Detail += "; what it is now could not be read: " + bacvault.AsFailure(err, "").Detail
		return f
	}
	var what []string
	for _, d := range drifted(ch.Before, now) {
		what = append(what, fmt.Sprintf("%s was %s, and is %s", d.What, d.Baseline, d.Now))
	}
	if len(what) == 0 {
		what = append(what, "nothing that counts differs, it was only written anew")
	}
	if n := len(now.History); n > 0 {
		h := now.History[n-1]
		what = append(what, fmt.Sprintf("its history ends with %s to %d days at %s by %s", h.Kind, h.Days, h.At.Format(time.RFC3339), h.By))
	}
	f.Detail += "; " + strings.Join(what, "; ")
	f.Exists = "the policy is " + stands(now)
	return f
}

func stands(p bacvault.Posture) string {
	if p.State == gate.StateNone {
		return "gone: the container has none"
	}
	return fmt.Sprintf("%s, %d days", p.State, p.PeriodDays)
}

// say puts the plan into words. Each sentence must be true of a container-level policy; Microsoft's page on container-level WORM
// policies is where they come from.
func (ch *PolicyChange) say() {
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	if ch.Outcome == PolicyAlready {
		ch.Next = "Nothing: it is locked already."
		return
	}
	ch.Forever = []string{
		"Nobody can take this back, the subscription's owner included: a locked policy can't be unlocked, shortened or removed.",
		fmt.Sprintf("Only its period can still grow: extensions that are left after this in its life: %d of %d.", ch.ExtensionsAfter, gate.MaxExtensions),
		"Container and storage account can't be deleted while protected blobs lie there.",
		fmt.Sprintf("Every blob in the container, each yet to come and each written by mistake, is kept and paid for until %d days after its creation.", ch.Days),
	}
	if l := ch.Backups.Last; l != nil {
		ch.Forever = append(ch.Forever, fmt.Sprintf("For the newest of the %d backups that lie there that is %s.", ch.Backups.Count, day(l.Then)))
	}
	ch.Untouched = []string{
		"It writes, changes and deletes no blob. What has outlived its protection stays, and costs, until something deletes it.",
		"Legal hold and append flags stay as they are; a locked policy's append flags stay for ever.",
		"It keeps nothing from a subscription that is not paid for.",
	}
	ch.Next = "bacvault policy " + ch.Action + ", with the same flags and without --plan."
	if ch.Action == PolicyLock {
		ch.Untouched = append(ch.Untouched, fmt.Sprintf("The period stays %d days.", ch.Days))
		return
	}
	ch.Notes = append(ch.Notes, fmt.Sprintf("A period counts from each blob's creation: what lies there is kept longer too, by days: %d.", ch.Days-ch.Before.PeriodDays))
	if n := ch.Backups.Again; n > 0 {
		ch.Notes = append(ch.Notes, fmt.Sprintf("Backups that may be deleted now and are protected again: %d.", n))
	}
}

// done says what comes after. The watch's baseline is left to the watch: whoever changes a policy should not be able to silence who
// tells of it, and the right to write the state container is not theirs.
func (ch *PolicyChange) done() {
	told := "The watch takes it for its baseline at its next look."
	if ch.Action == PolicyExtend {
		told = "The watch tells it once, as a warning, and takes it for its baseline; until then bacvault policy check says drift. At once: bacvault policy check --accept."
	}
	ch.Next = told + fmt.Sprintf(" Say in Terraform what is true now (locked, %d days), and give back the right to change policies.", ch.Days)
}
