package backup_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

// order sorts the two calls that run side by side.
func order(log []string) []string {
	log = slices.Clone(log)
	if i := slices.Index(log, "stage#1"); i >= 0 && i+1 < len(log) && log[i+1] == "verify#1" {
		log[i], log[i+1] = log[i+1], log[i]
	}
	return log
}

// files lists what is left in the work folder.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// complete fails unless the vault holds one blob and its manifest, of what the copy held, and nothing else is left.
func complete(t *testing.T, w *world, res backup.Result) {
	t.Helper()
	name := db.BlobName(slot)
	st, ok := w.blobs[name]
	if !ok || len(w.blobs) != 1 || len(w.manifests) != 1 {
		t.Fatalf("the vault holds %d blobs and %d manifests, want one of each at %s", len(w.blobs), len(w.manifests), name)
	}
	m, err := bacvault.DecodeManifest(w.manifests[name])
	if err != nil {
		t.Fatal(err)
	}
	if m.Blob != st.Blob {
		t.Errorf("the manifest is of %+v, the blob is %+v", m.Blob, st.Blob)
	}
	for _, table := range m.Tables {
		if table.Source != table.Archive {
			t.Errorf("table %s: %d rows at the source, %d in the archive", table.Table, table.Source, table.Archive)
		}
	}
	if m.Transfer.Seconds != 1 || m.Transfer.BytesPerSecond != float64(st.Blob.Size/2) {
		t.Errorf("half of %d bytes were sent in a second, the manifest says %+v", st.Blob.Size, m.Transfer)
	}
	if len(m.Tables) != 2 || !m.ProtectedTo.Equal(st.Created.AddDate(0, 0, 90)) || m.Request.ID != "r-1" || m.Consistency != bacvault.ConsistencyCopy {
		t.Errorf("the manifest is %+v", m)
	}
	if d := cmp.Diff(m, res.Manifest, cmp.AllowUnexported(bacvault.Slot{})); d != "" {
		t.Errorf("the result's manifest is not the stored one: %s", d)
	}
	if w.holder != nil || len(w.pending) != 0 || len(w.copies()) != 0 {
		t.Errorf("left behind: lease %+v, %d prepared manifests, databases %v", w.holder, len(w.pending), w.copies())
	}
	if left := files(t, w.workDir); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
}

func TestBackupDoesEachStepInItsOrder(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	res, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"manifest#1", "acquire#1", "manifest#2", "head#1", // admitted, leased, nothing there
		"posture#1", "exists#1", "copy#1", "preflight#1", "source#1", "version#1",
		"count#1", "export#1", // counted before it is exported: the copy stands still
		"verify#1", "stage#1",
		"posture#2", "savePending#1", "held#1", "commit#1", // all is asked again before the point of no return
		"putManifest#1",
		"drop#1", "dropPending#1", "release#1", // the lease last
	}
	if d := cmp.Diff(want, order(s.log)); d != "" {
		t.Fatal(d)
	}
	complete(t, w, res)
	if res.AlreadyDone || len(res.Findings) > 0 {
		t.Errorf("already done %t, findings %v", res.AlreadyDone, res.Findings)
	}
	if d := cmp.Diff(&stateOf, res.Manifest.Source); d != "" {
		t.Errorf("the source in the manifest: %s", d)
	}
	if got := res.Manifest.Rows(); got[tabA] != 3 {
		t.Errorf("the archive has %d rows: the live database was exported, not the copy", got[tabA])
	}
}

func TestProgressTellsStartAndEndOfEachStage(t *testing.T) {
	s := newSide(newWorld(t))
	if _, err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var began, ended []bacvault.Stage
	for _, p := range s.notes {
		if p.Run != "run1" || p.Kind != "backup" || p.Database != db || p.Request != "r-1" || p.Slot == nil || *p.Slot != slot {
			t.Errorf("a line does not say whose it is: %+v", p)
		}
		switch {
		case p.Done:
			ended = append(ended, p.Stage)
		case !p.Working():
			began = append(began, p.Stage)
		case p.Stage == bacvault.StageExport && p.Note == "Exporting" && p.Tables == 1 && p.TablesTotal == 2:
		case p.Stage == bacvault.StageVerify && p.Bytes > 0 && p.Bytes == p.BytesTotal:
		default:
			t.Errorf("it works on: %+v", p)
		}
	}
	want := []bacvault.Stage{
		bacvault.StageAdmit, bacvault.StageLease, bacvault.StageGate, bacvault.StageCopy, bacvault.StagePreflight, bacvault.StageCount,
		bacvault.StageExport, bacvault.StageVerify, bacvault.StageCommit, bacvault.StageManifest, bacvault.StageClean,
	}
	if d := cmp.Diff(want, began); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, ended); d != "" {
		t.Error(d)
	}
}

func TestLiveConsistencyMakesNoCopy(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	res, err := s.backup(bacvault.ConsistencyLive).Run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(s.log, "copy#1") || slices.Contains(s.log, "drop#1") || res.Manifest.Consistency != bacvault.ConsistencyLive {
		t.Errorf("calls %v, consistency %s", s.log, res.Manifest.Consistency)
	}
	if _, ok := w.databases["db"]; !ok {
		t.Error("the live database is gone")
	}
}

func TestStaleFilesOfAKilledRunAreThrownAway(t *testing.T) {
	w := newWorld(t)
	b := newSide(w).backup(bacvault.ConsistencyCopy)
	write(t, filepath.Join(w.workDir, "backup", "srv", "db", "old.partial.bacpac"))
	other := filepath.Join(w.workDir, "backup", "srv", "other", "live.partial.bacpac")
	write(t, other)
	if _, err := b.Run(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{other}, files(t, w.workDir)); d != "" {
		t.Error(d)
	}
}

func TestBackupRefusesBeforeAnythingIsStored(t *testing.T) {
	empty, cut := []byte{}, []byte("half")
	var none []byte
	for _, c := range []struct {
		name  string
		set   func(*side)
		code  bacvault.Code
		stage bacvault.Stage
		never string // a call that must not come
	}{
		{"an unlocked policy", func(s *side) { s.posture.State = "Unlocked" }, bacvault.CodeGateUnlocked, bacvault.StageGate, "copy#1"},
		{"a policy unlocked after the gate", func(s *side) {
			s.at["export#1"] = func() { s.posture.State = "Unlocked" }
		}, bacvault.CodeGateUnlocked, bacvault.StageCommit, "commit#1"},
		{"no SELECT", func(s *side) { s.facts.CanSelect = false }, bacvault.CodeSQLDenied, bacvault.StagePreflight, "export#1"},
		{"no VIEW DEFINITION", func(s *side) { s.facts.CanViewDefinition = false }, bacvault.CodeSQLDenied, bacvault.StagePreflight, "export#1"},
		{"masked columns", func(s *side) { s.facts.MaskedColumns = 2 }, bacvault.CodeFiltered, bacvault.StagePreflight, "export#1"},
		{"a full disk", func(s *side) { s.free = 1999 }, bacvault.CodeDiskFull, bacvault.StagePreflight, "export#1"},
		{"no archive", func(s *side) { s.file = &none }, bacvault.CodeExportFailed, bacvault.StageExport, "stage#1"},
		{"an empty file", func(s *side) { s.file = &empty }, bacvault.CodeExportFailed, bacvault.StageExport, "stage#1"},
		{"a broken archive", func(s *side) { s.file = &cut }, bacvault.CodeVerifyBroken, bacvault.StageVerify, "commit#1"},
		{"a missing row", func(s *side) { s.archive = bacvault.Rows{tabA: 2, tabB: 0} }, bacvault.CodeVerifyRows, bacvault.StageVerify, "commit#1"},
		{"a missing table", func(s *side) { s.archive = bacvault.Rows{tabA: 3} }, bacvault.CodeVerifyRows, bacvault.StageVerify, "commit#1"},
		{"an archive without tables", func(s *side) { s.archive = bacvault.Rows{} }, bacvault.CodeVerifyRows, bacvault.StageVerify, "commit#1"},
		{"a failed verification while staging", func(s *side) { s.failAt, s.err = "stage#1", bacvault.Fail(bacvault.CodeVaultDenied, "403") }, bacvault.CodeVaultDenied, bacvault.StageVerify, "commit#1"},
		{"a lease that another run took", func(s *side) {
			s.at["held#1"] = func() { s.w.holder = &backup.Holder{Run: "other"} }
		}, bacvault.CodeLeaseLost, bacvault.StageCommit, "commit#1"},
		{"a name with other content", func(s *side) {
			s.at["commit#1"] = func() {
				s.w.blobs[db.BlobName(slot)] = backup.Stored{Blob: bacvault.Blob{Name: db.BlobName(slot), Size: 1, SHA256: "x"}}
			}
		}, bacvault.CodeVaultConflict, bacvault.StageCommit, "putManifest#1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			c.set(s)
			res, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != c.code || f.Stage != c.stage || f.Exists == "" {
				t.Errorf("%s at %s (exists: %q), want %s at %s", f.Code, f.Stage, f.Exists, c.code, c.stage)
			}
			if slices.Contains(s.log, c.never) {
				t.Errorf("%s was called: %v", c.never, s.log)
			}
			if len(w.manifests) > 0 || res.Manifest.Schema != "" {
				t.Error("there is a manifest")
			}
			if left := files(t, w.workDir); len(left) > 0 && c.code != bacvault.CodeLeaseLost {
				t.Errorf("left in the work folder: %v", left)
			}
		})
	}
}

func TestMaskedColumnsPassWithUnmask(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.facts.MaskedColumns, s.facts.Unmask = 2, true
	res, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	complete(t, w, res)
}
