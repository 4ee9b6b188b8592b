package sqlserver_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"

	"golang.org/x/text/encoding/charmap"
)

// load bulk-loads rows in a transaction, as an import does.
func load(t *testing.T, db *sql.DB, table string, columns []string, data [][]any) error {
	t.Helper()
	tx, err := db.BeginTx(ctx(t), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx(t), mssql.CopyIn(table, mssql.BulkOptions{}, columns...))
	if err != nil {
		return err
	}
	for _, row := range data {
		if _, err := stmt.ExecContext(ctx(t), row...); err != nil {
			return err
		}
	}
	res, err := stmt.ExecContext(ctx(t))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != int64(len(data)) {
		return fmt.Errorf("%d rows loaded of %d: %v", n, len(data), err)
	}
	return tx.Commit()
}

// read returns a table as the driver hands it out, and its columns.
func read(t *testing.T, db *sql.DB, table string) ([][]any, []*sql.ColumnType) {
	t.Helper()
	r, err := db.QueryContext(ctx(t), "SELECT * FROM "+table+";")
	if err != nil {
		t.Fatalf("read %s: %v", table, err)
	}
	defer r.Close()
	types, err := r.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]any
	for r.Next() {
		row, to := make([]any, len(types)), make([]any, len(types))
		for i := range row {
			to[i] = &row[i]
		}
		if err := r.Scan(to...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := r.Err(); err != nil {
		t.Fatalf("read %s: %v", table, err)
	}
	return all, types
}

// loadable turns what the driver read into what CopyIn takes for columns of the target's types: decimals are text, varchar is
// bytes of the code page.
func loadable(t *testing.T, data [][]any, target []*sql.ColumnType) [][]any {
	t.Helper()
	out := make([][]any, len(data))
	for i, row := range data {
		out[i] = slices.Clone(row)
		for at, v := range row {
			switch name := target[at].DatabaseTypeName(); name {
			case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY":
				if x, ok := v.([]byte); ok {
					out[i][at] = string(x)
				}
			case "VARCHAR", "CHAR":
				if x, ok := v.(string); ok {
					out[i][at] = codePage(t, x)
				}
			}
		}
	}
	return out
}

// codePage encodes as Windows does, five control characters included.
func codePage(t *testing.T, s string) []byte {
	t.Helper()
	b := []byte{}
	for _, r := range s {
		c, ok := charmap.Windows1252.EncodeRune(r)
		switch {
		case !ok && r < 0xA0:
			c = byte(r)
		case !ok:
			t.Fatalf("code page 1252 has no %q", r)
		}
		b = append(b, c)
	}
	return b
}

func quoted(parts ...string) string {
	for i, p := range parts {
		parts[i] = "[" + strings.ReplaceAll(p, "]", "]]") + "]"
	}
	return strings.Join(parts, ".")
}
