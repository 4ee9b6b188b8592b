package backup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// The copy and the work folder have fixed names: once the lease is another's, so are they.
func TestRunThatLostItsLeaseLeavesItsSuccessorsCopyAlone(t *testing.T) {
	for _, label := range []string{"copy#1", "count#1", "export#1", "verify#1", "held#1"} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.at[label] = func() { // the lease lapsed, and the successor is at work already
				w.holder = &backup.Holder{Run: "successor", Slot: slot}
				s.lose(bacvault.Fail(bacvault.CodeLeaseLost, "lease lapsed"))
			}
			s.failAt = label
			_, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != bacvault.CodeLeaseLost || f.Class != bacvault.Retry || !strings.Contains(f.Exists, theCopy) {
				t.Errorf("%v (%s), exists %q", f, f.Class, f.Exists)
			}
			if slices.Contains(s.log, "drop#1") || slices.Contains(s.log, "commit#1") {
				t.Errorf("after the loss: %v", s.log)
			}
			if w.holder == nil || w.holder.Run != "successor" {
				t.Errorf("the successor's lease became %+v", w.holder)
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
