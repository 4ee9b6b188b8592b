package notify_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// eventTypes reads the vocabulary's constants, so that a new type without words is found.
func eventTypes(t *testing.T) (out []bacvault.EventType) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../bacvault/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "EventType" {
			return true
		}
		s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bacvault.EventType(s))
		return true
	})
	return out
}
