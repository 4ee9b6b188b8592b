package app

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

func TestPageOfTheDoctorHasEachCheckInOrder(t *testing.T) {
	b, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var said []Check
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z.]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(string(b), -1) {
		said = append(said, Check(m[1]))
	}
	if !slices.Equal(said, Checks()) {
		t.Errorf("docs/doctor.md has %v\nthe code has %v", said, Checks())
	}
}

func TestDiagnosisIsItsWorstCheckAndSorted(t *testing.T) {
	at := func(c Check, subject, verdict string) CheckResult {
		return CheckResult{Check: c, Subject: subject, Verdict: verdict}
	}
	for _, c := range []struct {
		want string
		in   []CheckResult
	}{
		{CheckOK, []CheckResult{at(CheckRoom, "", CheckOK)}},
		{CheckWarn, []CheckResult{at(CheckRoom, "", CheckWarn), at(CheckVault, "", CheckOK)}},
		{CheckSkipped, []CheckResult{at(CheckRoom, "", CheckSkipped), at(CheckVault, "", CheckWarn)}},
		{CheckFail, []CheckResult{at(CheckRoom, "", CheckSkipped), at(CheckVault, "", CheckFail), at(CheckGate, "", CheckOK)}},
	} {
		if d := diagnosis(time.Now(), "v", AsBoth, c.in); d.Verdict != c.want {
			t.Errorf("%v is %s", c.in, d.Verdict)
		}
	}
	d := diagnosis(time.Now(), "v", AsBoth, []CheckResult{at(CheckSelect, "b", CheckOK), at(CheckRoom, "", CheckOK), at(CheckSelect, "a", CheckOK), at(CheckSettings, "", CheckOK)})
	if d.Checks[0].Check != CheckSettings || d.Checks[1].Subject != "a" || d.Checks[2].Subject != "b" || d.Checks[3].Check != CheckRoom {
		t.Errorf("sorted as %v", d.Checks)
	}
}

func TestCheckThatDoesNotAnswerFailsAndACancelledOneIsNone(t *testing.T) {
	x := &examined{App: &App{}}
	if err := x.do(t.Context(), job{CheckVault, "v", func(context.Context) finding { return failed(errors.New("away"), "look") }}); err != nil {
		t.Fatal(err)
	}
	if len(x.out) != 1 || x.out[0].Verdict != CheckFail || x.out[0].Detail != "away" || x.out[0].Fix != "look" {
		t.Errorf("%+v", x.out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := x.do(ctx, job{CheckVault, "v", func(ctx context.Context) finding { cancel(); return failed(ctx.Err(), "") }})
	if err == nil || len(x.out) != 1 {
		t.Errorf("error %v; a check that was broken off is told as %+v", err, x.out)
	}
}

func TestRightThatTheServerDoesNotConfirmFails(t *testing.T) {
	blind := "not looked for, for want of SELECT on sys.sql_expression_dependencies: objects that name a database"
	for _, c := range []struct {
		check Check
		facts azuresql.Facts
		want  string
	}{
		{CheckSelect, azuresql.Facts{CanSelect: true}, CheckOK}, {CheckSelect, azuresql.Facts{CanViewDefinition: true}, CheckFail},
		{CheckDefinition, azuresql.Facts{CanViewDefinition: true}, CheckOK}, {CheckDefinition, azuresql.Facts{CanSelect: true}, CheckFail},
		{CheckDependencies, azuresql.Facts{}, CheckOK}, {CheckDependencies, azuresql.Facts{Warnings: []string{"large", blind}}, CheckWarn},
		{CheckFiltered, azuresql.Facts{CanViewDefinition: true}, CheckOK}, {CheckFiltered, azuresql.Facts{}, CheckSkipped},
		{CheckFiltered, azuresql.Facts{CanViewDefinition: true, MaskedColumns: 2}, CheckFail},
		{CheckFiltered, azuresql.Facts{CanViewDefinition: true, MaskedColumns: 2, Unmask: true}, CheckOK},
		{CheckFiltered, azuresql.Facts{CanViewDefinition: true, SecurityPolicies: 1, MaskedColumns: 2, Unmask: true}, CheckWarn},
		{CheckFiltered, azuresql.Facts{CanViewDefinition: true, SecurityPolicies: 1, MaskedColumns: 2}, CheckFail},
	} {
		if f := (&examined{as: AsBackup}).right(c.check, c.facts, "Orders"); f.verdict != c.want || (f.fix == "") != (c.want == CheckOK) {
			t.Errorf("%s of %+v is %+v", c.check, c.facts, f)
		}
	}
}

// A server's yes is no proof and its no is not the last word: what was done or refused of late is held against both.
func TestRightToCreateIsAskedForAndHeldAgainstWhatWasSeen(t *testing.T) {
	member, none, silent := azuresql.CreateRight{Member: true, Known: true}, azuresql.CreateRight{Known: true}, azuresql.CreateRight{}
	admin := azuresql.CreateRight{Admin: true, Known: true}
	shown, nothing, refused := witness{shown: "a copy was made"}, witness{nothing: "no backup"}, witness{refused: "it was refused"}
	unread, down := witness{err: errors.New("away")}, errors.New("down")
	for name, c := range map[string]struct {
		said azuresql.CreateRight
		err  error
		seen []witness
		want string
		says []string
	}{
		"a fresh install that may":          {member, nil, []witness{nothing}, CheckOK, []string{"a member of dbmanager", "nothing has shown it", "no backup"}},
		"the administrator":                 {admin, nil, []witness{nothing}, CheckOK, []string{"every right in master"}},
		"a fresh install that may not":      {none, nil, []witness{nothing}, CheckFail, []string{"no member of dbmanager", "FIX", "bacvault backup"}},
		"yes, and done":                     {member, nil, []witness{shown, shown}, CheckOK, []string{"a copy was made"}},
		"yes, but refused":                  {member, nil, []witness{refused, shown}, CheckFail, []string{"a member of dbmanager", "it was refused", "granted only after that", "owner"}},
		"no, and refused":                   {none, nil, []witness{refused}, CheckFail, []string{"no member", "it was refused", "FIX"}},
		"no, yet done":                      {none, nil, []witness{shown, shown}, CheckWarn, []string{"no member", "a copy was made", "FIX", "##MS_DatabaseManager##"}},
		"no, and only one of two was done":  {none, nil, []witness{shown, nothing}, CheckFail, []string{"FIX"}},
		"no, and what was done is not read": {none, nil, []witness{unread}, CheckFail, []string{"could not be read: away", "FIX"}},
		"yes, what was done is not read":    {member, nil, []witness{unread}, CheckOK, []string{"could not be read: away"}},
		"not asked, done":                   {silent, down, []witness{shown}, CheckOK, []string{"could not be asked (down)", "a copy was made"}},
		"not asked, nothing seen":           {silent, down, []witness{shown, nothing}, CheckSkipped, []string{"could not be asked (down)", "FIX"}},
		"not asked, refused":                {silent, down, []witness{refused}, CheckFail, []string{"it was refused", "FIX"}},
		"the server does not say":           {silent, nil, []witness{nothing}, CheckSkipped, []string{"does not say"}},
	} {
		f := weigh(c.said, c.err, c.seen, "FIX")
		for _, s := range c.says {
			if !strings.Contains(f.detail+f.fix, s) {
				t.Errorf("%s: it does not say %q: %+v", name, s, f)
			}
		}
		if f.verdict != c.want || (f.fix == "") != (c.want == CheckOK) {
			t.Errorf("%s: %+v, want %s", name, f, c.want)
		}
	}
	for want, w := range map[string]witness{CheckOK: shown, CheckFail: refused, CheckSkipped: nothing} {
		if f := weighPlane(w); f.verdict != want || strings.Contains(f.fix, "dbmanager") || (f.fix == "") != (want == CheckOK) {
			t.Errorf("by the management plane: %+v", f)
		}
	}
	if f := weighPlane(unread); f.verdict != CheckSkipped {
		t.Errorf("by the management plane, not read: %+v", f)
	}
}

func TestStarMeansTheServersDatabasesButOurOwn(t *testing.T) {
	c := config.Config{Protected: []config.Protected{{Server: "a", Name: "*"}, {Server: "b", Name: "x"}}}
	there := []azuresql.Info{{Name: "db"}, {Name: "db_RESTORE"}, {Name: "db_old_20261124"}}
	if got := protectedOn(c, "a", there); !slices.Equal(got, []string{"db"}) {
		t.Errorf("on a: %v", got)
	}
	if got := protectedOn(c, "b", there); !slices.Equal(got, []string{"x"}) {
		t.Errorf("on b: %v", got)
	}
}

func TestWorkFolderThatCanNotBeWrittenFails(t *testing.T) {
	dir := t.TempDir()
	x := &examined{App: &App{cfg: config.Config{WorkDir: dir + "/new"}}}
	if f := x.workDir(t.Context()); f.verdict != CheckOK {
		t.Errorf("%+v", f)
	}
	if left, err := os.ReadDir(dir + "/new"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.cfg.WorkDir = dir + "/file/work"
	if f := x.workDir(t.Context()); f.verdict != CheckFail || f.fix == "" {
		t.Errorf("%+v", f)
	}
}

func TestDriftIsWhatCountsOfAPosture(t *testing.T) {
	p := bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: 365, ObservedAt: time.Now(), PolicyETag: "1"}
	q := p
	q.ObservedAt, q.PolicyETag, q.History = q.ObservedAt.Add(time.Hour), "2", []bacvault.PolicyChange{{Kind: "extend"}}
	if d := drifted(p, q); len(d) > 0 {
		t.Errorf("time, ETag and history are no drift: %v", d)
	}
	for what, change := range map[string]func(*bacvault.Posture){
		"scope": func(p *bacvault.Posture) { p.Scope = "version" }, "state": func(p *bacvault.Posture) { p.State = "Unlocked" },
		"periodDays": func(p *bacvault.Posture) { p.PeriodDays = 30 }, "legalHold": func(p *bacvault.Posture) { p.LegalHold = true },
		"legalHoldTags":                 func(p *bacvault.Posture) { p.LegalHoldTags = []string{"x"} },
		"allowProtectedAppendWrites":    func(p *bacvault.Posture) { p.ProtectedAppend = true },
		"allowProtectedAppendWritesAll": func(p *bacvault.Posture) { p.ProtectedAppendAll = true },
	} {
		q := p
		change(&q)
		if d := drifted(p, q); len(d) != 1 || d[0].What != what || d[0].Baseline == d[0].Now {
			t.Errorf("%s: %v", what, d)
		}
	}
}
