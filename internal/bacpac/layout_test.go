package bacpac_test

import (
	"bytes"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestWalkAddsPartsUp(t *testing.T) {
	ints := []column{{typ: "int", notNull: true}, {computed: true}}
	report, err := verify(archiveOf(t,
		made("dbo", "Order Details", ints, "aaaabbbb", "cccc", "dddd"),
		made("x.y", "z", ints),
		made("x", "y.z", ints, "aaaa"),
	))
	if err != nil {
		t.Fatal(err)
	}
	rows := report.Rows()
	for name, want := range map[bacvault.Table]int64{{Schema: "dbo", Name: "Order Details"}: 4, {Schema: "x.y", Name: "z"}: 0, {Schema: "x", Name: "y.z"}: 1} {
		if got, ok := rows[name]; !ok || got != want {
			t.Errorf("%s has %d rows (%t), want %d", name, got, ok, want)
		}
	}
}

// TestUnverified has tables whose form of rows is not confirmed: never ok, but counted where the assumed form fits.
func TestUnverified(t *testing.T) {
	tests := []struct {
		name string
		col  column
		hex  string
		rows int64
		why  string
	}{
		{"json", column{typ: "json"}, "0200000000000000 7b7d", 1, "type json"},
		{"json that does not fit", column{typ: "json"}, "02000000 7b7d", -1, "the rows could not be counted"},
		{"vector", column{typ: "vector"}, "ffffffffffffffff", 1, "type vector"},
		{"sysname", column{typ: "sys].[sysname", notNull: true}, "0200 6100", 1, "type sysname"},
		{"unknown built-in", column{typ: "hyperjson"}, "ffffffffffffffff", 1, "type hyperjson"},
		{"own CLR type", column{external: "[dbo].[Point]"}, "0100000000000000 58", 1, "type [dbo].[Point]"},
		{"sparse", column{typ: "int", extra: `<Property Name="IsSparse" Value="True" />`}, "ff", 1, "column property IsSparse"},
		{"period", column{typ: "datetime2", notNull: true, extra: `<Property Name="GeneratedAlwaysType" Value="1" />`}, noon + day2020, 1, "GeneratedAlwaysType"},
		{"encrypted", column{typ: "int", extra: `<Relationship Name="ColumnEncryptionKey"></Relationship>`}, "ff", 1, "ColumnEncryptionKey"},
		{"float(24)", column{typ: "float", precision: 24}, "ff", 1, "type float(24)"},
		{"char in UTF-8", column{typ: "char", length: 4, extra: `<Property Name="Collation" Value="Latin1_General_100_CI_AS_SC_UTF8" />`}, "0400 61006200", 1, "several bytes a character"},
		{"alias, both ways", column{typ: "tinyint", notNull: true, alias: true}, "01 01", -1, "as 2 rows or as 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := archiveOf(t, made("dbo", "T", []column{tt.col}, unhex(t, tt.hex)))
			report, err := verify(b)
			wantFailure(t, err, bacvault.CodeVerifyUnverified, "dbo.T: ", tt.why)
			if got := report.Tables[0]; got.Rows != tt.rows || got.Verdict != bacpac.VerdictUnverified || len(report.Unverified) != 1 {
				t.Errorf("got %+v, unverified %q", got, report.Unverified)
			}
			if _, counted := report.Rows()[bacvault.Table{Schema: "dbo", Name: "T"}]; counted != (tt.rows >= 0) {
				t.Errorf("in Rows: %t", counted)
			}
			allowed, err := verifyWith(b, bacpac.Options{AllowUnverified: true})
			if err != nil || allowed.Tables[0].Verdict != bacpac.VerdictUnverified {
				t.Errorf("with AllowUnverified: %v, %+v", err, allowed.Tables)
			}
		})
	}
}

func TestUnverifiedTypeWithoutRowsIsFine(t *testing.T) {
	report, err := verify(archiveOf(t, made("dbo", "T", []column{{typ: "json"}})))
	if err != nil || report.Tables[0].Verdict != bacpac.VerdictOK {
		t.Errorf("got %v, %+v", err, report.Tables)
	}
}

func TestPersistedComputedColumnIsUnverified(t *testing.T) {
	cols := []column{{typ: "int"}, {computed: true, extra: `<Property Name="IsPersisted" Value="True" />`}}
	_, err := verify(archiveOf(t, made("dbo", "T", cols, "\xff")))
	wantFailure(t, err, bacvault.CodeVerifyUnverified, "column c2: column property IsPersisted")
}

func TestAliasIsDecidedByAllParts(t *testing.T) {
	cols := []column{{typ: "tinyint", notNull: true, alias: true}}
	report, err := verify(archiveOf(t, made("dbo", "T", cols, "\x01\x01", "\x01")))
	if err != nil || report.Tables[0].Rows != 3 {
		t.Errorf("got %v, %+v", err, report.Tables)
	}
	_, err = verify(archiveOf(t, made("dbo", "T", []column{{typ: "int", notNull: true, alias: true}}, "\x01\x00\x00\x00", "\x04\x01\x00\x00\x00")))
	wantFailure(t, err, bacvault.CodeVerifyBroken, "TableData-001", "the part ends inside")
}

// TestUncertainTables has doubts that are not a column's type.
func TestUncertainTables(t *testing.T) {
	ints := []column{{typ: "int"}}
	model := `</Element><Element Type="SqlUserDefinedType" Name="[dbo].[Point]"/><Element Type="SqlNothing">`
	tests := map[string]struct {
		table testTable
		why   string
	}{
		"memory-optimised": {testTable{schema: "dbo", name: "T", columns: ints, parts: []string{"\xff"}, extra: `<Property Name="IsMemoryOptimized" Value="True" />`}, "table property IsMemoryOptimized"},
		"ledger":           {testTable{schema: "dbo", name: "T", columns: ints, parts: []string{"\xff"}, extra: `<Property Name="LedgerType" Value="1" />`}, "table property LedgerType"},
		"other column kind": {testTable{schema: "dbo", name: "T", columns: ints, parts: []string{"\xff"}, extra: `<Relationship Name="Columns"><Entry><Element Type="SqlColumnSet" Name="[dbo].[T].[x]"><Property Name="IsNullable" Value="False" />` +
			`<Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier"><Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[bit]" /></Entry></Relationship></Element></Entry></Relationship>` +
			`</Element></Entry></Relationship>`}, "column x: column kind SqlColumnSet"},
		"CLR type of the model": {made("dbo", "T", []column{{external: "[dbo].[Point]"}}, "\xff\xff\xff\xff\xff\xff\xff\xff"), "[dbo].[Point] (CLR)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := filesOf(tt.table)
			m := find(t, files, "model.xml")
			if name == "CLR type of the model" {
				m.data = bytes.Replace(m.data, []byte("</Element></Model>"), []byte(model+"</Element></Model>"), 1)
				find(t, files, "Origin.xml").data = originOf(m.data, 1, "dbo.T")
			}
			_, err := verify(zipped(t, files...))
			wantFailure(t, err, bacvault.CodeVerifyUnverified, "dbo.T: ", tt.why)
		})
	}
}

func TestIrrelevantPropertiesRaiseNoDoubt(t *testing.T) {
	c := column{typ: "int", extra: `<Property Name="IsSparse" Value="False" /><Property Name="IsIdentity" Value="True" /><Property Name="Collation" Value="Latin1_General_CI_AS" />`}
	report, err := verify(archiveOf(t, testTable{schema: "dbo", name: "T", columns: []column{c}, parts: []string{"\xff"}, extra: `<Property Name="IsMemoryOptimized" Value="False" /><Property Name="IsAnsiNullsOn" Value="True" />`}))
	if err != nil || report.Tables[0].Rows != 1 {
		t.Errorf("got %v, %+v", err, report.Tables)
	}
}

// TestBrokenModels has models that no export writes.
func TestBrokenModels(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"table name without schema":  {`Name="[dbo].[T]"`, `Name="[T]"`, "is not [schema].[table]"},
		"table name without bracket": {`Name="[dbo].[T]"`, `Name="dbo.T"`, "is not [schema].[table]"},
		"open bracket":               {`Name="[dbo].[T]"`, `Name="[dbo].[T"`, "is not [schema].[table]"},
		"no dot":                     {`Name="[dbo].[T]"`, `Name="[dbo][T]"`, "is not [schema].[table]"},
		"column of another table":    {`Name="[dbo].[T].[c1]"`, `Name="[dbo].[U].[c1]"`, "is not one of table dbo.T"},
		"length is no number":        {`"Length" Value="2"`, `"Length" Value="two"`, "is no length"},
		"length is too long":         {`"Length" Value="2"`, `"Length" Value="8001"`, "no length of 1 to 8000"},
		"no type":                    {`<References ExternalSource="BuiltIns" Name="[char]" />`, ``, "it has no type"},
		"type name":                  {`Name="[char]"`, `Name="char"`, `type "char"`},
		"not a model":                {`DataSchemaModel `, `DataSchemaModels `, "its root is DataSchemaModels"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := filesOf(made("dbo", "T", []column{{typ: "char", length: 2}}, "\xff\xff"))
			m := find(t, files, "model.xml")
			if !bytes.Contains(m.data, []byte(tt.old)) {
				t.Fatalf("%s does not hold %s", m.data, tt.old)
			}
			m.data = bytes.Replace(m.data, []byte(tt.old), []byte(tt.new), 1)
			find(t, files, "Origin.xml").data = originOf(m.data, 1, "dbo.T")
			_, err := verify(zipped(t, files...))
			wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
		})
	}
}

func TestAliasTableWithAnEmptyPartHasNoRows(t *testing.T) {
	report, err := verify(archiveOf(t, made("dbo", "T", []column{{typ: "int", notNull: true, alias: true}}, "")))
	if err != nil || report.Tables[0].Rows != 0 {
		t.Errorf("got %v, %+v", err, report.Tables)
	}
}
