package bacpacfile_test

import (
	"archive/zip"
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

// replacePart is a package with one part changed and right checksums, as an editor of zips would leave it.
func replacePart(t *testing.T, raw []byte, name string, change func([]byte) []byte) []byte {
	t.Helper()
	names, parts := entries(t, raw)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, n := range names {
		b := parts[n]
		if n == name {
			if b = change(b); b == nil {
				continue
			}
		}
		part, err := w.Create(n)
		if err == nil {
			_, err = part.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecodeRefusesDamage(t *testing.T) {
	const part = "Data/odd%20schema.T%2F1.x/TableData-000-00000.BCP"
	raw := encode(t, sample(t), bacpacfile.EncodeOptions{})
	at := func(i int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b = bytes.Clone(b); b[i] = v; return b }
	}
	sub := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	for name, tt := range map[string]struct {
		part   string
		change func([]byte) []byte
		want   string
	}{
		"model edited":          {"model.xml", sub("False", "True"), "checksum"},
		"no origin":             {"Origin.xml", func([]byte) []byte { return nil }, "'Origin.xml' is missing"},
		"no model":              {"model.xml", func([]byte) []byte { return nil }, "model.xml is missing"},
		"no metadata":           {"DacMetadata.xml", func([]byte) []byte { return nil }, "DacMetadata.xml is missing"},
		"no relationships":      {"_rels/.rels", func([]byte) []byte { return nil }, "to which table"},
		"unknown table":         {"_rels/.rels", sub("table=T/1.x", "table=Other"), "does not know"},
		"unknown relationship":  {"_rels/.rels", sub("table=", "view="), "is not known"},
		"data cut":              {part, func(b []byte) []byte { return b[:len(b)-1] }, "row 3"},
		"data cut in a prefix":  {part, func(b []byte) []byte { return b[:1] }, "column c0]true (tinyint): the part ends"},
		"wrong prefix of a bit": {part, at(1+2+2+3+4+5+8+9, 2), "length prefix 2, want 1"},
		"bit of value 2":        {part, at(1+2+2+3+4+5+8+9+1, 2), "bit of value 2"},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := replacePart(t, raw, tt.part, tt.change)
			_, err := bacpacfile.Decode(bytes.NewReader(damaged), int64(len(damaged)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("decode: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDecodeRefusesEveryCutInsideARow(t *testing.T) {
	const part = "Data/dbo.T/TableData-000-00000.BCP"
	model, err := bacpacfile.ParseModel([]byte(`<DataSchemaModel><Model><Element Type="SqlTable" Name="[dbo].[T]"><Relationship Name="Columns">` +
		columnXML("[dbo].[T].[a]", false, "int", "") + columnXML("[dbo].[T].[b]", true, "nvarchar", length5) + columnXML("[dbo].[T].[c]", true, "xml", "") +
		`</Relationship></Element></Model></DataSchemaModel>`))
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]any{{int64(1), "x", "<a/>"}, {int64(2), nil, nil}}
	raw := encode(t, &bacpacfile.File{Model: model, Tables: []bacpacfile.TableData{{Table: model.Tables[0], Rows: rows}}}, bacpacfile.EncodeOptions{})
	_, parts := entries(t, raw)
	first := 4 + 2 + 2 + 8 + 8
	for n := range parts[part] {
		damaged := replacePart(t, raw, part, func(b []byte) []byte { return b[:n] })
		_, err := bacpacfile.Decode(bytes.NewReader(damaged), int64(len(damaged)))
		// Cut where a row ends, or before the first one, the part is whole; only a count can tell.
		if whole := n == 0 || n == first; whole != (err == nil) {
			t.Errorf("cut after %d bytes of %d: %v", n, len(parts[part]), err)
		}
	}
}
