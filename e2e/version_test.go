package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/stack"
)

// oldTool is a sqlpackage that says it is an old release.
func oldTool(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sqlpackage")
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = /Version ]; then echo 162.5.57.1; exit 0; fi\nexec %s \"$@\"\n", sqlpackage)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A release that is known to lose rows is refused before the export, unless somebody allowed it; then everybody can see it.
func TestAnOldSqlpackage(t *testing.T) {
	t.Run("is refused", func(t *testing.T) {
		a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_SQLPACKAGE": oldTool(t)}}))
		a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
		if f := a.event(failed, "r1").Data.Failure; f.Code != "sqlpackage.too_old" || !strings.Contains(f.Detail, "162.5.57") {
			t.Errorf("the event says %+v", f)
		}
		if got := a.vault(); len(got) > 0 {
			t.Errorf("the vault holds %v", got)
		}
		a.noLeftovers()
	})
	t.Run("is allowed by setting", func(t *testing.T) {
		a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_SQLPACKAGE": oldTool(t), "BACVAULT_ALLOW_OLD_SQLPACKAGE": "yes"}}))
		ev := a.backUp()
		if len(ev.Data.Degraded) != 1 || !strings.Contains(ev.Data.Degraded[0], "162.5.57") {
			t.Errorf("degraded: %q", ev.Data.Degraded)
		}
	})
}
