package promote_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
)

// unsafe is every way in which a database must not go into service as things stand.
var unsafe = []struct {
	name   string
	set    func(w *world, s *side)
	code   bacvault.Code
	class  bacvault.Class
	detail string
	next   string // a part of the advice
}{
	{"not protected", func(_ *world, s *side) { s.req.Name = "other" }, bacvault.CodeRequestUnknownDB, bacvault.Refused, "srv/other", "SQL_DATABASE_NAME"},
	{"itself", func(w *world, s *side) { s.req.TargetDatabase = strings.ToUpper(w.live) }, bacvault.CodePromoteFailed, bacvault.Refused, "its own place", "targetDatabase"},
	{"no management plane", func(_ *world, s *side) { s.noPlane = true }, bacvault.CodePromoteFailed, bacvault.Refused, "BACVAULT_SQL_RESOURCE_GROUP is not set", "BACVAULT_SQL_RESOURCE_GROUP"},
	{"no live database", func(w *world, _ *side) { delete(w.databases, w.live) }, bacvault.CodeSQLNotFound, bacvault.Refused, "no database a]b'c on", ""},
	{"no restored database", func(w *world, _ *side) { delete(w.databases, w.restored) }, bacvault.CodeSQLNotFound, bacvault.Refused, "no database a]b'c_RESTORE on server srv", ""},
	{"restored on another server", func(w *world, s *side) { delete(w.databases, w.restored); s.restoresOn = "elsewhere" }, bacvault.CodeSQLNotFound, bacvault.Refused, "restores are made on elsewhere", "BACVAULT_RESTORE_SERVER_NAME"},
	{"still restoring", func(w *world, _ *side) { w.databases[w.restored].state = "RESTORING" }, bacvault.CodePromoteFailed, bacvault.Refused, "a]b'c_RESTORE is RESTORING", "online"},
	{"live not online", func(w *world, _ *side) { w.databases[w.live].state = "SUSPECT" }, bacvault.CodePromoteFailed, bacvault.Refused, "a]b'c is SUSPECT", "online"},
	{"spelled otherwise", func(w *world, _ *side) { w.databases[w.restored].name = "A]B'C_RESTORE" }, bacvault.CodePromoteFailed, bacvault.Refused, "is spelled A]B'C_RESTORE", "Spell"},
	{"created at the same moment", func(w *world, _ *side) { w.databases[w.restored].created = born }, bacvault.CodePromoteFailed, bacvault.Refused, "told apart", ""},

	{"never reconciled", func(w *world, _ *side) { w.proof = nil }, bacvault.CodePromoteUnproven, bacvault.Refused, "no restore left", "reason"},
	{"a restore of another database", func(w *world, _ *side) { w.proof.Source.Name = "other" }, bacvault.CodePromoteUnproven, bacvault.Refused, "srv/other", ""},
	{"reconciled on another server", func(w *world, _ *side) { w.proof.Target.Server = "elsewhere" }, bacvault.CodePromoteUnproven, bacvault.Refused, "elsewhere/", ""},
	{"a namesake that came later", func(w *world, _ *side) { w.proof.Created = w.proof.Created.Add(-time.Millisecond) }, bacvault.CodePromoteUnproven, bacvault.Refused, "the restore of request restore-1 made", ""},
	{"a namesake that was there before", func(w *world, _ *side) { w.proof.Created = w.proof.Created.Add(time.Hour) }, bacvault.CodePromoteUnproven, bacvault.Refused, "the restore of request restore-1 made", ""},
	{"nobody saw it being made", func(w *world, _ *side) { w.proof.Created = time.Time{} }, bacvault.CodePromoteUnproven, bacvault.Refused, "the restore of request restore-1 made", ""},
	{"nothing compared", func(w *world, _ *side) { w.proof.Tables = 0 }, bacvault.CodePromoteUnproven, bacvault.Refused, "compared no table", ""},
	{"forced without a reason", func(w *world, s *side) { w.proof = nil; s.req.Force = true }, bacvault.CodePromoteUnproven, bacvault.Refused, "no restore left", ""},
	{"a reason alone", func(w *world, s *side) { w.proof = nil; s.req.Reason = "CHG1" }, bacvault.CodePromoteUnproven, bacvault.Refused, "no restore left", ""},

	{"live replicated", func(w *world, _ *side) { w.databases[w.live].links = 1 }, bacvault.CodePromoteGeo, bacvault.Refused, "a]b'c has 1", ""},
	{"restored replicated", func(w *world, _ *side) { w.databases[w.restored].links = 2 }, bacvault.CodePromoteGeo, bacvault.Refused, "a]b'c_RESTORE has 2", ""},
	{"replicated, and forced", func(w *world, s *side) { w.databases[w.live].links = 1; s.req.Force, s.req.Reason = true, "CHG1" }, bacvault.CodePromoteGeo, bacvault.Refused, "", ""},
	{"immutable retention", func(w *world, _ *side) { w.databases[w.live].immutable = true }, bacvault.CodePromoteImmutable, bacvault.Refused, "weekly P4W, monthly P12M, yearly P7Y of week 1", ""},
	{"immutable retention, and forced", func(w *world, s *side) {
		w.databases[w.live].immutable = true
		s.req.Force, s.req.Reason = true, "CHG1"
	}, bacvault.CodePromoteImmutable, bacvault.Refused, "", ""},
	{"in a pool", func(w *world, _ *side) { w.databases[w.live].size.Objective = "ElasticPool" }, bacvault.CodePromoteFailed, bacvault.Refused, "elastic pool", "serviceObjective"},
	{"no maximum size", func(w *world, _ *side) { w.databases[w.live].size.MaxSizeBytes = -1 }, bacvault.CodePromoteFailed, bacvault.Refused, "maximum size", "maxSizeGb"},

	{"retention can't be read", func(_ *world, s *side) {
		s.failAt, s.err = "retention#1", bacvault.Fail(bacvault.CodeSQLDenied, "403")
	}, bacvault.CodeSQLDenied, bacvault.Terminal, "403", ""},
	{"retention can't be read now", func(_ *world, s *side) { s.failAt = "retention#1" }, bacvault.CodePromoteFailed, bacvault.Retry, errNet.Error(), ""},
	{"links can't be counted", func(_ *world, s *side) {
		s.failAt, s.err = "geo#1", bacvault.Fail(bacvault.CodeSQLDenied, "VIEW DATABASE STATE")
	}, bacvault.CodeSQLDenied, bacvault.Terminal, "VIEW DATABASE STATE", ""},
}

// A plan must say what the apply would say, and neither may touch anything.
func TestUnsafePromotionIsRefused(t *testing.T) {
	for _, c := range unsafe {
		for _, action := range []bacvault.PromoteAction{apply, plan} {
			t.Run(string(action)+" "+c.name, func(t *testing.T) {
				w := newWorld("a]b'c")
				s := newSide(w, action, "q-1")
				c.set(w, s)
				was := maps.Clone(w.databases)
				p, err := s.run(t.Context())
				f := failure(t, err)
				if f.Code != c.code || f.Class != c.class || !strings.Contains(f.Detail, c.detail) || !strings.Contains(f.Next, c.next) {
					t.Errorf("%v (%s), next %q", f, f.Class, f.Next)
				}
				if f.Exists != "nothing was changed" || f.Stage == "" {
					t.Errorf("stage %q, exists %q", f.Stage, f.Exists)
				}
				if p.Complete || p.Live != s.req.Name || p.Restored != s.req.TargetDatabase {
					t.Errorf("the promotion is %+v", p)
				}
				untouched(t, w, s, was)
			})
		}
	}
}

// untouched checks that a run only read.
func untouched(t *testing.T, w *world, s *side, was map[string]*database) {
	t.Helper()
	for _, call := range s.log {
		if name, _, _ := strings.Cut(call, "#"); slices.Contains([]string{"rename", "scale", "setRetention", "saveRecord"}, name) {
			t.Errorf("the run did %s", call)
		}
	}
	if len(w.records) != 0 || !maps.Equal(was, w.databases) || w.held != "" {
		t.Errorf("there are %v, records %s, held by %q", w.holds(), w.records, w.held)
	}
}

func TestEveryRefusalIsTold(t *testing.T) {
	w := newWorld("db")
	w.proof = nil
	w.databases["db"].links, w.databases["db"].immutable = 1, true
	p, err := newSide(w, plan, "q-1").run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodePromoteGeo {
		t.Errorf("%v", f)
	}
	all := strings.Join(p.Findings, "\n")
	if !strings.Contains(all, "promote.immutable_retention") || !strings.Contains(all, "promote.unproven") || len(p.Steps) != 5 {
		t.Errorf("steps %+v, findings\n%s", p.Steps, all)
	}
}

func TestPlanTellsEachStepAndChangesNothing(t *testing.T) {
	w := newWorld("db")
	s := newSide(w, plan, "q-1")
	was := maps.Clone(w.databases)
	p, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := p.Old
	if !strings.HasPrefix(old, "db_old_202611241300") || p.Complete || p.Server != "srv" || p.Action != plan {
		t.Errorf("the plan is %+v", p)
	}
	want := []bacvault.PromotionStep{
		{Step: promote.StepRenameLive, Now: "db", Want: old},
		{Step: promote.StepRenameRestored, Now: "db_RESTORE", Want: "db"},
		{Step: promote.StepScale, Now: "Standard S3 250 GB", Want: "GeneralPurpose GP_Gen5_4 250 GB"},
		{Step: promote.StepShortTerm, Now: "7 days, differential every 24 h", Want: "35 days, differential every 12 h"},
		{Step: promote.StepLongTerm, Now: "off", Want: "weekly P4W, monthly P12M, yearly P7Y of week 1"},
	}
	if diff := cmp.Diff(want, p.Steps); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(p.Findings, "\n"), "index IX_a is disabled") {
		t.Errorf("the restore's findings are not told: %q", p.Findings)
	}
	if slices.Contains(s.log, "acquire#1") {
		t.Error("a plan stands in the way of others")
	}
	untouched(t, w, s, was)
}

func TestPlanOfABrokenOffPromotionTellsHowFarItIs(t *testing.T) {
	for _, c := range []struct {
		at       string
		complete bool
		done     []bool
	}{
		{"rename#1", false, []bool{false, false, false, false, false}},
		{"rename#2", false, []bool{true, false, false, false, false}},
		{"scale#1", false, []bool{true, true, false, false, false}},
		{"setRetention#1", false, []bool{true, true, true, false, false}},
		{"saveRecord#2", false, []bool{true, true, true, true, true}},
		{"release#1", true, []bool{true, true, true, true, true}},
	} {
		t.Run(c.at, func(t *testing.T) {
			w := newWorld("db")
			s := newSide(w, apply, "q-1")
			s.killAt = c.at
			_, _ = s.run(t.Context()) // nobody hears what a dead run says
			old := w.record(t).Old
			p := must(t, w, plan, "p-1")
			var got []bool
			for _, step := range p.Steps {
				got = append(got, step.Done)
			}
			if diff := cmp.Diff(c.done, got); diff != "" || p.Complete != c.complete || p.Old != old {
				t.Errorf("%+v, old %s\n%s", p, old, diff)
			}
		})
	}
}

func TestForcedPromotionSaysSo(t *testing.T) {
	w := newWorld("db")
	w.proof = nil
	s := newSide(w, apply, "q-1")
	s.req.Force, s.req.Reason, s.killAt = true, "CHG1: the mark was lost", "scale#1"
	_, _ = s.run(t.Context())
	w.held = ""
	p := must(t, w, apply, "q-2") // who carries it on need not force it again
	applied(t, w, p)
	if p.Forced != "CHG1: the mark was lost" || w.record(t).Forced != p.Forced {
		t.Errorf("forced %q, record %q", p.Forced, w.record(t).Forced)
	}
	undo := must(t, w, undo, "u-1")
	undone(t, w, undo)
	// Force is for what has no proof; where there is one, nothing was forced.
	w.restore()
	s = newSide(w, apply, "q-3")
	s.req.Force, s.req.Reason = true, "in a hurry"
	if p, err := s.run(t.Context()); err != nil || p.Forced != "" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSizeOfTheRequestIsTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(r *bacvault.RestoreRequest)
		want promote.Size
	}{
		{"objective", func(r *bacvault.RestoreRequest) { r.ServiceObjective = "GP_Gen5_8" }, promote.Size{Edition: "GeneralPurpose", Objective: "GP_Gen5_8", MaxSizeBytes: 250 << 30}},
		{"all", func(r *bacvault.RestoreRequest) {
			r.Edition, r.ServiceObjective, r.MaxSizeGB = "Standard", "S9", 500
		}, promote.Size{Edition: "Standard", Objective: "S9", MaxSizeBytes: 500 << 30}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("db")
			s := newSide(w, apply, "q-1")
			c.set(&s.req)
			if _, err := s.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.databases["db"].size; got != c.want {
				t.Errorf("%v", got)
			}
			undone(t, w, must(t, w, undo, "u-1")) // the old one has the size that it had
		})
	}
}
