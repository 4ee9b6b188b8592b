//go:build soak

package e2e

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/stack"
)

const (
	largeRows = 384
	largeBlob = 8 << 20 // in each row, random: it does not compress
	// mostMemory is the handler's greatest resident size, in KiB: two processes like it fit a container of 2 GiB many times.
	mostMemory = 160 << 10
)

// An archive of 3 GiB goes through the handler as it is shipped (without the race detector), is read back whole, and the
// handler stays small. The tool's stand-in would hold all of it several times, so a script in its place hands over an archive
// made beforehand; the server holds the same rows, and everything behind the export is the product's own path.
func TestLargeArchiveThroughTheHandler(t *testing.T) {
	dir := t.TempDir()
	source := largeSource(t)
	archive := filepath.Join(dir, "large.bacpac")
	size := largeArchive(t, archive, source)
	tool := filepath.Join(dir, "sqlpackage.sh")
	script := "#!/bin/sh\n[ \"$1\" = /Version ] && echo 170.5.96.0 && exit 0\n" +
		"for a; do case \"$a\" in /TargetFile:*) cp '" + archive + "' \"${a#/TargetFile:}\" || exit 1;; esac; done\n" +
		"echo \"STAND-IN: hands over an archive made beforehand\"\n"
	if err := os.WriteFile(tool, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	a := startShipped(t, dir, tool)
	if err := a.SQL.Drop("DB"); err != nil {
		t.Fatal(err)
	}
	if err := a.SQL.Load("DB", source); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	ev, err := a.all.Wait(ctx, func(e stack.Event) bool { return e.Data.RequestID == "r1" })
	if err != nil || ev.Type != completed {
		t.Fatalf("event %s %+v, %v", ev.Type, ev.Data.Failure, err)
	}
	peak := peakMemory(t, a.Backup.HandlerPID())
	t.Logf("%d MiB in %s, the handler's peak memory %d MiB", size>>20, time.Since(began).Round(time.Second), peak>>10)
	if peak <= 0 || peak > mostMemory {
		t.Errorf("the handler took %d MiB at most, want no more than %d", peak>>10, mostMemory>>10)
	}
	var m struct {
		Blob   struct{ Size int64 }
		Tables []struct {
			Table, Verdict          string
			RowsSource, RowsArchive int64
		}
		Transfer struct{ ReadBack string }
	}
	if err := json.Unmarshal([]byte(a.manifest(ev)), &m); err != nil {
		t.Fatal(err)
	}
	if m.Blob.Size != size || size < 3<<30 || m.Transfer.ReadBack != "full" {
		t.Errorf("the manifest says %d bytes, read back %q; the archive has %d", m.Blob.Size, m.Transfer.ReadBack, size)
	}
	counted := false
	for _, tab := range m.Tables {
		if tab.RowsSource != tab.RowsArchive || tab.Verdict != "ok" {
			t.Errorf("%+v", tab)
		}
		counted = counted || tab.RowsArchive == largeRows
	}
	if !counted {
		t.Errorf("no table has %d rows: %+v", largeRows, m.Tables)
	}
	a.idle("backup-requests")
	a.oneBackup(1)
	a.noLeftovers()
	a.noFiles()
}

// startShipped brings up a local Azure with the handler as it is shipped.
func startShipped(t *testing.T, dir, tool string) *azure {
	t.Helper()
	root := filepath.Join(dir, "app")
	if err := os.CopyFS(root, os.DirFS(appRoot)); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "handler"), "../handler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the handler: %v\n%s", err, out)
	}
	out := &lines{}
	settings := map[string]string{"BACVAULT_MAX_ATTEMPTS": "1", "BACVAULT_READ_BACK": "full"}
	maps.Copy(settings, noTimers)
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: dir, Root: root, SQLPackage: tool, Store: store, Databases: map[string]string{"DB": pubs}, PolicyDays: 365, Output: out,
		Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &azure{Stack: s, t: t, dir: dir, output: out}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("end the local Azure: %v", err)
		}
		if t.Failed() {
			t.Logf("the handlers' lines:\n%s", out)
		}
	})
	if a.all, err = s.Watch(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	return a
}

// largeSource is a real database one of whose tables has many rows with a large binary value; all rows share it.
func largeSource(t *testing.T) *bacpacfile.File {
	t.Helper()
	b, err := os.ReadFile("../testdata/bacpacs/adventureworkslt-2025.bacpac")
	if err != nil {
		t.Fatal(err)
	}
	f, err := bacpacfile.Decode(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	data, column := largeTable(t, f)
	value := make([]byte, largeBlob)
	if _, err := rand.Read(value); err != nil {
		t.Fatal(err)
	}
	row := append([]any{}, data.Rows[0]...)
	row[column] = value
	data.Rows = nil
	for range largeRows {
		data.Rows = append(data.Rows, row)
	}
	return f
}

// largeTable finds the table with a varbinary(max) column, and the column.
func largeTable(t *testing.T, f *bacpacfile.File) (*bacpacfile.TableData, int) {
	t.Helper()
	for i := range f.Tables {
		for j, c := range f.Tables[i].Table.Columns {
			if c.Type == "varbinary" && c.Length == -1 && len(f.Tables[i].Rows) > 0 {
				return &f.Tables[i], j
			}
		}
	}
	t.Fatal("no table has a varbinary(max) column and a row")
	return nil, 0
}

// largeArchive writes the bacpac of f to path: encoded with one of the equal rows, whose bytes are then repeated. A deflate
// stream may be repeated like that too, if it ends at a flush.
func largeArchive(t *testing.T, path string, f *bacpacfile.File) (size int64) {
	t.Helper()
	one := *f
	one.Tables = append([]bacpacfile.TableData{}, f.Tables...)
	data, _ := largeTable(t, &one)
	data.Rows = data.Rows[:1]
	var small bytes.Buffer
	if err := bacpacfile.Encode(&small, &one, bacpacfile.EncodeOptions{WrongTotal: largeRows - 1, Compression: "SuperFast"}); err != nil {
		t.Fatal(err)
	}
	from, err := zip.NewReader(bytes.NewReader(small.Bytes()), int64(small.Len()))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	to := zip.NewWriter(out)
	repeated := 0
	for _, part := range from.File {
		if strings.HasPrefix(part.Name, "Data/"+data.Table.Schema+"."+data.Table.Name+"/") {
			repeated++
			err = repeatPart(to, part)
		} else {
			err = to.Copy(part)
		}
		if err != nil {
			t.Fatalf("part %s: %v", part.Name, err)
		}
	}
	if err := to.Close(); err != nil || repeated != 1 {
		t.Fatalf("%d parts repeated, %v", repeated, err)
	}
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func repeatPart(to *zip.Writer, part *zip.File) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	row, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.Write(row); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	flushed := packed.Len()
	if err := w.Close(); err != nil {
		return err
	}
	again, end := packed.Bytes()[:flushed], packed.Bytes()[flushed:]
	header := part.FileHeader
	header.CRC32 = 0
	for range largeRows {
		header.CRC32 = crc32.Update(header.CRC32, crc32.IEEETable, row)
	}
	header.UncompressedSize64, header.CompressedSize64 = uint64(len(row))*largeRows, uint64(len(again))*largeRows+uint64(len(end))
	h, err := to.CreateRaw(&header)
	if err != nil {
		return err
	}
	for range largeRows {
		if _, err := h.Write(again); err != nil {
			return err
		}
	}
	_, err = h.Write(end)
	return err
}

// peakMemory is a process's greatest resident size so far, in KiB.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatalf("no VmHWM in %s: %v", b, err)
	}
	return kib
}
