package restore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// calls lists the labels of every call of an undisturbed run.
func calls(t *testing.T) []string {
	t.Helper()
	s := newSide(newWorld(t))
	if _, err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.log) < 14 {
		t.Fatalf("the sweep would cover only %v", s.log)
	}
	return s.log
}

// fails runs the request with one failing call and checks what must hold whatever call it is.
func fails(t *testing.T, w *world, label string, after bool) {
	t.Helper()
	s := newSide(w)
	s.failAt, s.after = label, after
	res, err := s.run(t.Context())
	if err == nil {
		if findings, ok := forgiven[label]; !ok || len(res.Findings) != findings {
			t.Errorf("the run succeeded with the findings %v", res.Findings)
		}
		w.lapse()
		return
	}
	f := failure(t, err)
	if f.Stage == "" || f.Exists == "" || f.Class != bacvault.Retry || f.Next == "" {
		t.Errorf("%v: class %s, exists %q, next %q", f, f.Class, f.Exists, f.Next)
	}
	if _, there := w.databases[target.Name]; there {
		t.Errorf("a half-made database is left; exists %q", f.Exists)
	}
	if w.holder != "" && label != "acquire#1" {
		t.Errorf("the lease is still held by %q", w.holder)
	}
	if left := files(t, w.workDir); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
	w.lapse()
}

// forgiven are the calls that a restore succeeds without, with the findings that they leave: the looks while the import runs are
// made again when it is over.
var forgiven = map[string]int{"exists#4": 0, "saveMark#2": 0, "release#1": 1}

func sweep(t *testing.T, do func(t *testing.T, label string, after bool)) {
	t.Helper()
	for _, label := range calls(t) {
		t.Run(label+" before its effect", func(t *testing.T) { do(t, label, false) })
		t.Run(label+" after its effect", func(t *testing.T) { do(t, label, true) })
	}
}

func TestAnyCallMayFailAndTheSameRequestEndsRight(t *testing.T) {
	sweep(t, func(t *testing.T, label string, after bool) {
		w := newWorld(t)
		fails(t, w, label, after)
		w.lapse()
		res, err := newSide(w).run(t.Context())
		if err != nil {
			t.Fatalf("the same request again: %v", err)
		}
		complete(t, w, res)
	})
}

// Minutes lie between two attempts: the name may be somebody else's by then.
func TestNameTakenBetweenTwoAttemptsIsNotTouched(t *testing.T) {
	sweep(t, func(t *testing.T, label string, after bool) {
		w := newWorld(t)
		fails(t, w, label, after)
		if _, ok := forgiven[label]; ok {
			return // that attempt succeeded: the name is ours
		}
		w.foreign()
		s := newSide(w)
		_, err := s.run(t.Context())
		if f := failure(t, err); f.Code != bacvault.CodeTargetExists || !strings.Contains(f.Exists, "not touched") {
			t.Errorf("%v, exists %q", f, f.Exists)
		}
		if d := w.databases[target.Name]; d == nil || d.owner != "somebody else" || len(d.rows) != 1 || d.rows[tabA] != 99 || len(w.crimes) > 0 {
			t.Errorf("the database is %+v; %v", d, w.crimes)
		}
	})
}

func TestKilledAtAnyCallTheRedeliveredRequestEndsRight(t *testing.T) {
	for _, label := range calls(t) {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.killAt = label
			_, _ = s.run(t.Context()) // nobody hears what a dead run says
			half := w.databases[target.Name] != nil
			w.lapse()
			again := newSide(w)
			res, err := again.run(t.Context())
			if err != nil {
				t.Fatalf("the redelivered request: %v", err)
			}
			complete(t, w, res)
			if half && !res.AlreadyDone && !slices.Contains(again.log, "drop#1") {
				t.Errorf("the half-made database was not dropped first: %v", again.log)
			}
		})
	}
}

// What a killed run left half-made belongs to its request alone.
func TestHalfMadeDatabaseOfAnotherRequestIsNotTouched(t *testing.T) {
	w := newWorld(t)
	dead := newSide(w)
	dead.killAt = "fill#1"
	_, _ = dead.run(t.Context())
	w.lapse()
	s := newSide(w)
	s.req.ID = "r-2"
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeTargetExists {
		t.Errorf("%v", f)
	}
	if d := w.databases[target.Name]; d == nil || d.owner != "r-1" || len(w.crimes) > 0 {
		t.Errorf("the database is %+v; %v", d, w.crimes)
	}
	res, err := newSide(w).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	complete(t, w, res)
}

func TestHalfMadeDatabaseThatCannotBeDroppedIsTold(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.failAt, s.after = "fill#1", false
	s.at["drop#1"] = func() { s.failAt = "drop#1" }
	_, err := s.run(t.Context())
	if f := failure(t, err); !strings.Contains(f.Exists, "half-restored") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	again := newSide(w)
	again.failAt = "drop#1"
	_, err = again.run(t.Context())
	if f := failure(t, err); f.Stage != bacvault.StagePreflight || !strings.Contains(f.Exists, "half-restored") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
	res, err := newSide(w).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	complete(t, w, res)
}

// Kept for inspection means kept: the same request again does not sweep the evidence away.
func TestKeptDatabaseSurvivesTheSameRequest(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.restored = bacvault.Rows{tabA: 2, tabB: 0}
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeRestoreRows || f.Class != bacvault.Terminal {
		t.Fatalf("%v (%s)", f, f.Class)
	}
	_, err = newSide(w).run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeTargetExists {
		t.Errorf("%v", f)
	}
	if d := w.databases[target.Name]; d == nil || d.rows[tabA] != 2 {
		t.Errorf("the evidence is %+v", d)
	}
}
