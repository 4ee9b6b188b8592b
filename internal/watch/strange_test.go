package watch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/go-cmp/cmp"
)

// A snapshot that nobody understands must not end the watch: it starts anew, tells that, and goes on.
func TestAStrangeSnapshotIsToldAndBegunAnew(t *testing.T) {
	w := newWorld(t)
	w.unprotected = []bacvault.Database{other}
	w.look()
	w.fails["load"], w.now = fmt.Errorf("%w: schema v9", watch.ErrStrange), w.now.Add(15*time.Minute)
	e := w.look()
	if len(e) != 2 || e[0].Finding.Kind != bacvault.FoundUnprotected && e[1].Finding.Kind != bacvault.FoundUnprotected || !slices.Contains(w.kinds(), bacvault.FoundUnread) || w.saved.Baseline == nil {
		t.Fatalf("told %+v, baseline %v", e, w.saved.Baseline)
	}
	delete(w.fails, "load")
	w.now = w.now.Add(15 * time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Type != bacvault.FindingCleared || e[0].Finding.Kind != bacvault.FoundUnread {
		t.Errorf("the look after it told %+v", e)
	}
	w.fails["load"] = errGone // not read is not strange: what was found before must not be told anew
	if _, err := w.watch().Look(t.Context()); err == nil {
		t.Error("a look without the last one's result ended well")
	}
}

// A file that nobody understands beside a backup is told, and hides nothing that the listing shows.
func TestAStrangeFileDoesNotBlindTheWatch(t *testing.T) {
	for _, what := range []string{"manifest", "proof"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.backUp(db, start.Add(-2*time.Hour), 1000, 500)
			w.drill(db, start.Add(-time.Hour), true)
			w.fails[what] = errGone
			if e := w.look(); len(e) != 1 || e[0].Finding.Kind != bacvault.FoundUnread || !strings.Contains(e[0].Finding.Detail, "manifests and proofs") {
				t.Fatalf("told %+v", e)
			}
			w.now = start.Add(25 * time.Hour)
			if e := w.look(); len(e) != 1 || e[0].Type != bacvault.BackupOverdue {
				t.Fatalf("a day later it told %+v", e)
			}
			delete(w.fails, what)
			w.now = w.now.Add(15 * time.Minute)
			w.look()
			d := w.saved.Databases[0]
			if d.Newest.Rows != 500 || d.NewestProof == nil || len(d.Slots) == 0 || d.Slots[0].State != watch.SlotProven || d.Slots[0].Rows == nil {
				t.Errorf("read at last: %+v", d)
			}
		})
	}
}

// What only the manifest knows is not judged, and not kept, where it can't be read.
func TestRowsThatNobodyReadAreNotUnusual(t *testing.T) {
	w := newWorld(t)
	for n := range 6 {
		w.backUp(db, start.Add(time.Duration(n-10)*time.Hour), 1000, 500)
	}
	w.look()
	w.backUp(db, start.Add(-time.Hour), 1000, 500)
	w.fails["manifest"], w.now = errGone, w.now.Add(15*time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Finding.Kind != bacvault.FoundUnread {
		t.Errorf("told %+v", e)
	}
	if slots := w.saved.Databases[0].Slots; len(slots) != 7 || slots[6].Rows != nil || slots[5].Rows == nil {
		t.Errorf("the strip is %+v", slots)
	}
}

// An orphan that this look could not list is still there.
func TestAnOrphanThatCouldNotBeListedIsNotGone(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-time.Hour), 10, 10)
	w.entries[db][0].HasManifest, w.entries[db][0].Created = false, start.Add(-2*time.Hour)
	w.look()
	w.fails["catalogue db"], w.now = errGone, w.now.Add(15*time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Subject != "the backups" || !slices.Contains(w.kinds(), bacvault.FoundOrphanBlob) {
		t.Errorf("told %+v, found %v", e, w.kinds())
	}
}

// Each thing that can't be read is an alarm of its own: one that lasts must not hide the next.
func TestWhatCannotBeReadIsToldEachByItself(t *testing.T) {
	w := newWorld(t)
	w.fails["dead"] = errGone
	w.look()
	w.fails["copies"], w.now = errGone, w.now.Add(15*time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Subject != "the copies on the servers" {
		t.Errorf("told %+v", e)
	}
	for i := range 40 {
		d := bacvault.Database{Server: "srv", Name: fmt.Sprintf("d%02d", i)}
		w.protected = append(w.protected, d)
		w.fails["catalogue "+d.Name] = errGone
	}
	w.now = w.now.Add(15 * time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Subject != "the backups" || !strings.Contains(e[0].Finding.Detail, "35 more") {
		t.Errorf("of forty databases it told %+v", e)
	}
}

func TestFindingsOfADatabaseThatIsNoLongerProtectedEnd(t *testing.T) {
	w := newWorld(t)
	w.protected = append(w.protected, other)
	w.backUp(db, start.Add(-time.Hour), 10, 10)
	w.backUp(other, start.Add(-30*time.Hour), 10, 10)
	w.look()
	w.protected, w.now = w.protected[:1], w.now.Add(15*time.Minute)
	if e := w.look(); len(e) != 1 || e[0].Type != bacvault.FindingCleared || e[0].Finding.Database != "other" || len(w.saved.Databases) != 1 {
		t.Errorf("told %+v", e)
	}
}

// A failed slot that succeeds later is taken, and a failure that a look could not read is read by the next.
func TestAFailedSlotIsRememberedUntilItSucceeds(t *testing.T) {
	for _, unseen := range []string{"failures", "catalogue db"} {
		t.Run(unseen, func(t *testing.T) {
			w := newWorld(t)
			w.look()
			night := time.Date(2026, 11, 2, 2, 0, 0, 0, time.UTC)
			w.now = night.Add(30 * time.Minute) // longer than looks overlap
			w.failed = []watch.Failed{{Database: db, Slot: bacvault.SlotAt(night), Code: bacvault.CodeVerifyRows, At: night.Add(time.Minute)}}
			w.fails[unseen] = errGone
			w.look()
			delete(w.fails, unseen)
			var got []watch.SlotState
			for range 2 {
				w.now = w.now.Add(time.Hour)
				w.look()
				slots := w.saved.Databases[0].Slots
				got = append(got, slots[len(slots)-1].State)
			}
			w.backUp(db, night, 10, 10)
			w.now = w.now.Add(time.Hour)
			w.look()
			slots := w.saved.Databases[0].Slots
			got = append(got, slots[len(slots)-1].State)
			if d := cmp.Diff([]watch.SlotState{watch.SlotFailed, watch.SlotFailed, watch.SlotTaken}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What a killed run said of itself is told while nobody took up its work, and forgotten when somebody did.
func TestARunWhoseWorkWasTakenUpIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-time.Hour), 10, 10)
	w.runs = []bacvault.Progress{{Run: "old", Kind: "backup", Database: db, At: start.Add(-3 * time.Hour)}, {Run: "new", Kind: "backup", Database: db, At: start}}
	if e := w.look(); len(e) != 0 || len(w.runs) != 1 || w.runs[0].Run != "new" {
		t.Errorf("told %+v, left %+v", e, w.runs)
	}
	w.now = start.Add(3 * time.Hour)
	w.fails["leases"] = errGone // without the leases nobody knows
	if w.look(); len(w.runs) != 1 || !slices.Contains(w.kinds(), bacvault.FoundStalledRun) {
		t.Errorf("found %v, left %+v", w.kinds(), w.runs)
	}
}

// That protection begins to end is told once in a vault's life, also where a rule deletes each day what expired.
func TestTheEndOfProtectionIsToldOnce(t *testing.T) {
	w := newWorld(t)
	for n := range 40 {
		w.backUp(db, start.AddDate(0, 0, n-360), 10, 10)
	}
	var log []string
	for day := range 30 {
		w.now = start.AddDate(0, 0, day)
		w.entries[db] = slices.DeleteFunc(w.entries[db], func(e watch.Entry) bool { return w.now.Sub(e.Created) > 365*24*time.Hour })
		for _, e := range w.look() {
			if e.Finding.Kind == bacvault.FoundEndingShelter {
				log = append(log, fmt.Sprint(day, " ", e.Type))
			}
		}
	}
	if d := cmp.Diff([]string{"0 bacvault.finding.raised.v1", "6 bacvault.finding.cleared.v1"}, log); d != "" {
		t.Error(d)
	}
}

// A hold whose tag was put in another's place is not what it was.
func TestAnotherTagIsADrift(t *testing.T) {
	w := newWorld(t)
	w.posture.LegalHold, w.posture.LegalHoldTags = true, []string{"case1"}
	w.look()
	w.posture.LegalHoldTags, w.now = []string{"case2", "case3"}, w.now.Add(time.Hour)
	if e := w.look(); len(e) != 1 || e[0].Finding.Severity != bacvault.Alarm || w.saved.Baseline.LegalHoldTags[0] != "case1" {
		t.Errorf("told %+v", e)
	}
}

// Drills that failed are read once each, however many there are.
func TestFailedDrillsAreNotReadAgain(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-20*time.Hour), 10, 10)
	for n := range 30 {
		w.drill(db, start.Add(time.Duration(n-60)*time.Minute), false)
	}
	w.look()
	w.reads, w.now = 0, w.now.Add(15*time.Minute)
	if w.look(); w.reads != 0 {
		t.Errorf("%d reads, and nothing is new", w.reads)
	}
	w.drill(db, w.now, true)
	w.now = w.now.Add(15 * time.Minute)
	if w.look(); w.reads != 1 || w.saved.Databases[0].NewestProof == nil {
		t.Errorf("%d reads of one new proof, which is %+v", w.reads, w.saved.Databases[0].NewestProof)
	}
}

// A missed slot that could not be asked for again is told, and asked for by the next look.
func TestAMissedSlotThatCouldNotBeAskedForIsTold(t *testing.T) {
	w := newWorld(t)
	w.again = true
	w.backUp(db, time.Date(2026, 10, 31, 2, 0, 0, 0, time.UTC), 10, 10)
	w.fails["ask"] = errGone
	w.look()
	if i := slices.IndexFunc(w.told, func(e told) bool { return e.Subject == "the missed slots" }); i < 0 {
		t.Errorf("told %+v", w.told)
	}
	delete(w.fails, "ask")
	w.now = w.now.Add(15 * time.Minute)
	if w.look(); len(w.asked) != 2 || len(w.saved.Requeued) != 1 {
		t.Errorf("asked %v, kept %v", w.asked, w.saved.Requeued)
	}
}

// The same thing may begin and end twice within a second: each is an event of its own.
func TestEachBeginningAndEndHasAnIDOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.look()
	for range 2 {
		for _, days := range []int{200, 365} {
			w.posture.PeriodDays, w.now = days, w.now.Add(100*time.Millisecond)
			w.look()
		}
	}
	ids := map[string]bool{}
	for _, e := range w.told {
		ids[e.ID+string(e.Type)] = true
	}
	if len(w.told) != 4 || len(ids) != 4 {
		t.Errorf("%d events with %d ids", len(w.told), len(ids))
	}
}
