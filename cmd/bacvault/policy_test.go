package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func goodPolicy() app.PolicyReport {
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	p := bacvault.Posture{ObservedAt: at, State: "Locked", PeriodDays: 365, Scope: "container", History: []bacvault.PolicyChange{{Kind: "lock", Days: 365, At: at}}}
	return app.PolicyReport{
		Schema: app.PolicySchema, At: at, Vault: "https://st/sql-backups", Posture: p, Baseline: &p, Required: app.PolicyRequired{MinDays: 30},
		FirstEnd: &app.ProtectionEnd{Blob: "srv/db/x.bacpac", Until: at.AddDate(0, 0, 12), Days: 12},
	}
}

func TestPolicyCheckIsAsGoodAsThePolicy(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*app.PolicyReport)
		code   int
		says   []string
	}{
		{"all is well", func(*app.PolicyReport) {}, exitOK, []string{"Locked, 365 days", "at least 30 days", "in 12 days", "the same"}},
		{"no baseline yet", func(r *app.PolicyReport) { r.Baseline = nil }, exitOK, []string{"none yet"}},
		{"the gate refuses", func(r *app.PolicyReport) {
			r.Missing = bacvault.Fail(bacvault.CodeGateUnlocked, "it is not locked").Data()
		}, exitBad, []string{"gate.unlocked: it is not locked", "next:"}},
		{"a drift", func(r *app.PolicyReport) {
			r.Drift = []app.PolicyDrift{{What: "periodDays", Baseline: "365", Now: "180"}}
		}, exitBad, []string{"periodDays was 365, and is 180"}},
		{"degraded", func(r *app.PolicyReport) { r.Degraded = []string{"version-level"} }, exitPartial, []string{"version-level"}},
		{"not all read", func(r *app.PolicyReport) { r.Unread = []string{"the baseline: 403"} }, exitPartial, []string{"the baseline: 403"}},
		{"a waiver", func(r *app.PolicyReport) {
			r.Required.AllowUnlockedUntil, r.Required.AllowUnlockedReason = &r.At, "trial"
		}, exitOK, []string{"until 2026-11-24T06:00:00Z: trial"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{policy: goodPolicy()}
			c.change(&f.policy)
			text, doc := enter(t, f, onTerminal, "policy", "check"), enter(t, f, nil, "policy", "check")
			if missing := lacks(text.out, c.says...); text.code != c.code || missing != nil || f.accepted > 0 {
				t.Errorf("lacks %v: %+v", missing, text)
			}
			if r := decode[app.PolicyReport](t, doc.out); doc.code != c.code || r.Schema != app.PolicySchema || r.Posture.PeriodDays != 365 {
				t.Errorf("%+v", doc)
			}
		})
	}
	f := &fake{err: bacvault.Fail(bacvault.CodeGateUnread, "403")}
	if got := enter(t, f, nil, "policy", "check"); got.code != exitUnreachable || got.out != "" {
		t.Errorf("not observed: %+v", got)
	}
}

func TestPolicyIsAcceptedOnlyByItsContainersName(t *testing.T) {
	accept := func() (app.PolicyReport, error) {
		r := goodPolicy()
		r.Accepted = true
		return r, nil
	}
	for _, c := range []struct {
		name, typed, args string
		tty               bool
		code, accepted    int
	}{
		{"the name", "sql-backups\n", "", true, exitOK, 1},
		{"another name", "yes\n", "", true, exitRefused, 0},
		{"nothing", "\n", "", true, exitRefused, 0},
		{"nobody there", "", "", false, exitUsage, 0},
		{"nobody there, but --yes", "", "--yes", false, exitOK, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{policy: goodPolicy(), accept: accept}
			f.policy.Drift = []app.PolicyDrift{{What: "periodDays", Baseline: "365", Now: "400"}}
			got := enter(t, f, func(d *cli) { d.inTTY, d.outTTY, d.stdin = c.tty, true, strings.NewReader(c.typed) },
				append([]string{"policy", "check", "--accept"}, strings.Fields(c.args)...)...)
			if got.code != c.code || f.accepted != c.accepted || (got.out != "") != (c.accepted > 0) {
				t.Errorf("accepted %d: %+v", f.accepted, got)
			}
			if c.tty && lacks(got.words, "periodDays: the baseline says 365, the vault 400", "https://st/sql-backups") != nil {
				t.Errorf("it does not show what is accepted: %s", got.words)
			}
		})
	}
}

func TestPolicyThatIsNotAcceptedSaysWhy(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{bacvault.Fail(bacvault.CodeGateUnlocked, "x"), exitRefused}, {fmt.Errorf("lease: %w", app.ErrLooking), exitBusy},
		{bacvault.Fail(bacvault.CodeLeaseLost, "x"), exitBusy}, {bacvault.Fail(bacvault.CodeVaultDenied, "x"), exitRefused},
	} {
		f := &fake{policy: goodPolicy(), accept: func() (app.PolicyReport, error) { return app.PolicyReport{}, c.err }}
		if got := enter(t, f, nil, "policy", "check", "--accept", "--yes"); got.code != c.code || got.out != "" || got.words == "" {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

// tries are an overwrite and a delete with the status and code of their answers.
func tries(overwrite, remove int, passed bool) (p app.ProbeResult) {
	p.Canary, p.Passed = ".bacvault/canary-1.txt", passed
	for i, status := range []int{overwrite, remove} {
		t := app.ProbeTry{What: []string{"overwrite", "delete"}[i], Status: status}
		switch status {
		case 409:
			t.Code, t.Refused = "BlobImmutableDueToPolicy", true
		case 403:
			t.Code, t.Refused = "AuthorizationPermissionMismatch", i == 1
		case 412:
			t.Code = "LeaseIdMissing"
		}
		p.Tries = append(p.Tries, t)
	}
	return p
}

func TestProbeSaysHowEachTryWasAnswered(t *testing.T) {
	for _, c := range []struct {
		name              string
		overwrite, remove int
		passed            bool
		code              int
		says              []string
	}{
		{"both by the policy", 409, 409, true, exitOK, []string{"refused by the policy (409 BlobImmutableDueToPolicy)"}},
		{"the delete for want of a right", 409, 403, true, exitPartial, []string{"refused for want of a right (403", "the policy was not asked"}},
		{"neither was asked of the policy", 403, 403, false, exitPartial, []string{"for want of a right"}},
		{"the delete was taken", 409, 200, false, exitBad, []string{"TAKEN"}},
		{"both were taken", 200, 200, false, exitBad, []string{"TAKEN"}},
		{"another refusal", 412, 409, false, exitBad, []string{"412 LeaseIdMissing, which protects nothing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{probe: tries(c.overwrite, c.remove, c.passed)}
			text, doc := enter(t, f, onTerminal, "policy", "probe"), enter(t, f, nil, "policy", "probe")
			if missing := lacks(text.out, c.says...); text.code != c.code || missing != nil {
				t.Errorf("lacks %v: %+v", missing, text)
			}
			if p := decode[app.ProbeResult](t, doc.out); doc.code != c.code || len(p.Tries) != 2 {
				t.Errorf("%+v", doc)
			}
		})
	}
	f := &fake{err: bacvault.Fail(bacvault.CodeVaultDenied, "no canary")}
	if got := enter(t, f, nil, "policy", "probe"); got.code != exitRefused || got.out != "" {
		t.Errorf("%+v", got)
	}
	if got := enter(t, &fake{}, nil, "policy", "probe"); got.code != exitBad {
		t.Errorf("a probe that tried nothing: %+v", got)
	}
}
