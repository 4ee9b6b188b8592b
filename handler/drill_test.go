package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestDrillTimerQueuesTheSlotsTurn(t *testing.T) {
	due := golden(t, "timer.json")
	for _, c := range []struct{ name, payload, call, by string }{
		{"on time", due, "queue latest 2026-11-24T16:55:00Z", "drill timer"},
		{"the day after", strings.ReplaceAll(due, "2026-11-24", "2026-11-25"), "queue random 2026-11-25T16:55:00Z", "drill timer"},
		{"past due", strings.Replace(due, `"IsPastDue":false`, `"IsPastDue":true`, 1), "queue latest 2026-11-24T16:55:00Z", "drill timer, past due"},
		{"by hand", strings.Replace(strings.ReplaceAll(due, "2026-11-24", "2026-11-25"), "T16:55:00.0041275Z", "T10:00:00.7Z", 1), "queue latest 2026-11-25T10:00:00Z", "drill timer, started by hand"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &fakeApp{}
			h, out := newHandler(a)
			code, got := post(t, h, "drill", c.payload)
			if code != http.StatusOK || !slices.Equal(a.calls, []string{c.call}) || a.by != c.by {
				t.Errorf("%d after %v by %q, want %s by %q", code, a.calls, a.by, c.call, c.by)
			}
			if len(got.Logs) != 1 || !strings.Contains(got.Logs[0], "2 drills") || !strings.Contains(out.String(), "drills queued") {
				t.Errorf("the host's log gets %v, ours %s", got.Logs, out)
			}
		})
	}
}

func TestDrillTimerFailsWhenNotAllWasQueued(t *testing.T) {
	a := &fakeApp{failAt: "queue", err: errors.New("bus is away")}
	h, out := newHandler(a)
	if code, _ := post(t, h, "drill", golden(t, "timer.json")); code != http.StatusInternalServerError || !strings.Contains(out.String(), "bus is away") {
		t.Errorf("%d, log %s: the host would not repeat it", code, out)
	}
	if code, _ := post(t, h, "drill", `{"Data":{},"Metadata":{}}`); code != http.StatusInternalServerError {
		t.Errorf("%d for a payload without a timer", code)
	}
}

// A weekly timer and a daily one both come to each of the three in turn.
func TestRotationTakesTurnsByDayAndByWeek(t *testing.T) {
	sunday := time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC)
	for _, days := range []int{1, 7} {
		var got []string
		for n := range 6 {
			got = append(got, rotation(bacvault.SlotAt(sunday.AddDate(0, 0, n*days))))
		}
		turn := []string{bacvault.ChooseLatest, bacvault.ChooseRandom, bacvault.ChooseOldest}
		at := slices.Index(turn, got[0])
		for n, choice := range got {
			if choice != turn[(at+n)%3] {
				t.Errorf("every %d days: %v", days, got)
				break
			}
		}
	}
	if late := bacvault.SlotAt(sunday.Add(17 * time.Hour)); rotation(late) != rotation(bacvault.SlotAt(sunday)) {
		t.Error("the turn changes within a day")
	}
}
