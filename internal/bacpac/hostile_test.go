package bacpac_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

const intsPart = "Data/dbo.T/TableData-000-00000.BCP"

// intsFiles is a sound archive with one table of one int and n rows.
func intsFiles(n int) []file {
	return filesOf(made("dbo", "T", []column{{typ: "int", notNull: true}}, strings.Repeat("aaaa", n)))
}

// TestZipLies has archives whose structure says two things, or leads out of the package.
func TestZipLies(t *testing.T) {
	data := func(files []file) *file { return find(t, files, intsPart) }
	add := func(f file) func([]file) []file { return func(files []file) []file { return append(files, f) } }
	edit := func(change func(*file)) func([]file) []file {
		return func(files []file) []file { change(data(files)); return files }
	}
	cases := map[string]struct {
		edit func([]file) []file
		want string // empty is sound
	}{
		"bytes before the first part": {func(f []file) []file { f[0].gap = "MZ"; return f }, "first 2 bytes belong to no part"},
		"bytes between parts":         {edit(func(f *file) { f.gap = "hidden" }), "the 6 bytes at offset 543, behind its data, belong to no part"},
		"same name twice":             {add(file{name: "model.xml", data: []byte("<x/>")}), "have the same name"},
		"same name in other case":     {add(file{name: "MODEL.xml", data: []byte("<x/>")}), "have the same name"},
		"same name, escaped":          {add(file{name: "mode%6c.xml", data: []byte("<x/>")}), "have the same name"},
		"parent":                      {add(file{name: "Data/../x"}), "'..' segment"},
		"escaped parent":              {add(file{name: "Data/%2e%2e/x"}), "'..' segment"},
		"escaped separator":           {add(file{name: "Data/..%2fx"}), "'..' segment"},
		"absolute":                    {add(file{name: "/etc/passwd"}), "absolute"},
		"drive":                       {add(file{name: "c:/x"}), "absolute"},
		"backslash":                   {add(file{name: `Data\x`}), "backslash"},
		"control character":           {add(file{name: "a\x00b"}), "control character"},
		"no name":                     {add(file{}), "is empty"},
		"folder":                      {add(file{name: "Data/"}), "empty, '.' or '..' segment"},
		"encrypted":                   {edit(func(f *file) { f.flags = 1 }), "flags 0x0001 (encryption"},
		"other method":                {edit(func(f *file) { f.method = 12 }), "compression method 12"},
		"local name":                  {edit(func(f *file) { f.local = func(h []byte) { h[30] = 'X' } }), `has the name "Xata`},
		"local size":                  {edit(func(f *file) { f.local = func(h []byte) { h[22]++ } }), "differ in CRC"},
		"local flags":                 {edit(func(f *file) { f.local = func(h []byte) { h[7] ^= 8 } }), "differ in flags"},
		"local signature":             {edit(func(f *file) { f.local = func(h []byte) { h[0]++ } }), "local header at offset"},
		"wrong CRC on both sides":     {edit(func(f *file) { f.crc = 7 }), "not 00000007: its content is damaged"},
		"holds less than it declares": {edit(func(f *file) { f.size = 4004 }), "it declares 4004 bytes but holds 4000"},
		"holds more than it declares": {edit(func(f *file) { f.size = 3996 }), "more than the 3996 bytes that it declares"},
		"ratio":                       {edit(func(f *file) { f.size = 4 << 20 }), "more than the limit of 1032 to 1"},
		"bytes behind the data":       {edit(func(f *file) { f.raw = append(deflated(t, f.data), "hidden"...) }), "6 bytes follow its compressed data"},
		"data cut":                    {edit(func(f *file) { r := deflated(t, f.data); f.raw = r[:len(r)-1] }), "its data end early"},
		"no deflate":                  {edit(func(f *file) { f.raw = []byte{0xff, 0xff} }), "flate: corrupt input"},
		"header inside another":       {edit(func(f *file) { f.offset = -5 }), "but the next part or the directory begins at 538"},
		"two records, one part": {func(f []file) []file {
			f[4].offset = -int64(30 + len(f[3].name) + len(deflated(t, f[3].data)))
			return f
		}, "do not fit"},
		"stored data":            {edit(func(f *file) { f.stored = true }), ""},
		"growth hint":            {edit(func(f *file) { f.extra = "\x20\xa2\x04\x00\x28\xa0\x00\x00" }), ""},
		"damaged extra field":    {edit(func(f *file) { f.extra = "\x20\xa2\x05\x00\x28\xa0\x00\x00" }), "extra field is damaged"},
		"descriptor of 12 bytes": {edit(func(f *file) { f.descriptor = 12 }), ""},
		"descriptor of 16 bytes": {edit(func(f *file) { f.descriptor = 16 }), ""},
		"descriptor of 20 bytes": {edit(func(f *file) { f.descriptor = 20 }), ""},
		"descriptor of 24 bytes": {edit(func(f *file) { f.descriptor = 24 }), ""},
		"zip64 fields":           {edit(func(f *file) { f.zip64 = true }), ""},
		"zip64 with descriptor":  {edit(func(f *file) { f.zip64, f.descriptor = true, 24 }), ""},
		"zip64, only one size local": {edit(func(f *file) {
			f.zip64 = true
			f.local = func(h []byte) { binary.LittleEndian.PutUint32(h[22:], 4000) }
		}), ""},
		"zip64 local size":          {edit(func(f *file) { f.zip64 = true; f.local = func(h []byte) { h[30+len(f.name)+4]++ } }), "size (4001, 4000)"},
		"zip64 size too big":        {edit(func(f *file) { f.zip64 = true; f.dir = func(h []byte) { h[46+len(f.name)+11] = 0x7f } }), "declares"},
		"zip64 field too short":     {edit(func(f *file) { f.zip64 = true; f.dir = func(h []byte) { h[46+len(f.name)+2] = 20 } }), "zip64 field is too short"},
		"record's disk":             {edit(func(f *file) { f.dir = func(h []byte) { h[34] = 1 } }), "on disk 1"},
		"record's comment":          {edit(func(f *file) { f.dir = func(h []byte) { h[32] = 1 } }), "a comment of 1 bytes"},
		"record's name":             {edit(func(f *file) { f.dir = func(h []byte) { h[29] = 0x20 } }), "more than an export writes"},
		"stored, two sizes":         {edit(func(f *file) { f.stored, f.size = true, 4001 }), "4000 bytes are said to be 4001"},
		"no descriptor behind data": {edit(func(f *file) { f.flags = 8 }), "0 bytes behind its data are no data descriptor"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := verify(zipped(t, tt.edit(intsFiles(1000))...))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
		})
	}
}

func TestDescriptorIsHeldAgainstDirectory(t *testing.T) {
	files := intsFiles(10)
	find(t, files, intsPart).descriptor = 16
	b := zipped(t, files...)
	at := bytes.Index(b, []byte("PK\x07\x08"))
	for i := range 16 {
		bad := bytes.Clone(b)
		bad[at+i] ^= 1
		_, err := verify(bad)
		wantFailure(t, err, bacvault.CodeVerifyBroken, "data descriptor")
	}
}

func TestArchiveEnd(t *testing.T) {
	b := zipped(t, intsFiles(1)...)
	with := func(change func(b, end []byte)) []byte {
		c := bytes.Clone(b)
		change(c, c[len(c)-22:])
		return c
	}
	at := func(z []byte, back int, v byte) []byte { z = bytes.Clone(z); z[len(z)-back] ^= v; return z }
	z := zip64End(b)
	tests := map[string]struct {
		b    []byte
		want string // empty is sound
	}{
		"zip64":                      {z, ""},
		"zip64, masked disks":        {at(at(at(at(z, 18, 0xff), 17, 0xff), 16, 0xff), 15, 0xff), ""},
		"masked disks, no zip64":     {with(func(_, e []byte) { copy(e[4:], "\xff\xff\xff\xff") }), "several disks"},
		"nothing":                    {nil, "0 bytes are less"},
		"trailing bytes":             {append(bytes.Clone(b), "tail"...), "4 bytes follow the archive's end"},
		"comment":                    {append(with(func(_, e []byte) { e[20] = 2 }), "hi"...), "2 bytes follow the archive's end"},
		"comment that is not there":  {with(func(_, e []byte) { e[20] = 2 }), "the end of the archive is missing"},
		"another disk":               {with(func(_, e []byte) { e[4] = 1 }), "several disks"},
		"one entry less":             {with(func(_, e []byte) { e[8]--; e[10]-- }), "the central directory holds more than the 5 entries"},
		"one entry more":             {with(func(_, e []byte) { e[8]++; e[10]++ }), "entry 7 of 7"},
		"more entries than fit":      {with(func(_, e []byte) { e[9], e[11] = 9, 9 }), "cannot hold"},
		"directory elsewhere":        {with(func(_, e []byte) { e[16]++ }), "should end at offset"},
		"damaged record":             {with(func(b, e []byte) { b[binary.LittleEndian.Uint32(e[16:])]++ }), "does not begin with its signature"},
		"zip64 end: signature":       {at(z, 98, 1), "the zip64 end at offset"},
		"zip64 end: its size":        {at(z, 94, 1), "the zip64 end at offset"},
		"zip64 end: disk":            {at(z, 82, 1), "several disks"},
		"zip64 end: entries":         {at(z, 74, 1), "several disks"},
		"zip64 end: directory size":  {at(z, 58, 1), "should end at offset"},
		"zip64 end: far outside":     {at(z, 51, 0x7f), "outside of the archive"},
		"zip64 locator":              {at(z, 42, 1), "the zip64 end at offset"},
		"zip64 locator: offset":      {at(z, 34, 1), "the zip64 end at offset"},
		"masks without a zip64 end":  {with(func(_, e []byte) { copy(e[12:], "\xff\xff\xff\xff") }), "the zip64 end at offset"},
		"short end against zip64":    {at(at(z, 14, 1), 12, 1), "the archive's two ends"},
		"only an end, and no entry":  {b[len(b)-22:], "should end at offset"},
		"a sound archive, no entry":  {zipped(t), "part model.xml is missing"},
		"a directory outside of all": {with(func(_, e []byte) { copy(e[12:], "\xfe\xff\xff\xff\xfe\xff\xff\xff") }), "should end at offset"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verify(tt.b)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
		})
	}
}

func TestLimits(t *testing.T) {
	b := zipped(t, intsFiles(100_000)...)
	tests := map[string]struct {
		limits bacpac.Limits
		want   string
	}{
		"entries":      {bacpac.Limits{Entries: 5}, "6 entries, more than the limit of 5"},
		"uncompressed": {bacpac.Limits{Uncompressed: 400_000}, "more than the limit of 400000 uncompressed bytes"},
		"ratio":        {bacpac.Limits{Ratio: 10}, "more than the limit of 10 to 1"},
		"model":        {bacpac.Limits{ModelBytes: 100}, "part model.xml: "},
		"other XML":    {bacpac.Limits{XMLBytes: 100}, "part Origin.xml: "},
		"token":        {bacpac.Limits{XMLToken: 20}, "longer than its limit"},
		"depth":        {bacpac.Limits{XMLDepth: 5}, "deeper than the limit of 5"},
		"elements":     {bacpac.Limits{XMLElements: 12}, "more than the limit of 12 elements"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verifyWith(b, bacpac.Options{Limits: tt.limits})
			wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
		})
	}
}

// TestHostileXML has documents in place of each XML part that a reader must not follow.
func TestHostileXML(t *testing.T) {
	roots := map[string]string{
		"model.xml": "DataSchemaModel", "Origin.xml": "DacOrigin", "DacMetadata.xml": "DacType", "[Content_Types].xml": "Types", "_rels/.rels": "Relationships",
	}
	docs := map[string]struct{ xml, want string }{
		"document type":      {`<!DOCTYPE %[1]s><%[1]s/>`, "it has a document type"},
		"entity":             {`<!DOCTYPE %[1]s [<!ENTITY a "aa">]><%[1]s>&a;</%[1]s>`, "it has a document type"},
		"unknown entity":     {`<%[1]s>&a;</%[1]s>`, "invalid character entity"},
		"second root":        {`<%[1]s/><%[1]s/>`, "second root"},
		"text outside":       {`<%[1]s/>text`, "text outside"},
		"other root":         {`<x%[1]s/>`, "its root is x"},
		"open":               {`<%[1]s><Model>`, "unexpected EOF"},
		"crossed tags":       {`<%[1]s><a><b></a></b></%[1]s>`, "closed by"},
		"nothing":            {``, "no root element"},
		"other encoding":     {`<?xml version="1.0" encoding="utf-16"?><%[1]s/>`, "encoding"},
		"stylesheet":         {`<?xml-stylesheet href="x"?><%[1]s/>`, "processing instruction"},
		"deep":               {`<%[1]s>` + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + `</%[1]s>`, "deeper than the limit of 64"},
		"invalid characters": {"<%[1]s>\x01</%[1]s>", "illegal character"},
	}
	for part, root := range roots {
		for name, doc := range docs {
			t.Run(part+"/"+name, func(t *testing.T) {
				files := intsFiles(1)
				find(t, files, part).data = []byte(strings.ReplaceAll(doc.xml, "%[1]s", root))
				_, err := verify(zipped(t, files...))
				wantFailure(t, err, bacvault.CodeVerifyBroken, "part "+part, doc.want)
			})
		}
	}
}

// TestModelIsReadByNesting has columns where they are not a table's, and names with brackets and dots.
func TestModelIsReadByNesting(t *testing.T) {
	view := `<Element Type="SqlView" Name="[dbo].[V]"><Relationship Name="Columns"><Entry><Element Type="SqlSimpleColumn" Name="[dbo].[V].[c]" /></Entry></Relationship></Element>`
	columns := `<Relationship Name="Columns"><Entry><Element Type="SqlSimpleColumn" Name="[a.b].[c]]d].[e]"><Property Name="IsNullable" Value="False" />` +
		`<Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier"><Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[int]" /></Entry></Relationship></Element></Entry></Relationship>` +
		`<Annotation Type="A"><Property Name="IsNullable" Value="True" /></Annotation></Element></Entry></Relationship>`
	table := `<Element Type="SqlTable" Name="[a.b].[c]]d]">` + columns +
		`<Relationship Name="Other"><Entry><Element Type="SqlSimpleColumn" Name="[a.b].[c]]d].[f]" /></Entry></Relationship></Element>`
	inner := `<Element Type="SqlTableType" Name="[dbo].[TT]"><Relationship Name="X"><Entry><Element Type="SqlTable" Name="[dbo].[U]" /></Entry></Relationship></Element>`
	model := fmt.Appendf(nil, "\ufeff<DataSchemaModel><Model>%s%s%s</Model></DataSchemaModel>", view, table, inner)
	files := filesOf(made("a.b", "c]d", nil, "aaaabbbb"))
	find(t, files, "model.xml").data = model
	find(t, files, "Origin.xml").data = bytes.Replace(originOf(model, 2, "a.b.c]d"), []byte("<Table>2</Table>"), nil, 1)
	report, err := verify(zipped(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Tables; len(got) != 1 || got[0].Rows != 2 || got[0].Table != (bacvault.Table{Schema: "a.b", Name: "c]d"}) {
		t.Errorf("got %+v", got)
	}
}
