package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// custody is the composition's part in a change of the policy.
type custody struct {
	plan    app.PolicyChange
	planErr error
	wishes  []app.PolicyWish
	sent    []app.PolicyChange
	change  func(app.PolicyChange) (app.PolicyChange, error)
}

func (f *fake) PlanPolicyChange(_ context.Context, w app.PolicyWish) (app.PolicyChange, error) {
	f.custody.wishes = append(f.custody.wishes, w)
	return f.custody.plan, f.custody.planErr
}

func (f *fake) ChangePolicy(_ context.Context, p app.PolicyChange) (app.PolicyChange, error) {
	f.custody.sent = append(f.custody.sent, p)
	return f.custody.change(p)
}

// keeper has a plan for an action, which is then done.
func keeper(action string) *fake {
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	e := &app.BackupEnd{Blob: "srv/db/x.bacpac", Now: at.AddDate(1, 0, 0), Then: at.AddDate(2, 0, 0)}
	f := &fake{}
	f.custody.plan = app.PolicyChange{
		Schema: app.PolicyChangeSchema, At: at, Vault: "https://st/sql-backups", Action: action, Outcome: app.PolicyPlanned, Days: 365,
		Before:  bacvault.Posture{State: "Unlocked", PeriodDays: 365, Scope: "container", PolicyETag: `"8d"`},
		Backups: app.ProtectedBackups{Count: 3, Bytes: 3 << 20, First: e, Last: e}, ExtensionsAfter: 5,
		Forever: []string{"Nobody can take this back."}, Untouched: []string{"It deletes no blob."}, Next: "go on",
	}
	f.custody.change = func(p app.PolicyChange) (app.PolicyChange, error) {
		p.Outcome, p.After = app.PolicyDone, &bacvault.Posture{State: "Locked", PeriodDays: 365}
		return p, nil
	}
	return f
}

func TestPolicyIsChangedOnlyByNameAndDays(t *testing.T) {
	for _, action := range []string{"lock", "extend"} {
		for _, c := range []struct {
			name, typed, args string
			tty               bool
			code, sent        int
		}{
			{"name and days", "sql-backups 365\n", "", true, exitOK, 1},
			{"the name alone", "sql-backups\n", "", true, exitRefused, 0},
			{"other days", "sql-backups 36\n", "", true, exitRefused, 0},
			{"a yes", "yes\n", "", true, exitRefused, 0},
			{"nothing", "", "", true, exitRefused, 0},
			{"nobody there", "", "", false, exitUsage, 0},
			{"nobody there, but --yes", "", "--yes", false, exitOK, 1},
			{"a plan", "", "--plan", false, exitOK, 0},
			{"a plan, and --yes", "", "--plan --yes", false, exitOK, 0},
		} {
			t.Run(action+", "+c.name, func(t *testing.T) {
				f := keeper(action)
				got := enter(t, f, func(d *cli) { d.inTTY, d.outTTY, d.stdin = c.tty, true, strings.NewReader(c.typed) },
					append([]string{"policy", action, "--days", "365"}, strings.Fields(c.args)...)...)
				if got.code != c.code || len(f.custody.sent) != c.sent || (got.out != "") != (c.code == exitOK) {
					t.Errorf("sent %d: %+v", len(f.custody.sent), got)
				}
				if asked := strings.Contains(got.words, "Type the container's name and the number of days"); asked != c.tty {
					t.Errorf("asked %t: %s", asked, got.words)
				}
				if sooner, _, _ := strings.Cut(got.words, "Type the container's name"); strings.Contains(sooner, "outcome:") {
					t.Errorf("an outcome is told before anything was decided: %s", got.words)
				}
				shown := got.words + got.out
				if missing := lacks(shown, "Unlocked, 365 days", "for ever:", "Nobody can take this back.", "not done:", "3, 3.0 MiB", "2028-11-24", "append writes:", "none allowed"); c.code != exitUsage && missing != nil {
					t.Errorf("the plan lacks %v: %s", missing, shown)
				}
			})
		}
	}
}

// What is as it was asked for needs no yes, so a script may say it every day.
func TestAPolicyThatIsThereAlreadyAsksNobody(t *testing.T) {
	f := keeper("lock")
	f.custody.plan.Outcome = app.PolicyAlready
	got := enter(t, f, func(d *cli) { d.inTTY = false }, "policy", "lock", "-o", "text")
	if got.code != exitOK || len(f.custody.sent) != 0 || !strings.Contains(got.out, "already") {
		t.Errorf("sent %d: %+v", len(f.custody.sent), got)
	}
}

func TestUsageOfPolicyChanges(t *testing.T) {
	for args, says := range map[string]string{
		"lock --yes": "--days", "lock --force": "--reason", "lock --days -1": "positive", "extend": "--days", "extend --days 0 --yes": "--days", "lock now": "unknown command",
	} {
		f := keeper("lock")
		got := enter(t, f, nil, append([]string{"policy"}, strings.Fields(args)...)...)
		if got.code != exitUsage || len(f.custody.wishes) > 0 || !strings.Contains(got.words, says) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestWishIsWhatWasTyped(t *testing.T) {
	for args, want := range map[string]app.PolicyWish{
		"lock --plan": {Action: "lock"},
		"lock --days 365 --yes --force --reason CHG0012345": {Action: "lock", Days: 365, Force: true, Reason: "CHG0012345"},
		"extend --days 730 --yes":                           {Action: "extend", Days: 730},
	} {
		f := keeper("lock")
		got := enter(t, f, nil, append([]string{"policy"}, strings.Fields(args)...)...)
		if got.code != exitOK || len(f.custody.wishes) != 1 || f.custody.wishes[0] != want {
			t.Errorf("%s: %+v, %+v", args, f.custody.wishes, got)
		}
	}
}

func TestEndOfAPolicyChangeIsItsExitCode(t *testing.T) {
	args := []string{"policy", "lock", "--days", "365", "--yes"}
	for _, c := range []struct {
		name   string
		change func(*fake)
		code   int
		out    bool
		says   string
	}{
		{"already locked", func(f *fake) { f.custody.plan.Outcome = app.PolicyAlready }, exitOK, true, ""},
		{"the plan is refused", func(f *fake) { f.custody.planErr = bacvault.Fail(bacvault.CodeGateTooShort, "7 days") }, exitRefused, false, "gate.too_short"},
		{"the plan can't be made", func(f *fake) { f.custody.planErr = bacvault.Fail(bacvault.CodeGateUnread, "503") }, exitUnreachable, false, "gate.unread"},
		{"somebody was faster", func(f *fake) {
			f.custody.change = func(p app.PolicyChange) (app.PolicyChange, error) {
				return p, bacvault.Fail(bacvault.CodePolicyChanged, "it was 365, and is 30")
			}
		}, exitBusy, false, "it was 365, and is 30"},
		{"no right", func(f *fake) {
			f.custody.change = func(p app.PolicyChange) (app.PolicyChange, error) {
				return p, bacvault.Fail(bacvault.CodeVaultDenied, "lacks lock/action")
			}
		}, exitRefused, false, "lacks lock/action"},
		{"no answer", func(f *fake) {
			f.custody.change = func(p app.PolicyChange) (app.PolicyChange, error) {
				return p, bacvault.Fail(bacvault.CodePolicyFailed, "still as it was")
			}
		}, exitUnreachable, false, "still as it was"},
		{"not known", func(f *fake) {
			f.custody.change = func(p app.PolicyChange) (app.PolicyChange, error) {
				p.Outcome = app.PolicyUnknown
				return p, nil
			}
		}, exitPartial, true, "may have been done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := keeper("lock")
			c.change(f)
			got := enter(t, f, nil, args...)
			if got.code != c.code || (got.out != "") != c.out || !strings.Contains(got.words, c.says) {
				t.Errorf("%+v", got)
			}
			if c.out {
				if ch := decode[app.PolicyChange](t, got.out); ch.Schema != app.PolicyChangeSchema || ch.Outcome == "" || ch.Outcome == app.PolicyAlready && len(f.custody.sent) > 0 {
					t.Errorf("sent %d, %+v", len(f.custody.sent), ch)
				}
			}
		})
	}
	f := keeper("lock")
	f.custody.plan.Unread = []string{"the backups: 403"}
	if got := enter(t, f, onTerminal, "policy", "lock", "--plan"); got.code != exitPartial || lacks(got.out, "the backups: 403", "not all could be read; 3") != nil {
		t.Errorf("a plan that lacks something: %+v", got)
	}
}
