package restore_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

func TestRestoreDoesEachStepInItsOrder(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.health = []string{"1 foreign keys are not trusted"}
	res, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"catalogue#1", "manifest#1", "head#1", "acquire#1",
		"exists#1", // the name is free, or nothing is touched
		"fetch#1", "verify#1",
		"exists#2", "saveMark#1", "exists#3", // whose database it is, before there is one
		"create#1", "exists#4", "saveMark#2", "fill#1", // seen while it is filled
		"count#1", "health#1", "schema#1", "exists#5", "saveMark#3", "release#1",
	}
	if d := cmp.Diff(want, s.log); d != "" {
		t.Fatal(d)
	}
	complete(t, w, res)
	if d := cmp.Diff(s.health, res.Findings); d != "" || res.AlreadyDone || res.Unmanifested {
		t.Errorf("%s, already done %t, unmanifested %t", d, res.AlreadyDone, res.Unmanifested)
	}
	if s.imported.ServiceObjective != "S3" || s.imported.MaxSizeGB != 250 {
		t.Errorf("imported as %+v", s.imported)
	}
}

func TestExistingTargetIsNotTouched(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*testing.T, *side)
	}{
		{"it was there", func(_ *testing.T, s *side) { s.w.foreign() }},
		{"it was there, made for another request of ours", func(t *testing.T, s *side) {
			if _, err := newSide(s.w).run(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.req.ID = "r-2"
		}},
		{"it came while the archive was fetched", func(_ *testing.T, s *side) { s.at["fetch#1"] = s.w.foreign }},
		{"it came between mark and import", func(_ *testing.T, s *side) { s.at["exists#3"] = s.w.foreign }},
		{"it came at the very import", func(_ *testing.T, s *side) { s.at["create#1"] = s.w.foreign }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			c.set(t, s)
			for range 2 { // the same request again must not take it for its own either
				_, err := s.run(t.Context())
				f := failure(t, err)
				if f.Code != bacvault.CodeTargetExists && f.Code != bacvault.CodeImportNotEmpty || f.Class != bacvault.Refused || !strings.Contains(f.Exists, "not touched") {
					t.Errorf("%v (%s), exists %q", f, f.Class, f.Exists)
				}
				if d := w.databases[target.Name]; d == nil || d.owner == s.req.ID || len(w.crimes) > 0 {
					t.Fatalf("the database is %+v; %v", d, w.crimes)
				}
				if w.holder != "" || len(files(t, w.workDir)) > 0 {
					t.Errorf("left behind: lease %q, files %v", w.holder, files(t, w.workDir))
				}
				id := s.req.ID
				s = newSide(w)
				s.req.ID = id
			}
		})
	}
}

func TestLostLeaseNeverDrops(t *testing.T) {
	for _, label := range []string{"exists#1", "fetch#1", "exists#3", "create#1", "exists#4", "saveMark#2", "fill#1", "count#1", "exists#5", "saveMark#3"} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			marks := 0
			s.at[label] = func() { s.lose(bacvault.Fail(bacvault.CodeLeaseLost, "lapsed")); marks = s.count["saveMark"] }
			s.failAt = label
			_, err := s.run(t.Context())
			if f := failure(t, err); f.Code != bacvault.CodeLeaseLost || f.Exists == "" {
				t.Errorf("%v, exists %q", f, f.Exists)
			}
			if s.count["drop"] > 0 || s.count["saveMark"] > marks {
				t.Errorf("after the loss: %v", s.log)
			}
			w.lapse()
			res, err := newSide(w).run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			complete(t, w, res)
		})
	}
}
