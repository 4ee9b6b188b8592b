package funchost_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

// timerApp is an app with a nightly timer at 02:00 UTC on a clock of its own, with a status folder.
func timerApp(t *testing.T, functionJSON string) *app {
	t.Helper()
	a := newApp(t, map[string]string{"nightly": functionJSON})
	a.cfg.Clock, a.cfg.StatusDir = &clock.Clock{}, t.TempDir()
	return a
}

// nextNight is the coming 02:00 UTC.
func nextNight(now time.Time) time.Time {
	night := time.Date(now.Year(), now.Month(), now.Day(), 2, 0, 0, 0, time.UTC)
	if !night.After(now) {
		night = night.AddDate(0, 0, 1)
	}
	return night
}

func (a *app) advanceTo(t time.Time) { a.cfg.Clock.Advance(t.Sub(a.cfg.Clock.Now())) }

type status struct{ Last, Next, LastUpdated time.Time }

type timerCall struct {
	ScheduleStatus *status
	IsPastDue      bool
}

func readTimer(t *testing.T, c call) timerCall {
	t.Helper()
	var doc struct{ Data struct{ Timer timerCall } }
	if err := json.Unmarshal(c.Body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Data.Timer
}

func (a *app) statusFile() string {
	return filepath.Join(a.cfg.StatusDir, "Host.Functions.nightly", "status")
}

func (a *app) readStatus() (s status) {
	a.t.Helper()
	text, err := os.ReadFile(a.statusFile())
	if err != nil {
		a.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		a.t.Fatal(err)
	}
	return s
}

func (a *app) writeStatus(s status) {
	a.t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(a.statusFile()), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(a.statusFile(), text, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

func TestTimerFiresAtItsOccurrence(t *testing.T) {
	a := timerApp(t, nightly)
	night := nextNight(a.cfg.Clock.Now())
	a.start()
	if s := a.readStatus(); !s.Next.Equal(night) || !s.Last.IsZero() || s.LastUpdated.IsZero() {
		t.Errorf("first status %+v, want Next %v and no Last", s, night)
	}
	a.advanceTo(night.Add(-time.Minute))
	a.quiet(30 * time.Millisecond)
	a.advanceTo(night)
	got := readTimer(t, a.next())
	if got.IsPastDue || !got.ScheduleStatus.Next.Equal(night) || !got.ScheduleStatus.LastUpdated.IsZero() {
		t.Errorf("payload %+v, want Next %v, not past due, year one", got.ScheduleStatus, night)
	}
	eventually(t, "the status file advances", func() bool { return a.readStatus().Next.Equal(night.AddDate(0, 0, 1)) })
	if s := a.readStatus(); s.Last.Before(night) || !s.Last.Equal(s.LastUpdated) {
		t.Errorf("status %+v", s)
	}
	a.quiet(30 * time.Millisecond)
}

func TestFiringsDuringALongRunCollapse(t *testing.T) {
	a := timerApp(t, nightly)
	night := nextNight(a.cfg.Clock.Now())
	a.behave("hang")
	a.start()
	a.advanceTo(night)
	a.next()
	a.cfg.Clock.Advance(72 * time.Hour)
	a.quiet(50 * time.Millisecond) // no overlap
	a.behave("")
	if err := a.host.KillHandler(); err != nil { // the run ends, three nights late
		t.Fatal(err)
	}
	if got := readTimer(t, a.next()); got.IsPastDue || !got.ScheduleStatus.Next.Equal(night.AddDate(0, 0, 1)) {
		t.Errorf("the collapsed firing is %+v, want the first night after the run began", got.ScheduleStatus)
	}
	a.quiet(50 * time.Millisecond)
}

func TestPastDueAtStart(t *testing.T) {
	night := nextNight(time.Now()) // stored as the last night before now in each case
	missed := night.AddDate(0, 0, -1)
	for _, c := range []struct {
		name     string
		function string
		stored   *status
		pastDue  bool
		called   bool
	}{
		{"missed", nightly, &status{Last: missed.AddDate(0, 0, -1), Next: missed, LastUpdated: missed.AddDate(0, 0, -1)}, true, true},
		{"many missed, one call", nightly, &status{Last: missed.AddDate(0, 0, -9), Next: missed.AddDate(0, 0, -8)}, true, true},
		{"missed before the first firing", nightly, &status{Next: missed, LastUpdated: missed.Add(-time.Hour)}, true, true},
		{"not missed", nightly, &status{Last: missed, Next: night, LastUpdated: missed}, false, false},
		{"schedule changed", nightly, &status{Last: missed.AddDate(0, 0, -1), Next: missed.Add(-time.Hour)}, false, false},
		{"never stored", nightly, nil, false, false},
		{"monitor off", strings.Replace(nightly, `"schedule"`, `"useMonitor":false,"schedule"`, 1), &status{Last: missed.AddDate(0, 0, -1), Next: missed}, false, false},
		{"run on startup", strings.Replace(nightly, `"schedule"`, `"runOnStartup":true,"schedule"`, 1), nil, false, true},
		{"past due wins over run on startup", strings.Replace(nightly, `"schedule"`, `"runOnStartup":true,"schedule"`, 1),
			&status{Last: missed.AddDate(0, 0, -1), Next: missed}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := timerApp(t, c.function)
			if c.stored != nil {
				a.writeStatus(*c.stored)
			}
			var out buffer
			a.cfg.Output = &out // the call may come before OnLine is there
			a.start()
			if !c.called {
				a.quiet(100 * time.Millisecond)
				if strings.Contains(out.String(), "CALL") {
					t.Fatalf("a call: %s", out.String())
				}
				return
			}
			eventually(t, "the call", func() bool { return strings.Contains(out.String(), "CALL ") && strings.Contains(out.String(), "\n") })
			_, text, _ := strings.Cut(out.String(), "CALL ")
			var got call
			if err := json.NewDecoder(strings.NewReader(text)).Decode(&got); err != nil {
				t.Fatal(err)
			}
			tc := readTimer(t, got)
			if tc.IsPastDue != c.pastDue || c.pastDue && !tc.ScheduleStatus.Next.Equal(c.stored.Next) {
				t.Errorf("payload %+v %+v", tc, tc.ScheduleStatus)
			}
			eventually(t, "the status advances", func() bool { return a.readStatus().Next.Equal(night) })
			if n := strings.Count(out.String(), "CALL "); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestRetryBlockRepeatsAFailedTimer(t *testing.T) {
	a := timerApp(t, strings.TrimSuffix(nightly, "}")+`,"retry":{"strategy":"fixedDelay","maxRetryCount":2,"delayInterval":"00:00:10"}}`)
	a.behave("status 500")
	a.start()
	failed := make(chan error, 1)
	go func() { _, _, err := a.fire(); failed <- err }()
	if body := string(a.next().Body); strings.Contains(body, "RetryContext") {
		t.Errorf("the first attempt has a retry context: %s", body)
	}
	for _, want := range []string{`"RetryCount":1,"MaxRetryCount":2`, `"RetryCount":2,"MaxRetryCount":2`} {
		a.quiet(50 * time.Millisecond)
		a.cfg.Clock.Advance(10 * time.Second)
		if body := string(a.next().Body); !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if err := <-failed; err == nil {
		t.Error("three failures are a success")
	}
	if s := a.readStatus(); s.Last.IsZero() {
		t.Error("a failed timer did not advance its status")
	}
}

func TestDisabledTimerRunsByHandOnly(t *testing.T) {
	a := timerApp(t, nightly)
	a.cfg.Env["AzureWebJobs.nightly.Disabled"] = "1"
	a.start()
	a.cfg.Clock.Advance(48 * time.Hour)
	a.quiet(50 * time.Millisecond)
	if status, _, _ := a.get("POST", "/admin/functions/nightly", `{"input":""}`); status != 202 {
		t.Fatal(status)
	}
	a.next()
	if status, _, err := a.fire(); status != 200 || err != nil {
		t.Error(status, err)
	}
}

func TestManualRunShowsAnOccurrenceAhead(t *testing.T) {
	a := timerApp(t, nightly)
	a.start()
	before := a.readStatus()
	if status, _, _ := a.get("POST", "/admin/functions/Nightly", "{}"); status != 202 {
		t.Fatal(status)
	}
	got := readTimer(t, a.next())
	if got.IsPastDue || !got.ScheduleStatus.Next.Equal(nextNight(a.cfg.Clock.Now())) {
		t.Errorf("payload %+v", got.ScheduleStatus)
	}
	if after := a.readStatus(); after != before {
		t.Errorf("a manual run advanced the status from %+v to %+v", before, after)
	}
	if status, _, _ := a.get("POST", "/admin/functions/none", "{}"); status != 404 {
		t.Errorf("an unknown function answers %d", status)
	}
}

func TestSubMinuteTimerHasNoStatus(t *testing.T) {
	a := timerApp(t, nightly)
	a.cfg.Env["SCHEDULE"] = "*/10 * * * * *"
	a.start()
	a.cfg.Clock.Advance(10 * time.Second)
	if got := readTimer(t, a.next()); got.ScheduleStatus != nil {
		t.Errorf("payload %+v", got.ScheduleStatus)
	}
	if _, err := os.Stat(a.statusFile()); err == nil {
		t.Error("a sub-minute timer has a status file")
	}
}
