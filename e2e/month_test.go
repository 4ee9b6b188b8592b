package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// looksOfADay are when the watch looks on a day of a simulated month; a soak looks every quarter of an hour, as the timer does.
func looksOfADay() (out []time.Duration) {
	if !soak {
		for _, minutes := range []int{2*60 + 30, 4*60 + 15, 12*60 + 15, 20*60 + 15} {
			out = append(out, time.Duration(minutes)*time.Minute)
		}
		return out
	}
	for at := 2*time.Hour + 15*time.Minute; at < 26*time.Hour; at += 15 * time.Minute {
		out = append(out, at)
	}
	return out
}

// Thirty days, with real backups by night, a drill a week, the tamper probe by day, and the watch looking on: nothing is told but
// one missed night, one that failed and one change of the policy, each on its day, and their ends.
//
// The rooms live in the time of the stack, which is moved on; so do what the store, the server and the queues date. Leases alone
// live in the machine's time, and tokens are good for longer than the month.
func TestAMonthIsSilentButForWhatHappened(t *testing.T) {
	const missed, broken, changed = 8, 15, 21
	a := start(t, protected(stack.Options{NoApps: true, TokenLifetime: lifetime}))
	backups, drills := a.inside(roles.Backup), a.inside(roles.Restore)
	midnight := a.Clock.Now().Truncate(24*time.Hour).AddDate(0, 0, 1)
	until := func(at time.Time) {
		backups.advance(at.Sub(backups.now()))
		drills.skew = backups.skew
	}
	var log []string
	began := time.Now()
	for day := range 30 {
		date := midnight.AddDate(0, 0, day)
		slot := date.Add(2 * time.Hour)
		until(slot.Add(time.Minute))
		if day == broken {
			a.misbehave(map[string]any{"action": "Export", "do": "truncate", "times": 1})
		}
		if day != missed {
			if code := backups.do(order{Do: "backup", Database: "DB", Slot: slot}); (code != "") != (day == broken) {
				t.Fatalf("the backup of day %d ended with %q", day, code)
			}
		}
		if day%7 == 1 {
			if code := drills.do(order{Do: "drill", Database: "DB", Slot: slot}); code != "" {
				t.Fatalf("the drill of day %d ended with %q", day, code)
			}
		}
		for _, at := range looksOfADay() {
			if day == changed && at == 12*time.Hour+15*time.Minute {
				a.hold("court")
			}
			until(date.Add(at))
			for _, told := range backups.look() {
				log = append(log, fmt.Sprintf("day %d %s %s", day, date.Add(at).Format("15:04"), told))
			}
		}
	}
	t.Logf("30 days of %d looks took %s", len(looksOfADay()), time.Since(began).Round(time.Second))
	if d := cmp.Diff(aMonth(), log); d != "" {
		t.Error(d)
	}
	s, _ := a.snapshot()
	states := map[string]int{}
	for _, sq := range s.Databases[0].Slots {
		states[sq.State]++
	}
	if d := cmp.Diff(map[string]int{"proven": 5, "taken": 23, "missed": 1, "failed": 1}, states); d != "" {
		t.Errorf("the strip: %s", d)
	}
	if len(s.Findings)+len(s.Unread) > 0 || !s.Probe.Passed {
		t.Errorf("in the end it finds %+v, unread %v, probe %+v", s.Findings, s.Unread, s.Probe)
	}

	// A year after the first night something must begin to delete.
	until(midnight.AddDate(0, 0, 353))
	if told := backups.look(); !slices.Contains(told, "finding.raised protection.ending") || !slices.Contains(told, "backup.overdue backup.overdue") {
		t.Errorf("twelve days before the first protection ends it told %v", told)
	}
}

// aMonth is what a month is to tell. The quarter-hour looks of a soak see each thing sooner.
func aMonth() []string {
	at := map[string]string{"begun": "04:15", "over": "02:30", "seen": "12:15", "taken": "20:15"}
	if soak {
		at = map[string]string{"begun": "04:00", "over": "02:15", "seen": "12:15", "taken": "12:30"}
	}
	return []string{
		// 26 hours after the slot of the day before; over with that of the next.
		"day 8 " + at["begun"] + " backup.overdue backup.overdue",
		"day 9 " + at["over"] + " finding.cleared backup.overdue",
		"day 15 " + at["begun"] + " backup.overdue backup.overdue",
		"day 16 " + at["over"] + " finding.cleared backup.overdue",
		// A hold protects more, so it is told and becomes the baseline.
		"day 21 " + at["seen"] + " immutability.drifted immutability.drifted",
		"day 21 " + at["taken"] + " finding.cleared immutability.drifted",
	}
}

// hold sets a legal hold on the vault, as an administrator does.
func (a *azure) hold(tag string) {
	a.t.Helper()
	if _, err := a.Policies.SetHold(a.Places.VaultAccount, a.Places.VaultContainer, "eve", []string{strings.ToLower(tag)}, false); err != nil {
		a.t.Fatal(err)
	}
}
