package sqlpackage_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/sqlserver"
)

// importFaulty imports the bacpac into "target" under a plan.
func (f *fixture) importFaulty(t *testing.T, fault map[string]any) result {
	t.Helper()
	copyFile(t, filepath.Join(realBacpacs, faulty+".bacpac"), f.path("a.bacpac"))
	fault["action"] = "Import"
	f.plan(t, fault)
	return f.importInto(t.Context(), "target", "a.bacpac")
}

// What is lost silently is lost in the database, and nothing else is.
func TestSilentLossesOfImport(t *testing.T) {
	t.Parallel()
	f := start(t, faulty)
	got := f.importFaulty(t, map[string]any{"do": "warn"})
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	whole, _ := f.Inventory("target")
	if whole.Objects["views"] != 2 || len(whole.Principals) != 1 || whole.Compatibility != 150 || whole.UntrustedKeys != 0 || whole.DisabledIndexes != 0 {
		t.Fatalf("an import without a loss: %+v", whole)
	}
	for _, tt := range []struct {
		fault map[string]any
		fired string
		less  func(*sqlserver.Inventory)
	}{
		{map[string]any{"do": "lose-object", "object": "SqlView"}, "Import lose-object SqlView", func(i *sqlserver.Inventory) { i.Objects["views"]-- }},
		{map[string]any{"do": "lose-object", "object": "SqlIndex"}, "Import lose-object SqlIndex", func(i *sqlserver.Inventory) { i.Objects["indexes"]-- }},
		{map[string]any{"do": "lose-object", "object": "SqlDatabaseOptions"}, "Import lose-object SqlDatabaseOptions", func(i *sqlserver.Inventory) { i.Compatibility = 170 }},
		{map[string]any{"do": "lose-principal"}, "Import lose-principal", func(i *sqlserver.Inventory) { i.Principals = nil }},
		{map[string]any{"do": "leave-untrusted"}, "Import leave-untrusted", func(i *sqlserver.Inventory) { i.UntrustedKeys = 7 }},
		{map[string]any{"do": "leave-indexes"}, "Import leave-indexes", func(i *sqlserver.Inventory) { i.UntrustedKeys, i.DisabledIndexes = 7, 15 }},
	} {
		t.Run(tt.fired, func(t *testing.T) {
			f := start(t, faulty)
			got := f.importFaulty(t, tt.fault)
			if got.code != 0 || !strings.Contains(got.stdout, "Successfully imported database.") {
				t.Errorf("%+v", got)
			}
			want := sqlserver.Inventory{Objects: map[string]int{}, Principals: whole.Principals, Compatibility: whole.Compatibility}
			for kind, n := range whole.Objects {
				want.Objects[kind] = n
			}
			tt.less(&want)
			is, _ := f.Inventory("target")
			if diff := cmp.Diff(want, is); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
			rows, _ := f.Rows("target")
			source, _ := f.Rows("source")
			if diff := cmp.Diff(source, rows); diff != "" {
				t.Error("rows (-source +target):\n" + diff)
			}
			if diff := cmp.Diff([]string{tt.fired}, f.fired(t)); diff != "" {
				t.Error("fired (-want +got):\n" + diff)
			}
		})
	}
}

func TestLossesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, fault := range []map[string]any{
		{"do": "lose-object", "object": "SqlSynonym"}, {"do": "lose-object", "object": "SqlTable"}, {"do": "lose-object"}, {"do": "lose-principal", "object": "SqlUser"},
	} {
		f := start(t, faulty)
		if got := f.importFaulty(t, fault); got.code != 2 || !strings.Contains(got.stderr, "FAULT PLAN IS WRONG") || f.fired(t)[0] != "" {
			t.Errorf("%v: %+v, fired %v", fault, got, f.fired(t))
		}
	}
}

func TestImportFailsMidway(t *testing.T) {
	t.Parallel()
	f := start(t, faulty)
	got := f.importFaulty(t, map[string]any{"do": "fail-midway", "times": 1})
	const lines = "*** Error importing database:Could not import package.\n" +
		"Error SQL72014: Core Microsoft SqlClient Data Provider: Msg 40197, Level 17, State 1, Line 1 The service has encountered an error"
	if got.code != 1 || !strings.HasPrefix(got.stderr, lines) || !strings.Contains(got.stderr, "Error SQL72045: Script execution error.  The executed script:\nINSERT BULK [dbo].") ||
		!strings.Contains(got.stdout, "Time elapsed") || strings.Contains(got.stdout, "Successfully") {
		t.Errorf("%+v", got)
	}
	f.wantHalf(t)
	if got := f.importInto(t.Context(), "target", "a.bacpac"); got.code != 1 || !strings.Contains(got.stderr, "SQL71659") {
		t.Errorf("a second run into the half database: %+v", got)
	}
}

// wantHalf is a target with every table, and rows in the first ones only, indexes still disabled.
func (f *fixture) wantHalf(t *testing.T) {
	t.Helper()
	rows, _ := f.Rows("target")
	if rows["dbo.Employees"] != 6 || rows["dbo.WorkRequests"] != 0 || len(rows) != 8 {
		t.Errorf("left behind: %v", rows)
	}
	if is, _ := f.Inventory("target"); is.DisabledIndexes != 15 || is.Objects["views"] != 2 {
		t.Errorf("left behind: %+v", is)
	}
}

func TestImportIsKilledMidway(t *testing.T) {
	t.Parallel()
	f := start(t, faulty)
	copyFile(t, filepath.Join(realBacpacs, faulty+".bacpac"), f.path("a.bacpac"))
	f.plan(t, map[string]any{"action": "Import", "do": "sigkill", "times": 1})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), self, "/Action:Import", "/SourceFile:"+f.path("a.bacpac"), "/Target"+f.connection("target"))
	tool.Env = append(os.Environ(), asTool+"=1", "STANDIN_SQLPACKAGE_FAULTS="+f.path("faults.json"))
	var out bytes.Buffer
	tool.Stdout, tool.Stderr = &out, &out
	err = tool.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), "Time elapsed") {
		t.Errorf("last words: %s", out.String())
	}
	f.wantHalf(t)
}
