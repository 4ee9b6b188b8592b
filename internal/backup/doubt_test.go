package backup_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// After a commit without an answer the blob may be there for years. Whoever reads the failure must not be told that it
// is not.
func TestFailureAfterAnUnansweredCommitNeverSaysThatNothingWasWritten(t *testing.T) {
	write := bacvault.Fail(bacvault.CodeVaultWrite, "the connection was cut")
	for _, c := range []struct {
		name string
		set  func(*side)
	}{
		{"the lease ends while it is on its way", func(s *side) {
			s.at["commit#1"] = func() { s.lose(bacvault.Fail(bacvault.CodeLeaseLost, "lapsed")) }
		}},
		{"the policy is unlocked before it is sent again", func(s *side) {
			s.at["posture#3"] = func() { s.posture.State = "Unlocked" }
		}},
		{"the lease is another's before it is sent again", func(s *side) {
			s.at["held#2"] = func() { s.w.holder = nil }
		}},
		{"the state container is away before it is sent again", func(s *side) {
			s.at["savePending#2"] = func() { s.failAt, s.err, s.after = "savePending#2", errNet, false }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.failAt, s.err, s.after = "commit#1", write, true
			c.set(s)
			_, err := s.run(t.Context())
			f := failure(t, err)
			if strings.Contains(f.Exists, "nothing was written") || !strings.Contains(f.Exists, db.BlobName(slot)) {
				t.Errorf("%v: exists %q, while the blob is there", f, f.Exists)
			}
			if len(w.blobs) != 1 {
				t.Fatalf("%d blobs: the case is not what it says", len(w.blobs))
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
