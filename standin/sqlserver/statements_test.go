package sqlserver_test

import (
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

// The product's texts, read from its source: the stand-in must not import it, and must not miss a change either.
func productStatements(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/azuresql/statements.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "stmt") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		all[spec.Names[0].Name] = text
		return true
	})
	if len(all) < 11 {
		t.Fatalf("only %d statements found", len(all))
	}
	return all
}

// rows runs a query and returns its cells as text.
func rows(t *testing.T, db *sql.DB, text string, args ...any) ([][]string, error) {
	t.Helper()
	r, err := db.QueryContext(ctx(t), text, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cols, err := r.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for r.Next() {
		row, to := make([]sql.NullString, len(cols)), make([]any, len(cols))
		for i := range row {
			to[i] = &row[i]
		}
		if err := r.Scan(to...); err != nil {
			return nil, err
		}
		text := make([]string, len(cols))
		for i := range row {
			text[i] = row[i].String
		}
		all = append(all, text)
	}
	return all, r.Err()
}

func TestEveryProductStatementIsAnswered(t *testing.T) {
	c := &clock.Clock{}
	c.Advance(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Sub(c.Now()).Truncate(time.Second))
	tried := map[string]struct {
		master bool
		args   []any
		rows   [][]string
	}{
		"stmtDatabase":     {true, []any{sql.Named("name", "shop")}, [][]string{{"Shop", "ONLINE", "2030", "SQL_Latin1_General_CP1_CI_AS", "170"}}},
		"stmtDatabases":    {true, nil, [][]string{{"Shop", "ONLINE", "2030"}}},
		"stmtCreateCopy":   {true, nil, nil},
		"stmtCreateCopyAs": {true, nil, nil},
		"stmtDrop":         {true, nil, nil},
		"stmtMayCreate":    {true, nil, [][]string{{"1", "1"}}},
		"stmtRename":       {true, nil, nil},
		"stmtScale":        {true, nil, nil},
		"stmtSize":         {false, nil, [][]string{{"GeneralPurpose", "GP_Gen5_2", "34359738368"}}},
		"stmtGeoLinks":     {false, nil, [][]string{{"0"}}},
		"stmtPrincipals":   {false, nil, [][]string{{"app reader"}, {"Zoe"}}},
		"stmtObjects":      {false, nil, [][]string{{"tables", "2"}}},
		"stmtTables":       {false, nil, [][]string{{"dbo", "Or]ders", "10"}, {"Sales", "Empty", "0"}}},
		"stmtCount":        {false, nil, [][]string{{"10"}}},
		"stmtUsedBytes":    {false, nil, [][]string{{"24576"}}},
		"stmtRights":       {false, nil, [][]string{{"1", "1"}}},
		"stmtFilters":      {false, nil, [][]string{{"2", "3", "1"}}},
		"stmtHealth":       {false, nil, [][]string{{"0", "0", "0"}}},
		"stmtTableKinds":   {false, nil, [][]string{{"dbo", "Elsewhere", "true", "false", "false", "0", "false", "false", "false"}, {"dbo", "Kept", "false", "false", "true", "3", "false", "true", "true"}}},
		"stmtColumnKinds":  {false, nil, [][]string{{"dbo", "Or]ders", "Shape", "varbinary", "vector", "false", "false", "true", "false", "1"}}},
		"stmtHeaps":        {false, nil, [][]string{{"Sales", "Empty", "4294967296"}, {"dbo", "Or]ders", "16384"}}},
		"stmtReferences":   {false, nil, [][]string{{"dbo", "View", "", "Shop"}}},
		"stmtUnprinted":    {false, nil, [][]string{{"dbo", "Or]ders", "Shape", "varbinary", "vector", "0"}}},
		"stmtFingerprint":  {false, nil, [][]string{{"10", "2079033296"}}},
	}
	for name, want := range tried {
		t.Run(name, func(t *testing.T) {
			s := startShop(t, sqlserver.Config{Clock: c})
			if err := s.SetFilters("Shop", 2, 3); err != nil {
				t.Fatal(err)
			}
			if err := s.SetSpecials("Shop", specials()); err != nil {
				t.Fatal(err)
			}
			for _, who := range []string{"Zoe", "app reader"} {
				if err := s.AddPrincipal("Shop", who); err != nil {
					t.Fatal(err)
				}
			}
			text := productStatements(t)[name]
			if text == "" {
				t.Fatal("the product has no such statement")
			}
			text = strings.NewReplacer("{target}", "[Copy]", "{source}", "[Shop]", "{name}", "[Shop]", "{table}", "[dbo].[Or]]ders]",
				"{objective}", "GP_Gen5_2", "{to}", "[Old]", "{edition}", "GeneralPurpose", "{size}", "250 GB").Replace(text)
			database := "Shop"
			if want.master {
				database = "master"
			}
			got, err := rows(t, s.open(t, admin, database), text, want.args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range got {
				if want.master && len(row) > 2 { // the year is enough of the create date
					row[2], _, _ = strings.Cut(row[2], "-")
				}
			}
			if diff := cmp.Diff(want.rows, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	for name := range productStatements(t) {
		if _, ok := tried[name]; !ok {
			t.Errorf("the product's %s is not tried here", name)
		}
	}
}

// specials is something of each kind.
func specials() sqlserver.Specials {
	return sqlserver.Specials{
		Tables: []sqlserver.SpecialTable{
			{Schema: "dbo", Name: "Elsewhere", External: true},
			{Schema: "dbo", Name: "Kept", DroppedLedger: true, Ledger: 3, Edge: true, MemoryOptimized: true},
		},
		Columns:    []sqlserver.SpecialColumn{{Schema: "dbo", Table: "Or]ders", Name: "Shape", Type: "vector", Base: "varbinary", Hidden: true, Encrypted: true}},
		References: []sqlserver.Reference{{Schema: "dbo", Name: "View", Database: "Shop"}},
		Reserved:   map[string]int64{"Sales.Empty": 4 << 30},
	}
}

func TestOtherStatementsAreRefused(t *testing.T) {
	db := startShop(t, sqlserver.Config{}).open(t, admin, "Shop")
	for _, text := range []string{
		"SELECT 1;",
		"select count_big(*) from [dbo].[Or]]ders];",
		"SELECT COUNT_BIG(*) FROM dbo.[Or]]ders];",
		"SELECT COUNT_BIG(*) FROM [dbo].[Or]ders];",
		"SELECT COUNT_BIG(*) FROM [dbo].[Or]]ders]; DROP DATABASE [Shop];",
		"SELECT COUNT_BIG(*) FROM [dbo].[Or]]ders]",
		"CREATE DATABASE [x] AS COPY OF [Shop] (SERVICE_OBJECTIVE = 'S0', x = 'y');",
	} {
		_, err := rows(t, db, text)
		if diff := cmp.Diff([]int32{40510}, numbers(err)); diff != "" || !strings.Contains(err.Error(), "the SQL Server stand-in does not know this statement") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, err := rows(t, db, "\n SELECT  COUNT_BIG(*)\tFROM\n[dbo].[Or]]ders]; "); err != nil || got[0][0] != "10" {
		t.Errorf("white space counts: %v, %v", got, err)
	}
}

func TestParametersMustFit(t *testing.T) {
	db := startShop(t, sqlserver.Config{}).open(t, admin, "master")
	text := productStatements(t)["stmtDatabase"]
	for _, c := range []struct {
		args []any
		want int32
	}{
		{nil, 8178},
		{[]any{sql.Named("name", 5)}, 8178},
		{[]any{sql.Named("name", "Shop"), sql.Named("other", "x")}, 8145},
	} {
		if _, err := rows(t, db, text, c.args...); !cmp.Equal([]int32{c.want}, numbers(err)) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}

// The answer to the product's question is the table of rights.
func TestMayCreate(t *testing.T) {
	stmt := productStatements(t)["stmtMayCreate"]
	for who, want := range map[string][][]string{admin: {{"1", "1"}}, creator: {{"1", "0"}}, stranger: {{"0", "0"}}} {
		if got, err := rows(t, startShop(t, sqlserver.Config{}).open(t, who, "master"), stmt); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v, %v", who, got, err)
		}
	}
	if got, err := rows(t, startShop(t, sqlserver.Config{}).open(t, reader, "Shop"), stmt); err != nil || !cmp.Equal([][]string{{"", "0"}}, got) {
		t.Errorf("in a database dbmanager is no role: %v, %v", got, err)
	}
}

func TestRights(t *testing.T) {
	const model, readAll = "SELECT model FROM standin.model;", "SELECT * FROM [dbo].[Or]]ders];"
	st := productStatements(t)
	for _, c := range []struct {
		without, text string
		want          []int32
	}{
		{"sql/db_datareader", countOrders, []int32{229}},
		{"sql/db_datareader", readAll, []int32{229}},
		{"sql/VIEW DEFINITION", model, []int32{262}},
		{"sql/VIEW DATABASE STATE", st["stmtTables"], []int32{262, 297}},
		{"sql/VIEW DATABASE STATE", st["stmtUsedBytes"], []int32{262, 297}},
		{"sql/VIEW DATABASE STATE", st["stmtHeaps"], []int32{262, 297}},
		{"sql/db_datareader", strings.Replace(st["stmtFingerprint"], "{table}", "[dbo].[Or]]ders]", 1), []int32{229}},
		{"sql/SELECT sys.sql_expression_dependencies", st["stmtReferences"], []int32{229}},
		{"sql/VIEW DATABASE STATE", st["stmtGeoLinks"], []int32{262, 297}},
	} {
		taken := ""
		s := startShop(t, sqlserver.Config{Allow: func(p, action, scope string) bool { return action != taken && allow(p, action, scope) }})
		db := s.open(t, reader, "Shop")
		if _, err := rows(t, db, c.text); err != nil {
			t.Errorf("%s, with all rights: %v", c.text, err)
		}
		taken = c.without
		if _, err := rows(t, db, c.text); !cmp.Equal(c.want, numbers(err)) {
			t.Errorf("%s, without %s: %v", c.text, c.without, err)
		}
	}
	s := startShop(t, sqlserver.Config{Allow: func(p, action, scope string) bool {
		return action != "sql/db_datareader" && action != "sql/VIEW DEFINITION" && allow(p, action, scope)
	}})
	db := s.open(t, reader, "Shop")
	for text, want := range map[string][][]string{
		st["stmtTables"]: nil, st["stmtObjects"]: nil, st["stmtPrincipals"]: nil, st["stmtSize"]: {{"GeneralPurpose", "GP_Gen5_2", "34359738368"}},
		st["stmtRights"]: {{"0", "0"}}, st["stmtFilters"]: {{"0", "0", "0"}}} {
		if got, err := rows(t, db, text); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s, without both: %v, %v", text, got, err)
		}
	}
}
