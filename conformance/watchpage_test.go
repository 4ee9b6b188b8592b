package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Every kind of finding has its line and its advice on the page, with an event that exists, and nothing else has one.
func TestWatchPageIsTheListOfFindings(t *testing.T) {
	atTop(t)
	text := page(t, "docs/watch.md")
	var real, rows, advice []string
	for _, k := range bacvault.FindingKinds() {
		real = append(real, string(k))
	}
	events := page(t, "docs/events.md")
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (alarm|warning)[^|]* \\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section(t, text, "## Findings"), -1) {
		rows = append(rows, m[1])
		if !strings.Contains(events, "| `"+m[3]+"` |") {
			t.Errorf("%s is told by %s, which docs/events.md does not list", m[1], m[3])
		}
	}
	for _, line := range strings.Split(section(t, text, "## What to do"), "\n- ") {
		head := regexp.MustCompile("^\\*\\*`[^*]+\\*\\*(, \\*\\*`[^*]+\\*\\*)*").FindString(line)
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(head, -1) {
			advice = append(advice, m[1])
		}
	}
	same(t, "docs/watch.md, findings", rows, real)
	same(t, "docs/watch.md, what to do", advice, real)
}

// The page's section about promoting is what the stand-ins' table grants for it, and the grants script has its part in SQL.
func TestPromotingIsDocumentedAsItIsGranted(t *testing.T) {
	atTop(t)
	const file = "standin/roles/actions.go"
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	action := constants(t, file)
	var real, sql []string
	ast.Inspect(f, func(n ast.Node) bool {
		fun, ok := n.(*ast.FuncDecl)
		if ok && fun.Name.Name != "Promotion" {
			return false
		}
		row, ok := n.(*ast.CompositeLit)
		if !ok || len(row.Elts) != 2 {
			return true
		}
		actions, ok := row.Elts[1].(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, e := range actions.Elts {
			name, ok := e.(*ast.Ident)
			if !ok || action[name.Name] == "" {
				t.Fatalf("%s: a granted action is not a constant of the file", file)
			}
			real = append(real, action[name.Name]+" on "+promotionScope(t, row.Elts[0], action[name.Name]))
			if strings.HasPrefix(action[name.Name], "sql/") {
				sql = append(sql, action[name.Name])
			}
		}
		return false
	})
	if len(real) < 10 {
		t.Fatalf("only %d rights of a promotion were found", len(real))
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section(t, page(t, "docs/permissions.md"), "## Promoting"), -1) {
		documented = append(documented, m[1]+" on "+m[2])
	}
	same(t, "## Promoting", documented, real)

	checkPromotionGrants(t, sql)
}

func promotionScope(t *testing.T, e ast.Expr, action string) string {
	t.Helper()
	text := ""
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			text += n.Value
		case *ast.Ident:
			text += n.Name
		}
		return true
	})
	switch {
	case text == `"server"` || text == `"master"`:
		return strings.Trim(text, `"`)
	case text == `"*"` && strings.HasPrefix(action, "sql/"):
		return "live and restored database"
	case strings.HasPrefix(text, "server"):
		return "databases of the server"
	case strings.Contains(text, "StateContainer"):
		return "state container"
	}
	t.Fatalf("a scope of %s is not known: %s", action, text)
	return ""
}
