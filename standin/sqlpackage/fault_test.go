package sqlpackage_test

import (
	"archive/zip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const faulty = "initech-desks"

// rowsIn counts the rows of a bacpac's tables that have any.
func rowsIn(t *testing.T, path string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, table := range read(t, path).Tables {
		if len(table.Rows) > 0 {
			out[table.Table.Schema+"."+table.Table.Name] = len(table.Rows)
		}
	}
	return out
}

func entriesOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	out := map[string]bool{}
	for _, f := range archive.File {
		out[f.Name] = true
	}
	return out
}

func TestFaultsOfExport(t *testing.T) {
	original := rowsIn(t, filepath.Join(realBacpacs, faulty+".bacpac"))
	const success = "Successfully exported database and saved it to file"
	for _, tt := range []struct {
		fault map[string]any
		code  int
		check func(t *testing.T, got result, file string)
	}{
		{map[string]any{"do": "exit-partial"}, 1, func(t *testing.T, got result, file string) {
			if entries := entriesOf(t, file); entries["Origin.xml"] || !entries["_rels/.rels"] || strings.Contains(got.stdout, success) ||
				!strings.Contains(got.stderr, "*** Error exporting database:The surrogate pair") {
				t.Errorf("%v %+v", entries, got)
			}
		}},
		{map[string]any{"do": "omit-origin"}, 0, func(t *testing.T, got result, file string) {
			if entries := entriesOf(t, file); entries["Origin.xml"] || !entries["_rels/.rels"] || !strings.Contains(got.stdout, success) || got.stderr != "" {
				t.Errorf("%v %+v", entries, got)
			}
		}},
		{map[string]any{"do": "exit-137"}, 137, func(t *testing.T, got result, file string) {
			if entries := entriesOf(t, file); len(entries) != 3 || !entries["model.xml"] || strings.Contains(got.stdout, "Time elapsed") || got.stderr != "" {
				t.Errorf("%v %+v", entries, got)
			}
		}},
		{map[string]any{"do": "lose-rows", "table": "dbo.WorkRequests", "rows": 3}, 0, func(t *testing.T, got result, file string) {
			want := map[string]int{}
			for name, n := range original {
				want[name] = n
			}
			want["dbo.WorkRequests"] -= 3
			if diff := cmp.Diff(want, rowsIn(t, file)); diff != "" || !strings.Contains(got.stdout, success) {
				t.Errorf("%s %+v", diff, got)
			}
		}},
		{map[string]any{"do": "lose-table", "table": "dbo.Sections"}, 0, func(t *testing.T, got result, file string) {
			rows := rowsIn(t, file)
			if _, there := rows["dbo.Sections"]; there || len(rows) != len(original)-1 || !strings.Contains(got.stdout, "Processing Table '[dbo].[Sections]'.") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "warn"}, 0, func(t *testing.T, got result, file string) {
			if diff := cmp.Diff(original, rowsIn(t, file)); diff != "" || !strings.HasPrefix(got.stderr, "*** ") || strings.Contains(got.stderr, "*** Error") {
				t.Errorf("%s %+v", diff, got)
			}
		}},
		{map[string]any{"do": "truncate"}, 0, func(t *testing.T, got result, file string) {
			if _, err := zip.OpenReader(file); err == nil || !strings.Contains(got.stdout, success) {
				t.Errorf("%v %+v", err, got)
			}
		}},
		{map[string]any{"do": "slow", "seconds": 0.3}, 0, func(t *testing.T, got result, file string) {
			if diff := cmp.Diff(original, rowsIn(t, file)); diff != "" || strings.Contains(got.stdout, "Time elapsed 0:00:00.0") || strings.Contains(got.stdout, "Time elapsed 0:00:00.1") {
				t.Errorf("%s %+v", diff, got)
			}
		}},
		{map[string]any{"do": "lose-table", "table": "dbo.None"}, 2, func(t *testing.T, got result, file string) {
			if !strings.Contains(got.stderr, "FAULT PLAN IS WRONG") {
				t.Errorf("%+v", got)
			}
		}},
		{map[string]any{"do": "lose-rows", "table": "dbo.Sections", "rows": 1000}, 2, func(t *testing.T, got result, file string) {
			if !strings.Contains(got.stderr, "FAULT PLAN IS WRONG") {
				t.Errorf("%+v", got)
			}
		}},
	} {
		t.Run(tt.fault["do"].(string), func(t *testing.T) {
			f := start(t, faulty)
			tt.fault["action"] = "Export"
			f.plan(t, tt.fault)
			got := f.export(t.Context(), "source", "x.bacpac")
			if got.code != tt.code {
				t.Errorf("exit %d, want %d: %+v", got.code, tt.code, got)
			}
			tt.check(t, got, f.path("x.bacpac"))
			if fired := f.fired(t)[0]; (fired == "") != (tt.code == 2) {
				t.Errorf("fired %q", fired)
			}
		})
	}
}

func TestFaultsOfImport(t *testing.T) {
	for _, tt := range []struct {
		fault map[string]any
		code  int
		check func(t *testing.T, got result, rows map[string]int64)
	}{
		{map[string]any{"do": "not-empty"}, 1, func(t *testing.T, got result, rows map[string]int64) {
			if len(rows) != 0 || !strings.Contains(got.stderr, "Error SQL71659: ") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "die-midway"}, 137, func(t *testing.T, got result, rows map[string]int64) {
			if rows["dbo.Employees"] != 6 || rows["dbo.WorkRequests"] != 0 || len(rows) != 8 || strings.Contains(got.stdout, "Time elapsed") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "exit-137"}, 137, func(t *testing.T, got result, rows map[string]int64) {
			if len(rows) != 8 || got.stderr != "" {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "leave-indexes"}, 0, func(t *testing.T, got result, rows map[string]int64) {
			if strings.Contains(got.stdout, "Enabling indexes.") || !strings.Contains(got.stdout, "Successfully imported database.") || rows["dbo.WorkRequests"] != 34 {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "import-lose-rows", "table": "dbo.WorkRequests", "rows": 30}, 0, func(t *testing.T, got result, rows map[string]int64) {
			if rows["dbo.WorkRequests"] != 4 || rows["dbo.Sections"] != 8 || !strings.Contains(got.stdout, "Successfully imported database.") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "warn"}, 0, func(t *testing.T, got result, rows map[string]int64) {
			if rows["dbo.WorkRequests"] != 34 || !strings.HasPrefix(got.stderr, "*** ") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "slow", "seconds": 0.2}, 0, func(t *testing.T, got result, rows map[string]int64) {
			if rows["dbo.WorkRequests"] != 34 || strings.Contains(got.stdout, "Time elapsed 0:00:00.0") {
				t.Errorf("%v %+v", rows, got)
			}
		}},
		{map[string]any{"do": "import-lose-rows", "table": "dbo.Sections", "rows": 1000}, 2, func(t *testing.T, got result, _ map[string]int64) {
			if !strings.Contains(got.stderr, "FAULT PLAN IS WRONG") {
				t.Errorf("%+v", got)
			}
		}},
	} {
		t.Run(tt.fault["do"].(string), func(t *testing.T) {
			f := start(t, faulty)
			copyFile(t, filepath.Join(realBacpacs, faulty+".bacpac"), f.path("a.bacpac"))
			tt.fault["action"] = "Import"
			f.plan(t, tt.fault)
			got := f.importInto(t.Context(), "target", "a.bacpac")
			if got.code != tt.code {
				t.Errorf("exit %d, want %d: %+v", got.code, tt.code, got)
			}
			rows, _ := f.Rows("target")
			tt.check(t, got, rows)
			if fired := f.fired(t)[0]; (fired == "") != (tt.code == 2) {
				t.Errorf("fired %q", fired)
			}
		})
	}
}

func TestFaultsWithoutAnEnd(t *testing.T) {
	const expired = "*** Login failed for user '<token-identified principal>'. Token is expired.\n"
	for _, tt := range []struct {
		action, do, last string
		expired          bool
	}{
		{"Export", "hang", "Extracting schema from database\n", false},
		{"Import", "hang", "Importing data\n", false},
		{"Export", "token-expired", "", true},
		{"Import", "token-expired", "", true},
		{"Export", "slow", "", false},
	} {
		t.Run(tt.action+" "+tt.do, func(t *testing.T) {
			t.Parallel()
			f := start(t, faulty)
			copyFile(t, filepath.Join(realBacpacs, faulty+".bacpac"), f.path("a.bacpac"))
			fault := map[string]any{"action": tt.action, "do": tt.do}
			if tt.do == "slow" {
				fault["seconds"] = 600
			}
			f.plan(t, fault)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan result, 1)
			go func() {
				if tt.action == "Export" {
					ended <- f.export(ctx, "source", "x.bacpac")
				} else {
					ended <- f.importInto(ctx, "target", "a.bacpac")
				}
			}()
			f.waitFired(t)
			select {
			case got := <-ended:
				t.Fatalf("it ended by itself: %+v", got)
			case <-time.After(500 * time.Millisecond): // long enough for the token to be told expired twice
			}
			cancel()
			got := <-ended
			if got.code != 143 || !strings.HasSuffix(got.stdout, tt.last) || strings.Contains(got.stdout, "Time elapsed") {
				t.Errorf("%+v", got)
			}
			if n := strings.Count(got.stderr, expired); tt.expired != (n >= 2) {
				t.Errorf("said %d times that the token is expired", n)
			}
			if diff := cmp.Diff([]string{tt.action + " " + tt.do}, f.fired(t)); diff != "" {
				t.Errorf("fired (-want +got):\n%s", diff)
			}
		})
	}
}

// waitFired waits until a fault has taken effect.
func (f *fixture) waitFired(t *testing.T) {
	t.Helper()
	for range 400 {
		if f.fired(t)[0] != "" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no fault took effect within 20 s")
}

func TestFaultsCountDownOverRuns(t *testing.T) {
	f := start(t, faulty)
	f.plan(t, map[string]any{"action": "Import", "do": "hang", "times": 1},
		map[string]any{"action": "Export", "do": "exit-partial", "times": 2}, map[string]any{"action": "Export", "do": "warn", "times": 1})
	var codes []int
	for range 4 {
		codes = append(codes, f.export(t.Context(), "source", "x.bacpac").code)
		if err := os.Remove(f.path("x.bacpac")); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{1, 1, 0, 0}, codes); diff != "" {
		t.Errorf("exit codes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Export exit-partial", "Export exit-partial", "Export warn"}, f.fired(t)); diff != "" {
		t.Errorf("fired (-want +got):\n%s", diff)
	}
	left, err := os.ReadFile(f.path("faults.json"))
	if err != nil || string(left) != `[{"action":"Import","do":"hang","times":1}]` {
		t.Errorf("left in the plan: %s (%v)", left, err)
	}
}

func TestRunsSideBySideShareAFault(t *testing.T) {
	f := start(t, faulty)
	f.plan(t, map[string]any{"action": "Export", "do": "exit-partial", "times": 2})
	codes := make([]int, 4)
	var runs sync.WaitGroup
	for i := range codes {
		runs.Go(func() {
			codes[i] = f.export(t.Context(), "source", string(rune('a'+i))+".bacpac").code
		})
	}
	runs.Wait()
	failed := 0
	for _, code := range codes {
		failed += code
	}
	if failed != 2 || len(f.fired(t)) != 2 {
		t.Errorf("exit codes %v, fired %v; want two of them", codes, f.fired(t))
	}
}
