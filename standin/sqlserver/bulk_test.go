package sqlserver_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

func TestRealBacpacsSurviveReadAndLoad(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/bacpacs/*.bacpac")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d bacpacs, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".bacpac")
		t.Run(name, func(t *testing.T) {
			s := start(t, sqlserver.Config{})
			if err := s.LoadFile(name, path); err != nil {
				t.Fatal(err)
			}
			want := map[string]int64{}
			raw, err := os.ReadFile(strings.TrimSuffix(path, ".bacpac") + ".rows.json")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.Rows(name); !cmp.Equal(want, got) {
				t.Fatalf("own count\n%s", cmp.Diff(want, got))
			}
			source := s.open(t, admin, name)
			if diff := cmp.Diff(want, listed(t, source)); diff != "" {
				t.Errorf("counts asked over TDS (-want +got)\n%s", diff)
			}
			imported(t, s, source, want)
		})
	}
}

// listed asks for the tables and counts each.
func listed(t *testing.T, db *sql.DB) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	tables, err := rows(t, db, productStatements(t)["stmtTables"])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range tables {
		n := value[int64](t, db, "SELECT COUNT_BIG(*) FROM "+quoted(row[0], row[1])+";")
		if fmt.Sprint(n) != row[2] {
			t.Errorf("%s.%s: %d counted, %s by statistics", row[0], row[1], n, row[2])
		}
		counts[row[0]+"."+row[1]] = n
	}
	return counts
}

// imported makes a second database from the model, loads every row of the first, and compares.
func imported(t *testing.T, s stand, source *sql.DB, tables map[string]int64) {
	t.Helper()
	const health = "stmtHealth"
	if _, err := s.open(t, creator, "master").ExecContext(ctx(t), "CREATE DATABASE [New];"); err != nil {
		t.Fatal(err)
	}
	target := s.open(t, creator, "New")
	model := value[[]byte](t, source, "SELECT model FROM standin.model;")
	if _, err := target.ExecContext(ctx(t), "EXEC standin.create_from_model @model;", sql.Named("model", model)); err != nil {
		t.Fatal(err)
	}
	if n := value[int64](t, target, "SELECT COUNT_BIG(*) FROM sys.objects WHERE is_ms_shipped = 0 AND type = 'U';"); n != int64(len(tables)) {
		t.Errorf("%d tables, want %d", n, len(tables))
	}
	if got, err := rows(t, target, productStatements(t)[health]); err != nil || got[0][0] == "0" {
		t.Errorf("indexes disabled in an import: %v, %v", got, err)
	}
	for name := range tables {
		schema, table, _ := strings.Cut(name, ".")
		data, types := read(t, source, quoted(schema, table))
		columns := make([]string, len(types))
		for i := range types {
			columns[i] = types[i].Name()
		}
		if len(data) > 0 {
			_, types := read(t, target, quoted(schema, table))
			if err := load(t, target, quoted(schema, table), columns, loadable(t, data, types)); err != nil {
				t.Fatalf("load %s: %v", name, err)
			}
		}
		if again, _ := read(t, target, quoted(schema, table)); !reflect.DeepEqual(data, again) { // cmp.Equal takes seconds for this
			t.Errorf("%s differs\n%s", name, cmp.Diff(data, again))
		}
	}
	if _, err := target.ExecContext(ctx(t), "EXEC standin.enable_indexes;"); err != nil {
		t.Fatal(err)
	}
	if got, err := rows(t, target, productStatements(t)[health]); err != nil || !cmp.Equal([][]string{{"0", "0", "0"}}, got) {
		t.Errorf("health at the end: %v, %v", got, err)
	}
	if got := value[[]byte](t, target, "SELECT model FROM standin.model;"); !bytes.Equal(model, got) {
		t.Error("the model's bytes changed")
	}
}

func TestBigValuesBothWays(t *testing.T) {
	big := bacpacfile.Table{Schema: "dbo", Name: "Big", Columns: []bacpacfile.Column{
		{Name: "b", Type: "varbinary", Length: -1, Nullable: true}, {Name: "n", Type: "nvarchar", Length: -1, Nullable: true},
	}}
	s := start(t, sqlserver.Config{})
	if err := s.Load("Big", &bacpacfile.File{Tables: []bacpacfile.TableData{{Table: big}}}); err != nil {
		t.Fatal(err)
	}
	db := s.open(t, admin, "Big")
	want := [][]any{{bytes.Repeat([]byte{1, 2, 3}, 1<<20), strings.Repeat("日本", 1<<19)}, {[]byte{}, ""}, {nil, nil}}
	if err := load(t, db, "[dbo].[Big]", []string{"b", "n"}, want); err != nil {
		t.Fatal(err)
	}
	got, _ := read(t, db, "[dbo].[Big]")
	if len(got) != 3 || !bytes.Equal(got[0][0].([]byte), want[0][0].([]byte)) || got[0][1] != want[0][1] || !cmp.Equal(want[1:], got[1:]) {
		t.Error("a big value changed")
	}
}

func TestBulkLoadRefusals(t *testing.T) {
	table := bacpacfile.Table{Schema: "dbo", Name: "T", Columns: []bacpacfile.Column{
		{Name: "Id", Type: "int"}, {Name: "Code", Type: "char", Length: 3, Nullable: true}, {Name: "Raw", Type: "varbinary", Length: 2, Nullable: true},
		{Name: "Version", Type: "rowversion"},
	}}
	for _, c := range []struct {
		name, principal string
		columns         []string
		row             []any
		want            []int32
	}{
		{"good, padded", admin, []string{"Id", "Code"}, []any{int64(1), "a"}, nil},
		{"NULL where none may be", admin, []string{"Code"}, []any{"a"}, []int32{515}},
		{"text too long", admin, []string{"Id", "Code"}, []any{int64(1), "abcd"}, []int32{2628}},
		{"bytes too long", admin, []string{"Id", "Raw"}, []any{int64(1), []byte{1, 2, 3}}, []int32{2628}},
		{"no owner", reader, []string{"Id"}, []any{int64(1)}, []int32{229}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, sqlserver.Config{})
			if err := s.Load("Shop", &bacpacfile.File{Tables: []bacpacfile.TableData{{Table: table}}}); err != nil {
				t.Fatal(err)
			}
			db := s.open(t, c.principal, "Shop")
			err := load(t, db, "[dbo].[T]", c.columns, [][]any{c.row, c.row})
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || (err == nil) != (c.want == nil) {
				t.Fatalf("%v (-want +got)\n%s", err, diff)
			}
			got, _ := read(t, db, "[dbo].[T]")
			var want [][]any
			if c.want == nil {
				want = [][]any{{int64(1), "a  ", nil, []byte{7: 1}}, {int64(1), "a  ", nil, []byte{7: 2}}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stored rows (-want +got)\n%s", diff)
			}
		})
	}
}

func TestTransactionIsSeenByOthersAtItsCommit(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	db := s.open(t, admin, "Shop")
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(ctx(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		stmt, err := tx.Prepare(mssql.CopyIn("[dbo].[Or]]ders]", mssql.BulkOptions{Tablock: true}, "Id"))
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]any{{int64(11)}, {}} {
			if _, err := stmt.Exec(args...); err != nil {
				t.Fatal(err)
			}
		}
		var own int64
		if err := tx.QueryRow(countOrders).Scan(&own); err != nil || own != 11 {
			t.Errorf("inside: %d, %v", own, err)
		}
		if n := value[int64](t, s.open(t, reader, "Shop"), countOrders); n != 10 {
			t.Errorf("outside: %d", n)
		}
		end := tx.Rollback
		want := int64(10)
		if commit {
			end, want = tx.Commit, 11
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if n := value[int64](t, db, countOrders); n != want {
			t.Errorf("commit %v: %d", commit, n)
		}
	}
}
