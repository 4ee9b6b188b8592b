package azuresql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// script answers a statement by a word in it.
func script(answers map[string]rows) *fake {
	return &fake{answer: func(_ context.Context, _, stmt string, _ int) (rows, error) {
		for word, r := range answers {
			if strings.Contains(stmt, word) {
				return r, nil
			}
		}
		return rows{}, fmt.Errorf("no answer to %q", stmt)
	}}
}

func TestExistsAndDatabases(t *testing.T) {
	f := script(map[string]rows{
		"WHERE d.name =":  {data: [][]driver.Value{{"Orders", "ONLINE", created, "SQL_Latin1_General_CP1_CI_AS", int64(160)}}},
		"ORDER BY d.name": {data: [][]driver.Value{{"Orders", "ONLINE", created}, {"Stock", "COPYING", created}}},
	})
	s := server(t, f)
	info, there, err := s.Exists(t.Context(), "orders")
	want := azuresql.Info{Name: "Orders", State: "ONLINE", Created: created, Collation: "SQL_Latin1_General_CP1_CI_AS", Compatibility: 160}
	if err != nil || !there || info != want {
		t.Errorf("%+v, %t, %v", info, there, err)
	}
	all, err := s.Databases(t.Context())
	if err != nil || len(all) != 2 || all[1] != (azuresql.Info{Name: "Stock", State: "COPYING", Created: created}) {
		t.Errorf("%+v, %v", all, err)
	}
	if got := f.said("@name=orders"); len(got) != 1 || !strings.HasPrefix(got[0], "master: ") {
		t.Errorf("the name is no parameter, or not asked in master: %q", f.sent)
	}
}

func TestReadsAreTriedAgain(t *testing.T) {
	dead := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	for name, c := range map[string]struct {
		errs  []error // one for each try; success after that
		code  bacvault.Code
		class bacvault.Class
		tries int
	}{
		"throttled":               {errs: []error{sqlError(40501), sqlError(10928), sqlError(49920)}, tries: 4},
		"throttled for good":      {errs: []error{sqlError(40501), sqlError(40501), sqlError(40501), sqlError(40501)}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, tries: 4},
		"cut":                     {errs: []error{io.EOF, dead, mssql.StreamError{InnerError: io.EOF}}, tries: 4},
		"resuming":                {errs: []error{sqlError(40613, 18456)}, tries: 2},
		"login refused":           {errs: []error{sqlError(18456)}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, tries: 1},
		"firewall":                {errs: []error{sqlError(40615)}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, tries: 1},
		"syntax":                  {errs: []error{sqlError(102)}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, tries: 1},
		"nobody knows":            {errs: []error{sqlError(45678)}, code: bacvault.CodeSQLRefused, class: bacvault.Retry, tries: 1},
		"database opens late":     {errs: []error{sqlError(4060, 18456), sqlError(4060, 18456)}, tries: 3},
		"database can't be found": {errs: []error{sqlError(4060), sqlError(4060), sqlError(4060), sqlError(4060)}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused, tries: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(_ context.Context, _, stmt string, n int) (rows, error) {
				if strings.Contains(stmt, "sys.databases") {
					return rows{}, nil
				}
				if n <= len(c.errs) {
					return rows{}, c.errs[n-1]
				}
				return rows{data: [][]driver.Value{{int64(0), int64(1), int64(2)}}}, nil
			}}
			h, err := server(t, f).Health(t.Context(), "Orders")
			if c.code != "" {
				wantFailure(t, err, c.code, c.class)
			} else if err != nil || h != (azuresql.Health{UntrustedForeignKeys: 1, UntrustedChecks: 2}) {
				t.Errorf("%+v, %v", h, err)
			}
			if got := f.said("is_disabled"); len(got) != c.tries {
				t.Errorf("asked %d times, want %d", len(got), c.tries)
			}
		})
	}
}

// The server answers 4060 for a database that is not there and for one that the identity may not open.
func TestDatabaseThatIsThereAndClosedIsDenied(t *testing.T) {
	f := &fake{answer: func(_ context.Context, db, _ string, _ int) (rows, error) {
		if db == "master" {
			return inState("ONLINE"), nil
		}
		return rows{}, sqlError(4060, 18456)
	}}
	_, err := server(t, f).Health(t.Context(), "Orders")
	wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Terminal)
}

func TestReadStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &fake{answer: func(context.Context, string, string, int) (rows, error) {
		cancel(errors.New("lease lost"))
		return rows{}, sqlError(40501)
	}}
	_, err := server(t, f).Databases(ctx)
	if err == nil || !strings.Contains(err.Error(), "lease lost") || len(f.sent) != 1 {
		t.Errorf("error is %v after %d tries", err, len(f.sent))
	}
}

func TestCount(t *testing.T) {
	f := &fake{}
	f.answer = func(_ context.Context, db, stmt string, n int) (rows, error) {
		switch {
		case db != "Orders":
			return rows{}, fmt.Errorf("asked in %s", db)
		case strings.Contains(stmt, "sys.tables") && n == 1: // cut after the first table
			return rows{data: [][]driver.Value{{"dbo", "a", int64(5)}}, err: io.ErrUnexpectedEOF}, nil
		case strings.Contains(stmt, "sys.tables"):
			r := rows{data: [][]driver.Value{{"dbo", "a", int64(5)}, {"dbo", "odd]name", int64(0)}}}
			for i := range 20 {
				r.data = append(r.data, []driver.Value{"s", fmt.Sprint("t", i), int64(7)})
			}
			return r, nil
		case n == 1 && strings.Contains(stmt, "t7"):
			return rows{}, sqlError(1205)
		}
		time.Sleep(2 * time.Millisecond)
		return rows{data: [][]driver.Value{{map[bool]int64{true: 4, false: 1}[strings.HasSuffix(stmt, "[dbo].[odd]]name];")]}}}, nil
	}
	got, err := server(t, f).Count(t.Context(), "Orders")
	if err != nil {
		t.Fatal(err)
	}
	want := bacvault.Rows{{Schema: "dbo", Name: "a"}: 1, {Schema: "dbo", Name: "odd]name"}: 4}
	for i := range 20 {
		want[bacvault.Table{Schema: "s", Name: fmt.Sprint("t", i)}] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("rows (-want +got):\n" + diff)
	}
	if f.most < 2 || f.most > 3 {
		t.Errorf("%d tables at once, want 2 to 3", f.most)
	}
}

func TestCountGivesAllOrNothing(t *testing.T) {
	f := &fake{answer: func(_ context.Context, _, stmt string, _ int) (rows, error) {
		switch {
		case strings.Contains(stmt, "sys.tables"):
			return rows{data: [][]driver.Value{{"dbo", "a", int64(5)}, {"dbo", "b", int64(5)}, {"dbo", "c", int64(5)}}}, nil
		case strings.Contains(stmt, "[b]"):
			return rows{}, sqlError(229)
		}
		return rows{data: [][]driver.Value{{int64(5)}}}, nil
	}}
	got, err := server(t, f).Count(t.Context(), "Orders")
	fail := wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Terminal)
	if got != nil || !strings.Contains(fail.Detail, "dbo.b") {
		t.Errorf("%v, %s", got, fail.Detail)
	}
}

func TestPreflight(t *testing.T) {
	one, zero := int64(1), int64(0)
	for name, c := range map[string]struct {
		used, rights, filters []driver.Value
		want                  azuresql.Facts
		code                  bacvault.Code
	}{
		"all well": {[]driver.Value{int64(8192)}, []driver.Value{one, one}, []driver.Value{zero, zero, one},
			azuresql.Facts{UsedBytes: 8192, CanSelect: true, CanViewDefinition: true, Unmask: true}, ""},
		"no rights, filters": {[]driver.Value{int64(8192)}, []driver.Value{zero, zero}, []driver.Value{int64(2), int64(3), zero},
			azuresql.Facts{UsedBytes: 8192, SecurityPolicies: 2, MaskedColumns: 3}, ""},
		"NULL counts as no": {[]driver.Value{int64(8192)}, []driver.Value{nil, nil}, []driver.Value{zero, zero, nil},
			azuresql.Facts{UsedBytes: 8192}, ""},
		"size unknown": {[]driver.Value{nil}, []driver.Value{one, one}, []driver.Value{zero, zero, one}, azuresql.Facts{}, bacvault.CodeSQLRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := script(map[string]rows{
				"FILEPROPERTY": {data: [][]driver.Value{c.used}}, "'SELECT'": {data: [][]driver.Value{c.rights}}, "security_policies": {data: [][]driver.Value{c.filters}},
				"is_external": {}, "is_filestream": {}, "reserved_page_count": {}, "sql_expression_dependencies": {},
			})
			got, err := server(t, f).Preflight(t.Context(), "Orders")
			if c.code != "" {
				wantFailure(t, err, c.code, bacvault.Terminal)
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestCopiesAreKnownByTheirNames(t *testing.T) {
	f := script(map[string]rows{"ORDER BY d.name": {data: [][]driver.Value{
		{"Orders", "ONLINE", created}, {"Orders_bacvault_copy_20261124020000", "COPYING", created},
		{"Orders_bacvault_copy_2026", "ONLINE", created}, {"_bacvault_copy_20261124020000", "ONLINE", created},
	}}})
	got, err := server(t, f).Copies(t.Context())
	if diff := cmp.Diff([]azuresql.Info{{Name: "Orders_bacvault_copy_20261124020000", State: "COPYING", Created: created}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestClosedServerAnswersNothing(t *testing.T) {
	f := &fake{}
	s := server(t, f)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Databases(t.Context()); err == nil || len(f.sent) > 0 {
		t.Errorf("error %v, sent %q", err, f.sent)
	}
}

// Statements is what a stand-in's list is held against, so it must hold every constant.
func TestEveryStatementIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "statements.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	listed := azuresql.Statements()
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !slices.Contains(listed, text) {
				t.Errorf("%s is not listed", lit.Value)
			}
			constants++
		}
		return true
	})
	if constants == 0 || len(listed) != constants {
		t.Errorf("%d statements are listed, %d are there", len(listed), constants)
	}
}
