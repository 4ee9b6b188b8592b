package restore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// untouched fails unless the request is refused and somebody else's database is as it was.
func untouched(t *testing.T, w *world) {
	t.Helper()
	again := newSide(w)
	res, err := again.run(t.Context())
	if err == nil {
		t.Fatalf("another's database was taken for the restored one: already done %t", res.AlreadyDone)
	}
	if f := failure(t, err); f.Code != bacvault.CodeTargetExists || f.Class != bacvault.Refused || !strings.Contains(f.Exists, "not touched") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	if d := w.databases[target.Name]; d == nil || d.owner != "somebody else" || d.rows[tabA] != 99 || len(w.crimes) > 0 {
		t.Errorf("the database is %+v; %v", d, w.crimes)
	}
}

// A run is killed at any call, and before its request comes again somebody takes the name, or takes it from what was left
// there, an hour later: never is that dropped, and never is it the answer.
func TestKilledAtAnyCallAndTheNameTakenBeforeTheRedelivery(t *testing.T) {
	for _, label := range calls(t) {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.killAt = label
			_, _ = s.run(t.Context())
			w.lapse()
			w.pass(time.Hour)
			w.foreign()
			untouched(t, w)
		})
	}
}

// Once the database was seen, a namesake is told from it however soon it comes.
func TestOnceSeenADatabaseIsKnownByItsCreation(t *testing.T) {
	for _, label := range []string{"fill#1", "count#1", "health#1", "schema#1", "exists#5", "saveMark#3", "release#1"} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.killAt = label
			_, _ = s.run(t.Context())
			w.lapse()
			w.pass(time.Second)
			w.foreign()
			untouched(t, w)
		})
	}
}

// An import may plan for hours before it makes the database: the window moves with the looks.
func TestALongPlannedImportThatIsKilled(t *testing.T) {
	hours := []time.Duration{time.Hour, time.Hour, time.Hour}
	t.Run("before it made the database", func(t *testing.T) {
		w := newWorld(t)
		s := newSide(w)
		s.planning, s.killAt = hours, "create#1"
		_, _ = s.run(t.Context())
		w.lapse()
		w.pass(10 * time.Minute)
		w.foreign()
		untouched(t, w)
	})
	for _, label := range []string{"exists#7", "saveMark#5", "fill#1"} {
		t.Run("at "+label+", after it made the database", func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.planning, s.killAt = hours, label
			_, _ = s.run(t.Context())
			if s.count["create"] != 1 || w.databases[target.Name] == nil {
				t.Fatalf("calls %v", s.log)
			}
			w.lapse()
			w.pass(time.Hour)
			again := newSide(w)
			res, err := again.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			complete(t, w, res)
			if !slices.Contains(again.log, "drop#1") {
				t.Errorf("calls %v", again.log)
			}
		})
	}
}

// While the run lives, too, it drops nothing that it did not make.
func TestANamesakeThatCameDuringTheRunIsNotDropped(t *testing.T) {
	for _, label := range []string{"count#1", "health#1", "schema#1", "exists#5"} {
		for _, failing := range []bool{true, false} {
			w := newWorld(t)
			s := newSide(w)
			s.at[label] = func() { w.now = w.now.Add(time.Minute); w.foreign(); w.databases[target.Name].rows = parse(archive) }
			if failing {
				s.failAt = label
			}
			_, err := s.run(t.Context())
			f := failure(t, err)
			if !strings.Contains(f.Exists, "somebody else created meanwhile") || !strings.Contains(f.Exists, "not touched") {
				t.Errorf("%s: %v, exists %q", label, f, f.Exists)
			}
			if !failing && f.Code != bacvault.CodeTargetExists {
				t.Errorf("%s: %v", label, f)
			}
			if d := w.databases[target.Name]; d == nil || d.owner != "somebody else" || len(w.crimes) > 0 {
				t.Errorf("%s: the database is %+v; %v", label, d, w.crimes)
			}
		}
	}
}

func TestADatabaseThatIsGoneWhenItShouldBeComparedIsTold(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.at["exists#5"] = func() { delete(w.databases, target.Name) }
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeSQLNotFound || !strings.Contains(f.Exists, "is gone") || s.count["drop"] > 0 {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
}

// An import that ends well and made nothing is no restore.
func TestAnImportThatMadeNothingFails(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	r := s.restore()
	r.Import = func(context.Context, restore.Import, func(bacvault.Work)) error { return nil }
	_, err := r.Run(t.Context(), s.req)
	if f := failure(t, err); f.Code != bacvault.CodeImportFailed || f.Exists != "nothing was created" || s.count["drop"] > 0 {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	res, err := newSide(w).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	complete(t, w, res)
}

// Whoever renames the restored database and makes another of its name gets no answer that is not true.
func TestDoneIsSaidOfTheReconciledDatabaseAlone(t *testing.T) {
	w := newWorld(t)
	if _, err := newSide(w).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.databases["db_now_live"] = w.databases[target.Name]
	w.pass(time.Minute)
	w.foreign()
	untouched(t, w)
}
