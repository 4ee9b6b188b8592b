package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/stack"
)

// Whatever sqlpackage does wrong, also behind exit code 0, ends in one failed event that names the cause and the next step.
// Nothing reaches the vault, and neither a process nor a copy nor a file is left.
func TestAnExportThatGoesWrongIsNeverABackup(t *testing.T) {
	export := func(do string, more map[string]any) map[string]any {
		f := map[string]any{"action": "Export", "do": do}
		for k, v := range more {
			f[k] = v
		}
		return f
	}
	for _, c := range []struct {
		name, code, class, stage string
		fault                    map[string]any
		says                     string
	}{
		{"exit 0, a table's data is lost", "verify.rows_differ", "terminal", "verify", export("lose-table", map[string]any{"table": "dbo.titles"}), "dbo.titles has 0 rows, expected 18"},
		{"exit 0, two rows are lost", "verify.rows_differ", "terminal", "verify", export("lose-rows", map[string]any{"table": "dbo.titles", "rows": 2}), "dbo.titles has 16 rows, expected 18"},
		{"exit 0, no Origin.xml", "verify.broken_archive", "terminal", "verify", export("omit-origin", nil), "Origin.xml"},
		{"exit 0, half a file", "verify.broken_archive", "terminal", "verify", export("truncate", nil), "archive"},
		{"exit 1, a file without Origin.xml", "export.failed", "terminal", "export", export("exit-partial", nil), "surrogate"},
		{"the token stays expired", "export.failed", "retry", "export", export("token-expired", nil), "oken"},
		{"silence", "export.stalled", "retry", "export", export("hang", nil), "Extracting schema"},
		{"killed", "sqlpackage.killed", "retry", "export", export("exit-137", nil), "137"},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}
			if c.code == "export.stalled" {
				settings["BACVAULT_STALL_TIMEOUT"] = "2s"
			}
			a := start(t, protected(stack.Options{Settings: settings}))
			a.misbehave(c.fault)
			a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
			ev := a.event(failed, "r1")
			f := ev.Data.Failure
			if f.Code != c.code || f.Class != c.class || f.Stage != c.stage || !ev.Data.Final || f.Next == "" || f.Exists == "" {
				t.Errorf("the event says %+v, final %t", f, ev.Data.Final)
			}
			if !strings.Contains(f.Detail, c.says) {
				t.Errorf("detail %q does not say %q", f.Detail, c.says)
			}
			a.idle("backup-requests")
			if got := a.vault(); len(got) > 0 {
				t.Errorf("the vault holds %v", got)
			}
			if n := len(a.events("r1")); n != 1 {
				t.Errorf("%d events, want one", n)
			}
			a.toolErred()
			a.noLeftovers()
			a.noFiles()
		})
	}
}

// Lines that look like errors beside an exit code of 0 are no failure.
func TestWarningsOfTheToolAreNoFailure(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.misbehave(map[string]any{"action": "Export", "do": "warn"})
	a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
	a.event(completed, "r1")
	a.idle("backup-requests")
	a.oneBackup(1)
	a.toolErred()
	a.noLeftovers()
	a.noFiles()
}

// toolErred fails unless the planned fault of the tool took effect.
func (a *azure) toolErred() {
	a.t.Helper()
	if b, err := os.ReadFile(filepath.Join(a.dir, "sqlpackage-faults.json.fired")); err != nil || len(b) == 0 {
		a.t.Errorf("the tool's fault never fired: %v", err)
	}
}

// noFiles fails if the backup app left a file in its work folder.
func (a *azure) noFiles() {
	a.t.Helper()
	err := filepath.WalkDir(filepath.Join(a.dir, "work-backup"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			a.t.Errorf("the file %s is left", p)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		a.t.Error(err)
	}
}
