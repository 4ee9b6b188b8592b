package promote_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
)

func TestRestoredDatabaseTakesTheLiveOnesPlace(t *testing.T) {
	w := newWorld("db")
	s := newSide(w, apply, "q-1")
	p, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	applied(t, w, p)
	i := slices.Index(s.log, "rename#1")
	if i < 0 || s.log[i-1] != "held#1" || s.log[i+1] != "rename#2" || !strings.HasPrefix(s.log[i+2], "exists#") {
		t.Errorf("around the renames: %v", s.log)
	}
	if diff := cmp.Diff([]string{"rename#2"}, w.gapAfter); diff != "" {
		t.Errorf("calls without a live database (-want +got):\n%s", diff)
	}
	if save := slices.Index(s.log, "saveRecord#1"); save < 0 || save > i {
		t.Errorf("the record is not there before the first change: %v", s.log)
	}
	r := w.record(t)
	if r.Reconciled == nil || r.Reconciled.Request != "restore-1" || r.Size != wide || r.Retention != seven || !r.LiveCreated.Equal(born) {
		t.Errorf("the record is %+v", r)
	}
	var stages []bacvault.Stage
	for _, n := range s.notes {
		if n.Kind != "promote" || n.Run != "run1" || n.Target != "db_RESTORE" || n.Request != "q-1" || n.At.Location() != time.UTC {
			t.Errorf("progress %+v", n)
		}
		if n.Done {
			stages = append(stages, n.Stage)
		}
	}
	if diff := cmp.Diff([]bacvault.Stage{"admit", "lease", "preflight", "rename", "scale", "retention", "verify", "clean"}, stages); diff != "" {
		t.Error(diff)
	}
}

func TestOldNameFitsWhateverTheLiveNameIs(t *testing.T) {
	w := newWorld(strings.Repeat("ü", 125))
	w.restored = "r" // <database>_RESTORE would be too long
	w.restore()
	delete(w.databases, w.live+"_RESTORE")
	s := newSide(w, apply, "q-1")
	p, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	applied(t, w, p)
	if n := utf8.RuneCountInString(p.Old); n != bacvault.MaxName || !strings.Contains(p.Old, "ü_old_20261124") {
		t.Errorf("%d characters: %s", n, p.Old)
	}
}

func TestAnotherRunAtWorkIsNoFailure(t *testing.T) {
	for _, action := range []bacvault.PromoteAction{apply, undo} {
		w := newWorld("db")
		w.held = "run x"
		s := newSide(w, action, "q-1")
		_, err := s.run(t.Context())
		var busy *promote.Busy
		if !errors.As(err, &busy) || !strings.Contains(err.Error(), "run x") || w.held != "run x" || slices.Contains(s.log, "record#1") {
			t.Errorf("%s: %v after %v", action, err, s.log)
		}
	}
}

// The management plane may show the former bearer of the name for a while: its retention is not that of the new one.
func TestRetentionIsSetOnceTheManagementPlaneShowsTheRename(t *testing.T) {
	w := newWorld("db")
	s := newSide(w, apply, "q-1")
	s.stale = 3
	p, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	applied(t, w, p)

	w = newWorld("db")
	s = newSide(w, apply, "q-1")
	s.stale = 1 << 30
	_, err = s.run(t.Context())
	f := failure(t, err)
	if f.Code != bacvault.CodePromoteFailed || f.Class != bacvault.Retry || f.Stage != promote.StageRetention || slices.Contains(s.log, "setRetention#1") {
		t.Errorf("%v after %v", f, s.log)
	}
	applied(t, w, must(t, w, apply, "q-1"))
}

func TestLiveDatabaseIsPutBackWhenTheRestoredOneCannotEnter(t *testing.T) {
	for _, action := range []bacvault.PromoteAction{apply, undo} {
		w := newWorld("db")
		if action == undo {
			must(t, w, apply, "q-0")
		}
		before := w.holds()
		s := newSide(w, action, "q-1")
		s.failAt, s.err = "rename#2", bacvault.Fail(bacvault.CodeSQLDenied, "no right to rename")
		_, err := s.run(t.Context())
		f := failure(t, err)
		if f.Code != bacvault.CodeSQLDenied || f.Class != bacvault.Terminal || !strings.Contains(f.Next, "undo") || f.Stage != promote.StageRename {
			t.Errorf("%v (%s), next %q", f, f.Class, f.Next)
		}
		if diff := cmp.Diff(before, w.holds()); diff != "" {
			t.Errorf("%s: the names:\n%s", action, diff)
		}
		want := map[bacvault.PromoteAction]string{apply: "db is the former live database", undo: "db is the restored database"}[action]
		if !strings.Contains(f.Exists, want) {
			t.Errorf("exists %q", f.Exists)
		}
	}
}

func TestMissingLiveDatabaseIsToldWhenPuttingBackFailsToo(t *testing.T) {
	w := newWorld("db")
	s := newSide(w, apply, "q-1")
	s.failAt = "rename#2"
	s.at["rename#3"] = func() { s.failAt = "rename#3" }
	_, err := s.run(t.Context())
	f := failure(t, err)
	old := w.record(t).Old
	want := "there is no db; db_RESTORE is the restored database; " + old + " is the former live database"
	if f.Exists != want || f.Class != bacvault.Retry || !strings.Contains(f.Detail, "putting the former live database back failed too") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	undone(t, w, must(t, w, undo, "u-1"))
}

// Between the renames there is no live database: a stop that arrives there waits.
func TestStopBetweenTheRenamesWaitsForTheSecond(t *testing.T) {
	w := newWorld("db")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := newSide(w, apply, "q-1")
	s.at["rename#2"] = func() { cancel(bacvault.Fail(bacvault.CodeLeaseLost, "lease is gone")) }
	_, err := s.run(ctx)
	f := failure(t, err)
	if f.Code != bacvault.CodeLeaseLost || !strings.Contains(f.Exists, "db is the restored database") || slices.Contains(s.log, "scale#1") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	applied(t, w, must(t, w, apply, "q-1"))
}

func TestNothingIsRenamedWithoutTheLease(t *testing.T) {
	w := newWorld("db")
	s := newSide(w, apply, "q-1")
	s.failAt, s.err = "held#1", bacvault.Fail(bacvault.CodeLeaseLost, "lease is gone")
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeLeaseLost || slices.Contains(s.log, "rename#1") {
		t.Errorf("%v after %v", f, s.log)
	}
	applied(t, w, must(t, w, apply, "q-1"))
}

func TestWhatWasSetIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *database)
	}{
		{"size", func(d *database) { d.size = narrow }},
		{"retention", func(d *database) { d.retention.Weekly = "PT0S" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("db")
			s := newSide(w, apply, "q-1")
			for i := range 40 { // whichever look comes after the retention was set
				s.at[fmt.Sprintf("exists#%d", i)] = func() {
					if s.count["setRetention"] > 0 {
						c.change(w.databases["db"])
					}
				}
			}
			_, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != bacvault.CodePromoteFailed || f.Class != bacvault.Retry || f.Stage != bacvault.StageVerify || w.record(t).Finished != nil {
				t.Errorf("%v", f)
			}
			applied(t, w, must(t, w, apply, "q-1"))
		})
	}
}

// After the renames a refusal that only comes of a name that is not known everywhere yet passes; others end the attempt.
func TestFailureAfterTheRenamesSaysHowToGoOn(t *testing.T) {
	for _, c := range []struct {
		code  bacvault.Code
		class bacvault.Class
	}{{bacvault.CodeSQLNotFound, bacvault.Retry}, {bacvault.CodeSQLDenied, bacvault.Terminal}, {bacvault.CodeSQLRefused, bacvault.Terminal}} {
		w := newWorld("db")
		s := newSide(w, apply, "q-1")
		s.failAt, s.err = "scale#1", bacvault.Fail(c.code, "scale")
		_, err := s.run(t.Context())
		f := failure(t, err)
		if f.Code != c.code || f.Class != c.class || !strings.Contains(f.Exists, "db is the restored database") ||
			strings.Contains(f.Next, "undo it") != (c.class == bacvault.Terminal) {
			t.Errorf("%v (%s), exists %q, next %q", f, f.Class, f.Exists, f.Next)
		}
		applied(t, w, must(t, w, apply, "q-1"))
	}
}
