package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
)

// good is a report in which all held.
func good() *Report {
	var s statements
	for name := range azuresql.Constants() {
		s.hear(name, nil)
	}
	r := &Report{Steps: []Step{{Name: "a", Verdict: verdictPass}, {Name: "b", Verdict: verdictAnswer}, {Name: "c", Verdict: verdictSkipped, Optional: true}}}
	r.Statements, r.Unknown = s.list()
	return r
}

// Nothing is good because it was not looked at.
func TestWhatPasses(t *testing.T) {
	for name, c := range map[string]struct {
		want   bool
		change func(*Report)
	}{
		"all held":                     {true, func(*Report) {}},
		"a step failed":                {false, func(r *Report) { r.Steps[0].Verdict = verdictFail }},
		"a step was skipped":           {false, func(r *Report) { r.Steps[0].Verdict = verdictSkipped }},
		"what a flag asked for failed": {false, func(r *Report) { r.Steps[2].Verdict = verdictFail }},
		"a verdict that nobody knows":  {false, func(r *Report) { r.Steps[0].Verdict = "" }},
		"no step":                      {false, func(r *Report) { r.Steps = nil }},
		"no statement":                 {false, func(r *Report) { r.Statements = nil }},
		"a statement was not run":      {false, func(r *Report) { r.Statements[3].Outcome = outcomeNotRun }},
		"a statement was refused":      {false, func(r *Report) { r.Statements[3].Outcome = outcomeRefused }},
		"a statement of nobody's":      {false, func(r *Report) { r.Unknown = []string{"DROP TABLE x"} }},
	} {
		r := good()
		c.change(r)
		if r.judge(); r.Passed != c.want {
			t.Errorf("%s: passed %t", name, r.Passed)
		}
		if strings.Contains(r.markdown(), "NOT passed") == c.want || strings.Contains(r.summary("d"), "NOT passed") == c.want {
			t.Errorf("%s: the page or the summary says otherwise", name)
		}
	}
}

func TestEveryConstantIsListedSentOrNot(t *testing.T) {
	var s statements
	s.hear("stmtCount", nil)
	s.hear("stmtCount", errors.New("once refused"))
	s.hear("stmtDrop", errors.New("denied"))
	s.hear("DROP TABLE x", nil)
	list, unknown := s.list()
	got := map[string]string{}
	for _, c := range list {
		got[c.Constant] = c.Outcome
	}
	want := map[string]string{}
	for _, name := range slices.Collect(maps.Keys(azuresql.Constants())) {
		want[name] = outcomeNotRun
	}
	want["stmtCount"], want["stmtDrop"] = outcomeRan, outcomeRefused
	if !maps.Equal(got, want) || !slices.Equal(unknown, []string{"DROP TABLE x"}) {
		t.Errorf("%v; unknown %v", got, unknown)
	}
}

// A step whose need did not pass, and one after the limit, is skipped and told why; neither is a pass.
func TestAStepThatCannotBeDoneIsSkipped(t *testing.T) {
	a := &acceptance{rep: &Report{}, words: &bytes.Buffer{}}
	fine := func(context.Context) (string, error) { return "done", nil }
	a.do(t.Context(), step{name: "one", limit: time.Minute, do: func(context.Context) (string, error) { return "", errors.New("broken") }})
	a.do(t.Context(), step{name: "two", limit: time.Minute, needs: []string{"one"}, do: fine})
	a.do(t.Context(), step{name: "three", limit: time.Minute, do: fine})
	a.do(t.Context(), step{name: "four", limit: time.Millisecond, do: func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}})
	a.do(t.Context(), step{name: "panics", limit: time.Minute, do: func(context.Context) (string, error) { panic("out of place") }})
	if last := &a.rep.Steps[len(a.rep.Steps)-1]; strings.HasPrefix(last.Detail, "panic: out of place") {
		last.Detail = "panic" // and a stack
	}
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the limit was reached"))
	a.do(over, step{name: "five", limit: time.Minute, do: fine})
	var got []string
	for _, s := range a.rep.Steps {
		got = append(got, s.Name+" "+s.Verdict+": "+s.Detail)
	}
	want := []string{
		"one FAIL: broken", `two skipped: it needs "one", which did not pass`, "three pass: done", "four FAIL: no end within 1ms",
		"panics FAIL: panic",
		"five skipped: not begun: the limit was reached",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// An answer that lets a change through is never taken for the refusal that must come.
func TestExpectations(t *testing.T) {
	for _, c := range []struct {
		want   expectation
		status int
		code   string
		holds  bool
	}{
		{refusedByPolicy, 409, "BlobImmutableDueToPolicy", true}, {refusedByPolicy, 409, "BlobImmutableDueToLegalHold", true},
		{refusedByPolicy, 201, "", false}, {refusedByPolicy, 409, "BlobAlreadyExists", false}, {refusedByPolicy, 403, "AuthorizationPermissionMismatch", false},
		{refusedByPolicy, 412, "BlobImmutableDueToPolicy", false},
		{refusedAsName, 409, "BlobAlreadyExists", true}, {refusedAsName, 201, "", false}, {refusedAsName, 412, "ConditionNotMet", false},
		{refusedOrDenied, 403, "AuthorizationPermissionMismatch", true}, {refusedOrDenied, 202, "", false}, {refusedOrDenied, 404, "BlobNotFound", false},
		{allowed, 200, "", true}, {allowed, 409, "BlobImmutableDueToPolicy", false}, {refusedSomehow, 200, "", false}, {refusedSomehow, 500, "", false},
	} {
		if got := c.want.holds(c.status, c.code); got != c.holds {
			t.Errorf("%s: %d %s holds %t", c.want.words, c.status, c.code, got)
		}
	}
	for _, e := range []expectation{refusedByPolicy, refusedAsName, refusedOrDenied} {
		if !e.must {
			t.Errorf("%s is a promise", e.words)
		}
	}
}

func TestWhatIsOursAndWhatStandsIn(t *testing.T) {
	for name, want := range map[string]bool{
		"srv/DB_accept_20261125020304/srv-DB_accept_20261125020304_x.bacpac": true, ".bacvault/canary-1.txt": true, ".bacvault/acceptance-1.txt": true,
		"srv/DB/srv-DB_x.bacpac": false, "srv/DB_accept_1/x.bacpac": false, "flat.bacpac": false, "DB_accept_20261125020304.bacpac": false,
	} {
		if got := ours(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for address, want := range map[string]bool{
		"127.0.0.1:1433": true, "https://127.0.0.1:10000/a/b": true, "localhost:1433": true, "https://[::1]:8/x": true,
		"x.database.windows.net:1433": false, "https://a.blob.core.windows.net/c": false, "https://management.azure.com": false,
	} {
		if got := standsIn(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

// The run needs fewer settings than the apps, and its own stand over the owner's.
func TestSettingsOfARun(t *testing.T) {
	env := own([]string{
		"STORAGE_ACCOUNT_NAME=acc", "SQL_DATABASE_NAME=*", "BACVAULT_ACCESS_TIER=Cold", "BACVAULT_MIN_RETENTION_DAYS=365", "BACVAULT_NOTIFY_URL=https://x", "PATH=",
	}, options{server: "srv"}, "DB_accept_1", time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC))
	for _, want := range []string{
		"SQL_SERVER_NAME=srv", "SQL_DATABASE_NAME=DB_accept_1", "AzureWebJobsStorage__accountName=acc", "MANAGED_IDENTITY_CLIENT_ID=signed-in",
		"BACVAULT_MIN_RETENTION_DAYS=1", "BACVAULT_ALLOW_UNLOCKED_UNTIL=2026-11-26", "BACVAULT_COPY_BY=tsql",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing from %v", want, env)
		}
	}
	for _, kv := range env {
		if strings.HasPrefix(kv, "BACVAULT_ACCESS_TIER=") || strings.HasPrefix(kv, "BACVAULT_NOTIFY_URL=") {
			t.Errorf("%s was kept", kv)
		}
	}
}

// The page names each flag, and none that is not there.
func TestFlagsAreOnThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/acceptance.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, real []string
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	flags(&options{}).VisitAll(func(f *flag.Flag) { real = append(real, f.Name) })
	slices.Sort(documented)
	if !slices.Equal(documented, real) || len(real) < 5 {
		t.Errorf("on the page: %v; flags: %v", documented, real)
	}
}

// Every question has an answer in words, even where nothing was asked, and none of those counts as settled.
func TestNothingAskedSettlesNothing(t *testing.T) {
	a := &acceptance{rep: &Report{}, answers: answers{}}
	all := a.questions()
	if len(all) != 10 {
		t.Fatalf("%d questions", len(all))
	}
	for _, q := range all {
		if q.Settled || q.Answer == "" || q.Assumed == "" {
			t.Errorf("%+v", q)
		}
	}
}

// A refused look has no headers, which is not the same as a blob that shows none; and a want of rights is no answer of the policy.
func TestARefusalForWantOfRightsIsNoAnswer(t *testing.T) {
	a := &acceptance{rep: &Report{}, answers: answers{}}
	for _, what := range []string{whatHead, whatTags, whatLease} {
		a.rep.Attempts = append(a.rep.Attempts, Attempt{What: what, Status: 403, Code: "AuthorizationPermissionMismatch"})
	}
	for _, n := range []int{2, 4} {
		if q := a.questions()[n-1]; q.Settled {
			t.Errorf("%+v", q)
		}
	}
	a.rep.Attempts = []Attempt{{What: whatHead, Status: 200, Headers: map[string]string{"x-ms-immutability-policy-mode": "unlocked"}}}
	if q := a.questions()[1]; !q.Settled || !q.Differs {
		t.Errorf("a header that should be absent: %+v", q)
	}
	a.rep.StandIn = true
	if q := a.questions()[1]; q.Settled || !strings.HasPrefix(q.Answer, byStandIn) {
		t.Errorf("a stand-in settled it: %+v", q)
	}
}
