package sqlserver_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

// Heaps come from the models of real databases: a primary key clusters unless the model says no, an index only if it says so.
func TestHeapsOfRealDatabases(t *testing.T) {
	for file, want := range map[string][]string{
		"pubs":                       {"dbo.discounts", "dbo.roysched"},
		"adventureworkslt-2025":      {"dbo.BuildVersion"},
		"initech-desks":              nil,
		"coursecompanion-empty":      {"dbo.ResourceModuleMapping"},
		"wingtip-contosoconcerthall": {"dbo.CopyTracker"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := start(t, sqlserver.Config{})
			if err := s.LoadFile("DB", "../../testdata/bacpacs/"+file+".bacpac"); err != nil {
				t.Fatal(err)
			}
			got, err := rows(t, s.open(t, admin, "DB"), productStatements(t)["stmtHeaps"])
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, row := range got {
				names = append(names, row[0]+"."+row[1])
				if row[2] == "0" {
					t.Errorf("%v reserves nothing", row)
				}
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
		})
	}
}

// A copy and a bulk-loaded database of the same rows print the same; another row, or another value, prints differently.
func TestFingerprintTellsRowsApart(t *testing.T) {
	file := func(change func(*bacpacfile.File)) *bacpacfile.File {
		f := shop()
		change(f)
		return f
	}
	s := start(t, sqlserver.Config{})
	for name, f := range map[string]*bacpacfile.File{
		"Shop": shop(),
		"Turned": file(func(f *bacpacfile.File) {
			r := f.Tables[1].Rows
			r[0], r[9] = r[9], r[0]
		}),
		"Changed": file(func(f *bacpacfile.File) { f.Tables[1].Rows[3][1] = "another order" }),
		"Shorter": file(func(f *bacpacfile.File) { f.Tables[1].Rows = f.Tables[1].Rows[1:] }),
		"Null":    file(func(f *bacpacfile.File) { f.Tables[1].Rows[3][1] = nil }),
	} {
		if err := s.Load(name, f); err != nil {
			t.Fatal(err)
		}
	}
	of := func(db, table string) []string {
		t.Helper()
		got, err := rows(t, s.open(t, admin, db), strings.Replace(productStatements(t)["stmtFingerprint"], "{table}", table, 1))
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	want := of("Shop", "[dbo].[Or]]ders]")
	if got := of("Turned", "[dbo].[Or]]ders]"); !cmp.Equal(want, got) {
		t.Errorf("the order of rows counts: %v, %v", want, got)
	}
	for _, db := range []string{"Changed", "Shorter", "Null"} {
		if got := of(db, "[dbo].[Or]]ders]"); cmp.Equal(want, got) {
			t.Errorf("%s prints as Shop does: %v", db, got)
		}
	}
	if got := of("Shop", "[Sales].[Empty]"); !cmp.Equal([]string{"0", ""}, got) {
		t.Errorf("an empty table prints %v", got)
	}
}

func TestFingerprintLeavesNoncomparableColumnsOut(t *testing.T) {
	table := bacpacfile.Table{Schema: "dbo", Name: "Docs", Columns: []bacpacfile.Column{
		{Name: "Text", Type: "xml", Nullable: true}, {Name: "Id", Type: "int"}, {Name: "Version", Type: "rowversion"},
	}}
	only := bacpacfile.Table{Schema: "dbo", Name: "Only", Columns: table.Columns[:1]}
	load := func(s stand, name, text string) {
		t.Helper()
		if err := s.Load(name, &bacpacfile.File{
			Model: bacpacfile.Model{XML: []byte("<model/>"), Tables: []bacpacfile.Table{table, only}},
			Tables: []bacpacfile.TableData{
				{Table: table, Rows: [][]any{{text, int64(1), []byte("12345678")}}}, {Table: only, Rows: [][]any{{text}}},
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, sqlserver.Config{})
	load(s, "One", "<a/>")
	load(s, "Two", "<b/>")
	stmt := productStatements(t)["stmtFingerprint"]
	var seen [][]string
	for _, db := range []string{"One", "Two"} {
		got, err := rows(t, s.open(t, admin, db), strings.Replace(stmt, "{table}", "[dbo].[Docs]", 1))
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, got[0])
	}
	if !cmp.Equal(seen[0], seen[1]) {
		t.Errorf("the xml column counts: %v", seen)
	}
	if _, err := rows(t, s.open(t, admin, "One"), strings.Replace(stmt, "{table}", "[dbo].[Only]", 1)); !cmp.Equal([]int32{8184}, numbers(err)) {
		t.Errorf("a table without a comparable column: %v", err)
	}
	got, err := rows(t, s.open(t, admin, "One"), productStatements(t)["stmtUnprinted"])
	want := [][]string{{"dbo", "Docs", "Text", "xml", "xml", "0"}, {"dbo", "Docs", "Version", "timestamp", "timestamp", "0"}, {"dbo", "Only", "Text", "xml", "xml", "0"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDescribeAndCopyByTheManagementPlane(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	if err := s.Copy("Shop", "Copy", "", "GP_Gen5_2", "fail"); err != nil {
		t.Fatal(err)
	}
	if err := s.Copy("Shop", "Other", "", "Nonsense", ""); err == nil || !strings.Contains(err.Error(), "40804") {
		t.Errorf("an objective that is none: %v", err)
	}
	d, ok := s.Describe("COPY")
	if !ok || d.Name != "Copy" || d.State != "COPYING" || d.Objective != "GP_Gen5_2" || d.Created.IsZero() || d.Collation == "" {
		t.Errorf("%+v, %t", d, ok)
	}
	if _, ok := s.Describe("master"); ok {
		t.Error("master is described as a database of users")
	}
}
