package drill_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

// A restore that fails drops by itself what it made. Only a verdict on the backup is recorded.
func TestOnlyAFailureThatCondemnsTheBackupIsRecorded(t *testing.T) {
	passing := bacvault.Fail(bacvault.CodeImportFailed, "a passing one")
	passing.Class = bacvault.Retry
	for _, c := range []struct {
		name     string
		err      error
		blob     string
		recorded bool
	}{
		{"hash differs", bacvault.Fail(bacvault.CodeVerifyHash, "x"), "b.bacpac", true},
		{"archive broken", bacvault.Fail(bacvault.CodeVerifyBroken, "x"), "b.bacpac", true},
		{"rows differ from the manifest", bacvault.Fail(bacvault.CodeVerifyRows, "x"), "b.bacpac", true},
		{"import fails for good", bacvault.Fail(bacvault.CodeImportFailed, "x"), "b.bacpac", true},
		{"rows differ after the restore", fmt.Errorf("wrapped: %w", bacvault.Fail(bacvault.CodeRestoreRows, "x")), "b.bacpac", true},
		{"the verification is blind", bacvault.Fail(bacvault.CodeDrillBlind, "x"), "b.bacpac", true},
		{"import fails for now", passing, "b.bacpac", false},
		{"stalled", bacvault.Fail(bacvault.CodeImportStalled, "x"), "b.bacpac", false},
		{"the name is taken", bacvault.Fail(bacvault.CodeTargetExists, "x"), "b.bacpac", false},
		{"a right is missing", bacvault.Fail(bacvault.CodeSQLDenied, "x"), "b.bacpac", false},
		{"the disk is full", bacvault.Fail(bacvault.CodeDiskFull, "x"), "b.bacpac", false},
		{"the net", errNet, "b.bacpac", false},
		{"no backup was chosen", bacvault.Fail(bacvault.CodeVerifyHash, "x"), "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.restore, w.got.Blob, w.got.Tables = c.err, c.blob, nil
			p, err := w.drill().Run(t.Context(), request())
			want := []string{"list", "restore " + name}
			if c.recorded {
				want = append(want, "proof")
			}
			if d := cmp.Diff(want, w.log); d != "" {
				t.Error(d)
			}
			var f *bacvault.Failure
			if errors.As(c.err, &f); f != nil && f.Code != bacvault.AsFailure(err, "").Code || err == nil || p.Passed {
				t.Errorf("error %v, passed %t", err, p.Passed)
			}
			if recorded := len(w.proofs) == 1; recorded != c.recorded || (p.Schema != "") != c.recorded {
				t.Fatalf("recorded %t, schema %q", recorded, p.Schema)
			}
			if c.recorded && (w.proof(t).Failure.Code != f.Code || w.proof(t).Blob != c.blob || w.proof(t).Slot != night) {
				t.Errorf("the proof is %+v", w.proof(t))
			}
		})
	}
}

// The alarm does not wait for its record.
func TestCondemnedBackupIsToldThoughItsProofCannotBeRecorded(t *testing.T) {
	w := newWorld()
	w.restore, w.put = bacvault.Fail(bacvault.CodeVerifyHash, "other bytes"), errNet
	p, err := w.drill().Run(t.Context(), request())
	f := bacvault.AsFailure(err, "")
	if f.Code != bacvault.CodeVerifyHash || f.Class != bacvault.Terminal || !strings.Contains(f.Detail, "could not be recorded") {
		t.Errorf("%+v", f)
	}
	if p.Passed || p.Failure == nil || strings.Contains(p.Failure.Detail, "recorded") {
		t.Errorf("the proof for the event is %+v", p)
	}
}
