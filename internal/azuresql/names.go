package azuresql

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// quote makes a name part of a statement. It is the only place that does.
func quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

func quoteTable(t bacvault.Table) string { return quote(t.Schema) + "." + quote(t.Name) }

// fill puts ready words in place of those in braces, in one pass: a name that itself holds such a word stays as it is.
func fill(stmt string, wordsAndValues ...string) string {
	return strings.NewReplacer(wordsAndValues...).Replace(stmt)
}

var objectiveForm = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// checkName refuses what is no database of ours before it gets near a statement.
func checkName(db string) error {
	switch n := bacvault.NameLength(db); {
	case n == 0 || n > bacvault.MaxName || strings.ContainsFunc(db, func(r rune) bool { return r < ' ' }):
		return bacvault.Fail(bacvault.CodeRequestMalformed, "%q is not the name of a database", db)
	}
	for _, system := range []string{master, "model", "msdb", "tempdb"} {
		if strings.EqualFold(db, system) {
			return bacvault.Fail(bacvault.CodeRequestMalformed, "%q is a system database", db)
		}
	}
	return nil
}

// Statements lists every statement that the product sends, with its words in braces.
func Statements() []string { return slices.Sorted(maps.Values(Constants())) }
