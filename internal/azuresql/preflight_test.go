package azuresql_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// quiet answers what a preflight asks with nothing special.
func quiet(change map[string]rows) map[string]rows {
	one, zero := int64(1), int64(0)
	all := map[string]rows{
		"FILEPROPERTY": {data: [][]driver.Value{{int64(8192)}}}, "'SELECT'": {data: [][]driver.Value{{one, one}}},
		"security_policies": {data: [][]driver.Value{{zero, zero, one}}},
		"is_external":       {}, "is_filestream": {}, "reserved_page_count": {}, "sql_expression_dependencies": {},
	}
	for word, r := range change {
		all[word] = r
	}
	return all
}

func TestPreflightFindsSpecials(t *testing.T) {
	table := func(name string, flags string) []driver.Value { // external, file, dropped, node, edge, memory and ledger
		has := func(c string) driver.Value { return strings.Contains(flags, c) }
		var ledger driver.Value = int64(0)
		if strings.Contains(flags, "l") {
			ledger = int64(2)
		}
		return []driver.Value{"dbo", name, has("x"), has("f"), has("d"), ledger, has("n"), has("e"), has("m")}
	}
	column := func(name, base, kind, flags string) []driver.Value { // own type, filestream, hidden, sparse, encrypted
		has := func(c string) driver.Value { return strings.Contains(flags, c) }
		var encrypted driver.Value
		if strings.Contains(flags, "e") {
			encrypted = int64(1)
		}
		return []driver.Value{"dbo", "t", name, base, kind, has("o"), has("f"), has("h"), has("s"), encrypted}
	}
	var many [][]driver.Value
	for i := range 9 {
		many = append(many, table(fmt.Sprint("m", i), "m"))
	}
	for name, c := range map[string]struct {
		change                map[string]rows
		unsupported, warnings []string
	}{
		"nothing": {},
		"tables": {change: map[string]rows{"is_external": {data: [][]driver.Value{table("a", "x"), table("b", "f"), table("c", "dl"), table("d", "x"), table("e", "l"), table("f", "n"), table("g", "e"), table("h", "m")}}},
			unsupported: []string{
				"external tables, whose rows lie elsewhere: dbo.a, dbo.d", "file tables: dbo.b", "dropped ledger tables, which sqlpackage leaves out: dbo.c",
			},
			warnings: []string{
				"ledger tables, whose ledger a restore begins anew: dbo.e", "graph tables, whose data no archive of ours was ever confirmed with: dbo.f, dbo.g",
				"memory-optimised tables, which a restore to Basic, Standard or General Purpose refuses: dbo.h",
			}},
		"columns": {change: map[string]rows{"is_filestream": {data: [][]driver.Value{
			column("a", "varbinary", "vector", ""), column("b", "sql_variant", "ours", ""), column("c", "ours", "ours", "o"), column("d", "varbinary", "varbinary", "f"),
			column("e", "datetime2", "datetime2", "h"), column("f", "int", "int", "s"), column("g", "varchar", "varchar", "e"),
		}}},
			unsupported: []string{"FILESTREAM columns: dbo.t.d (varbinary)"},
			warnings: []string{
				"columns of types whose rows in an archive may not be verified: dbo.t.a (vector), dbo.t.b (ours), dbo.t.c (ours)",
				"hidden columns, which may not be verified: dbo.t.e (datetime2)", "sparse columns, which may not be verified: dbo.t.f (int)",
				"columns under Always Encrypted, which a restore needs the keys for: dbo.t.g (varchar)",
			}},
		"heaps": {change: map[string]rows{"reserved_page_count": {data: [][]driver.Value{{"dbo", "log", int64(5 << 30)}, {"dbo", "edge", int64(1 << 30)}, {"dbo", "small", int64(1<<30 - 1)}}}},
			warnings: []string{"large tables without a clustered index, which are slow to export: dbo.log (5120 MiB), dbo.edge (1024 MiB)"}},
		"references": {change: map[string]rows{"sql_expression_dependencies": {data: [][]driver.Value{{"dbo", "v", "", "Orders"}, {"", "", "far", "Other"}}}},
			warnings: []string{"objects that name a database, which sqlpackage may refuse (SQL71562): dbo.v to Orders, a trigger of the database to far.Other"}},
		"large":              {change: map[string]rows{"FILEPROPERTY": {data: [][]driver.Value{{int64(150e9)}}}}, warnings: []string{"the data takes 150 GB: sqlpackage exports databases under 200 GB best"}},
		"just not large":     {change: map[string]rows{"FILEPROPERTY": {data: [][]driver.Value{{int64(150e9 - 1)}}}}},
		"more than are told": {change: map[string]rows{"is_external": {data: many}}, warnings: []string{"memory-optimised tables, which a restore to Basic, Standard or General Purpose refuses: dbo.m0, dbo.m1, dbo.m2, dbo.m3, dbo.m4 and 4 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := server(t, script(quiet(c.change))).Preflight(t.Context(), "Orders")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.unsupported, got.Unsupported); diff != "" {
				t.Error("unsupported (-want +got):\n" + diff)
			}
			if diff := cmp.Diff(c.warnings, got.Warnings); diff != "" {
				t.Error("warnings (-want +got):\n" + diff)
			}
		})
	}
}

// That the references could not be looked for is told; every other refusal is an error.
func TestPreflightWithoutTheRightOnReferences(t *testing.T) {
	for number, code := range map[int32]bacvault.Code{229: "", 208: "", 916: bacvault.CodeSQLDenied, 207: bacvault.CodeSQLRefused} {
		f := script(quiet(nil))
		inner := f.answer
		f.answer = func(ctx context.Context, db, stmt string, n int) (rows, error) {
			if strings.Contains(stmt, "sql_expression_dependencies") {
				return rows{}, sqlError(number)
			}
			return inner(ctx, db, stmt, n)
		}
		got, err := server(t, f).Preflight(t.Context(), "Orders")
		if code != "" {
			if err == nil || !strings.Contains(err.Error(), string(code)) {
				t.Errorf("%d: %v", number, err)
			}
			continue
		}
		want := []string{"not looked for, for want of SELECT on sys.sql_expression_dependencies: objects that name a database"}
		if diff := cmp.Diff(want, got.Warnings); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

// A list that is cut and read again names nothing twice.
func TestPreflightReadsACutListAnew(t *testing.T) {
	f := script(quiet(nil))
	inner := f.answer
	f.answer = func(ctx context.Context, db, stmt string, n int) (rows, error) {
		if !strings.Contains(stmt, "reserved_page_count") {
			return inner(ctx, db, stmt, n)
		}
		r := rows{data: [][]driver.Value{{"dbo", "log", int64(1 << 30)}}}
		if n == 1 {
			r.err = io.ErrUnexpectedEOF
		}
		return r, nil
	}
	got, err := server(t, f).Preflight(t.Context(), "Orders")
	want := []string{"large tables without a clustered index, which are slow to export: dbo.log (1024 MiB)"}
	if diff := cmp.Diff(want, got.Warnings); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFingerprint(t *testing.T) {
	tables := []bacvault.Table{{Schema: "dbo", Name: "a"}, {Schema: "dbo", Name: "b]"}, {Schema: "dbo", Name: "c"}, {Schema: "dbo", Name: "d"}, {Schema: "dbo", Name: "e"}, {Schema: "dbo", Name: "f"}, {Schema: "dbo", Name: "g"}}
	f := &fake{}
	f.answer = func(_ context.Context, _, stmt string, n int) (rows, error) {
		switch {
		case strings.Contains(stmt, "generated_always_type"):
			return rows{data: [][]driver.Value{
				{"dbo", "a", "doc", "xml", "xml", int64(0)}, {"dbo", "a", "place", "geography", "geography", int64(0)},
				{"dbo", "c", "version", "timestamp", "timestamp", int64(0)}, {"dbo", "d", "from", "datetime2", "datetime2", int64(1)},
				{"dbo", "e", "j", "json", "json", int64(0)}, {"dbo", "nobody asked", "doc", "xml", "xml", int64(0)},
			}}, nil
		case strings.HasSuffix(stmt, "[dbo].[a];") && n == 1:
			return rows{}, sqlError(1205)
		case strings.HasSuffix(stmt, "[dbo].[a];"):
			return rows{data: [][]driver.Value{{int64(10), int64(-2)}}}, nil
		case strings.HasSuffix(stmt, "[dbo].[b]]];"):
			return rows{data: [][]driver.Value{{int64(0), nil}}}, nil
		case strings.HasSuffix(stmt, "[dbo].[f];"):
			return rows{}, sqlError(8184)
		case strings.HasSuffix(stmt, "[dbo].[g];"):
			return rows{data: [][]driver.Value{{int64(1), int64(255)}}}, nil
		}
		return rows{}, fmt.Errorf("asked %s", stmt)
	}
	of, leftOut, err := server(t, f).Fingerprint(t.Context(), "Orders", tables)
	if err != nil {
		t.Fatal(err)
	}
	want := map[bacvault.Table]string{tables[0]: "10:fffffffe", tables[1]: "0:00000000", tables[6]: "1:000000ff"}
	if diff := cmp.Diff(want, of); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	out := []string{
		"dbo.a.doc (xml)", "dbo.a.place (geography)", "dbo.c (rowversion column version is made anew by an import)",
		"dbo.d (column from is generated anew by an import)", "dbo.e (column j is json)", "dbo.f (no comparable column)",
	}
	if diff := cmp.Diff(out, leftOut); diff != "" {
		t.Error("left out (-want +got):\n" + diff)
	}
}

func TestFingerprintGivesAllOrNothing(t *testing.T) {
	f := script(map[string]rows{"generated_always_type": {}})
	inner := f.answer
	f.answer = func(ctx context.Context, db, stmt string, n int) (rows, error) {
		if strings.Contains(stmt, "CHECKSUM_AGG") {
			return rows{}, sqlError(229)
		}
		return inner(ctx, db, stmt, n)
	}
	of, leftOut, err := server(t, f).Fingerprint(t.Context(), "Orders", []bacvault.Table{{Schema: "dbo", Name: "a"}})
	fail := wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Terminal)
	if of != nil || leftOut != nil || !strings.Contains(fail.Detail, "dbo.a") {
		t.Errorf("%v, %v, %s", of, leftOut, fail.Detail)
	}
	if azuresql.FingerprintMethod == "" {
		t.Error("the method has no name")
	}
}
