package azuresql_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/azuresql"
)

// A constant under another name, or one that is missing, would make a trace lie.
func TestConstantsAreThoseOfTheSource(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "statements.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if want[v.Names[0].Name], err = strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(want, azuresql.Constants()); diff != "" || len(want) < 20 {
		t.Errorf("%d constants (-want +got):\n%s", len(want), diff)
	}
}

func TestATraceNamesTheConstant(t *testing.T) {
	name := azuresql.Namer()
	for text, want := range map[string]string{
		"CREATE DATABASE [a] AS COPY OF [b];":                                                           "stmtCreateCopy",
		"CREATE DATABASE [a]]; x] AS COPY OF [b];":                                                      "stmtCreateCopy",
		"CREATE DATABASE [a] AS COPY OF [b] (SERVICE_OBJECTIVE = 'S0');":                                "stmtCreateCopyAs",
		"ALTER DATABASE [a] MODIFY NAME = [b];":                                                         "stmtRename",
		"ALTER DATABASE [a] MODIFY (EDITION = 'Basic', SERVICE_OBJECTIVE = 'Basic', MAXSIZE = 500 MB);": "stmtScale",
		"DROP DATABASE [a b];":                                                                          "stmtDrop",
		"SELECT COUNT_BIG(*) FROM [dbo].[t];":                                                           "stmtCount",
		"SELECT COUNT_BIG(*), CHECKSUM_AGG(BINARY_CHECKSUM(*)) FROM [dbo].[t];":                         "stmtFingerprint",
		azuresql.Constants()["stmtObjects"]:                                                             "stmtObjects",
		"DROP DATABASE a;":                                                                              "DROP DATABASE a;",
		"SELECT COUNT_BIG(*) FROM [t];":                                                                 "SELECT COUNT_BIG(*) FROM [t];",
		"CREATE DATABASE [a] AS COPY OF [b]; DROP DATABASE [b];":                                        "CREATE DATABASE [a] AS COPY OF [b]; DROP DATABASE [b];",
	} {
		if got := name(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, constant := range slices.Sorted(maps.Keys(azuresql.Constants())) {
		text := azuresql.Filled(azuresql.Constants()[constant])
		if got := name(text); got != constant {
			t.Errorf("%s was taken for %s", constant, got)
		}
	}
}
