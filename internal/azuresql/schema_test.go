package azuresql_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestSchema(t *testing.T) {
	f := &fake{answer: func(_ context.Context, db, stmt string, n int) (rows, error) {
		switch {
		case db == "master" && strings.HasSuffix(stmt, "@name=a]b'c"):
			return rows{data: [][]driver.Value{{"a]b'c", "ONLINE", created, "Latin1_General_100_CI_AS_SC", int64(150)}}}, nil
		case db == "a]b'c" && strings.Contains(stmt, "FROM (SELECT CASE o.type") && n == 1: // cut after the first kind
			return rows{data: [][]driver.Value{{"views", int64(9)}}, err: io.ErrUnexpectedEOF}, nil
		case db == "a]b'c" && strings.Contains(stmt, "FROM (SELECT CASE o.type"):
			return rows{data: [][]driver.Value{{"indexes", int64(4)}, {"rules", int64(7)}, {"tables", int64(3)}}}, nil
		case db == "a]b'c" && strings.Contains(stmt, "database_principals") && n == 1:
			return rows{data: [][]driver.Value{{"zoe"}}, err: io.ErrUnexpectedEOF}, nil
		case db == "a]b'c" && strings.Contains(stmt, "database_principals"):
			return rows{data: [][]driver.Value{{"app"}, {"Zoe"}, {"reader"}}}, nil
		}
		return rows{}, fmt.Errorf("no answer to %q in %s", stmt, db)
	}}
	got, err := server(t, f).Schema(t.Context(), "a]b'c")
	want := bacvault.Schema{Collation: "Latin1_General_100_CI_AS_SC", CompatibilityLevel: 150, Objects: map[bacvault.ObjectKind]int{}, Principals: []string{"Zoe", "app", "reader"}}
	for _, k := range bacvault.ObjectKinds() {
		want.Objects[k] = 0
	}
	want.Objects[bacvault.Tables], want.Objects[bacvault.Indexes] = 3, 4
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Half a schema would look like a database that lost what is not in it.
func TestSchemaIsWholeOrAnError(t *testing.T) {
	for name, c := range map[string]struct {
		word  string // of the statement that fails
		err   error
		code  bacvault.Code
		class bacvault.Class
	}{
		"no database":           {"sys.databases", nil, bacvault.CodeSQLNotFound, bacvault.Refused},
		"objects not readable":  {"CASE o.type", sqlError(229), bacvault.CodeSQLDenied, bacvault.Terminal},
		"users not readable":    {"database_principals", sqlError(229), bacvault.CodeSQLDenied, bacvault.Terminal},
		"objects cut each time": {"CASE o.type", io.EOF, bacvault.CodeSQLUnreachable, bacvault.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(_ context.Context, _, stmt string, _ int) (rows, error) {
				switch {
				case strings.Contains(stmt, c.word):
					return rows{}, c.err
				case strings.Contains(stmt, "sys.databases"):
					return inState("ONLINE"), nil
				}
				return rows{}, nil
			}}
			got, err := server(t, f).Schema(t.Context(), "Orders")
			wantFailure(t, err, c.code, c.class)
			if diff := cmp.Diff(bacvault.Schema{}, got); diff != "" {
				t.Error("beside the error it gives (-want +got):\n" + diff)
			}
		})
	}
}

func TestGeoLinks(t *testing.T) {
	f := script(map[string]rows{"dm_geo_replication_link_status": {data: [][]driver.Value{{int64(2)}}}})
	if n, err := server(t, f).GeoLinks(t.Context(), "Orders"); err != nil || n != 2 || f.sent[0][:8] != "Orders: " {
		t.Errorf("%d, %v by %q", n, err, f.sent)
	}
	f = &fake{answer: func(context.Context, string, string, int) (rows, error) { return rows{}, sqlError(262) }}
	_, err := server(t, f).GeoLinks(t.Context(), "Orders")
	wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Terminal)
	_, err = server(t, f).GeoLinks(t.Context(), "master")
	wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
}
