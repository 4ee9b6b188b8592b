package backup_test

import (
	"slices"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// An identity that sees no table counts none, and exports none: the two sides agree, and the backup is worth nothing.
func TestNothingComparedWithNothingIsNoBackup(t *testing.T) {
	w := newWorld(t)
	w.databases["db"] = bacvault.Rows{}
	s := newSide(w)
	s.archive = bacvault.Rows{}
	s.at["count#1"] = func() { w.databases[theCopy] = bacvault.Rows{} }
	_, err := s.run(t.Context())
	f := failure(t, err)
	if f.Code != bacvault.CodeVerifyRows || f.Class != bacvault.Terminal || f.Stage != bacvault.StageCount {
		t.Errorf("%v (%s at %s)", f, f.Class, f.Stage)
	}
	if slices.Contains(s.log, "export#1") || len(w.blobs) > 0 {
		t.Errorf("calls %v", s.log)
	}
}
