package bacpacfile_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

const realBacpacs = "../../testdata/bacpacs"

// eachReal runs a test on every real bacpac.
func eachReal(t *testing.T, test func(t *testing.T, raw []byte, name string)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(realBacpacs, "*.bacpac"))
	if err != nil || len(paths) != 5 {
		t.Fatalf("found %d real bacpacs, want 5 (%v)", len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".bacpac")
		t.Run(name, func(t *testing.T) { test(t, raw, name) })
	}
}

func decode(t *testing.T, raw []byte) *bacpacfile.File {
	t.Helper()
	f, err := bacpacfile.Decode(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return f
}

func counts(f *bacpacfile.File) map[string]int {
	m := map[string]int{}
	for _, t := range f.Tables {
		m[t.Table.Schema+"."+t.Table.Name] = len(t.Rows)
	}
	return m
}

func TestDecodeCountsTheRowsOfRealBacpacs(t *testing.T) {
	eachReal(t, func(t *testing.T, raw []byte, name string) {
		sidecar, err := os.ReadFile(filepath.Join(realBacpacs, name+".rows.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]int
		if err := json.Unmarshal(sidecar, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, counts(decode(t, raw))); diff != "" {
			t.Errorf("rows of each table (-sidecar +decoded):\n%s", diff)
		}
	})
}
