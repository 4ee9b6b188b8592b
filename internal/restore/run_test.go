package restore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/google/go-cmp/cmp"
)

func TestRequestsObjectiveAndSizeComeFirst(t *testing.T) {
	s := newSide(newWorld(t))
	s.req.ServiceObjective, s.req.Edition, s.req.MaxSizeGB = "S9", "Standard", 500
	if _, err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.imported.ServiceObjective != "S9" || s.imported.Edition != "Standard" || s.imported.MaxSizeGB != 500 || s.imported.Database != target.Name {
		t.Errorf("imported as %+v", s.imported)
	}
}

func TestAlreadyDoneRestoreIsAnsweredAgain(t *testing.T) {
	w := newWorld(t)
	first, err := newSide(w).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := newSide(w)
	again, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	complete(t, w, again)
	if !again.AlreadyDone || slices.Contains(s.log, "fetch#1") {
		t.Errorf("already done %t after %v", again.AlreadyDone, s.log)
	}
	again.AlreadyDone = false
	if d := cmp.Diff(first, again, cmp.AllowUnexported(bacvault.Slot{})); d != "" {
		t.Errorf("the second answer differs: %s", d)
	}
}

func TestRestoreRefusesAndKeepsOrDrops(t *testing.T) {
	name := db.BlobName(night)
	const dropped, kept, none = "was dropped", "kept for inspection", "nothing was created"
	for _, c := range []struct {
		name   string
		set    func(*side)
		code   bacvault.Code
		stage  bacvault.Stage
		exists string
	}{
		{"an unknown database", func(s *side) { s.req.Name = "other" }, bacvault.CodeRequestUnknownDB, bacvault.StageAdmit, none},
		{"a full disk", func(s *side) { s.free = int64(2*len(archive)) - 1 }, bacvault.CodeDiskFull, bacvault.StagePreflight, none},
		{"other bytes than the manifest's", func(s *side) { s.w.blobs[name] = "dbo a 4\ndbo b 0\n." }, bacvault.CodeVerifyHash, bacvault.StageFetch, none},
		{"a broken archive", func(s *side) { s.w.catalogue = nil; s.w.store(night, "dbo a 3") }, bacvault.CodeVerifyBroken, bacvault.StageVerify, none},
		{"an archive that is not the manifest's", func(s *side) { s.w.catalogue = nil; s.w.store(night, "dbo a 3\n.") }, bacvault.CodeVerifyRows, bacvault.StageVerify, none},
		{"a manifest of another blob", func(s *side) {
			m := s.w.manifests[bacvault.ManifestName(name)]
			m.Blob.Name = "srv/db/other.bacpac"
			s.w.manifests[bacvault.ManifestName(name)] = m
		}, bacvault.CodeVerifyHash, bacvault.StageAdmit, none},
		{"a failed import", func(s *side) { s.failAt, s.err = "fill#1", bacvault.Fail(bacvault.CodeImportFailed, "exit 1") }, bacvault.CodeImportFailed, bacvault.StageImport, dropped},
		{"rows that are missing after the import", func(s *side) { s.restored = bacvault.Rows{tabA: 2, tabB: 0} }, bacvault.CodeRestoreRows, bacvault.StageReconcile, kept},
		{"a table that is missing after the import", func(s *side) { s.restored = bacvault.Rows{tabA: 3} }, bacvault.CodeRestoreRows, bacvault.StageReconcile, kept},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			c.set(s)
			_, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != c.code || f.Stage != c.stage || !strings.Contains(f.Exists, c.exists) {
				t.Errorf("%v, exists %q, want %s at %s, %q", f, f.Exists, c.code, c.stage, c.exists)
			}
			if _, there := w.databases[target.Name]; there != (c.exists == kept) {
				t.Errorf("the target is there: %t", there)
			}
			if w.holder != "" || len(w.crimes) > 0 || len(files(t, w.workDir)) > 0 {
				t.Errorf("left behind: lease %q, crimes %v, files %v", w.holder, w.crimes, files(t, w.workDir))
			}
		})
	}
}

func TestAnotherRunAtTheTargetIsNotDisturbed(t *testing.T) {
	w := newWorld(t)
	w.holder = "run0 r-0"
	s := newSide(w)
	_, err := s.run(t.Context())
	busy, ok := err.(*restore.Busy)
	if !ok || busy.Holder != "run0 r-0" || w.holder == "" || slices.Contains(s.log, "release#1") {
		t.Fatalf("error %v, holder %q, calls %v", err, w.holder, s.log)
	}
}

func TestRestoredRowsAreToldInUTC(t *testing.T) {
	w := newWorld(t)
	r := newSide(w).restore()
	r.Now = func() time.Time { return w.tick().In(time.FixedZone("east", 3600)) }
	res, err := r.Run(t.Context(), newSide(w).req)
	if err != nil || len(res.Stages) == 0 {
		t.Fatalf("%d stages, error %v", len(res.Stages), err)
	}
	for _, st := range res.Stages {
		if st.Start.Location() != time.UTC || st.End.Location() != time.UTC {
			t.Errorf("stage %s ran from %s to %s", st.Stage, st.Start, st.End)
		}
	}
}
