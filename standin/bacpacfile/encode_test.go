package bacpacfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

var start = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)

func encode(t *testing.T, f *bacpacfile.File, o bacpacfile.EncodeOptions) []byte {
	t.Helper()
	o.Now = start
	var b bytes.Buffer
	if err := bacpacfile.Encode(&b, f, o); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

// entries are the parts of a package, in their order.
func entries(t *testing.T, raw []byte) (names []string, parts map[string][]byte) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	parts = map[string][]byte{}
	for _, f := range archive.File {
		if f.Flags != 0 || len(f.Extra) != 0 {
			t.Errorf("%s: flags %#x, %d extra bytes; want none, as DacFx writes", f.Name, f.Flags, len(f.Extra))
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if parts[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name)
	}
	return names, parts
}

type origin struct {
	Checksum     string       `xml:"Checksums>Checksum"`
	Version      string       `xml:"PackageProperties>Version"`
	Total        int64        `xml:"ExportStatistics>TableRowCountTotalTag"`
	Schema       string       `xml:"ModelSchemaVersion"`
	Tables       string       `xml:"DataPhaseTables"`
	ObjectCounts objectCounts `xml:"Server>ObjectCounts"`
}

type objectCounts struct{ Counts []objectCount }

type objectCount struct {
	Kind  string
	Count int
}

func (c *objectCounts) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var any struct {
		Counts []struct {
			XMLName xml.Name
			Count   int `xml:",chardata"`
		} `xml:",any"`
	}
	err := d.DecodeElement(&any, &start)
	for _, a := range any.Counts {
		c.Counts = append(c.Counts, objectCount{a.XMLName.Local, a.Count})
	}
	return err
}

func readOrigin(t *testing.T, part []byte) (o origin) {
	t.Helper()
	if err := xml.Unmarshal(bytes.TrimPrefix(part, []byte("\xef\xbb\xbf")), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// diffFiles asks reflect first: cmp needs seconds to find megabytes of photographs equal.
func diffFiles(t *testing.T, want, got *bacpacfile.File) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("after encoding (-before +after):\n%s", cmp.Diff(want, got))
	}
}

func TestRealBacpacsSurviveTheRoundTrip(t *testing.T) {
	eachReal(t, func(t *testing.T, raw []byte, _ string) {
		file := decode(t, raw)
		again := encode(t, file, bacpacfile.EncodeOptions{Framework: true})
		diffFiles(t, file, decode(t, again))

		names, want := entries(t, raw)
		_, got := entries(t, again)
		sameParts(t, names, want, got)
		sameOrigin(t, readOrigin(t, want["Origin.xml"]), readOrigin(t, got["Origin.xml"]))
	})
}

// sameParts compares with the bytes that DacFx wrote, except for tables in several parts, which are written as one.
func sameParts(t *testing.T, names []string, want, got map[string][]byte) {
	t.Helper()
	compared := 0
	for _, name := range names {
		folder, part, isData := strings.Cut(name, "/TableData-")
		a, b := string(want[name]), string(got[name])
		switch {
		case isData && (part != "000-00000.BCP" || want[folder+"/TableData-001-00000.BCP"] != nil):
			continue
		case name == "Origin.xml" || name == "_rels/.rels": // read, not compared
			continue
		case name == "DacMetadata.xml" || name == "[Content_Types].xml": // either end of line is seen
			a, b = strings.ReplaceAll(a, "\r\n", "\n"), strings.ReplaceAll(b, "\r\n", "\n")
		}
		compared++
		if a != b {
			t.Errorf("%s: %d bytes differ from the original's %d", name, len(b), len(a))
		}
	}
	if compared < 3 {
		t.Errorf("compared only %d parts", compared)
	}
}

func sameOrigin(t *testing.T, want, got origin) {
	t.Helper()
	sorted := func(s string) []string { l := strings.Split(s, ","); slices.Sort(l); return l }
	if want.Tables != "" { // written since DacFx 162.2, in an order of its own
		if diff := cmp.Diff(sorted(want.Tables), sorted(got.Tables)); diff != "" {
			t.Errorf("DataPhaseTables (-DacFx +stand-in):\n%s", diff)
		}
	}
	want.Tables, got.Tables = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Origin.xml (-DacFx +stand-in):\n%s", diff)
	}
}

func TestEntryOrderIsThatOfTheWriter(t *testing.T) {
	file := sample(t)
	for _, tt := range []struct {
		name string
		o    bacpacfile.EncodeOptions
		want []string
	}{
		{"net", bacpacfile.EncodeOptions{}, []string{"model.xml", "DacMetadata.xml", "Data/odd%20schema.T%2F1.x/TableData-000-00000.BCP", "Origin.xml", "_rels/.rels", "[Content_Types].xml"}},
		{"framework", bacpacfile.EncodeOptions{Framework: true}, []string{"model.xml", "DacMetadata.xml", "[Content_Types].xml", "Data/odd%20schema.T%2F1.x/TableData-000-00000.BCP", "_rels/.rels", "Origin.xml"}},
		{"stored", bacpacfile.EncodeOptions{Compression: "NotCompressed", DropTable: "odd schema.T/1.x"}, []string{"model.xml", "DacMetadata.xml", "Origin.xml", "[Content_Types].xml"}},
		{"killed", bacpacfile.EncodeOptions{ModelOnly: true}, []string{"model.xml", "DacMetadata.xml", "[Content_Types].xml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names, _ := entries(t, encode(t, file, tt.o))
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlannedFaultsAreInTheFile(t *testing.T) {
	const table = "odd schema.T/1.x"
	file := sample(t)
	rows := int64(len(file.Tables[0].Rows))

	t.Run("omitted origin", func(t *testing.T) {
		raw := encode(t, file, bacpacfile.EncodeOptions{OmitOrigin: true})
		if _, err := bacpacfile.Decode(bytes.NewReader(raw), int64(len(raw))); !errors.Is(err, bacpacfile.ErrOriginMissing) {
			t.Errorf("decode: %v, want ErrOriginMissing", err)
		}
	})
	t.Run("dropped rows", func(t *testing.T) {
		raw := encode(t, file, bacpacfile.EncodeOptions{DropRowsOf: map[string]int64{table: 1}})
		_, parts := entries(t, raw)
		if n, total := int64(counts(decode(t, raw))[table]), readOrigin(t, parts["Origin.xml"]).Total; n != rows-1 || total != rows-1 {
			t.Errorf("%d rows, total %d; want %d of both", n, total, rows-1)
		}
	})
	t.Run("lost part", func(t *testing.T) {
		raw := encode(t, file, bacpacfile.EncodeOptions{LosePart: table})
		if _, err := bacpacfile.Decode(bytes.NewReader(raw), int64(len(raw))); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("decode: %v, want a missing part", err)
		}
	})
	t.Run("wrong total", func(t *testing.T) {
		_, parts := entries(t, encode(t, file, bacpacfile.EncodeOptions{WrongTotal: -20}))
		if total := readOrigin(t, parts["Origin.xml"]).Total; total != rows-20 {
			t.Errorf("total %d, want %d", total, rows-20)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		raw := encode(t, file, bacpacfile.EncodeOptions{TruncateTo: 500})
		if _, err := bacpacfile.Decode(bytes.NewReader(raw), int64(len(raw))); len(raw) != 500 || !errors.Is(err, bacpacfile.ErrCorrupted) {
			t.Errorf("%d bytes, decode: %v; want 500 and ErrCorrupted", len(raw), err)
		}
	})
}

func TestFaultsThatCannotHitAreErrors(t *testing.T) {
	file := sample(t)
	for name, o := range map[string]bacpacfile.EncodeOptions{
		"unknown table":       {DropTable: "dbo.Nothing"},
		"empty table":         {DropRowsOf: map[string]int64{"dbo.Empty": 0}},
		"more rows":           {DropRowsOf: map[string]int64{"odd schema.T/1.x": 1000}},
		"longer than it is":   {TruncateTo: 1 << 30},
		"unknown compression": {Compression: "Zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := bacpacfile.Encode(io.Discard, file, o); err == nil {
				t.Error("encode gave no error")
			}
		})
	}
}
