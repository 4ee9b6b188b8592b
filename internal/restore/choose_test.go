package restore_test

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// nights fills the vault: proven by its last drill, one that a later drill condemned, and the newest an orphan.
func nights(w *world) (proven, plain, orphan string) {
	w.catalogue = nil
	older, newer := bacvault.SlotAt(night.Time().AddDate(0, 0, -2)), bacvault.SlotAt(night.Time().AddDate(0, 0, -1))
	proven, plain, orphan = w.store(older, archive, false, true), w.store(newer, archive, true, false), db.BlobName(night)
	delete(w.manifests, bacvault.ManifestName(orphan))
	w.catalogue = append(w.catalogue, restore.Entry{Blob: orphan, Slot: night})
	return proven, plain, orphan
}

func TestRestoreTakesTheBackupThatWasAskedFor(t *testing.T) {
	at := func(d time.Duration) *time.Time { v := night.Time().Add(d); return &v }
	older := bacvault.SlotAt(night.Time().AddDate(0, 0, -2))
	for _, c := range []struct {
		name string
		ask  func(r *bacvault.RestoreRequest, plain string)
		want int // 0 the proven one, 1 the plain one
	}{
		{"latest leaves orphans out", func(r *bacvault.RestoreRequest, _ string) { r.Backup = "latest" }, 1},
		{"latest-proven", func(r *bacvault.RestoreRequest, _ string) { r.Backup = "latest-proven" }, 0},
		{"the newest before a time", func(r *bacvault.RestoreRequest, _ string) { r.At = at(-25 * time.Hour) }, 0},
		{"the one of that very time", func(r *bacvault.RestoreRequest, _ string) { r.At = at(-24 * time.Hour) }, 1},
		{"the oldest", func(r *bacvault.RestoreRequest, _ string) { r.Backup = "oldest" }, 0},
		{"a slot", func(r *bacvault.RestoreRequest, _ string) { r.Slot = &older }, 0},
		{"a blob", func(r *bacvault.RestoreRequest, plain string) { r.Blob = plain }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			proven, plain, _ := nights(w)
			s := newSide(w)
			s.req.Backup = ""
			c.ask(&s.req, plain)
			res, err := s.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{proven, plain}[c.want]; res.Blob.Name != want || res.Unmanifested {
				t.Errorf("restored %s, want %s", res.Blob.Name, want)
			}
		})
	}
}

func TestRestoreRefusesWhatIsNoBackupOfTheDatabase(t *testing.T) {
	other := bacvault.Database{Server: "srv", Name: "secrets"}
	theirs := func(w *world) string {
		name := other.BlobName(night)
		m := w.manifests[bacvault.ManifestName(db.BlobName(night))]
		m.Database, m.Blob.Name = other, name
		w.blobs[name], w.manifests[bacvault.ManifestName(name)] = archive, m
		return name
	}
	for _, c := range []struct {
		name string
		ask  func(w *world, r *bacvault.RestoreRequest)
		code bacvault.Code
	}{
		{"nothing before that time", func(_ *world, r *bacvault.RestoreRequest) { v := night.Time().AddDate(0, 0, -9); r.At = &v }, bacvault.CodeRequestNoBackup},
		{"nothing proven", func(w *world, r *bacvault.RestoreRequest) { w.catalogue = nil; r.Backup = "latest-proven" }, bacvault.CodeRequestNoBackup},
		{"a drill that failed", func(w *world, r *bacvault.RestoreRequest) {
			w.catalogue = w.catalogue[1:]
			r.Backup = "latest-proven"
		}, bacvault.CodeRequestNoBackup},
		{"an orphan by its name", func(_ *world, r *bacvault.RestoreRequest) { r.Blob = db.BlobName(night) }, bacvault.CodeVaultOrphan},
		{"an orphan by its slot", func(_ *world, r *bacvault.RestoreRequest) { s := night; r.Slot = &s }, bacvault.CodeVaultOrphan},
		{"an orphan as an old file", func(_ *world, r *bacvault.RestoreRequest) { r.BackupFileName = db.BlobName(night) }, bacvault.CodeRequestNoBackup},
		{"a blob that is none", func(_ *world, r *bacvault.RestoreRequest) { r.Blob = "x.bacpac" }, bacvault.CodeRequestNoBackup},
		{"another database's blob", func(w *world, r *bacvault.RestoreRequest) { r.Blob = theirs(w) }, bacvault.CodeRequestNoBackup},
		{"another database's blob as an old file", func(w *world, r *bacvault.RestoreRequest) { r.BackupFileName = theirs(w) }, bacvault.CodeRequestNoBackup},
		{"another database's manifest beside our blob", func(w *world, r *bacvault.RestoreRequest) {
			name := bacvault.ManifestName(db.BlobName(bacvault.SlotAt(night.Time().AddDate(0, 0, -1))))
			m := w.manifests[name]
			m.Database = other
			w.manifests[name] = m
			r.Backup = "latest"
		}, bacvault.CodeVerifyHash},
		{"an old file that is not there", func(_ *world, r *bacvault.RestoreRequest) { r.BackupFileName = "gone.bacpac" }, bacvault.CodeVaultMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			nights(w)
			s := newSide(w)
			s.req.Backup = ""
			c.ask(w, &s.req)
			_, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != c.code || f.Stage != bacvault.StageAdmit || f.Exists != "nothing was created" {
				t.Errorf("%v, exists %q, want %s", f, f.Exists, c.code)
			}
			if s.count["acquire"] > 0 || len(w.databases) != 1 {
				t.Errorf("calls %v", s.log)
			}
		})
	}
}

func TestOldFlatFileWithoutManifestIsRestoredAndSaysSo(t *testing.T) {
	w := newWorld(t)
	const old = "srv-db_2025-01-01_020000.bacpac"
	w.blobs[old] = archive
	s := newSide(w)
	s.req.Backup, s.req.BackupFileName = "", old
	s.restored = parse(archive)
	res, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !res.Unmanifested || res.Slot != nil || res.Blob.Name != old || len(res.Blob.SHA256) != 64 || res.Blob.Size != int64(len(archive)) {
		t.Errorf("the result is %+v", res)
	}
	for _, c := range res.Tables {
		if c.Source != nil || c.Archive == nil || c.Restored == nil {
			t.Errorf("table %s: %+v, but nobody counted its source", c.Table, c)
		}
	}
	if len(res.Tables) != 2 {
		t.Errorf("%d tables", len(res.Tables))
	}
}
