package bacpacfile_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

type sampleColumn struct {
	typ        string
	properties string // of the type specifier
	values     []any  // one for each row
}

var (
	someGUID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	zoned    = time.Date(2026, 3, 1, 1, 30, 0, 100, time.FixedZone("", -150*60))
)

const (
	length5 = `<Property Name="Length" Value="5" />`
	isMax   = `<Property Name="IsMax" Value="True" />`
	scale7  = `<Property Name="Scale" Value="7" />`
)

// sampleColumns are all types with a value form, each with its edges; the longest list gives the rows, the others repeat.
var sampleColumns = []sampleColumn{
	{"tinyint", "", []any{int64(0), int64(255)}},
	{"smallint", "", []any{int64(math.MinInt16), int64(math.MaxInt16)}},
	{"int", "", []any{int64(math.MinInt32), int64(math.MaxInt32)}},
	{"bigint", "", []any{int64(math.MinInt64), int64(math.MaxInt64)}},
	{"bit", "", []any{true, false}},
	{"real", "", []any{float32(1.5), float32(-math.MaxFloat32)}},
	{"float", "", []any{-0.1, math.MaxFloat64}},
	{"decimal", `<Property Name="Precision" Value="38" /><Property Name="Scale" Value="6" />`, []any{"99999999999999999999999999999999.999999", "-0.000001", "0.000000"}},
	{"numeric", `<Property Name="Precision" Value="5" />`, []any{"-99999", "7"}},
	{"money", "", []any{"922337203685477.5807", "-922337203685477.5808", "-0.0001"}},
	{"smallmoney", "", []any{"214748.3647", "-214748.3648"}},
	{"date", "", []any{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}},
	{"time", scale7, []any{time.Date(1, 1, 1, 23, 59, 59, 999999900, time.UTC)}},
	{"datetime2", scale7, []any{time.Date(1, 1, 1, 0, 0, 0, 100, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)}},
	{"datetimeoffset", scale7, []any{zoned, zoned.In(time.FixedZone("", 14*3600))}},
	{"datetime", "", []any{time.Date(1753, 1, 1, 0, 0, 0, 3333300, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 996666700, time.UTC)}},
	{"smalldatetime", "", []any{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2079, 6, 6, 23, 59, 0, 0, time.UTC)}},
	{"uniqueidentifier", "", []any{someGUID}},
	{"char", length5, []any{"abcde", "é    "}},
	{"nchar", length5, []any{"日本   "}},
	{"varchar", length5, []any{"", "naïve"}},
	{"nvarchar", length5, []any{"", "a😀bc"}},
	{"varchar", isMax, []any{strings.Repeat("x", 33000)}},
	{"nvarchar", isMax, []any{"", strings.Repeat("日", 33000)}},
	{"text", "", []any{"t"}},
	{"ntext", "", []any{"n"}},
	{"xml", "", []any{"<a>é</a>"}},
	{"binary", length5, []any{[]byte{1, 2, 3, 4, 5}}},
	{"varbinary", length5, []any{[]byte{}, []byte{0xff}}},
	{"varbinary", isMax, []any{bytes.Repeat([]byte{7}, 66000)}},
	{"image", "", []any{[]byte{1}}},
	{"rowversion", "", []any{[]byte{0, 0, 0, 0, 0, 0, 1, 2}}},
	{"geography", "", []any{[]byte{0xe6, 0x10}}},
}

func columnXML(name string, nullable bool, typ, properties string) string {
	null := `<Property Name="IsNullable" Value="False" />`
	if nullable {
		null = ""
	}
	return `<Entry><Element Type="SqlSimpleColumn" Name="` + name + `">` + null + `<Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier">` + properties +
		`<Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[` + typ + `]" /></Entry></Relationship></Element></Entry></Relationship></Element></Entry>`
}

// sampleModel is a table with each column twice, NOT NULL and nullable, a table without rows, and a view.
func sampleModel() []byte {
	var b strings.Builder
	b.WriteString(`<DataSchemaModel SchemaVersion="3.5" xmlns="http://schemas.microsoft.com/sqlserver/dac/Serialization/2012/02"><Model>`)
	b.WriteString(`<Element Type="SqlTable" Name="[odd schema].[T/1.x]"><Relationship Name="Columns">`)
	for i, c := range sampleColumns {
		for _, nullable := range []bool{false, true} {
			b.WriteString(columnXML(fmt.Sprintf("[odd schema].[T/1.x].[c%d]]%t]", i, nullable), nullable, c.typ, c.properties))
		}
	}
	b.WriteString(`<Entry><Element Type="SqlComputedColumn" Name="[odd schema].[T/1.x].[sum]"/></Entry></Relationship></Element>`)
	b.WriteString(`<Element Type="SqlTable" Name="[dbo].[Empty]"/><Element Type="SqlView" Name="[dbo].[V]"><Relationship Name="Columns"><Entry><Element Type="SqlComputedColumn" Name="[dbo].[V].[a]"/></Entry></Relationship></Element>`)
	b.WriteString(`</Model></DataSchemaModel>`)
	return []byte(b.String())
}

func sample(t *testing.T) *bacpacfile.File {
	t.Helper()
	model, err := bacpacfile.ParseModel(sampleModel())
	if err != nil {
		t.Fatal(err)
	}
	f := &bacpacfile.File{Model: model, DatabaseName: "a <name>"}
	for _, table := range model.Tables {
		f.Tables = append(f.Tables, bacpacfile.TableData{Table: table})
	}
	for r := range 3 {
		var row []any
		for _, c := range sampleColumns {
			v := c.values[r%len(c.values)]
			row = append(row, v, v)
			if r == 2 {
				row[len(row)-1] = nil
			}
		}
		f.Tables[0].Rows = append(f.Tables[0].Rows, row)
	}
	return f
}

func TestEveryTypeSurvivesTheRoundTrip(t *testing.T) {
	want := sample(t)
	got := decode(t, encode(t, want, bacpacfile.EncodeOptions{}))
	diffFiles(t, want, got)
	// Equal compares instants; the offset that a datetimeoffset is shown with is part of its value.
	for i, c := range want.Tables[0].Table.Columns {
		if c.Type == "datetimeoffset" {
			before, after := want.Tables[0].Rows[0][i].(time.Time), got.Tables[0].Rows[0][i].(time.Time)
			if before.Format(time.RFC3339Nano) != after.Format(time.RFC3339Nano) {
				t.Errorf("datetimeoffset %v came back as %v", before, after)
			}
		}
	}
	if kinds := want.Model.Objects; kinds["Table"] != 2 || kinds["ComputedColumn"] != 2 || kinds["View"] != 1 || kinds["TypeSpecifier"] != 0 {
		t.Errorf("object counts %v", kinds)
	}
}

func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		column int
		value  any
	}{
		"null":             {0, nil},
		"tinyint":          {0, int64(256)},
		"wrong form":       {2, "1"},
		"decimal digits":   {7, "1.0000001"},
		"decimal size":     {8, "100000"},
		"decimal text":     {8, "1_0"},
		"money":            {9, "922337203685477.5808"},
		"date":             {11, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"datetime":         {15, time.Date(1752, 12, 31, 0, 0, 0, 0, time.UTC)},
		"smalldatetime":    {16, time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)},
		"char":             {18, "abcdef"},
		"varchar":          {20, "abcdef"},
		"binary":           {27, []byte{1}},
		"varbinary length": {28, make([]byte, 6)},
	} {
		t.Run(name, func(t *testing.T) {
			f := sample(t)
			f.Tables[0].Rows[0][2*tt.column] = tt.value
			err := bacpacfile.Encode(&bytes.Buffer{}, f, bacpacfile.EncodeOptions{})
			if err == nil || !strings.Contains(err.Error(), "[odd schema].[T/1.x]") || !strings.Contains(err.Error(), fmt.Sprintf("c%d]", tt.column)) {
				t.Errorf("encode: %v, want an error that names table and column", err)
			}
		})
	}
}

func TestRowsThatLackAValueAreRefused(t *testing.T) {
	f := sample(t)
	f.Tables[0].Rows[0] = f.Tables[0].Rows[0][1:]
	if err := bacpacfile.Encode(&bytes.Buffer{}, f, bacpacfile.EncodeOptions{}); err == nil {
		t.Error("a row that lacks a value was encoded")
	}
}

func TestModelsThatAreNotKnownAreRefused(t *testing.T) {
	column := func(typ, properties string) string {
		return `<DataSchemaModel><Model><Element Type="SqlTable" Name="[dbo].[T]"><Relationship Name="Columns"><Entry><Element Type="SqlSimpleColumn" Name="[dbo].[T].[c]"><Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier">` +
			properties + `<Relationship Name="Type"><Entry><References ` + typ + ` /></Entry></Relationship></Element></Entry></Relationship></Element></Entry></Relationship></Element></Model></DataSchemaModel>`
	}
	for name, model := range map[string]string{
		"not xml":          "PK",
		"another document": "<DacType/>",
		"no length":        column(`ExternalSource="BuiltIns" Name="[varchar]"`, ""),
		"no precision":     column(`ExternalSource="BuiltIns" Name="[decimal]"`, ""),
		"no such alias":    column(`Name="[dbo].[nowhere]"`, ""),
		"open bracket":     column(`ExternalSource="BuiltIns" Name="[int"`, ""),
		"bad length":       column(`ExternalSource="BuiltIns" Name="[varchar]"`, `<Property Name="Length" Value="x"/>`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := bacpacfile.ParseModel([]byte(model)); err == nil {
				t.Error("the model was accepted")
			}
		})
	}
	t.Run("type without a value form", func(t *testing.T) {
		model, err := bacpacfile.ParseModel([]byte(column(`ExternalSource="BuiltIns" Name="[sql_variant]"`, "")))
		if err != nil {
			t.Fatal(err)
		}
		f := &bacpacfile.File{Model: model, Tables: []bacpacfile.TableData{{Table: model.Tables[0], Rows: [][]any{{int64(1)}}}}}
		err = bacpacfile.Encode(&bytes.Buffer{}, f, bacpacfile.EncodeOptions{})
		if err == nil || !strings.Contains(err.Error(), "table [dbo].[T], column c: the stand-in has no value form for type sql_variant") {
			t.Errorf("encode: %v, want an error that names table, column and type", err)
		}
	})
}
