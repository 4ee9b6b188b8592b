package sqlserver_test

import (
	"database/sql"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

func utc(y, m, d, h, min, s, ns int) time.Time {
	return time.Date(y, time.Month(m), d, h, min, s, ns, time.UTC)
}

var zone = time.FixedZone("", -150*60)

// kinds are all column types: what is stored, and what the driver makes of it where that is something else.
var kinds = []struct {
	column bacpacfile.Column
	stored any
	driver any
}{
	{bacpacfile.Column{Type: "tinyint"}, int64(255), nil},
	{bacpacfile.Column{Type: "smallint"}, int64(math.MinInt16), nil},
	{bacpacfile.Column{Type: "int"}, int64(math.MinInt32), nil},
	{bacpacfile.Column{Type: "bigint"}, int64(math.MaxInt64), nil},
	{bacpacfile.Column{Type: "bit"}, true, nil},
	{bacpacfile.Column{Type: "real"}, float32(1.5), 1.5},
	{bacpacfile.Column{Type: "float", Precision: 53}, -0.1, nil},
	{bacpacfile.Column{Type: "decimal", Precision: 38, Scale: 6}, "-99999999999999999999999999999999.000001", []byte("-99999999999999999999999999999999.000001")},
	{bacpacfile.Column{Type: "numeric", Precision: 5}, "-99999", []byte("-99999")},
	{bacpacfile.Column{Type: "money"}, "-922337203685477.5808", []byte("-922337203685477.5808")},
	{bacpacfile.Column{Type: "smallmoney"}, "214748.3647", []byte("214748.3647")},
	{bacpacfile.Column{Type: "date"}, utc(9999, 12, 31, 0, 0, 0, 0), nil},
	{bacpacfile.Column{Type: "time", Scale: 7}, utc(1, 1, 1, 23, 59, 59, 999999900), nil},
	{bacpacfile.Column{Type: "datetime2", Scale: 7}, utc(1, 1, 1, 0, 0, 0, 100), nil},
	{bacpacfile.Column{Type: "datetimeoffset", Scale: 7}, time.Date(2026, 3, 1, 1, 30, 0, 100, zone), nil},
	{bacpacfile.Column{Type: "datetime"}, utc(1753, 1, 1, 0, 0, 0, 3333300), utc(1753, 1, 1, 0, 0, 0, 3000000)}, // the driver rounds to ms
	{bacpacfile.Column{Type: "smalldatetime"}, utc(2079, 6, 6, 23, 59, 0, 0), nil},
	{bacpacfile.Column{Type: "uniqueidentifier"}, [16]byte{1, 2, 3, 15: 16}, []byte{1, 2, 3, 15: 16}},
	{bacpacfile.Column{Type: "char", Length: 5}, "é    ", nil},
	{bacpacfile.Column{Type: "nchar", Length: 5}, "日本   ", nil},
	{bacpacfile.Column{Type: "varchar", Length: 9}, "naïve €", nil},
	{bacpacfile.Column{Type: "nvarchar", Length: 5}, "a😀bc", nil},
	{bacpacfile.Column{Type: "varchar", Length: -1}, strings.Repeat("é", 9000), nil},
	{bacpacfile.Column{Type: "nvarchar", Length: -1}, strings.Repeat("日", 9000), nil},
	{bacpacfile.Column{Type: "text"}, "text", nil},
	{bacpacfile.Column{Type: "ntext"}, "日", nil},
	{bacpacfile.Column{Type: "xml"}, "<a>é</a>", nil},
	{bacpacfile.Column{Type: "binary", Length: 3}, []byte{1, 2, 0}, nil},
	{bacpacfile.Column{Type: "varbinary", Length: 3}, []byte{1, 2}, nil},
	{bacpacfile.Column{Type: "varbinary", Length: -1}, []byte{}, nil},
	{bacpacfile.Column{Type: "image"}, []byte{1}, nil},
	{bacpacfile.Column{Type: "rowversion"}, []byte{0, 0, 0, 0, 0, 0, 7, 209}, nil},
	{bacpacfile.Column{Type: "hierarchyid"}, []byte{0x58}, nil},
	{bacpacfile.Column{Type: "geography"}, []byte{1, 2, 3}, nil},
}

// TestEveryTypeBothWays reads each type and bulk-loads what was read into a second table, under which it must be the same.
func TestEveryTypeBothWays(t *testing.T) {
	from := bacpacfile.TableData{Table: bacpacfile.Table{Schema: "dbo", Name: "From"}, Rows: make([][]any, 2)}
	var columns []string
	var want []any
	for i, k := range kinds {
		k.column.Name, k.column.Nullable = fmt.Sprint("c", i), k.column.Type != "rowversion"
		from.Table.Columns = append(from.Table.Columns, k.column)
		columns = append(columns, k.column.Name)
		null := any(nil)
		if k.column.Type == "rowversion" {
			null = k.stored
		}
		from.Rows[0], from.Rows[1] = append(from.Rows[0], k.stored), append(from.Rows[1], null)
		if k.driver == nil {
			k.driver = k.stored
		}
		want = append(want, k.driver)
	}
	to := from
	to.Table.Name, to.Rows = "To", nil
	s := start(t, sqlserver.Config{})
	if err := s.Load("Types", &bacpacfile.File{Tables: []bacpacfile.TableData{from, to}}); err != nil {
		t.Fatal(err)
	}
	db := s.open(t, admin, "Types")
	got, _ := read(t, db, "[dbo].[From]")
	equal := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Format("-07:00") == b.Format("-07:00") })
	if diff := cmp.Diff(want, got[0], equal); diff != "" {
		t.Errorf("read (-want +got)\n%s", diff)
	}
	_, types := read(t, db, "[dbo].[To]")
	if err := load(t, db, "[dbo].[To]", columns, loadable(t, got, types)); err != nil {
		t.Fatal(err)
	}
	if again, _ := read(t, db, "[dbo].[To]"); !reflect.DeepEqual(got, again) {
		t.Errorf("read again (-want +got)\n%s", cmp.Diff(got, again))
	}
}

func TestAnotherCollationIsReadWhole(t *testing.T) {
	table := bacpacfile.Table{Schema: "dbo", Name: "T", Columns: []bacpacfile.Column{
		{Name: "short", Type: "varchar", Length: 20}, {Name: "long", Type: "char", Length: 5000}, {Name: "text", Type: "text"}, {Name: "plain", Type: "varchar", Length: 5},
	}}
	row := []any{"Привет", "日" + strings.Repeat(" ", 4999), "M\u0081nchen", "é"}
	s := start(t, sqlserver.Config{})
	if err := s.Load("T", &bacpacfile.File{Tables: []bacpacfile.TableData{{Table: table, Rows: [][]any{row}}}}); err != nil {
		t.Fatal(err)
	}
	got, types := read(t, s.open(t, admin, "T"), "[dbo].[T]")
	if diff := cmp.Diff([][]any{row}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"NVARCHAR", "NVARCHAR", "NVARCHAR", "VARCHAR"}, typeNames(types)); diff != "" {
		t.Errorf("types (-want +got)\n%s", diff)
	}
}

func typeNames(types []*sql.ColumnType) (names []string) {
	for _, c := range types {
		names = append(names, c.DatabaseTypeName())
	}
	return names
}

func TestTypesWithoutAFormAreRefusedAtLoad(t *testing.T) {
	s := start(t, sqlserver.Config{})
	table := bacpacfile.Table{Schema: "dbo", Name: "T", Columns: []bacpacfile.Column{{Name: "v", Type: "sql_variant"}}}
	err := s.Load("T", &bacpacfile.File{Tables: []bacpacfile.TableData{{Table: table}}})
	if err == nil || !strings.Contains(err.Error(), "column v of dbo.T") {
		t.Errorf("load: %v", err)
	}
}
