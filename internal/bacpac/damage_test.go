package bacpac_test

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// edited rewrites the parts of a real archive; a changed model gets its right checksum where keep is false.
func edited(t testing.TB, name string, edit func([]file) []file) []byte {
	t.Helper()
	return zipped(t, edit(unzipped(t, readReal(t, name)))...)
}

// smallNames are archives with many parts and a small model, for tests that read them often.
var smallNames = []string{"initech-desks"}

func without(files []file, name string) []file {
	var out []file
	for _, f := range files {
		if f.name != name {
			out = append(out, f)
		}
	}
	return out
}

func TestRewrittenArchiveStillVerifies(t *testing.T) {
	for _, name := range realNames {
		report, err := verify(edited(t, name, func(f []file) []file { return f }))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(wantRows(t, name), report.Rows()); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", name, diff)
		}
	}
}

func TestEveryTruncationIsBroken(t *testing.T) {
	for _, name := range realNames {
		b := readReal(t, name)
		for n := 0; n < len(b); n += max(1, min(len(b)/100, len(b)-n-30)) {
			if _, err := verify(b[:n]); err == nil {
				t.Fatalf("%s: cut to %d of %d bytes passes", name, n, len(b))
			} else {
				wantFailure(t, err, bacvault.CodeVerifyBroken)
			}
		}
	}
}

// TestFlippedByteInEveryPart flips a bit in the compressed data of every part in turn, at three places.
func TestFlippedByteInEveryPart(t *testing.T) {
	for _, name := range smallNames {
		b := readReal(t, name)
		at := 0
		for at+30 < len(b) && binary.LittleEndian.Uint32(b[at:]) == 0x04034b50 {
			n, extra := int(binary.LittleEndian.Uint16(b[at+26:])), int(binary.LittleEndian.Uint16(b[at+28:]))
			size := int(binary.LittleEndian.Uint32(b[at+18:]))
			part, data := string(b[at+30:at+30+n]), at+30+n+extra
			for _, i := range []int{0, size / 2, size - 2} {
				bad := bytes.Clone(b)
				bad[data+i] ^= 0x10
				if _, err := verify(bad); err == nil {
					t.Errorf("%s, part %s: byte %d of %d flipped passes", name, part, i, size)
				} else {
					wantFailure(t, err, bacvault.CodeVerifyBroken, "part "+part)
				}
			}
			at = data + size
		}
	}
}

// TestFlippedByteInEveryHeader flips a bit in every byte of the local headers: the directory still reads well, so that only
// the comparison can tell.
func TestFlippedByteInEveryHeader(t *testing.T) {
	b := readReal(t, "pubs")
	ignored := map[int]bool{4: true, 5: true, 10: true, 11: true, 12: true, 13: true} // version needed, time, date
	for i := range 30 + len("model.xml") {
		bad := bytes.Clone(b)
		bad[i] ^= 0x04
		_, err := verify(bad)
		if ignored[i] {
			if err != nil {
				t.Errorf("byte %d: %v", i, err)
			}
			continue
		}
		wantFailure(t, err, bacvault.CodeVerifyBroken, "part model.xml", "local header")
	}
}

func TestEachPartTakenOut(t *testing.T) {
	for _, name := range smallNames {
		files := unzipped(t, readReal(t, name))
		for _, f := range files {
			_, err := verify(zipped(t, without(files, f.name)...))
			words := []string{"part " + f.name, "missing"}
			if strings.HasPrefix(f.name, "Data/") {
				words = []string{"part " + strings.ReplaceAll(f.name, "%20", " "), "is not in the archive"}
			}
			wantFailure(t, err, bacvault.CodeVerifyBroken, words...)
		}
	}
}

// TestLostRowsShowInCounts has damage that an archive cannot tell of by itself: only the counts of the source can.
func TestLostRowsShowInCounts(t *testing.T) {
	const part = "Data/dbo.WorkRequests/TableData-001-00000.BCP"
	requests := bacvault.Table{Schema: "dbo", Name: "WorkRequests"}
	cases := map[string]struct {
		edit func([]file) []file
		want bacvault.Difference
		note string
	}{
		"part and its relationships lost": {func(files []file) []file {
			rels := find(t, files, "_rels/.rels")
			rels.data = regexp.MustCompile(`<Relationship [^>]*`+regexp.QuoteMeta(part)+`[^>]*>`).ReplaceAll(rels.data, nil)
			return without(files, part)
		}, bacvault.Difference{Table: requests, Want: 34, Got: 31}, "estimated 72 rows"},
		"part emptied": {func(files []file) []file {
			find(t, files, part).data = nil
			return files
		}, bacvault.Difference{Table: requests, Want: 34, Got: 31}, "is empty"},
		"cut between two rows": {func(files []file) []file {
			f := find(t, files, "Data/dbo.Sections/TableData-001-00000.BCP")
			f.data = f.data[:414] // where the last of six rows begins
			return files
		}, bacvault.Difference{Table: bacvault.Table{Schema: "dbo", Name: "Sections"}, Want: 8, Got: 7}, "estimated 72 rows"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := verify(edited(t, "initech-desks", tt.edit))
			if err != nil {
				t.Fatal(err)
			}
			got := bacvault.Compare(wantRows(t, "initech-desks"), report.Rows())
			if diff := cmp.Diff([]bacvault.Difference{tt.want}, got); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
			if !strings.Contains(strings.Join(report.Notes, "\n"), tt.note) {
				t.Errorf("notes %q do not say %q", report.Notes, tt.note)
			}
		})
	}
}

func TestCutInsideARowIsBroken(t *testing.T) {
	files := unzipped(t, readReal(t, "wingtip-contosoconcerthall"))
	for i, f := range files {
		if !strings.HasPrefix(f.name, "Data/") {
			continue
		}
		bad := slices.Clone(files)
		bad[i].data = f.data[:len(f.data)-1]
		_, err := verify(zipped(t, bad...))
		wantFailure(t, err, bacvault.CodeVerifyBroken, "part "+f.name)
	}
}

// TestPackageLies has parts that contradict each other.
func TestPackageLies(t *testing.T) {
	const part = "/Data/dbo.T/TableData-000-00000.BCP"
	ints := []column{{typ: "int", notNull: true}}
	base := func() []file {
		return filesOf(made("dbo", "T", ints, "aaaa"), made("dbo", "U", ints))
	}
	change := func(name, old, new string, n int) func([]file) []file {
		return func(files []file) []file {
			f := find(t, files, name)
			if !bytes.Contains(f.data, []byte(old)) {
				t.Fatalf("%s does not hold %q", name, old)
			}
			f.data = bytes.Replace(f.data, []byte(old), []byte(new), n)
			return files
		}
	}
	replace := func(name, old, new string) func([]file) []file { return change(name, old, new, 1) }
	replaceAll := func(name, old, new string) func([]file) []file { return change(name, old, new, -1) }
	both := func(model, origin func([]file) []file) func([]file) []file {
		return func(files []file) []file {
			files = origin(model(files))
			m, o := find(t, files, "model.xml"), find(t, files, "Origin.xml")
			right := originOf(m.data, 2, "dbo.T,dbo.U")
			sum := regexp.MustCompile(`[0-9A-F]{64}`)
			o.data = sum.ReplaceAll(o.data, sum.Find(right))
			return files
		}
	}
	same := func(f []file) []file { return f }
	cases := map[string]struct {
		edit func([]file) []file
		want string
	}{
		"model changed":           {replace("model.xml", "[int]", "[bit]"), "model.xml was changed"},
		"table renamed, rehashed": {both(replaceAll("model.xml", "[dbo].[U]", "[dbo].[V]"), same), "table dbo.U is in DataPhaseTables of Origin.xml, but not in model.xml"},
		"phase table lost":        {replace("Origin.xml", ",dbo.U<", "<"), "table dbo.U is in model.xml, but not in DataPhaseTables"},
		"phase table unknown":     {replace("Origin.xml", "dbo.U<", "dbo.U,dbo.W<"), "table dbo.W is in DataPhaseTables"},
		"objects miscounted":      {replace("Origin.xml", "<Table>2<", "<Table>3<"), "2 elements of type SqlTable, but Origin.xml counted 3"},
		"no data":                 {replace("Origin.xml", "true</Cont", "false</Cont"), "does not say ContainsExportedData"},
		"no checksum":             {replace("Origin.xml", `Uri="/model.xml"`, `Uri="/other.xml"`), "no checksum of model.xml"},
		"not a number":            {replace("Origin.xml", "<Table>2<", "<Table>two<"), "not a number"},
		"table twice":             {both(replaceAll("model.xml", "[dbo].[U]", "[dbo].[T]"), same), "table dbo.T stands there twice"},
		"no table relationship":   {replace("_rels/.rels", `Type="table=T"`, `Type="other"`), "lacks its table or its schema"},
		"no schema relationship":  {replace("_rels/.rels", `Type="schema=dbo"`, `Type="other"`), "lacks its table or its schema"},
		"two tables":              {replace("_rels/.rels", `Type="schema=dbo"`, `Type="table=U"`), "two table relationships"},
		"same id twice":           {replace("_rels/.rels", `Id="S0.0"`, `Id="T0.0"`), `"T0.0" stands there twice`},
		"another table":           {replace("_rels/.rels", `Type="table=T"`, `Type="table=U"`), "which is not its folder's"},
		"no such table":           {replace("_rels/.rels", `Type="table=T"`, `Type="table=X"`), "table dbo.X, which is not in model.xml"},
		"outside of Data":         {replace("_rels/.rels", part, "/model.xml"), "is not below /Data/"},
		"extension unknown":       {replace("[Content_Types].xml", `"BCP"`, `"BIN"`), "extensions BCP and rels"},
		"part without relationship": {func(files []file) []file {
			return append(files, file{name: "Data/dbo.U/TableData-000-00000.BCP", data: []byte("aaaa")})
		}, "part Data/dbo.U/TableData-000-00000.BCP: _rels/.rels does not name it"},
		"folder of no table": {func(files []file) []file {
			return append(files, file{name: "Data/dbo.X/BlobData-1.BIN", data: []byte("aaaa")})
		}, "no table for its folder"},
		"stray part is read": {func(files []file) []file {
			return append(files, file{name: "stray.txt", data: []byte("aaaa"), crc: 1})
		}, "part stray.txt: CRC-32"},
	}
	if _, err := verify(zipped(t, base()...)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := verify(zipped(t, tt.edit(base())...))
			wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
		})
	}
}

// TestDamageIsToldBeforeItsEffect has a part whose damage also breaks its rows: the bytes are the cause.
func TestDamageIsToldBeforeItsEffect(t *testing.T) {
	files := filesOf(made("dbo", "T", []column{{typ: "bit"}}, "\x01\x00\x02\x00"))
	find(t, files, "Data/dbo.T/TableData-000-00000.BCP").crc = 7
	_, err := verify(zipped(t, files...))
	wantFailure(t, err, bacvault.CodeVerifyBroken, "CRC-32", "its content is damaged")
}

func TestZeroWidthRowsAreBroken(t *testing.T) {
	for _, part := range []string{"", "aaaa"} {
		_, err := verify(archiveOf(t, made("dbo", "T", []column{{computed: true}}, part)))
		wantFailure(t, err, bacvault.CodeVerifyBroken, "table dbo.T", "no column that is stored")
	}
}

func TestBlobPartMakesItsTableUnverified(t *testing.T) {
	files := filesOf(made("dbo", "T", []column{{typ: "varbinary", max: true}}, "\xff\xff\xff\xff\xff\xff\xff\xff"))
	_, err := verify(zipped(t, append(files, file{name: "Data/dbo.T/BlobData-1.BIN", data: []byte("x")})...))
	wantFailure(t, err, bacvault.CodeVerifyUnverified, "dbo.T: part BlobData-1.BIN")
}

func TestNotes(t *testing.T) {
	files := filesOf(made("dbo", "T$", []column{{typ: "int"}}, "\xff"))
	report, err := verify(zipped(t, append(files, file{name: "stray.txt"})...))
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(report.Notes, "\n")
	for _, want := range []string{"part stray.txt is not one", "table dbo.T$: its name is escaped"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q do not say %q", notes, want)
		}
	}
}
