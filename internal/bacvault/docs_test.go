package bacvault_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// docs/failures.md is what somebody opens at 3 a.m. with a code in hand: it must list every code as the code has it.
func TestFailuresPageListsEveryCode(t *testing.T) {
	b, err := os.ReadFile("../../docs/failures.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	known := map[string]bool{}
	for _, c := range bacvault.Codes() {
		known[string(c)] = true
		row := fmt.Sprintf("| `%s` | %s | %s |", c, c.Class(), c.Next())
		if !strings.Contains(page, row) {
			t.Errorf("docs/failures.md lacks the row\n%s", row)
		}
		if c.Class() == "" || c.Next() == "" {
			t.Errorf("%s has no class or no advice", c)
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			if code, _, _ := strings.Cut(rest, "`"); !known[code] {
				t.Errorf("docs/failures.md lists %s, which no code has", code)
			}
		}
	}
}
