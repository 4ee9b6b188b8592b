package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/google/go-cmp/cmp"
)

func progress(stage bacvault.Stage, done bool, took time.Duration, note string) bacvault.Progress {
	s := night
	return bacvault.Progress{
		Run: "run1", Kind: "backup", Database: bacvault.Database{Server: "srv", Name: "db"}, Slot: &s, Request: "r-1", Attempt: 2,
		Stage: stage, Done: done, Elapsed: took, Note: note, At: night.Time(),
	}
}

// Alerts and people filter on these names: they are a promise.
func TestLogLinesHaveTheirFields(t *testing.T) {
	who := map[string]any{"run": "run1", "kind": "backup", "db": "srv/db", "slot": "2026-11-24T02:00:00Z", "request": "r-1", "attempt": 2.0, "stage": "export"}
	with := func(extra map[string]any) map[string]any {
		out := map[string]any{}
		for _, m := range []map[string]any{who, extra} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for _, c := range []struct {
		name string
		do   func(*logger)
		want map[string]any
	}{
		{"a stage begins", func(l *logger) { l.progress(progress("export", false, 0, "")) }, with(map[string]any{"level": "info", "msg": "stage begins"})},
		{"a line of the tool", func(l *logger) { l.progress(progress("export", false, 0, "Processing Table")) }, with(map[string]any{"level": "debug", "msg": "working", "note": "Processing Table"})},
		{"a stage ends", func(l *logger) { l.progress(progress("export", true, 1500*time.Millisecond, "")) }, with(map[string]any{"level": "info", "msg": "stage ended", "took_ms": 1500.0})},
		{"a stage fails", func(l *logger) { l.progress(progress("export", true, time.Second, "why")) }, with(map[string]any{"level": "warning", "msg": "stage failed", "took_ms": 1000.0, "error": "why"})},
		{"an event is out", func(l *logger) {
			l.published(bacvault.NewEvent(bacvault.BackupCompleted, "r-1", 1, "/s", "srv/db", night.Time(), bacvault.EventData{}))
		}, map[string]any{"level": "info", "msg": "event published", "event": "bacvault.backup.completed.v1", "id": "r-1.1.bacvault.backup.completed.v1", "subject": "srv/db"}},
		{"the night is queued", func(l *logger) { l.queued(night, 3, "timer", nil) }, map[string]any{"level": "info", "msg": "backups queued", "slot": "2026-11-24T02:00:00Z", "requests": 3.0, "by": "timer"}},
		{"the night is not queued", func(l *logger) { l.queued(night, 1, "timer", errors.New("away")) }, map[string]any{"level": "error", "msg": "queueing the backups failed", "slot": "2026-11-24T02:00:00Z", "requests": 1.0, "by": "timer", "error": "away"}},
		{"the lock was lost", func(l *logger) { l.lockLost("backup-requests", "m-1", errors.New("gone")) }, map[string]any{"level": "warning", "queue": "backup-requests", "message": "m-1", "error": "gone", "msg": "the message was no longer ours to settle; it comes again and is found done"}},
		{"an invocation failed", func(l *logger) { l.failed("backup", "inv-1", errors.New("x")) }, map[string]any{"level": "error", "function": "backup", "invocation": "inv-1", "error": "x", "msg": "invocation failed; the host takes the message back"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			c.do(newLog(&out, "debug"))
			lines := logged(t, &out)
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			if _, err := time.Parse(time.RFC3339Nano, lines[0]["time"].(string)); err != nil {
				t.Error(err)
			}
			delete(lines[0], "time")
			if d := cmp.Diff(c.want, lines[0]); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRunThatIsInALongStageIsToldEachMinuteUntilItEnds(t *testing.T) {
	var out bytes.Buffer
	l := newLog(&out, "info")
	l.progress(progress("export", false, 0, ""))
	out.Reset()
	l.stillWorking()
	lines := logged(t, &out)
	if len(lines) != 1 || lines[0]["msg"] != "still working" || lines[0]["stage"] != "export" || lines[0]["since"] != "2026-11-24T02:00:00Z" {
		t.Fatalf("the log says %v", lines)
	}
	l.progress(bacvault.Progress{Run: "run1", Ended: true})
	out.Reset()
	l.stillWorking()
	if out.Len() > 0 {
		t.Errorf("a run that ended is told: %s", &out)
	}
}

func TestReadyLineTellsTheSettingsThatMatterAndNoSecret(t *testing.T) {
	var out bytes.Buffer
	newLog(&out, "info").ready(config.Config{
		Servers: config.Servers{"srv": "srv.database.windows.net:1433"}, VaultAccount: "stx", VaultContainer: "vault", Consistency: "copy",
		BusEmulator: "Endpoint=sb://x;SharedAccessKey=topsecret;UseDevelopmentEmulator=true",
	}, "1.0", "127.0.0.1:1")
	line := logged(t, &out)[0]
	if line["vault"] != "https://stx.blob.core.windows.net/vault" || fmt.Sprint(line["servers"]) != "[srv]" || line["version"] != "1.0" || line["consistency"] != "copy" {
		t.Errorf("the line is %v", line)
	}
	if strings.Contains(out.String(), "topsecret") {
		t.Error("the log holds a secret")
	}
}

func TestRunRefusesToStartWithoutItsSettings(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"SQL_SERVER_NAME=s"}, &out)
	if err == nil || !strings.Contains(err.Error(), "STORAGE_ACCOUNT_NAME") || !strings.Contains(err.Error(), "SQL_DATABASE_NAME") {
		t.Errorf("error %v, want every fault in one", err)
	}
	settings := []string{
		"SQL_SERVER_NAME=s", "SQL_DATABASE_NAME=d", "STORAGE_ACCOUNT_NAME=stx", "STORAGE_CONTAINER_NAME=vault", "MANAGED_IDENTITY_CLIENT_ID=c",
		"TARGET_SUBSCRIPTION_ID=u", "BACVAULT_VAULT_RESOURCE_GROUP=rg", "AzureWebJobsStorage__accountName=stapp",
		"ServiceBusConnection__fullyQualifiedNamespace=sb.servicebus.windows.net",
	}
	if err := run(t.Context(), settings, &out); err == nil || !strings.Contains(err.Error(), "FUNCTIONS_CUSTOMHANDLER_PORT") {
		t.Errorf("error %v, want one that names the port", err)
	}
}
