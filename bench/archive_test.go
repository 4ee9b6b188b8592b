package main

import (
	"archive/zip"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
)

func TestMadeArchiveHoldsTheRowsThatItSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made.bacpac")
	m, err := makeArchive(path, "../testdata/bacpacs/adventureworkslt-2025.bacpac", 4<<20, 12)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	report, err := bacpac.Verify(context.Background(), f, info.Size(), bacpac.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Rows().Total(); got != m.Rows || got < 10_000 {
		t.Errorf("the archive has %d rows, the maker says %d", got, m.Rows)
	}
	for table, n := range report.Rows() {
		if got := m.Tables[table.Schema+"."+table.Name]; got != n {
			t.Errorf("%s: the archive has %d rows, the maker says %d", table, n, got)
		}
	}
	if m.Raw < 4<<20 || m.Raw > 8<<20 {
		t.Errorf("%d bytes of parts were made, 4 MiB and the source's own were asked for", m.Raw)
	}
}

// The bench would tell nothing of real archives if its rows compressed as real ones don't.
func TestMadePartsCompressAsTheSourceDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made.bacpac")
	if _, err := makeArchive(path, "../testdata/bacpacs/adventureworkslt-2025.bacpac", 12<<20, 6); err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ratios := map[string][]float64{}
	for _, f := range r.File {
		if filepath.Ext(f.Name) == ".BCP" && f.UncompressedSize64 > window {
			folder := filepath.Dir(f.Name)
			ratios[folder] = append(ratios[folder], float64(f.UncompressedSize64)/float64(f.CompressedSize64))
		}
	}
	for folder, r := range ratios {
		if len(r) != 2 || max(r[0], r[1])/min(r[0], r[1]) > 1.3 {
			t.Errorf("%s: ratios %.2f of the source's part and the made one", folder, r)
		}
	}
	if len(ratios) != 6 {
		t.Errorf("%d tables were repeated", len(ratios))
	}
}
