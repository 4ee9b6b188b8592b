package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/funchost"
	"github.com/bacvault/bacvault/standin/stack"
)

// at calls f once, with the first log line that fits; it must not block.
func at(h *funchost.Host, fits func(line logLine) bool, f func()) {
	var once sync.Once
	h.OnLine(func(s string) {
		var l logLine
		if json.Unmarshal([]byte(s), &l) == nil && fits(l) {
			once.Do(f)
		}
	})
}

type logLine struct{ Msg, Stage, Kind, Event, DB string }

// killPoints names every stage of a run, and the moment when its event is out and its message is not settled.
func killPoints(stages ...string) map[string]func(logLine) bool {
	out := map[string]func(logLine) bool{
		"after the event": func(l logLine) bool { return l.Msg == "event published" },
	}
	for _, s := range stages {
		out["as "+s+" begins"] = func(l logLine) bool { return l.Msg == "stage begins" && l.Stage == s }
		out["as "+s+" ends"] = func(l logLine) bool { return l.Msg == "stage ended" && l.Stage == s }
	}
	return out
}

// The handler is killed from outside at every stage of a backup. No sqlpackage lives on, and the redelivered message ends
// with one blob, one manifest and one event.
func TestABackupKilledAnywhereEndsRight(t *testing.T) {
	points := killPoints("admit", "lease", "gate", "copy", "preflight", "count", "export", "verify", "commit", "manifest", "clean")
	points["while sqlpackage runs"] = nil
	for name, fits := range shorten(points, "while sqlpackage runs", "as commit begins", "as commit ends", "as manifest ends", "after the event") {
		t.Run(name, func(t *testing.T) {
			a := start(t, protected(stack.Options{}))
			a.misbehave(map[string]any{"action": "Export", "do": "slow", "seconds": 1, "times": 1})
			killed := a.killAt(a.Backup, fits)
			a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
			a.wait(killed, "the kill")
			a.untilGone()
			a.comeBack("backup-requests")
			a.event(completed, "r1")
			a.idle("backup-requests")
			a.oneBackup(1)
			if n := len(a.events("r1")); n != 1 {
				t.Errorf("%d events, want one", n)
			}
			a.noLeftovers()
		})
	}
}

// Likewise for a restore: in the end one whole database, and the rows that the source has.
func TestARestoreKilledAnywhereEndsRight(t *testing.T) {
	points := killPoints("admit", "lease", "preflight", "fetch", "verify", "import", "reconcile", "clean")
	points["while sqlpackage runs"] = nil
	for name, fits := range shorten(points, "while sqlpackage runs", "as import ends", "after the event") {
		t.Run(name, func(t *testing.T) {
			a := start(t, protected(stack.Options{}))
			a.backUp()
			a.misbehave(map[string]any{"action": "Import", "do": "slow", "seconds": 1, "times": 1})
			killed := a.killAt(a.Restore, fits)
			a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
			a.wait(killed, "the kill")
			a.untilGone()
			a.comeBack("restore-requests")
			a.event(restored, "r1")
			a.idle("restore-requests")
			want, _ := a.SQL.Rows("DB")
			if got, _ := a.SQL.Rows("DB_RESTORE"); !maps.Equal(want, got) {
				t.Errorf("restored %v, want %v", got, want)
			}
			a.noLeftovers()
		})
	}
}

// shorten keeps all points in a soak, else those that are named.
func shorten(points map[string]func(logLine) bool, names ...string) map[string]func(logLine) bool {
	if soak {
		return points
	}
	out := map[string]func(logLine) bool{}
	for _, n := range names {
		fits, ok := points[n]
		if !ok {
			panic("no kill point " + n)
		}
		out[n] = fits
	}
	return out
}

// killAt sends SIGKILL to the handler at the first line that fits; with no fits, while the tool's process is alive.
func (a *azure) killAt(h *funchost.Host, fits func(logLine) bool) <-chan error {
	done := make(chan error, 1)
	if fits != nil {
		at(h, fits, func() { done <- h.KillHandler() })
		return done
	}
	go func() {
		for range 2000 {
			if len(a.tools()) > 0 {
				done <- h.KillHandler()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		done <- fmt.Errorf("sqlpackage never ran")
	}()
	return done
}

func (a *azure) wait(done <-chan error, what string) {
	a.t.Helper()
	select {
	case err := <-done:
		if err != nil {
			a.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(patience):
		a.t.Fatalf("%s did not come", what)
	}
}

// untilGone waits until the killed handler's sqlpackage has gone with it: it has a moment, no more.
func (a *azure) untilGone() {
	a.t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for {
		left := a.tools()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("sqlpackage outlives the killed handler: %v", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// comeBack lets a killed run's lease lapse, as time would, and moves the clock past the request's deferral. The message
// may be done already, when the kill hit after the work.
func (a *azure) comeBack(queue string) {
	a.t.Helper()
	a.until("the request to wait for the dead run's lease, or to be done", func() bool {
		active, scheduled, locked, _, _ := a.Bus.Counts(queue)
		return scheduled == 1 || active+locked == 0 || strings.Contains(a.output.String(), `"event":"bacvault.`+kindOf(queue)+`.completed`)
	})
	if _, err := a.Blob.LapseLeases(a.t.Context(), a.Places.StateAccount, a.Places.StateContainer); err != nil {
		a.t.Fatal(err)
	}
	a.Clock.Advance(16 * time.Second)
}

func kindOf(queue string) string { return strings.TrimSuffix(queue, "-requests") }
