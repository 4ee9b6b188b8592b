package promote_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	apply = bacvault.PromoteApply
	undo  = bacvault.PromoteUndo
	plan  = bacvault.PromotePlan
)

// names that stand in nobody's way: quotes, brackets, other scripts.
var liveNames = []string{"DToSDB", "a]b'c", "Ünïcode 数据"}

// applied checks that the restored database is in service and the old one is kept.
func applied(t *testing.T, w *world, p bacvault.Promotion) {
	t.Helper()
	if !p.Complete || p.Old == "" {
		t.Fatalf("the promotion is %+v", p)
	}
	if diff := cmp.Diff(map[string]string{w.live: "backup", p.Old: "production"}, w.holds()); diff != "" {
		t.Fatalf("the names (-want +got):\n%s", diff)
	}
	if d := w.databases[w.live]; d.size != wide || d.retention != seven {
		t.Errorf("the new live database has %v and %v", d.size, d.retention)
	}
	if d := w.databases[p.Old]; d.size != wide || d.retention != seven {
		t.Errorf("the old database has %v and %v", d.size, d.retention)
	}
	allDone(t, p)
	if r := w.record(t); r.Finished == nil || r.Action != apply || r.Old != p.Old || w.held != "" {
		t.Errorf("the record is %+v, the lease is held by %q", r, w.held)
	}
}

// undone checks that all is as it was.
func undone(t *testing.T, w *world, p bacvault.Promotion) {
	t.Helper()
	if !p.Complete {
		t.Fatalf("the undoing is %+v", p)
	}
	if diff := cmp.Diff(map[string]string{w.live: "production", w.restored: "backup"}, w.holds()); diff != "" {
		t.Fatalf("the names (-want +got):\n%s", diff)
	}
	if d := w.databases[w.live]; d.size != wide || d.retention != seven {
		t.Errorf("the live database has %v and %v", d.size, d.retention)
	}
	allDone(t, p)
	if r := w.record(t); r.Finished == nil || r.Action != undo || w.held != "" {
		t.Errorf("the record is %+v, the lease is held by %q", r, w.held)
	}
}

func allDone(t *testing.T, p bacvault.Promotion) {
	t.Helper()
	if len(p.Steps) != 5 {
		t.Errorf("the steps are %+v", p.Steps)
	}
	for _, s := range p.Steps {
		if !s.Done || s.Now == "" || s.Want == "" {
			t.Errorf("step %+v", s)
		}
	}
}

func must(t *testing.T, w *world, action bacvault.PromoteAction, id string) bacvault.Promotion {
	t.Helper()
	p, err := newSide(w, action, id).run(t.Context())
	if err != nil {
		t.Fatalf("%s %s: %v (%s)", action, id, err, bacvault.AsFailure(err, "").Exists)
	}
	return p
}

// fault is one thing that goes wrong at one call.
type fault struct {
	label string
	after bool // the effect happens, the answer does not arrive
	kill  bool
}

func (f fault) String() string {
	s := "failed before "
	switch {
	case f.kill && f.after:
		s = "killed after "
	case f.kill:
		s = "killed before "
	case f.after:
		s = "answer lost of "
	}
	return s + f.label
}

func (f fault) on(s *side) *side {
	if s.after = f.after; f.kill {
		s.killAt = f.label
	} else {
		s.failAt = f.label
	}
	return s
}

// sweep does the same for each fault that a run of the action can meet, one fault at a time.
func sweep(t *testing.T, action bacvault.PromoteAction, do func(t *testing.T, live string, f fault)) {
	t.Helper()
	w := newWorld("db")
	least := 30
	if action == undo {
		must(t, w, apply, "q-0")
		least = 20
	}
	s := newSide(w, action, "q-1")
	if _, err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.log) < least {
		t.Fatalf("the sweep would cover only %v", s.log)
	}
	for i, label := range s.log {
		for _, f := range []fault{{label, false, false}, {label, true, false}, {label, false, true}, {label, true, true}} {
			t.Run(f.String(), func(t *testing.T) { do(t, liveNames[i%len(liveNames)], f) })
		}
	}
}

// breakOff runs the action with the fault and checks what must hold whatever the fault is.
func breakOff(t *testing.T, w *world, action bacvault.PromoteAction, f fault) {
	t.Helper()
	s := f.on(newSide(w, action, "q-1"))
	p, err := s.run(t.Context())
	lost := f.after && strings.HasPrefix(f.label, "rename#") // between two renames there is no time to give up for nothing
	switch {
	case f.kill: // nobody hears what a dead run says
	case (err == nil) != (f.label == "release#1" || lost):
		t.Errorf("%+v, %v", p, err)
	case err == nil && !lost && !strings.Contains(strings.Join(p.Findings, "\n"), "clean-up"):
		t.Errorf("findings %q", p.Findings)
	case err == nil:
	default:
		got := bacvault.AsFailure(err, "")
		if got.Stage == "" || got.Exists == "" || got.Next == "" || got.Class != bacvault.Retry || !errors.Is(err, errNet) {
			t.Errorf("%v: class %s, exists %q, next %q", got, got.Class, got.Exists, got.Next)
		}
		if w.databases[w.live] == nil {
			t.Errorf("a run that lived left no live database: %v, exists %q", w.holds(), got.Exists)
		}
		if got.Exists == "nothing was changed" && (w.databases[w.live].holds == "production") != (action == apply) {
			t.Errorf("exists %q, and there are %v", got.Exists, w.holds())
		}
	}
	if holds := w.holds(); len(holds) != 2 {
		t.Errorf("there are %v", holds)
	}
	w.held = "" // a dead run's lease lapses
}

func TestApplyBrokenOffAnywhereIsCarriedOnByItsRedelivery(t *testing.T) {
	sweep(t, apply, func(t *testing.T, live string, f fault) {
		w := newWorld(live)
		breakOff(t, w, apply, f)
		applied(t, w, must(t, w, apply, "q-1"))
		applied(t, w, must(t, w, apply, "q-1")) // delivered once more
	})
}

func TestApplyBrokenOffAnywhereIsCarriedOnByAnotherRequest(t *testing.T) {
	sweep(t, apply, func(t *testing.T, live string, f fault) {
		w := newWorld(live)
		breakOff(t, w, apply, f)
		applied(t, w, must(t, w, apply, "q-2"))
		applied(t, w, must(t, w, apply, "q-1"))
	})
}

func TestApplyBrokenOffAnywhereCanBeUndone(t *testing.T) {
	sweep(t, apply, func(t *testing.T, live string, f fault) {
		w := newWorld(live)
		breakOff(t, w, apply, f)
		if w.records[w.live] == nil { // broken off before anything: there is nothing to undo, and that is said
			_, err := newSide(w, undo, "u-1").run(t.Context())
			if got := failure(t, err); got.Code != bacvault.CodePromoteChanged || got.Exists != "nothing was changed" {
				t.Errorf("%v, exists %q", got, got.Exists)
			}
			return
		}
		undone(t, w, must(t, w, undo, "u-1"))
		undone(t, w, must(t, w, undo, "u-2")) // undone already
		// The broken off request comes late: it must not bring back what a person took back.
		_, err := newSide(w, apply, "q-1").run(t.Context())
		if got := failure(t, err); got.Code != bacvault.CodePromoteChanged || got.Exists != "nothing was changed" {
			t.Errorf("%v, exists %q", got, got.Exists)
		}
		applied(t, w, must(t, w, apply, "q-3"))
	})
}

func TestUndoBrokenOffAnywhereIsCarriedOn(t *testing.T) {
	sweep(t, undo, func(t *testing.T, live string, f fault) {
		w := newWorld(live)
		must(t, w, apply, "q-0")
		breakOff(t, w, undo, f)
		undone(t, w, must(t, w, undo, "q-1"))
	})
}

func TestUndoBrokenOffAnywhereCanBeAppliedAfterAll(t *testing.T) {
	sweep(t, undo, func(t *testing.T, live string, f fault) {
		w := newWorld(live)
		must(t, w, apply, "q-0")
		breakOff(t, w, undo, f)
		applied(t, w, must(t, w, apply, "q-2"))
		undone(t, w, must(t, w, undo, "q-3"))
	})
}

// Of a promotion that itself broke off anywhere, the undo may break off anywhere.
func TestUndoOfABrokenOffApplyMayBreakOffToo(t *testing.T) {
	for _, first := range []string{"rename#1", "rename#2", "scale#1", "setRetention#1", "saveRecord#2"} {
		for _, second := range []string{"saveRecord#1", "rename#1", "rename#2", "size#1", "retention#1", "saveRecord#2"} {
			for _, after := range []bool{false, true} {
				t.Run(first+", "+second, func(t *testing.T) {
					w := newWorld("db")
					breakOff(t, w, apply, fault{first, after, true})
					breakOff(t, w, undo, fault{second, after, true})
					undone(t, w, must(t, w, undo, "q-1"))
				})
			}
		}
	}
}

func failure(t *testing.T, err error) *bacvault.Failure {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	return bacvault.AsFailure(err, "")
}
