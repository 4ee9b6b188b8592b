package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
)

// The page's section on locking and extending is what the stand-ins give a custodian: standin/roles, Custody.
func TestPermissionsPageIsTheTableOfACustodian(t *testing.T) {
	atTop(t)
	const file = "standin/roles/actions.go"
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	action := constants(t, file)
	var real, documented []string
	for _, d := range f.Decls {
		fun, ok := d.(*ast.FuncDecl)
		if !ok || fun.Name.Name != "Custody" {
			continue
		}
		ast.Inspect(fun.Body, func(n ast.Node) bool {
			if i, ok := n.(*ast.Ident); ok && action[i.Name] != "" {
				real = append(real, action[i.Name]+" on vault container")
			}
			return true
		})
	}
	if len(real) < 4 {
		t.Fatalf("only %d rights of a custodian were found", len(real))
	}
	text := section(t, page(t, "docs/permissions.md"), "## Locking and extending the policy")
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(text, -1) {
		documented = append(documented, m[1]+" on "+m[2])
	}
	same(t, "## Locking and extending the policy", documented, real)
}

// What a reader may do is a section of its own, and all that the stand-ins give him.
func TestPermissionsPageIsTheTableOfAReader(t *testing.T) {
	atTop(t)
	p := roles.DefaultPlaces()
	place := map[string]string{p.VaultAccount + "/" + p.VaultContainer: "vault container", p.StateAccount + "/" + p.StateContainer: "state container"}
	var real, documented []string
	for _, g := range roles.Viewing(roles.Default(), roles.Reader).Grants() {
		if g.Principal == roles.Reader {
			real = append(real, g.Action+" on "+place[g.Scope])
		}
	}
	if len(real) < 4 {
		t.Fatalf("only %d rights of a reader were found", len(real))
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section(t, page(t, "docs/permissions.md"), "## Looking"), -1) {
		documented = append(documented, m[1]+" on "+m[2])
	}
	same(t, "## Looking", documented, real)
}
