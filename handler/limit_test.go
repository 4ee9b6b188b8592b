package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// A run that takes longer than BACVAULT_RUN_TIMEOUT would do so again: another attempt of twenty hours helps nobody.
func TestRunBeyondItsLimitFailsForGood(t *testing.T) {
	for _, c := range []struct {
		function, body string
		code           bacvault.Code
	}{
		{"backup", backupBody(""), bacvault.CodeExportDeadline},
		{"restore", restoreBody(""), bacvault.CodeImportDeadline},
	} {
		a := &fakeApp{
			backup: func(ctx context.Context, _ bacvault.BackupRequest) (backup.Result, error) {
				<-ctx.Done()
				return backup.Result{}, bacvault.AsFailure(context.Cause(ctx), bacvault.StageExport)
			},
			restore: func(ctx context.Context, _ bacvault.RestoreRequest) (restore.Result, error) {
				<-ctx.Done()
				return restore.Result{}, bacvault.AsFailure(context.Cause(ctx), bacvault.StageImport)
			},
		}
		h, _ := newHandler(a)
		h.runLimit = 10 * time.Millisecond
		code, _ := post(t, h, c.function, delivery(t, c.body))
		if code != http.StatusOK || len(a.events) != 1 || len(a.sent) != 0 {
			t.Fatalf("%s: %d after %v", c.function, code, a.calls)
		}
		f := a.events[0].Data.Failure
		if f.Code != c.code || f.Class != bacvault.Terminal || f.Stage == "" || !strings.Contains(f.Detail, "BACVAULT_RUN_TIMEOUT") || !strings.Contains(f.Detail, "10ms") {
			t.Errorf("%s: %+v", c.function, f)
		}
	}
}
