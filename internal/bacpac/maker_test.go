package bacpac_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// column is a column of a table that a test makes up. Numbers below 0 are not written.
type column struct {
	typ                      string
	length, precision, scale int
	max, notNull             bool
	alias                    bool // behind an alias type of this type
	computed                 bool
	external                 string // a type that is not built in
	extra                    string // XML inside the column
}

// testTable is a table that a test makes up; columns are named c1, c2 and so on.
type testTable struct {
	schema, name string
	columns      []column
	parts        []string
	extra        string // XML inside the table
}

// made is a table with its data parts.
func made(schema, name string, columns []column, parts ...string) testTable {
	return testTable{schema: schema, name: name, columns: columns, parts: parts}
}

// archiveOf writes a whole bacpac with the tables.
func archiveOf(t testing.TB, tables ...testTable) []byte {
	t.Helper()
	return zipped(t, filesOf(tables...)...)
}

func filesOf(tables ...testTable) []file {
	model := modelOf(tables...)
	var rels, phase strings.Builder
	var data []file
	for i, tb := range tables {
		if i > 0 {
			phase.WriteByte(',')
		}
		fmt.Fprintf(&phase, "%s.%s", tb.schema, tb.name)
		for j, part := range tb.parts {
			name := fmt.Sprintf("Data/%s.%s/TableData-%03d-00000.BCP", strings.ReplaceAll(tb.schema, " ", "%20"), strings.ReplaceAll(tb.name, " ", "%20"), j)
			data = append(data, file{name: name, data: []byte(part)})
			fmt.Fprintf(&rels, `<Relationship Type="table=%s" Target="/%s" Id="T%d.%d" /><Relationship Type="schema=%s" Target="/%s" Id="S%d.%d" />`,
				tb.name, name, i, j, tb.schema, name, i, j)
		}
	}
	files := []file{
		{name: "model.xml", data: model},
		{name: "DacMetadata.xml", data: []byte(`<DacType><Name>made</Name><Version>0.0.0.0</Version></DacType>`)},
		{name: "[Content_Types].xml", data: []byte(`<Types><Default Extension="xml" ContentType="text/xml" /><Default Extension="BCP" ContentType="application/octet-stream" /><Default Extension="rels" ContentType="text/xml" /></Types>`)},
	}
	files = append(files, data...)
	if len(data) > 0 {
		files = append(files, file{name: "_rels/.rels", stored: true, data: []byte("<Relationships>" + rels.String() + "</Relationships>")})
	}
	return append(files, file{name: "Origin.xml", stored: true, data: originOf(model, len(tables), phase.String())})
}

func originOf(model []byte, tables int, phase string) []byte {
	return fmt.Appendf(nil, `<DacOrigin><PackageProperties><Version>3.1.0.0</Version><ContainsExportedData>true</ContainsExportedData></PackageProperties>`+
		`<Server><ObjectCounts><Table>%d</Table></ObjectCounts></Server>`+
		`<Checksums><Checksum Uri="/model.xml">%X</Checksum></Checksums><DataPhaseTables>%s</DataPhaseTables></DacOrigin>`, tables, sha256.Sum256(model), phase)
}

func modelOf(tables ...testTable) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><DataSchemaModel SchemaVersion="3.5" DspName="x"><Model>`)
	for i, tb := range tables {
		fmt.Fprintf(&b, `<Element Type="SqlTable" Name="[%s].[%s]">%s<Relationship Name="Columns">`, tb.schema, tb.name, tb.extra)
		var aliases bytes.Buffer
		for j, c := range tb.columns {
			kind := "SqlSimpleColumn"
			if c.computed {
				kind = "SqlComputedColumn"
			}
			fmt.Fprintf(&b, `<Entry><Element Type="%s" Name="[%s].[%s].[c%d]">`, kind, tb.schema, tb.name, j+1)
			if c.notNull {
				b.WriteString(`<Property Name="IsNullable" Value="False" />`)
			}
			b.WriteString(c.extra)
			numbers := numbersOf(c)
			base := fmt.Sprintf(`<Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[%s]" /></Entry></Relationship>`, c.typ)
			spec := numbers + base
			switch {
			case c.alias:
				spec = fmt.Sprintf(`<Relationship Name="Type"><Entry><References Name="[dbo].[a%d.%d]" /></Entry></Relationship>`, i, j)
				fmt.Fprintf(&aliases, `<Element Type="SqlUserDefinedDataType" Name="[dbo].[a%d.%d]">%s%s</Element>`, i, j, numbers, base)
			case c.external != "":
				spec = fmt.Sprintf(`<Relationship Name="Type"><Entry><References Name="%s" /></Entry></Relationship>`, c.external)
			}
			if !c.computed {
				fmt.Fprintf(&b, `<Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier">%s</Element></Entry></Relationship>`, spec)
			}
			b.WriteString(`</Element></Entry>`)
		}
		b.WriteString(`</Relationship></Element>`)
		b.Write(aliases.Bytes())
	}
	b.WriteString(`</Model></DataSchemaModel>`)
	return b.Bytes()
}

func numbersOf(c column) string {
	var b strings.Builder
	for _, n := range []struct {
		name  string
		value int
	}{{"Length", c.length}, {"Precision", c.precision}, {"Scale", c.scale}} {
		if n.value > 0 {
			fmt.Fprintf(&b, `<Property Name="%s" Value="%d" />`, n.name, n.value)
		}
	}
	if c.max {
		b.WriteString(`<Property Name="IsMax" Value="True" />`)
	}
	return b.String()
}
