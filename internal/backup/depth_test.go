package backup_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

// deep runs a backup with everything that can be asked for.
func deep(t *testing.T, s *side, change func(*backup.Backup)) (backup.Result, error) {
	t.Helper()
	b := s.backup(bacvault.ConsistencyCopy)
	change(b)
	return b.Run(t.Context(), request())
}

func TestFingerprintsAndWhatTheyLeaveOutAreRecorded(t *testing.T) {
	s := newSide(newWorld(t))
	res, err := deep(t, s, func(b *backup.Backup) { b.Fingerprint = "sums" })
	if err != nil {
		t.Fatal(err)
	}
	want := &bacvault.Fingerprint{Method: "sums", LeftOut: []string{"dbo.a.picture"}, Computed: "copy"}
	if d := cmp.Diff(want, res.Manifest.Fingerprint); d != "" || res.Manifest.Tables[0].Fingerprint != "print of a" {
		t.Errorf("%s; the first table has %q", d, res.Manifest.Tables[0].Fingerprint)
	}
}

func TestABlobThatReadsBackDifferentlyIsNeverABackup(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.rotten = true
	_, err := deep(t, s, func(b *backup.Backup) { b.ReadBack = true })
	f := bacvault.AsFailure(err, "")
	if f.Code != bacvault.CodeVerifyHash || f.Class != bacvault.Terminal || f.Stage != bacvault.StageReadBack || !strings.Contains(f.Exists, "not a backup") {
		t.Fatalf("failure %+v", f)
	}
	if len(w.manifests) != 0 || len(w.pending) != 0 {
		t.Fatalf("%d manifests and %d prepared ones are there: somebody could finish it", len(w.manifests), len(w.pending))
	}
	// Also a request that comes again can't make it one.
	w.lapse()
	if _, err := newSide(w).backup(bacvault.ConsistencyCopy).Run(t.Context(), request()); bacvault.AsFailure(err, "").Code != bacvault.CodeVaultOrphan {
		t.Errorf("the next run ends with %v", err)
	}
}

func TestARunKilledBeforeItReadBackIsFinishedWithReadingBack(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.killAt = "readback#1"
	if _, err := deep(t, s, func(b *backup.Backup) { b.ReadBack = true }); err == nil {
		t.Fatal("a killed run succeeded")
	}
	w.lapse()
	next := newSide(w)
	if _, err := next.backup(bacvault.ConsistencyCopy).Run(t.Context(), request()); err != nil || next.count["readback"] != 1 {
		t.Errorf("read back %d times, error %v", next.count["readback"], err)
	}
}

func TestWhereNoCopyCanBeHad(t *testing.T) {
	noRoom := bacvault.Fail(bacvault.CodeCopyNoRoom, "the elastic pool is full")
	for _, c := range []struct {
		name   string
		orLive bool
	}{{"copy: the run fails", false}, {"copy-or-live: the live database is exported, degraded", true}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSide(newWorld(t))
			s.failAt, s.err = "copy#1", noRoom
			res, err := deep(t, s, func(b *backup.Backup) { b.OrLive = c.orLive })
			if !c.orLive {
				if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeCopyNoRoom || f.Class != bacvault.Terminal {
					t.Fatalf("failure %+v", f)
				}
				return
			}
			m := res.Manifest
			if err != nil || m.Consistency != bacvault.ConsistencyLive || len(m.Degraded) != 1 || !strings.Contains(m.Degraded[0], "copy.no_room") {
				t.Fatalf("error %v, consistency %s, degraded %q", err, m.Consistency, m.Degraded)
			}
		})
	}
}

func TestALiveExportIsBracketedByCounts(t *testing.T) {
	for _, c := range []struct {
		name          string
		after, archiv bacvault.Rows
		ok            bool
		degraded      string
	}{
		{"nobody wrote", bacvault.Rows{tabA: 3, tabB: 0}, bacvault.Rows{tabA: 3, tabB: 0}, true, ""},
		{"nobody wrote and a row is missing", bacvault.Rows{tabA: 3, tabB: 0}, bacvault.Rows{tabA: 2, tabB: 0}, false, ""},
		{"rows came, and the archive has some", bacvault.Rows{tabA: 7, tabB: 0}, bacvault.Rows{tabA: 5, tabB: 0}, true, "written to"},
		{"rows came, and the archive has more than ever were", bacvault.Rows{tabA: 7, tabB: 0}, bacvault.Rows{tabA: 8, tabB: 0}, false, ""},
		{"rows went, and the archive has fewer than ever were", bacvault.Rows{tabA: 1, tabB: 0}, bacvault.Rows{tabA: 0, tabB: 0}, false, ""},
		{"a table went", bacvault.Rows{tabA: 3}, bacvault.Rows{tabA: 3}, false, ""},
		{"rows came to one table, another lost a row", bacvault.Rows{tabA: 7, tabB: 0}, bacvault.Rows{tabA: 7}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.archive = c.archiv
			s.at["count#2"] = func() { w.databases["db"] = c.after }
			res, err := deep(t, s, func(b *backup.Backup) { b.Consistency = bacvault.ConsistencyLive })
			if !c.ok {
				if f := bacvault.AsFailure(err, ""); err == nil || f.Code != bacvault.CodeVerifyRows {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := res.Manifest
			if m.Consistency != bacvault.ConsistencyLive || m.Tables[0].SourceAfter == nil || *m.Tables[0].SourceAfter != c.after[tabA] {
				t.Errorf("the manifest says %+v", m.Tables[0])
			}
			if said := strings.Join(m.Degraded, " "); (c.degraded == "") != (said == "") || !strings.Contains(said, c.degraded) {
				t.Errorf("degraded: %q", said)
			}
		})
	}
}

func TestATableThatCannotBeCountedDegradesTheBackup(t *testing.T) {
	s := newSide(newWorld(t))
	s.unverified = map[bacvault.Table]string{tabA: "type json is not confirmed"}
	res, err := deep(t, s, func(*backup.Backup) {})
	if err != nil {
		t.Fatal(err)
	}
	m := res.Manifest
	if a := m.Tables[0]; a.Verdict != bacvault.VerdictUnverified || a.Archive != -1 || a.Source != 3 {
		t.Errorf("the manifest says %+v", a)
	}
	if len(m.Degraded) != 1 || !strings.Contains(m.Degraded[0], "json") {
		t.Errorf("degraded: %q", m.Degraded)
	}
	if _, ok := m.Rows()[tabA]; ok || len(m.Unverified()) != 1 {
		t.Errorf("rows %v, unverified %v", m.Rows(), m.Unverified())
	}
}

func TestWhatTheToolAndThePreflightSayIsTold(t *testing.T) {
	s := newSide(newWorld(t))
	s.weakness = "sqlpackage 162 is old"
	s.facts.Warnings = []string{"table dbo.heap has no clustered index"}
	s.warnings = []string{"*** may be slow"}
	res, err := deep(t, s, func(*backup.Backup) {})
	if err != nil || len(res.Findings) != 2 || len(res.Manifest.Degraded) != 1 || res.Manifest.Degraded[0] != s.weakness {
		t.Fatalf("error %v, findings %q, degraded %q", err, res.Findings, res.Manifest.Degraded)
	}
	s = newSide(newWorld(t))
	s.facts.Unsupported = []string{"dbo.t is memory-optimized"}
	_, err = deep(t, s, func(*backup.Backup) {})
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeUnsupported || s.count["export"] != 0 {
		t.Errorf("failure %+v after %d exports", f, s.count["export"])
	}
}

func TestRowLevelSecurityIsRefusedUnlessTheIdentitySeesEveryRow(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.facts.SecurityPolicies = 2
	w.hidden = bacvault.Rows{tabA: 5}
	_, err := deep(t, s, func(*backup.Backup) {})
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeFiltered || s.count["export"] != 0 || !strings.Contains(f.Detail, "dbo.a") {
		t.Errorf("failure %+v after %d exports", f, s.count["export"])
	}
	s = newSide(newWorld(t))
	s.facts.SecurityPolicies = 2
	res, err := deep(t, s, func(*backup.Backup) {})
	if err != nil || len(res.Findings) != 1 || !strings.Contains(res.Findings[0], "sees every row") {
		t.Errorf("error %v, findings %q", err, res.Findings)
	}
}
