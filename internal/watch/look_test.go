package watch_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/go-cmp/cmp"
)

// Thirty days of looks, four an hour: silence while all is well, and one missed night, one failed night and one drift are each
// told once on the day, and once more when they are over.
func TestThirtyDaysAreSilentButForWhatHappened(t *testing.T) {
	w := newWorld(t)
	missed, broken, drifted := 8, 15, 21 // days on which it happens
	var log []string
	for day := range 30 {
		for look := range 96 {
			w.now = start.AddDate(0, 0, day).Add(time.Duration(look) * 15 * time.Minute)
			night := time.Date(w.now.Year(), w.now.Month(), w.now.Day(), 2, 0, 0, 0, time.UTC)
			if w.now.Equal(night.Add(15 * time.Minute)) {
				switch day {
				case missed:
				case broken:
					w.failed = append(w.failed, watch.Failed{Database: db, Slot: bacvault.SlotAt(night), Code: bacvault.CodeVerifyRows, Detail: "table dbo.t has 9 rows, expected 10", At: w.now})
				default:
					w.backUp(db, night, 1000, 500)
				}
				if day%7 == 1 {
					w.drill(db, w.now, true)
				}
			}
			if day == drifted && look == 40 {
				w.posture.LegalHold = true
			}
			for _, e := range w.look() {
				log = append(log, w.now.Format("02 15:04")+" "+string(e.Type)+" "+string(e.Finding.Kind))
			}
		}
	}
	want := []string{
		// The slot of the 10th is missed; 26 hours after that of the 9th it is overdue, until the 11th's came.
		"10 04:15 bacvault.backup.overdue.v1 backup.overdue",
		"11 02:15 bacvault.finding.cleared.v1 backup.overdue",
		"17 04:15 bacvault.backup.overdue.v1 backup.overdue",
		"18 02:15 bacvault.finding.cleared.v1 backup.overdue",
		"22 22:00 bacvault.immutability.drifted.v1 immutability.drifted",
		"22 22:15 bacvault.finding.cleared.v1 immutability.drifted",
	}
	if d := cmp.Diff(want, log); d != "" {
		t.Error(d)
	}
	states := map[watch.SlotState]int{}
	for _, s := range w.saved.Databases[0].Slots {
		states[s.State]++
	}
	if d := cmp.Diff(map[watch.SlotState]int{watch.SlotProven: 5, watch.SlotTaken: 23, watch.SlotMissed: 1, watch.SlotFailed: 1}, states); d != "" {
		t.Errorf("the strip: %s", d)
	}
}

func TestWhatIsFoundIsToldOnceAndAgainWhenItIsOver(t *testing.T) {
	for _, c := range []struct {
		name       string
		kind       bacvault.FindingKind
		begin, end func(*world)
		typ        bacvault.EventType
		says       string
	}{
		{"a message in the dead letters", bacvault.FoundDeadLetter,
			func(w *world) {
				w.dead = []watch.DeadLetter{{Queue: "backup-requests", ID: "m-1", Sequence: 7, Reason: "export.failed", Description: "no room", At: start, Database: db}}
			}, func(w *world) { w.dead = nil }, bacvault.RequestDeadlettered, "export.failed: no room"},
		{"an orphan", bacvault.FoundOrphanBlob,
			func(w *world) {
				w.entries[db] = slices.Insert(w.entries[db], 0, watch.Entry{Blob: "srv/db/x.bacpac", Slot: bacvault.SlotAt(start.Add(-50 * time.Hour)), Size: 9, Created: start.Add(-50 * time.Hour)})
			}, func(w *world) { w.entries[db] = w.entries[db][1:] }, bacvault.FindingRaised, "has no manifest"},
		{"a copy that is left", bacvault.FoundOrphanCopy,
			func(w *world) { w.copies[other] = start.Add(-48 * time.Hour) }, func(w *world) { clear(w.copies) }, bacvault.FindingRaised, "has been left for"},
		{"a lease that nobody let go", bacvault.FoundStaleLease,
			func(w *world) {
				w.lost = []watch.Lost{{Key: "backup/srv/db/", Run: "r", Since: start.Add(-3 * time.Hour)}}
			}, func(w *world) { w.lost = nil }, bacvault.FindingRaised, "never let it go"},
		{"a run without a sign of life", bacvault.FoundStalledRun,
			func(w *world) {
				w.runs = []bacvault.Progress{{Run: "r", Kind: "backup", Database: db, Stage: bacvault.StageExport, At: start.Add(-3 * time.Hour)}}
				w.lost = []watch.Lost{{Key: "backup/srv/db/", Run: "r", Since: start}}
			}, func(w *world) { w.lost = nil }, bacvault.FindingRaised, "no sign of life"},
		{"a database that nobody protects", bacvault.FoundUnprotected,
			func(w *world) { w.unprotected = []bacvault.Database{other} }, func(w *world) { w.unprotected = nil }, bacvault.FindingRaised, "nobody backs it up"},
		{"a policy that was unlocked", bacvault.FoundDrift,
			func(w *world) { w.posture.State = "Unlocked" }, func(w *world) { w.posture.State = "Locked" }, bacvault.ImmutabilityDrifted, "state Locked became Unlocked"},
		{"a shorter period", bacvault.FoundDrift,
			func(w *world) { w.posture.PeriodDays = 30 }, func(w *world) { w.posture.PeriodDays = 365 }, bacvault.ImmutabilityDrifted, "period 365 days became 30 days"},
		{"a backup that lost half of its size", bacvault.FoundUnusualSize,
			func(w *world) { w.backUp(db, start.Add(-30*time.Minute), 400, 500) }, func(w *world) { w.backUp(db, start.Add(-20*time.Minute), 1000, 500) }, bacvault.FindingRaised, "has 400 bytes"},
		{"a backup that lost a third of its rows", bacvault.FoundUnusualRows,
			func(w *world) { w.backUp(db, start.Add(-30*time.Minute), 1000, 330) }, func(w *world) { w.backUp(db, start.Add(-20*time.Minute), 1000, 500) }, bacvault.FindingRaised, "has 330 rows"},
		{"a drill that failed", bacvault.FoundFailedDrill,
			func(w *world) { w.drill(db, start.Add(-time.Minute), false) }, func(w *world) { w.drill(db, start, true) }, bacvault.FindingRaised, "table dbo.t differs"},
		{"something that can't be read", bacvault.FoundUnread,
			func(w *world) { w.fails["leases"] = errGone }, func(w *world) { delete(w.fails, "leases") }, bacvault.FindingRaised, "the leases: no answer"},
		{"the probe let something pass", bacvault.FoundProbe,
			func(w *world) {
				w.limits.ProbeAge = 50 * time.Hour
				w.probe = &watch.Probe{At: start, Canary: "canary/x"}
			}, func(w *world) { w.probe.Passed = true }, bacvault.FindingRaised, "not every overwrite and delete"},
		{"the first protection ends", bacvault.FoundEndingShelter,
			func(w *world) { w.entries[db][0].Created = start.AddDate(0, 0, -355) }, func(w *world) { w.entries[db][0].Created = start.AddDate(0, 0, -366) }, bacvault.FindingRaised, "can be deleted from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for n := range 6 {
				w.backUp(db, time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC).AddDate(0, 0, n-5), 1000, 500)
			}
			if e := w.look(); len(e) != 0 {
				t.Fatalf("all is well, and it told %+v", e)
			}
			c.begin(w)
			w.now = start.Add(15 * time.Minute)
			e := w.look()
			if len(e) != 1 || e[0].Type != c.typ || e[0].Finding.Kind != c.kind || !strings.Contains(e[0].Finding.Detail, c.says) || e[0].Finding.Next == "" || !e[0].Finding.Since.Equal(w.now) {
				t.Fatalf("begun, it told %+v", e)
			}
			first := e[0].ID
			began := w.now
			w.now = w.now.Add(15 * time.Minute)
			if e := w.look(); len(e) != 0 || len(w.saved.Findings) != 1 || w.saved.Findings[0].Kind != c.kind || !w.saved.Findings[0].Since.Equal(began) {
				t.Fatalf("going on since %s, it told %+v, and finds %+v", began, e, w.saved.Findings)
			}
			c.end(w)
			w.now = w.now.Add(15 * time.Minute)
			e = w.look()
			if len(e) != 1 || e[0].Type != bacvault.FindingCleared || e[0].Finding.Kind != c.kind || e[0].ID == first || len(w.saved.Findings) != 0 {
				t.Fatalf("over, it told %+v, and finds %v", e, w.kinds())
			}
		})
	}
}

// A database that never had a backup or a proof is overdue once it could have had one.
func TestADatabaseThatNeverHadOne(t *testing.T) {
	w := newWorld(t)
	if e := w.look(); len(e) != 0 {
		t.Fatalf("a new database: %+v", e)
	}
	w.now = start.Add(27 * time.Hour)
	if e := w.look(); len(e) != 1 || e[0].Type != bacvault.BackupOverdue || !strings.Contains(e[0].Finding.Detail, "no backup at all") {
		t.Fatalf("after 27 hours: %+v", e)
	}
	w.now = start.AddDate(0, 0, 9)
	if e := w.look(); len(e) != 1 || e[0].Finding.Kind != bacvault.FoundOverdueProof || !strings.Contains(e[0].Finding.Detail, "ever passed") {
		t.Fatalf("after 9 days: %+v", e)
	}
}

// A backup of a slot that lies ahead must not silence the alarm until then.
func TestASlotThatLiesAheadIsNotTheNewest(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-30*time.Hour), 10, 10)
	w.backUp(db, start.AddDate(1, 0, 0), 10, 10)
	if w.look(); !slices.Contains(w.kinds(), bacvault.FoundOverdueBackup) {
		t.Errorf("found %v", w.kinds())
	}
}

// What can't be seen is not over: it stays found, and it is told that it was not seen.
func TestWhatCannotBeSeenIsNotOver(t *testing.T) {
	for what, kind := range map[string]bacvault.FindingKind{
		"catalogue db": bacvault.FoundOverdueBackup, "manifest": bacvault.FoundOverdueBackup, "posture": bacvault.FoundDrift, "dead": bacvault.FoundDeadLetter,
		"copies": bacvault.FoundOrphanCopy, "runs": bacvault.FoundStalledRun, "unprotected": bacvault.FoundUnprotected, "protected": bacvault.FoundOverdueBackup,
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.backUp(db, start.Add(-30*time.Hour), 10, 10)
			w.posture.State = "Unlocked"
			w.dead = []watch.DeadLetter{{Queue: "q", ID: "m", At: start}}
			w.copies[other] = start.AddDate(0, 0, -3)
			w.runs = []bacvault.Progress{{Run: "r", Database: db, At: start.AddDate(0, 0, -1)}}
			w.lost = []watch.Lost{{Key: "backup/srv/db/", Run: "r", Since: start}}
			w.unprotected = []bacvault.Database{other}
			w.look()
			before := w.kinds()
			if !slices.Contains(before, kind) {
				t.Fatalf("found %v", before)
			}
			w.now = w.now.Add(15 * time.Minute)
			w.fails[what] = errGone
			if what == "manifest" { // asked for only when there is a new one
				w.backUp(db, start.Add(-29*time.Hour), 10, 10)
			}
			if what == "protected" {
				w.protected = nil
			}
			for _, e := range w.look() {
				if e.Finding.Kind != bacvault.FoundUnread {
					t.Errorf("told %s %s", e.Type, e.Finding.ID)
				}
			}
			if !slices.Contains(w.kinds(), kind) || !slices.Contains(w.kinds(), bacvault.FoundUnread) || len(w.saved.Databases) != 1 {
				t.Errorf("found %v", w.kinds())
			}
		})
	}
}

// An event that could not be sent is sent by the next look under the same id; so is one whose look was killed.
func TestWhatCouldNotBeToldIsToldLater(t *testing.T) {
	w := newWorld(t)
	w.unprotected = []bacvault.Database{other}
	w.fails["publish"] = errGone
	if _, err := w.watch().Look(t.Context()); err == nil {
		t.Fatal("a look that could not tell ended well")
	}
	if len(w.saved.Untold) != 1 {
		t.Fatalf("untold: %+v", w.saved.Untold)
	}
	killed := *w.saved // as a look leaves it that dies between its events and its second save
	delete(w.fails, "publish")
	w.now = w.now.Add(15 * time.Minute)
	first := w.look()
	w.saved = &killed
	w.now = w.now.Add(15 * time.Minute)
	second := w.look()
	if len(first) != 1 || len(second) != 1 || first[0].ID != second[0].ID || len(w.saved.Untold) != 0 {
		t.Errorf("told %+v, then %+v", first, second)
	}
}

// A look reads each manifest and each proof once in its life.
func TestNothingIsReadTwice(t *testing.T) {
	w := newWorld(t)
	w.backUp(db, start.Add(-20*time.Hour), 10, 10)
	w.drill(db, start.Add(-10*time.Hour), true)
	w.look()
	if w.reads > 3 {
		t.Errorf("%d reads for one backup and one proof", w.reads)
	}
	w.reads, w.now = 0, w.now.Add(15*time.Minute)
	if w.look(); w.reads != 0 {
		t.Errorf("%d reads, and nothing is new", w.reads)
	}
}

func TestAMissedSlotIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	w.again = true
	w.backUp(db, time.Date(2026, 10, 31, 2, 0, 0, 0, time.UTC), 10, 10)
	for range 3 {
		w.look()
		w.now = w.now.Add(15 * time.Minute)
	}
	if d := cmp.Diff([]string{"srv/db 2026-11-01T02:00:00Z"}, w.asked); d != "" {
		t.Error(d)
	}
	w2 := newWorld(t) // a run is at work: it may be just this slot's
	w2.again = true
	w2.backUp(db, time.Date(2026, 10, 31, 2, 0, 0, 0, time.UTC), 10, 10)
	w2.runs = []bacvault.Progress{{Run: "r", Database: db, At: w2.now}}
	if w2.look(); len(w2.asked) != 0 {
		t.Errorf("asked %v beside a live run", w2.asked)
	}
}

// A stronger posture is told and taken for the baseline; a weaker one never is.
func TestTheBaselineMovesOneWayOnly(t *testing.T) {
	w := newWorld(t)
	w.look()
	w.posture.PeriodDays, w.now = 730, w.now.Add(time.Hour)
	w.look()
	w.now = w.now.Add(time.Hour)
	if w.look(); w.saved.Baseline.PeriodDays != 730 || len(w.saved.Findings) != 0 {
		t.Errorf("baseline %+v, found %v", w.saved.Baseline, w.kinds())
	}
	w.posture.PeriodDays = 365
	for range 3 {
		w.now = w.now.Add(time.Hour)
		w.look()
	}
	if w.saved.Baseline.PeriodDays != 730 || !slices.Contains(w.kinds(), bacvault.FoundDrift) || w.saved.Findings[0].Severity != bacvault.Alarm {
		t.Errorf("baseline %+v, found %+v", w.saved.Baseline, w.saved.Findings)
	}
}

// A backup that a later drill condemned is not proven any more: what counts is the newest backup whose last drill passed.
func TestALaterDrillTakesAProofBack(t *testing.T) {
	w := newWorld(t)
	older := w.backUp(db, start.Add(-44*time.Hour), 10, 10)
	w.drill(db, start.Add(-40*time.Hour), true)
	w.backUp(db, start.Add(-20*time.Hour), 10, 10)
	w.drill(db, start.Add(-10*time.Hour), true)
	w.look()
	if p := w.saved.Databases[0].NewestProof; p == nil || p.Blob == older {
		t.Fatalf("proven by %+v", p)
	}
	w.drill(db, start.Add(-time.Minute), false)
	w.now = w.now.Add(15 * time.Minute)
	w.look()
	d := w.saved.Databases[0]
	if d.NewestProof == nil || d.NewestProof.Blob != older || d.LastDrill.Passed || !slices.Contains(w.kinds(), bacvault.FoundFailedDrill) {
		t.Errorf("proven by %+v, last drill %+v, found %v", d.NewestProof, d.LastDrill, w.kinds())
	}
}
