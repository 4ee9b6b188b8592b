package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const statements = "internal/azuresql/statements.go"

// docs/tsql.md has a row for each constant, with a purpose and a page, and none for one that is not there.
func TestEveryStatementHasItsPage(t *testing.T) {
	atTop(t)
	text := page(t, "docs/tsql.md")
	var names []string
	for name := range constants(t, statements) {
		names = append(names, name)
	}
	if len(names) < 20 {
		t.Fatalf("only %d constants were found", len(names))
	}
	documented := rows(text)
	same(t, "docs/tsql.md", documented, names)
	if len(documented) != len(names) {
		t.Errorf("%d rows for %d constants", len(documented), len(names))
	}
	micro := regexp.MustCompile(`\]\(https://learn\.microsoft\.com/[^)]+\)`)
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "| `stmt") {
			continue
		}
		if cells := strings.Split(strings.Trim(line, "| "), " | "); len(cells) != 3 || cells[1] == "" || !micro.MatchString(cells[2]) {
			t.Errorf("not a constant, a purpose and a page: %s", line)
		}
	}
}

// A system view or a function that a statement uses stands in one of the pages of its row, so that a page is never only decoration.
func TestAStatementsPageIsAboutIt(t *testing.T) {
	atTop(t)
	text := page(t, "docs/tsql.md")
	for name, stmt := range constants(t, statements) {
		_, row, _ := strings.Cut(text, "| `"+name+"` |")
		row, _, _ = strings.Cut(row, "\n")
		found := false
		for _, m := range regexp.MustCompile(`\[([^\]]+)\]\(`).FindAllStringSubmatch(row, -1) {
			word, _, _ := strings.Cut(m[1], ",")
			found = found || strings.Contains(strings.ToUpper(stmt), strings.ToUpper(word))
		}
		if !found {
			t.Errorf("%s: none of its pages is about a word in it", name)
		}
	}
}

// All T-SQL stands in one file: a statement elsewhere would be in no list, and no acceptance run would tell that it was not run.
func TestStatementsStandInOneFile(t *testing.T) {
	atTop(t)
	// A verb and what it is about, at the beginning of a text. Grants and users are advice that the doctor gives to people; it sends none.
	verb := regexp.MustCompile(`^\s*(SELECT\s.+\sFROM\s|SELECT\s+[A-Z_]+\(|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|(CREATE|ALTER|DROP)\s+(DATABASE|TABLE)\s|EXEC\s)`)
	looked := 0
	walkGo(t, func(file, dir string) {
		inside := strings.HasPrefix(dir, "internal/") || strings.HasPrefix(dir, "cmd/") || dir == "handler" || dir == "acceptance"
		if !inside || strings.HasSuffix(file, "_test.go") || filepath.ToSlash(file) == statements {
			return
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, b, 0)
		if err != nil {
			t.Fatal(err)
		}
		looked++
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && verb.MatchString(text) {
					t.Errorf("%s holds a statement: %s", file, text)
				}
			}
			return true
		})
	})
	for name, stmt := range constants(t, statements) {
		if !verb.MatchString(stmt) {
			t.Errorf("this test would not know %s for a statement", name)
		}
	}
	if looked < 100 {
		t.Fatalf("only %d files were looked at", looked)
	}
}
