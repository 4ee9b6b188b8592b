package bacpac_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

func TestContextEndsVerify(t *testing.T) {
	b := readReal(t, "adventureworkslt-2025")
	ctx, cancel := context.WithCancel(context.Background())
	o := bacpac.Options{Workers: 1, Progress: func(int64) { cancel() }}
	_, err := bacpac.Verify(ctx, bytes.NewReader(b), int64(len(b)), o)
	var f *bacvault.Failure
	if !errors.Is(err, context.Canceled) || errors.As(err, &f) {
		t.Errorf("got %v, want context.Canceled and no verdict on the archive", err)
	}
}

// faultyReader is a disk that fails from an offset on.
type faultyReader struct {
	*bytes.Reader
	from int64
}

func (r faultyReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.from && off < r.from+100 {
		return 0, errors.New("disk on fire")
	}
	return r.Reader.ReadAt(p, off)
}

// TestReadFaultIsNoVerdict fails the disk all over the archive: a passing fault must not end a run for good.
func TestReadFaultIsNoVerdict(t *testing.T) {
	b := readReal(t, "initech-desks")
	for from := 0; from < len(b); from += 211 {
		_, err := bacpac.Verify(context.Background(), faultyReader{bytes.NewReader(b), int64(from)}, int64(len(b)), bacpac.Options{})
		var f *bacvault.Failure
		if err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), "disk on fire") {
			t.Fatalf("fault at %d: got %v, want the disk's error", from, err)
		}
	}
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	b := readReal(t, "adventureworkslt-2025")
	var last int64
	report, err := verifyWith(b, bacpac.Options{Progress: func(n int64) {
		if n <= last {
			t.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	}})
	if err != nil || last != report.Bytes || last == 0 {
		t.Errorf("last progress %d, report %d: %v", last, report.Bytes, err)
	}
}

func TestReportSaysWhatWasRead(t *testing.T) {
	report, err := verify(readReal(t, "adventureworkslt-2025"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(report.Origin.Database, " ", report.Origin.ProductVersion, " ", report.Origin.SourceDatabaseKB, " ", report.Model.SchemaVersion, " ",
		report.Model.Collation, " ", report.Model.Tables, " ", report.Model.Bytes, " ", report.Model.Objects["SimpleColumn"])
	if want := "AdventureWorksLT 170.2.70.1 9016 3.5 SQL_Latin1_General_CP1_CI_AS 12 267503 109"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
