package restore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The promise is three sides: restored, archive and source. A manifest that counted the source differently must not pass.
func TestRestoreIsHeldAgainstTheSourcesRowsToo(t *testing.T) {
	w := newWorld(t)
	name := bacvault.ManifestName(db.BlobName(night))
	m := w.manifests[name]
	m.Tables = []bacvault.TableRows{{Table: tabA, Source: 4, Archive: 3, Verdict: bacvault.VerdictOK}, {Table: tabB, Verdict: bacvault.VerdictOK}}
	w.manifests[name] = m
	_, err := newSide(w).run(t.Context())
	f := failure(t, err)
	if f.Code != bacvault.CodeRestoreRows || !strings.Contains(f.Detail, "dbo.a has 3 rows, expected 4") || !strings.Contains(f.Exists, "kept") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
}

func TestNothingComparedWithNothingIsNoRestore(t *testing.T) {
	w := newWorld(t)
	const old = "srv-db_2025-01-01_020000.bacpac"
	w.blobs[old] = "."
	s := newSide(w)
	s.req.Backup, s.req.BackupFileName, s.restored = "", old, bacvault.Rows{}
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeRestoreRows || !strings.Contains(f.Exists, "kept") {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
}

// A drill's database is for nobody to inspect.
func TestDrillThatFailsItsRowsKeepsNothing(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.req.Kind, s.restored = bacvault.KindDrill, bacvault.Rows{tabA: 2, tabB: 0}
	_, err := s.run(t.Context())
	f := failure(t, err)
	if f.Code != bacvault.CodeRestoreRows || !strings.Contains(f.Exists, "was dropped") || strings.Contains(f.Next, "kept") {
		t.Errorf("%v, exists %q, next %q", f, f.Exists, f.Next)
	}
	if !slices.Contains(s.log, "drop#1") || len(w.databases) != 1 {
		t.Errorf("calls %v", s.log)
	}
}
