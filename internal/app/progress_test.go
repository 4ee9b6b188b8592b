package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

var settings = []string{
	"SQL_SERVER_NAME=srv.database.windows.net", "SQL_DATABASE_NAME=db, other", "STORAGE_ACCOUNT_NAME=stx", "STORAGE_CONTAINER_NAME=vault",
	"MANAGED_IDENTITY_CLIENT_ID=11111111-1111-1111-1111-111111111111", "TARGET_SUBSCRIPTION_ID=22222222-2222-2222-2222-222222222222",
	"BACVAULT_VAULT_RESOURCE_GROUP=rg", "AzureWebJobsStorage__accountName=stapp", "ServiceBusConnection__fullyQualifiedNamespace=sb.servicebus.windows.net",
}

// wired makes an App that reaches nothing: New calls nothing outside.
func wired(t *testing.T, report bacvault.Report) *App {
	t.Helper()
	// The credential asks whom its environment names; nobody listens there.
	t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token")
	t.Setenv("IDENTITY_HEADER", "x")
	c, err := config.Load(append(settings, "BACVAULT_STATE_ENDPOINT=https://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(c, Options{Version: "1.0", Report: report})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWiringCallsNothingOutside(t *testing.T) {
	start := time.Now()
	a := wired(t, nil)
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s: something was asked", took)
	}
}

// Nobody waits for a state container that is away when the process must go.
func TestCloseIsBoundByItsContext(t *testing.T) {
	a := wired(t, nil) // nobody listens at its state container
	for range 64 {
		a.report(bacvault.Progress{Run: "run1"})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_ = a.Close(ctx) // its error says that the time was up
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A run that is being stopped still tells where it stands, from its clean-up, when the handler has closed already.
func TestProgressAfterTheCloseIsToldToTheLogAlone(t *testing.T) {
	var told []bacvault.Progress
	a := wired(t, func(p bacvault.Progress) { told = append(told, p) })
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.report(bacvault.Progress{Run: "run1", Stage: bacvault.StageClean})
	if len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
	if err := a.Close(t.Context()); err != nil {
		t.Errorf("a second close: %v", err)
	}
}

func TestRunsNeverWaitForProgress(t *testing.T) {
	w := &progressWriter{in: make(chan bacvault.Progress, 1), live: map[string]bacvault.Progress{}} // nobody reads
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10 {
			w.take(bacvault.Progress{Run: "run1"})
		}
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("a full queue holds a run up")
	}
	if len(w.in) != 1 {
		t.Errorf("%d wait to be saved", len(w.in))
	}
}

func TestToolsLinesWaitForTheBeat(t *testing.T) {
	w := &progressWriter{in: make(chan bacvault.Progress, 4), live: map[string]bacvault.Progress{}}
	w.take(bacvault.Progress{Run: "run1", Note: "Processing Table", Tables: 3})
	if live := w.lives(); len(w.in) != 0 || len(live) != 1 || live[0].Tables != 3 {
		t.Errorf("%d are saved at once, the beat tells %+v", len(w.in), live)
	}
	w.take(bacvault.Progress{Run: "run1", Note: "why it failed", Done: true})
	w.take(bacvault.Progress{Run: "run1", Ended: true})
	if len(w.in) != 2 {
		t.Errorf("%d are saved, want the stage's end and the run's", len(w.in))
	}
	if live := w.lives(); len(live) != 0 {
		t.Errorf("a run that has ended goes on telling: %+v", live)
	}
}

func TestOneSlotOfOneDatabaseIsOneRequest(t *testing.T) {
	night := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	seen := map[string]bool{}
	for _, d := range []bacvault.Database{{Server: "srv", Name: "db"}, {Server: "srv", Name: "other"}, {Server: "srv", Name: strings.Repeat("x", 128)}} {
		for _, s := range []bacvault.Slot{night, bacvault.SlotAt(night.Time().AddDate(0, 0, 1))} {
			id := slotRequestID(d, s)
			if seen[id] || id != slotRequestID(d, s) {
				t.Errorf("%s of %s and %s is not its own", id, d, s)
			}
			seen[id] = true
			body := `{"schema":"bacvault.backup-request.v1","id":"` + id + `","server":"srv","database":"db"}`
			if _, err := bacvault.ParseBackupRequest([]byte(body), bacvault.Delivery{Enqueued: night.Time()}); err != nil {
				t.Errorf("%s is no id: %v", id, err)
			}
		}
	}
}

func TestProtectedNamesEachConfiguredDatabaseOnThisServer(t *testing.T) {
	a := wired(t, nil)
	defer func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	got, err := a.Protected(t.Context())
	if err != nil || len(got) != 2 || got[0].String() != "srv/db" || got[1].String() != "srv/other" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRequestsThatTheHandlerWouldRejectAreNotSent(t *testing.T) {
	a := wired(t, nil)
	defer func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	_, err := a.RequestBackup(t.Context(), bacvault.BackupRequest{Database: bacvault.Database{Name: "a\nb"}})
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeRequestMalformed {
		t.Errorf("a backup: %v", err)
	}
	_, err = a.RequestRestore(t.Context(), bacvault.RestoreRequest{Database: bacvault.Database{Name: "db"}, Backup: "newest"})
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeRequestMalformed {
		t.Errorf("a restore: %v", err)
	}
}

func TestEventsSayWhereTheyComeFrom(t *testing.T) {
	a := wired(t, nil)
	e := a.Event(bacvault.BackupCompleted, "r-1", 2, "srv/db", bacvault.EventData{})
	if e.Source != "/bacvault/stx/vault" || e.ID != "r-1.2.bacvault.backup.completed.v1" || e.Data.Attempt != 2 || e.Time.Location() != time.UTC {
		t.Errorf("%+v", e)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
