package watch_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

// alone lays a manifest without an archive.
func (w *world) alone(slot, created time.Time) {
	s := bacvault.SlotAt(slot)
	w.entries[db] = append(w.entries[db], watch.Entry{Blob: db.BlobName(s), Slot: s, Created: created, NoArchive: true})
}

func (w *world) phantoms() (out []bacvault.Finding) {
	for _, f := range w.saved.Findings {
		if f.Kind == bacvault.FoundPhantom {
			out = append(out, f)
		}
	}
	return out
}

// A manifest alone is an alarm and never the newest backup. One whose archive was deleted after its protection ended is neither.
func TestAManifestWithoutItsArchiveIsAnAlarmAndNoBackup(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-30*time.Hour), 1000, 500)
	w.alone(start.AddDate(-1, 0, -2), start.AddDate(-1, 0, -2).Add(time.Hour)) // expired
	if w.look(); len(w.phantoms()) != 0 {
		t.Errorf("found %+v", w.phantoms())
	}
	w.alone(start.Add(-time.Hour), start.Add(-30*time.Minute))
	w.alone(start.Add(14*time.Hour), start.Add(-time.Hour))                    // of a night to come
	w.alone(start.Add(15*time.Hour), start.Add(-time.Minute))                  // a listing may be that much behind
	w.alone(start.Add(14*time.Hour).AddDate(0, 0, 1), start.AddDate(-2, 0, 0)) // laid long ago
	w.look()
	got := w.phantoms()
	if len(got) != 3 || got[0].Severity != bacvault.Alarm || got[0].Server != "srv" || !strings.Contains(got[0].Detail, "no archive") || !strings.Contains(got[0].Next, "storage log") {
		t.Errorf("found %+v", got)
	}
	if d := w.saved.Databases[0]; d.Backups != 1 || !d.Newest.Slot.Time().Equal(start.Add(-30*time.Hour)) || !slices.Contains(w.kinds(), bacvault.FoundOverdueBackup) {
		t.Errorf("the row is %+v, found %v", d, w.kinds())
	}
	if n := len(w.look()); n != 0 {
		t.Errorf("the next look told %d again", n)
	}
	w.fails["posture"], w.now = errGone, w.now.Add(5*time.Minute) // what can't be judged is not over
	if w.look(); len(w.phantoms()) != 3 {
		t.Errorf("without the posture it found %v", w.kinds())
	}
}

// An archive that is not the one its manifest describes is an alarm, is not the newest backup, and its manifest is read once.
func TestAnArchiveThatIsNotItsManifestsIsNoBackup(t *testing.T) {
	for name, alter := range map[string]func(e *watch.Entry){
		"another size":                   func(e *watch.Entry) { e.Size = 7 },
		"stored long after its manifest": func(e *watch.Entry) { e.ManifestAt = e.Created.Add(-time.Hour) },
	} {
		for age, at := range map[string]int{"the newest": 1, "an older one": 0} {
			t.Run(name+", "+age, func(t *testing.T) {
				w := newWorld(t)
				w.backUp(db, start.Add(-30*time.Hour), 1000, 500)
				w.backUp(db, start.Add(-2*time.Hour), 1000, 500)
				alter(&w.entries[db][at])
				for look := range 3 {
					if look == 1 {
						w.reads = 0
					}
					w.look()
					d := w.saved.Databases[0]
					sq := d.Slots[len(d.Slots)-1]
					if at == 0 {
						sq = d.Slots[0]
					}
					if got := w.phantoms(); len(got) != 1 || got[0].Subject != w.entries[db][at].Blob || d.Backups != 1 || d.Newest.Blob != w.entries[db][1-at].Blob || sq.State != watch.SlotOrphan {
						t.Fatalf("look %d: found %+v, the row is %+v", look, got, d)
					}
					w.now = w.now.Add(15 * time.Minute)
				}
				if w.reads != 0 {
					t.Errorf("%d reads, and nothing is new", w.reads)
				}
				if overdue := slices.Contains(w.kinds(), bacvault.FoundOverdueBackup); overdue != (at == 1) {
					t.Errorf("found %v", w.kinds())
				}
			})
		}
	}
}
