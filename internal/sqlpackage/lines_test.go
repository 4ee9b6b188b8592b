package sqlpackage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/sqlpackage"
)

// Whatever a table is called, its progress line names it and no other.
func FuzzProgressLine(f *testing.F) {
	f.Add("dbo", "Agent")
	f.Add("a].[b", "c]]d")
	f.Add("", "'.")
	f.Fuzz(func(t *testing.T, schema, name string) {
		quote := func(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }
		got, ok := sqlpackage.ParseTable("Processing Table '" + quote(schema) + "." + quote(name) + "'.")
		if want := (bacvault.Table{Schema: schema, Name: name}); !ok || got != want {
			t.Errorf("got %+v, %t; want %+v", got, ok, want)
		}
	})
}

func TestOtherLinesNameNoTable(t *testing.T) {
	for _, line := range []string{
		"", "Processing Export.", "Processing Table '[dbo].[a]'", "Processing Table '[dbo].[a'.", "Processing Table '[dbo]'.",
		"Processing Table '[dbo].[a].[b]'.", "Processing Table 'dbo.a'.", "Processing Table '[dbo][a]'.", " Processing Table '[dbo].[a]'.",
	} {
		if got, ok := sqlpackage.ParseTable(line); ok {
			t.Errorf("%q names %+v", line, got)
		}
	}
}

func TestProcessStat(t *testing.T) {
	const rest = " S 1 42 42 0 -1 4194560 100 0 0 0 7 3 2 1 20 0 1 0 100 1 1"
	for _, line := range []string{"41 (sqlpackage)" + rest, "41 (odd) name (x)" + rest} {
		if group, cpu := sqlpackage.ParseStat(line); group != 42 || cpu != 130*time.Millisecond {
			t.Errorf("%q: group %d, CPU %s", line, group, cpu)
		}
	}
	for _, line := range []string{"", "41 (x)", "41 (x) S 1 42"} {
		if group, cpu := sqlpackage.ParseStat(line); group != 0 || cpu != 0 {
			t.Errorf("%q: group %d, CPU %s", line, group, cpu)
		}
	}
}
