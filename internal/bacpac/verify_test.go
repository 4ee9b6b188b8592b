package bacpac_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

const realDir = "../../testdata/bacpacs"

var realNames = []string{"adventureworkslt-2025", "coursecompanion-empty", "initech-desks", "pubs", "wingtip-contosoconcerthall"}

func readReal(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realDir, name+".bacpac"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verify(b []byte) (bacpac.Report, error) { return verifyWith(b, bacpac.Options{}) }

func verifyWith(b []byte, o bacpac.Options) (bacpac.Report, error) {
	return bacpac.Verify(context.Background(), bytes.NewReader(b), int64(len(b)), o)
}

// wantRows reads the counts that another parser made of the same archive.
func wantRows(t *testing.T, name string) bacvault.Rows {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realDir, name+".rows.json"))
	if err != nil {
		t.Fatal(err)
	}
	var named map[string]int64
	if err := json.Unmarshal(b, &named); err != nil {
		t.Fatal(err)
	}
	rows := bacvault.Rows{}
	for s, n := range named {
		schema, table, _ := strings.Cut(s, ".")
		rows[bacvault.Table{Schema: schema, Name: table}] = n
	}
	return rows
}

func TestVerifyRealArchives(t *testing.T) {
	for _, name := range realNames {
		t.Run(name, func(t *testing.T) {
			report, err := verify(readReal(t, name))
			if err != nil {
				t.Fatal(err)
			}
			want := wantRows(t, name)
			if diff := cmp.Diff(want, report.Rows()); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if report.Origin.Rows != want.Total() {
				t.Errorf("Origin.xml's total is %d, want %d", report.Origin.Rows, want.Total())
			}
			if len(report.Notes)+len(report.Unverified) != 0 {
				t.Errorf("notes %q, unverified %q", report.Notes, report.Unverified)
			}
			if want.Total() > 0 && report.Bytes == 0 {
				t.Error("no bytes were walked")
			}
		})
	}
}
