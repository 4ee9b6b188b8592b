package promote_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// refused runs an action that must be refused as changed, and checks that it touched nothing.
func refused(t *testing.T, w *world, action bacvault.PromoteAction, id, target string) *bacvault.Failure {
	t.Helper()
	before := w.holds()
	s := newSide(w, action, id)
	if target != "" {
		s.req.TargetDatabase = target
	}
	_, err := s.run(t.Context())
	f := failure(t, err)
	if f.Code != bacvault.CodePromoteChanged || f.Class != bacvault.Refused || f.Exists == "" {
		t.Errorf("%v (%s), exists %q", f, f.Class, f.Exists)
	}
	if diff := cmp.Diff(before, w.holds()); diff != "" {
		t.Errorf("the names:\n%s", diff)
	}
	return f
}

func killed(t *testing.T, w *world, action bacvault.PromoteAction, id, at string) {
	t.Helper()
	s := newSide(w, action, id)
	s.killAt = at
	_, _ = s.run(t.Context()) // nobody hears what a dead run says
	if !s.dead {
		t.Fatalf("%s was not reached: %v", at, s.log)
	}
	w.held = ""
}

func TestTwoPromotionsAreNeverMixed(t *testing.T) {
	for _, at := range []string{"rename#1", "rename#2", "scale#1", "saveRecord#2"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld("db")
			w.databases["db_other"] = &database{holds: "other backup", name: "db_other", state: "ONLINE", created: imported.AddDate(0, 0, -1), size: narrow, retention: none}
			killed(t, w, apply, "q-1", at)
			for _, action := range []bacvault.PromoteAction{apply, plan, undo} {
				f := refused(t, w, action, "q-2", "db_other")
				if !strings.Contains(f.Next, "db_RESTORE") {
					t.Errorf("%s: next %q", action, f.Next)
				}
			}
			delete(w.databases, "db_other")
			applied(t, w, must(t, w, apply, "q-3"))
		})
	}
}

func TestNextPromotionFollowsAFinishedOne(t *testing.T) {
	w := newWorld("db")
	first := must(t, w, apply, "q-1")
	w.databases["db"].holds, w.databases[first.Old].holds = "backup 1", "production 1"
	w.restore()
	// A restore of the same name stands where the undo would put the restored one.
	f := refused(t, w, undo, "u-1", "")
	if !strings.Contains(f.Exists, "db_RESTORE is another database") || !strings.Contains(f.Next, "Rename or drop db_RESTORE") {
		t.Errorf("exists %q, next %q", f.Exists, f.Next)
	}
	if p := must(t, w, apply, "q-1"); !p.Complete || p.Old != first.Old { // delivered again: it is done
		t.Errorf("%+v", p)
	}
	second := must(t, w, apply, "q-2")
	want := map[string]string{"db": "backup", second.Old: "backup 1", first.Old: "production 1"}
	if diff := cmp.Diff(want, w.holds()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(second.Findings, "\n"), first.Old) {
		t.Errorf("findings %q", second.Findings)
	}
	refused(t, w, apply, "q-1", "") // much too late
	must(t, w, undo, "u-2")
	if diff := cmp.Diff(map[string]string{"db": "backup 1", "db_RESTORE": "backup", first.Old: "production 1"}, w.holds()); diff != "" {
		t.Error(diff)
	}
}

// An undo that comes a second time must not undo what was promoted since.
func TestLateUndoDoesNotUndoTheNextPromotion(t *testing.T) {
	w := newWorld("db")
	must(t, w, apply, "q-1")
	undone(t, w, must(t, w, undo, "u-1"))
	applied(t, w, must(t, w, apply, "q-2"))
	refused(t, w, undo, "u-1", "")
	refused(t, w, apply, "q-1", "")
	applied(t, w, must(t, w, apply, "q-2"))
}

// People send the same document again with another action: apply and undo of one id are two requests.
func TestOneIdMayApplyAndUndo(t *testing.T) {
	w := newWorld("db")
	applied(t, w, must(t, w, apply, "q"))
	undone(t, w, must(t, w, undo, "q"))
	undone(t, w, must(t, w, undo, "q"))
	refused(t, w, apply, "q", "")
}

func TestNamesThatAPersonChangedAreLeftAlone(t *testing.T) {
	move := func(w *world, from, to string) {
		d := w.databases[from]
		delete(w.databases, from)
		d.name = to
		w.databases[to] = d
	}
	for _, c := range []struct {
		name   string
		at     string // where the apply was killed; empty is finished
		change func(w *world, old string)
		action bacvault.PromoteAction
		exists string
	}{
		{"old one dropped, undo", "", func(w *world, old string) { delete(w.databases, old) }, undo, "there is no "},
		{"old one replaced, undo", "", func(w *world, old string) { w.databases[old].created = imported }, undo, "is another database, created 2026-11-24T10:00:00Z"},
		{"live one replaced, undo", "", func(w *world, _ string) { w.databases["db"].created = born.AddDate(1, 0, 0) }, undo, "db is another database"},
		{"live one moved, apply again", "", func(w *world, _ string) { move(w, "db", "db_mine") }, apply, "there is no db;"},
		{"exchanged back by hand, the same request again", "", func(w *world, old string) { move(w, "db", "db_RESTORE"); move(w, old, "db") }, apply, "db is the former live database"},
		{"name taken in the gap, apply", "rename#2", func(w *world, _ string) {
			w.databases["db"] = &database{holds: "empty", name: "db", created: imported.AddDate(0, 0, 1)}
		}, apply, "db is another database"},
		{"name taken in the gap, undo", "rename#2", func(w *world, _ string) {
			w.databases["db"] = &database{holds: "empty", name: "db", created: imported.AddDate(0, 0, 1)}
		}, undo, "db is another database"},
		{"restored one gone in the gap, apply", "rename#2", func(w *world, _ string) { delete(w.databases, "db_RESTORE") }, apply, "there is no db;"},
		{"old one gone in the gap, apply", "rename#2", func(w *world, old string) { delete(w.databases, old) }, apply, "there is no db;"},
		{"restored one replaced before the renames", "rename#1", func(w *world, _ string) { w.databases["db_RESTORE"].created = imported }, apply, "db_RESTORE is another database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("db")
			if c.at == "" {
				must(t, w, apply, "q-1")
			} else {
				killed(t, w, apply, "q-1", c.at)
			}
			c.change(w, w.record(t).Old)
			if f := refused(t, w, c.action, "q-1", ""); !strings.Contains(f.Exists, c.exists) {
				t.Errorf("exists %q", f.Exists)
			}
		})
	}
}

// The live database comes back even where the restored one is no longer there.
func TestUndoBringsTheLiveDatabaseBackWithoutTheRestoredOne(t *testing.T) {
	for _, at := range []string{"rename#1", "rename#2"} {
		w := newWorld("db")
		killed(t, w, apply, "q-1", at)
		delete(w.databases, "db_RESTORE")
		p := must(t, w, undo, "u-1")
		if diff := cmp.Diff(map[string]string{"db": "production"}, w.holds()); diff != "" || !p.Complete {
			t.Errorf("%s: %+v\n%s", at, p, diff)
		}
		if !strings.Contains(strings.Join(p.Findings, "\n"), "db_RESTORE") {
			t.Errorf("%s: findings %q", at, p.Findings)
		}
	}
}

// What the old database had is given back to it, if somebody changed it while it was aside.
func TestUndoGivesTheLiveDatabaseItsSizeAndRetention(t *testing.T) {
	w := newWorld("db")
	p := must(t, w, apply, "q-1")
	w.databases[p.Old].size, w.databases[p.Old].retention = narrow, none
	undone(t, w, must(t, w, undo, "u-1"))
}

// What a person changes once a promotion is over is theirs to change: it is told, and left alone.
func TestFinishedPromotionIsLeftAlone(t *testing.T) {
	w := newWorld("db")
	must(t, w, apply, "q-1")
	w.databases["db"].size = narrow
	p := must(t, w, apply, "q-1")
	if !p.Complete || w.databases["db"].size != narrow || !strings.Contains(strings.Join(p.Findings, "\n"), "left alone") {
		t.Errorf("%+v", p)
	}
}

// The size is that of the request which exchanged the names; a later one is told so.
func TestLaterRequestDoesNotChangeTheSizeInMidRun(t *testing.T) {
	w := newWorld("db")
	killed(t, w, apply, "q-1", "scale#1")
	s := newSide(w, apply, "q-2")
	s.req.ServiceObjective = "GP_Gen5_16"
	p, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	applied(t, w, p)
	if !strings.Contains(strings.Join(p.Findings, "\n"), "the size stays that of request q-1") {
		t.Errorf("findings %q", p.Findings)
	}
}
