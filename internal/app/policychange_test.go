package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

var policyNow = time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)

// keeper is a vault's policy as the rooms show it.
type keeper struct {
	p        bacvault.Posture
	unread   map[int]error // of the nth reading, from 1
	answer   error         // of a change
	lost     bool          // the answer says nothing of whether the change took effect
	idle     bool          // the change has no effect
	before   func(*bacvault.Posture)
	reads    int
	sent     []string
	backups  []stored
	unlisted []string
}

func (k *keeper) custody() custody {
	change := func(what, etag string, do func()) error {
		k.sent = append(k.sent, what+" "+etag)
		if k.before != nil {
			k.before(&k.p)
		}
		if k.answer != nil && !k.lost {
			return k.answer
		}
		if !k.idle {
			do()
			k.p.PolicyETag = `"2"`
		}
		return k.answer
	}
	return custody{
		vault: "https://st/vault", require: gate.Requirement{MinDays: 30}, now: func() time.Time { return policyNow },
		observe: func(context.Context) (bacvault.Posture, error) {
			k.reads++
			return k.p, k.unread[k.reads]
		},
		lock: func(_ context.Context, etag string) error {
			return change("lock", etag, func() { k.p.State, k.p.ExtensionsLeft = "Locked", 5 })
		},
		extend: func(_ context.Context, etag string, days int) error {
			return change(fmt.Sprint("extend ", days), etag, func() { k.p.PeriodDays = days; k.p.ExtensionsLeft-- })
		},
		stored: func(context.Context) ([]stored, []string) { return k.backups, k.unlisted },
	}
}

func unlocked(days int) bacvault.Posture {
	return bacvault.Posture{Scope: "container", State: "Unlocked", PeriodDays: days, PolicyETag: `"1"`}
}

func lockedFor(days, left int) bacvault.Posture {
	return bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: days, PolicyETag: `"1"`, ExtensionsLeft: left}
}

func with(p bacvault.Posture, change func(*bacvault.Posture)) bacvault.Posture {
	change(&p)
	return p
}

func lockWish() PolicyWish           { return PolicyWish{Action: PolicyLock} }
func extendWish(days int) PolicyWish { return PolicyWish{Action: PolicyExtend, Days: days} }

// What must not be done is refused before anything is sent, with words that say what it is.
func TestPlanRefusesWhatCantBeMended(t *testing.T) {
	for _, c := range []struct {
		name string
		p    bacvault.Posture
		w    PolicyWish
		code bacvault.Code
		says string
	}{
		{"lock: too short", unlocked(7), lockWish(), bacvault.CodeGateTooShort, "7 days, required are 30"},
		{"lock: too short can't be forced", unlocked(7), PolicyWish{Action: PolicyLock, Force: true, Reason: "x"}, bacvault.CodeGateTooShort, "7 days"},
		{"lock: other days than meant", unlocked(365), PolicyWish{Action: PolicyLock, Days: 36}, bacvault.CodePolicyRefused, "365 days, not 36"},
		{"lock: appends", with(unlocked(365), func(p *bacvault.Posture) { p.ProtectedAppend = true }), lockWish(), bacvault.CodePolicyRefused, "allowProtectedAppendWrites"},
		{"lock: all appends", with(unlocked(365), func(p *bacvault.Posture) { p.ProtectedAppendAll = true }), lockWish(), bacvault.CodePolicyRefused, "allowProtectedAppendWritesAll"},
		{"lock: no policy", bacvault.Posture{Scope: "container", State: "None"}, lockWish(), bacvault.CodeGateNoPolicy, "no immutability policy"},
		{"lock: version-level", with(unlocked(365), func(p *bacvault.Posture) { p.Scope = "version" }), lockWish(), bacvault.CodePolicyRefused, "version-level"},
		{"lock: a state that nobody knows", with(unlocked(365), func(p *bacvault.Posture) { p.State = "Other" }), lockWish(), bacvault.CodeGateUnread, "Other"},
		{"lock: no ETag", with(unlocked(365), func(p *bacvault.Posture) { p.PolicyETag = "" }), lockWish(), bacvault.CodePolicyRefused, "ETag"},
		{"lock: locked at other days", lockedFor(180, 5), PolicyWish{Action: PolicyLock, Days: 365}, bacvault.CodePolicyRefused, "180 days and not at 365"},
		{"extend: unlocked", unlocked(365), extendWish(730), bacvault.CodePolicyRefused, "unlocked: its period is simply set"},
		{"extend: no policy", bacvault.Posture{Scope: "container", State: "None"}, extendWish(730), bacvault.CodeGateNoPolicy, "no immutability policy"},
		{"extend: the same", lockedFor(365, 5), extendWish(365), bacvault.CodePolicyRefused, "365 are not more"},
		{"extend: shorter", lockedFor(365, 5), extendWish(30), bacvault.CodePolicyRefused, "30 are not more"},
		{"extend: the sixth", lockedFor(365, 0), extendWish(730), bacvault.CodePolicyRefused, "extended 5 times"},
		{"extend: too long", lockedFor(365, 5), extendWish(146001), bacvault.CodePolicyRefused, "1 to 146000 days"},
		{"extend: version-level", with(lockedFor(365, 0), func(p *bacvault.Posture) { p.Scope = "version" }), extendWish(730), bacvault.CodePolicyRefused, "version-level"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &keeper{p: c.p}
			_, err := k.custody().plan(t.Context(), c.w)
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Code != c.code || !strings.Contains(f.Detail, c.says) || f.Exists == "" && c.code != bacvault.CodeGateUnread || f.Next == "" || len(k.sent) > 0 {
				t.Errorf("sent %v: %v", k.sent, err)
			}
		})
	}
	blind := (&keeper{p: unlocked(365)}).custody()
	blind.require.NoManagementPlane = true
	if _, err := blind.plan(t.Context(), lockWish()); err == nil {
		t.Error("planned without a management plane")
	}
}

func TestPlanSaysWhatItMeans(t *testing.T) {
	backups := []stored{
		{"a.bacpac", policyNow.AddDate(0, 0, -400), 1}, {"b.bacpac", policyNow.AddDate(0, 0, -100), 2}, {"c.bacpac", policyNow.AddDate(0, 0, -1), 4}, {"old.bacpac", policyNow.AddDate(0, 0, -900), 8},
	}
	k := &keeper{p: lockedFor(365, 4), backups: backups, unlisted: []string{"the backups of srv/x: 403"}}
	ch, err := k.custody().plan(t.Context(), extendWish(730))
	if err != nil {
		t.Fatal(err)
	}
	b := ch.Backups
	if b.Count != 4 || b.Bytes != 15 || b.Ended != 2 || b.Again != 1 || b.First.Blob != "old.bacpac" || b.Last.Blob != "c.bacpac" ||
		!b.Last.Now.Equal(policyNow.AddDate(0, 0, 364)) || !b.Last.Then.Equal(policyNow.AddDate(0, 0, 729)) {
		t.Errorf("%+v, %+v, %+v", b, b.First, b.Last)
	}
	all := strings.Join(append(append(append(ch.Forever, ch.Untouched...), ch.Notes...), ch.Next), "\n")
	for _, w := range []string{"can't be unlocked, shortened or removed", "in its life: 3 of 5", "can't be deleted", "paid for until 730 days", "that is 2028-11-22", "deletes no blob", "kept longer too, by days: 365", "are protected again: 1."} {
		if !strings.Contains(all, w) {
			t.Errorf("the plan does not say %q:\n%s", w, all)
		}
	}
	if ch.Outcome != PolicyPlanned || ch.ExtensionsAfter != 3 || len(ch.Unread) != 1 || len(k.sent) > 0 {
		t.Errorf("%+v", ch)
	}
	k = &keeper{p: with(unlocked(365), func(p *bacvault.Posture) { p.ProtectedAppend = true })}
	if ch, err = k.custody().plan(t.Context(), PolicyWish{Action: PolicyLock, Force: true, Reason: "audit logs"}); err != nil || ch.Forced != "audit logs" || ch.Days != 365 || ch.ExtensionsAfter != 5 {
		t.Errorf("%+v, %v", ch, err)
	}
}

func TestLockedAlreadyIsSaidAndNothingIsSent(t *testing.T) {
	for _, p := range []bacvault.Posture{lockedFor(365, 2), with(lockedFor(7, 2), func(p *bacvault.Posture) { p.ProtectedAppend = true })} {
		k := &keeper{p: p}
		ch, err := k.custody().plan(t.Context(), lockWish())
		if err != nil || ch.Outcome != PolicyAlready || (len(ch.Notes) > 0) != (p.PeriodDays < 30) || ch.ExtensionsAfter != 2 {
			t.Errorf("%+v, %v", ch, err)
		}
		if ch, err = k.custody().apply(t.Context(), ch); err != nil || ch.Outcome != PolicyAlready || len(k.sent) > 0 {
			t.Errorf("sent %v: %+v, %v", k.sent, ch, err)
		}
	}
}

func TestChangeIsSentWithThePlansETagAndReadBack(t *testing.T) {
	for _, c := range []struct {
		p    bacvault.Posture
		w    PolicyWish
		sent string
		days int
		left int
	}{
		{unlocked(365), lockWish(), `lock "1"`, 365, 5},
		{lockedFor(365, 3), extendWish(730), `extend 730 "1"`, 730, 2},
	} {
		k := &keeper{p: c.p}
		ch, err := k.custody().plan(t.Context(), c.w)
		if err != nil {
			t.Fatal(err)
		}
		if ch, err = k.custody().apply(t.Context(), ch); err != nil || ch.Outcome != PolicyDone || ch.After == nil || !ch.After.Locked() || ch.After.PeriodDays != c.days || ch.ExtensionsAfter != c.left {
			t.Errorf("%+v, %v", ch, err)
		}
		if len(k.sent) != 1 || k.sent[0] != c.sent || !strings.Contains(ch.Next, "baseline") {
			t.Errorf("sent %q, next %q", k.sent, ch.Next)
		}
	}
}

// The answer decides nothing: what the policy says afterwards does.
func TestEndOfAChangeIsWhatThePolicySays(t *testing.T) {
	lost := fmt.Errorf("lock: %w (500)", gate.ErrUnsettled)
	away := bacvault.Fail(bacvault.CodeGateUnread, "403")
	other := func(p *bacvault.Posture) {
		p.PeriodDays, p.PolicyETag, p.History = 30, `"9"`, []bacvault.PolicyChange{{Kind: "put", Days: 30, At: policyNow, By: "mallory"}}
	}
	for _, c := range []struct {
		name    string
		k       keeper
		outcome string
		code    bacvault.Code
		says    []string
	}{
		{"the answer is lost, and it is done", keeper{answer: lost, lost: true}, PolicyDone, "", nil},
		{"the answer is lost, and it is not done", keeper{answer: lost, lost: true, idle: true}, "", bacvault.CodePolicyFailed, []string{"still as it was"}},
		{"the answer is lost, and somebody else changed it", keeper{answer: lost, lost: true, idle: true, before: other}, "", bacvault.CodePolicyChanged, []string{"periodDays was 365, and is 30"}},
		{"the answer is lost, and it can't be read", keeper{answer: lost, lost: true, unread: map[int]error{2: away, 3: away, 4: away}}, PolicyUnknown, "", nil},
		{"done, and it shows at the third reading", keeper{unread: map[int]error{2: away, 3: away}}, PolicyDone, "", nil},
		{"said to be done, and it can't be read", keeper{unread: map[int]error{2: away, 3: away, 4: away}}, PolicyUnknown, "", nil},
		{"said to be done, and it is not so", keeper{idle: true}, PolicyUnknown, "", nil},
		{"said to be done, and it is another kind of policy", keeper{before: func(p *bacvault.Posture) { p.Scope = "version" }}, PolicyUnknown, "", nil},
		{"somebody was faster", keeper{answer: bacvault.Fail(bacvault.CodePolicyChanged, "412"), before: other}, "", bacvault.CodePolicyChanged,
			[]string{"periodDays was 365, and is 30", "put to 30 days", "mallory"}},
		{"somebody locked it", keeper{answer: bacvault.Fail(bacvault.CodePolicyChanged, "412"), before: func(p *bacvault.Posture) { p.State = "Locked" }}, "", bacvault.CodePolicyChanged,
			[]string{"state was Unlocked, and is Locked"}},
		{"it was only written anew", keeper{answer: bacvault.Fail(bacvault.CodePolicyChanged, "412")}, "", bacvault.CodePolicyChanged, []string{"nothing that counts differs"}},
		{"somebody was faster, and it can't be read", keeper{answer: bacvault.Fail(bacvault.CodePolicyChanged, "412"), unread: map[int]error{2: away}}, "", bacvault.CodePolicyChanged,
			[]string{"could not be read"}},
		{"no right", keeper{answer: bacvault.Fail(bacvault.CodeVaultDenied, "lacks lock/action")}, "", bacvault.CodeVaultDenied, []string{"lacks lock/action"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := c.k
			k.p = unlocked(365)
			ch, err := k.custody().plan(t.Context(), lockWish())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if k.lost {
				k.before = both(k.before, func(*bacvault.Posture) { cancel() }) // Ctrl-C: it is read back all the same
			}
			ch, err = k.custody().apply(ctx, ch)
			var f *bacvault.Failure
			switch {
			case c.code == "" && (err != nil || ch.Outcome != c.outcome || ch.Next == ""):
				t.Errorf("%+v, %v", ch, err)
			case c.code != "" && (!errors.As(err, &f) || f.Code != c.code):
				t.Errorf("%+v, %v", ch, err)
			}
			for _, w := range c.says {
				if !strings.Contains(f.Detail, w) {
					t.Errorf("%q is not said: %s", w, f.Detail)
				}
			}
			if len(k.sent) != 1 {
				t.Errorf("sent %q", k.sent)
			}
		})
	}
}

func both(f, g func(*bacvault.Posture)) func(*bacvault.Posture) {
	return func(p *bacvault.Posture) {
		if f != nil {
			f(p)
		}
		g(p)
	}
}

// A policy that is locked is not yet one that was extended.
func TestExtensionThatHadNoEffectIsNotDone(t *testing.T) {
	for lost, want := range map[bool]string{true: PolicyPlanned, false: PolicyUnknown} {
		k := &keeper{p: lockedFor(365, 5), idle: true, lost: lost}
		if lost {
			k.answer = fmt.Errorf("extend: %w (503)", gate.ErrUnsettled)
		}
		ch, err := k.custody().plan(t.Context(), extendWish(730))
		if err != nil {
			t.Fatal(err)
		}
		ch, err = k.custody().apply(t.Context(), ch)
		var f *bacvault.Failure
		if ch.Outcome != want || lost != (errors.As(err, &f) && f.Code == bacvault.CodePolicyFailed) {
			t.Errorf("lost %t: %+v, %v", lost, ch, err)
		}
	}
}

// The history may have forgotten extensions: then the service knows better, and the reader is told what it may mean.
func TestSixthExtensionThatTheServiceRefusesIsExplained(t *testing.T) {
	k := &keeper{p: lockedFor(365, 2), answer: bacvault.Fail(bacvault.CodePolicyRefused, "409")}
	ch, err := k.custody().plan(t.Context(), extendWish(730))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.custody().apply(t.Context(), ch)
	var f *bacvault.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Next, "5 extensions in a policy's life; its history shows 3, but may not show all") {
		t.Errorf("%+v", f)
	}
}
