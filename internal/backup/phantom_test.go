package backup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// planted is a manifest of the slot beside its archive, as a whole run leaves them.
func planted() (bacvault.Manifest, backup.Stored) {
	st := backup.Stored{
		Blob:    bacvault.Blob{Name: db.BlobName(slot), Size: 7, SHA256: strings.Repeat("ab", 32), ETag: `"0x1"`},
		Created: slot.Time().Add(10 * time.Minute),
	}
	m := bacvault.Manifest{Schema: bacvault.ManifestSchema, Database: db, Slot: slot, Blob: st.Blob, Posture: bacvault.Posture{PeriodDays: 90}}
	m.ProtectedTo = m.Posture.ProtectedUntil(st.Created)
	return m, st
}

func (w *world) plant(t *testing.T, m bacvault.Manifest, st *backup.Stored) {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.manifests[db.BlobName(slot)] = b
	if st != nil {
		w.blobs[db.BlobName(slot)] = *st
	}
}

// A manifest alone says nothing: whoever may write to the vault can lay one under the name of a night to come. Such a night
// fails loudly, and nothing is written or exported.
func TestAManifestWithoutItsArchiveIsNotDone(t *testing.T) {
	other := bacvault.Database{Server: "srv", Name: "other"}
	for _, c := range []struct {
		name  string
		alter func(m *bacvault.Manifest, st *backup.Stored)
		gone  bool
		says  string
	}{
		{"no archive", func(*bacvault.Manifest, *backup.Stored) {}, true, "no archive"},
		{"another size", func(_ *bacvault.Manifest, st *backup.Stored) { st.Blob.Size = 8 }, false, "8 bytes"},
		{"another hash", func(_ *bacvault.Manifest, st *backup.Stored) { st.Blob.SHA256 = strings.Repeat("cd", 32) }, false, "SHA-256"},
		{"no hash", func(_ *bacvault.Manifest, st *backup.Stored) { st.Blob.SHA256 = "" }, false, "SHA-256"},
		{"another ETag", func(_ *bacvault.Manifest, st *backup.Stored) { st.Blob.ETag = `"0x2"` }, false, "ETag"},
		{"an archive made later", func(_ *bacvault.Manifest, st *backup.Stored) { st.Created = st.Created.Add(24 * time.Hour) }, false, "created"},
		{"another database's", func(m *bacvault.Manifest, _ *backup.Stored) { m.Database = other }, false, "srv/other"},
		{"another slot's", func(m *bacvault.Manifest, _ *backup.Stored) { m.Slot = bacvault.SlotAt(slot.Time().Add(time.Hour)) }, false, "03:00:00Z"},
		{"another blob's", func(m *bacvault.Manifest, _ *backup.Stored) { m.Blob.Name = other.BlobName(slot) }, false, "srv-other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			m, st := planted()
			c.alter(&m, &st)
			if w.plant(t, m, &st); c.gone {
				clear(w.blobs)
			}
			before := len(w.blobs)
			s := newSide(w)
			res, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != bacvault.CodeVaultPhantom || f.Class != bacvault.Terminal || f.Stage != bacvault.StageAdmit || res.AlreadyDone {
				t.Errorf("%v (%s at %s), already done %t", f, f.Class, f.Stage, res.AlreadyDone)
			}
			if !strings.Contains(f.Detail, c.says) || !strings.Contains(f.Exists, "nothing was written") || !strings.Contains(f.Next, "bacvault backup") {
				t.Errorf("it says %q, exists %q, next %q", f.Detail, f.Exists, f.Next)
			}
			if len(w.blobs) != before || len(w.manifests) != 1 || s.count["head"] > 1 || slices.Contains(s.log, "acquire#1") {
				t.Errorf("%d blobs, %d manifests, calls %v", len(w.blobs), len(w.manifests), s.log)
			}
		})
	}
}

// What a manifest of ours says of its archive is so, and one look at the archive is all that it takes.
func TestADoneSlotTakesOneLookAtItsArchive(t *testing.T) {
	w := newWorld(t)
	m, st := planted()
	w.plant(t, m, &st)
	s := newSide(w)
	res, err := s.run(t.Context())
	if err != nil || !res.AlreadyDone || res.Manifest.Blob != st.Blob || s.count["head"] != 1 {
		t.Errorf("%v, already done %t, calls %v", err, res.AlreadyDone, s.log)
	}
	w = newWorld(t) // of a release that did not write them down yet
	m.Blob.ETag, m.ProtectedTo = "", time.Time{}
	w.plant(t, m, &st)
	if res, err = newSide(w).run(t.Context()); err != nil || !res.AlreadyDone {
		t.Errorf("%v, already done %t", err, res.AlreadyDone)
	}
}

// A manifest that can't be understood stops the night for good; that is said, and what to do.
func TestAManifestThatNobodyUnderstandsSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	damaged := bacvault.Fail(bacvault.CodeVaultRead, "it can't be understood")
	damaged.Class = bacvault.Terminal
	s.failAt, s.err = "manifest#1", damaged
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeVaultRead || f.Class != bacvault.Terminal || !strings.Contains(f.Next, "bacvault backup") {
		t.Errorf("%v (%s), next %q", f, f.Class, f.Next)
	}
}

// Laid between admission and lease it is found all the same.
func TestAManifestThatIsLaidWhileTheRunWaitsIsNotDone(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	m, _ := planted()
	s.at["acquire#1"] = func() { w.plant(t, m, nil) }
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeVaultPhantom || w.holder != nil || slices.Contains(s.log, "copy#1") {
		t.Errorf("%v, lease %v, calls %v", f, w.holder, s.log)
	}
}
