package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func archives(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/bacpacs/*.bacpac")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d archives, %v", len(files), err)
	}
	return files
}

// truth is the rows of an archive as somebody else's program counted them.
func truth(t *testing.T, archive string) (rows map[string]int64, total int64) {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(archive, ".bacpac") + ".rows.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	for _, n := range rows {
		total += n
	}
	return rows, total
}

func TestVerifyCountsEachTableOfRealArchives(t *testing.T) {
	for _, file := range archives(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, total := truth(t, file)
			code, out, words := line(t, nil, "verify", "--offline", file, "-o", "json")
			if code != exitOK || words != "" {
				t.Fatalf("exit %d: %s", code, words)
			}
			var rep report
			if err := json.Unmarshal([]byte(out), &rep); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(b)
			if rep.Verdict != "ok" || rep.SHA256 != hex.EncodeToString(sum[:]) || rep.Size != int64(len(b)) || rep.Rows != total || rep.File != file || len(rep.Tables) != len(want) {
				t.Errorf("the report is %s of %d bytes, %d rows, %d tables; sha256 %s", rep.Verdict, rep.Size, rep.Rows, len(rep.Tables), rep.SHA256)
			}
			for _, table := range rep.Tables {
				if n, ok := want[table.Table.String()]; !ok || n != table.Rows || table.Verdict != "ok" {
					t.Errorf("%s: %d rows (%s), want %d", table.Table, table.Rows, table.Verdict, n)
				}
			}

			code, out, _ = line(t, nil, "verify", file, "--offline", "-o", "text")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if code != exitOK || len(lines) < len(want)+1 || !strings.Contains(out, "sha256 "+rep.SHA256) {
				t.Errorf("exit %d, the text is %s", code, out)
			}
		})
	}
}

// manifestOf writes the manifest that fits the archive, changed.
func manifestOf(t *testing.T, archive string, change func(*bacvault.Manifest)) string {
	t.Helper()
	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: bacvault.Database{Server: "srv", Name: "db"}, Slot: bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)),
		Blob: bacvault.Blob{Name: "srv/db/x.bacpac", Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, Consistency: bacvault.ConsistencyCopy,
	}
	rows, _ := truth(t, archive)
	for name, n := range rows {
		schema, table, _ := strings.Cut(name, ".")
		m.Tables = append(m.Tables, bacvault.TableRows{Table: bacvault.Table{Schema: schema, Name: table}, Source: n, Archive: n, Verdict: bacvault.VerdictOK})
	}
	change(&m)
	doc, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.manifest.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestVerifyHoldsTheArchiveAgainstItsManifest(t *testing.T) {
	pubs := "../../testdata/bacpacs/pubs.bacpac"
	for _, c := range []struct {
		name   string
		change func(*bacvault.Manifest)
		code   int
		why    string
	}{
		{"it fits", func(*bacvault.Manifest) {}, exitOK, ""},
		{"another size", func(m *bacvault.Manifest) { m.Blob.Size++ }, exitBad, "bytes"},
		{"another hash", func(m *bacvault.Manifest) { m.Blob.SHA256 = strings.Repeat("0", 64) }, exitBad, "SHA-256"},
		{"another count", func(m *bacvault.Manifest) { m.Tables[0].Archive++ }, exitBad, "expected"},
		{"a table more", func(m *bacvault.Manifest) {
			m.Tables = append(m.Tables, bacvault.TableRows{Table: bacvault.Table{Schema: "dbo", Name: "gone"}, Archive: 4, Verdict: bacvault.VerdictOK})
		}, exitBad, "dbo.gone is missing (4 rows expected)"},
		{"a table less", func(m *bacvault.Manifest) { m.Tables = m.Tables[1:] }, exitBad, "is not expected"},
		{"a form that is not known", func(m *bacvault.Manifest) { m.Schema = "v9" }, exitBad, "v9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := manifestOf(t, pubs, c.change)
			code, out, words := line(t, nil, "verify", "--offline", "-o", "json", pubs, file)
			var rep report
			if err := json.Unmarshal([]byte(out), &rep); err != nil {
				t.Fatalf("%v: %s%s", err, out, words)
			}
			if want := map[int]string{exitOK: "ok", exitBad: "differs"}[c.code]; code != c.code || rep.Verdict != want || !strings.Contains(rep.Why, c.why) || !strings.Contains(words, c.why) {
				t.Errorf("exit %d, verdict %s: %s", code, rep.Verdict, rep.Why)
			}
		})
	}
}

func TestVerifyTellsABrokenArchiveFromAFileThatIsNotThere(t *testing.T) {
	whole, err := os.ReadFile("../../testdata/bacpacs/pubs.bacpac")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0xff
	dir := t.TempDir()
	for name, content := range map[string][]byte{"cut": whole[:len(whole)/2], "flipped": flipped, "empty": {}, "text": []byte("no archive")} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name+".bacpac")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, words := line(t, nil, "verify", "--offline", file, "-o", "json")
			var rep report
			if err := json.Unmarshal([]byte(out), &rep); err != nil {
				t.Fatal(err)
			}
			if code != exitBad || rep.Verdict != "broken" || rep.Why == "" || !strings.Contains(words, "broken: ") {
				t.Errorf("exit %d, %s: %s; %s", code, rep.Verdict, rep.Why, words)
			}
			if code, _, _ := line(t, nil, "verify", "--offline", file); code != exitBad {
				t.Errorf("as text: exit %d", code)
			}
		})
	}
	if code, _, words := line(t, nil, "verify", "--offline", filepath.Join(dir, "gone.bacpac")); code != exitFault || !strings.Contains(words, "gone.bacpac") {
		t.Errorf("a file that is not there: exit %d, %s", code, words)
	}
	if code, _, words := line(t, nil, "verify", "--offline", "../../testdata/bacpacs/pubs.bacpac", filepath.Join(dir, "gone.json")); code != exitFault || !strings.Contains(words, "gone.json") {
		t.Errorf("a manifest that is not there: exit %d, %s", code, words)
	}
}
