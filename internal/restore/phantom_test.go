package restore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// A manifest without its archive is never the latest backup; that a newer one was passed over is told.
func TestAManifestAloneIsPassedOverAndTold(t *testing.T) {
	newer := bacvault.SlotAt(night.Time().Add(time.Hour))
	for choice, told := range map[string]int{"latest": 1, "oldest": 0} {
		w := newWorld(t)
		for _, s := range []bacvault.Slot{bacvault.SlotAt(night.Time().AddDate(0, 0, -1)), newer, bacvault.SlotAt(night.Time().AddDate(0, 0, 9))} {
			w.catalogue = append(w.catalogue, restore.Entry{Blob: db.BlobName(s), Slot: s, NoArchive: true})
		}
		s := newSide(w)
		s.req.Backup = choice
		res, err := s.run(t.Context())
		if err != nil || res.Blob.Name != db.BlobName(night) {
			t.Fatalf("%s: restored %s, %v", choice, res.Blob.Name, err)
		}
		n := 0
		for _, f := range res.Findings {
			if strings.Contains(f, db.BlobName(newer)) {
				n++
			}
		}
		if n != told || len(res.Findings) != told {
			t.Errorf("%s: findings %v", choice, res.Findings)
		}
	}
}

// An archive of another size than its manifest says is refused before anything is fetched, with an alarm.
func TestAnArchiveOfAnotherSizeIsRefusedUnread(t *testing.T) {
	w := newWorld(t)
	w.blobs[db.BlobName(night)] = archive + "more"
	s := newSide(w)
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeVerifyHash || f.Stage != bacvault.StageAdmit || s.count["fetch"] > 0 || s.count["acquire"] > 0 {
		t.Errorf("%v, calls %v", f, s.log)
	}
	delete(w.blobs, db.BlobName(night))
	s = newSide(w)
	slot := night
	s.req.Backup, s.req.Slot = "", &slot
	_, err = s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeVaultMissing || !strings.Contains(f.Detail, "stands alone") {
		t.Errorf("%v", f)
	}
}
