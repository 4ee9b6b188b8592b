package azuresql

import (
	"context"
	"database/sql/driver"
	"regexp"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"
)

// Trace hears of every statement once the server has answered it: the constant that it was made of, or the whole text where
// no constant explains it, and the server's error. It must not block.
type Trace func(constant string, err error)

// Constants is every statement of the product by the name of its constant, with its words in braces.
func Constants() map[string]string {
	return map[string]string{
		"stmtDatabase": stmtDatabase, "stmtDatabases": stmtDatabases, "stmtCreateCopy": stmtCreateCopy, "stmtCreateCopyAs": stmtCreateCopyAs,
		"stmtDrop": stmtDrop, "stmtRename": stmtRename, "stmtScale": stmtScale, "stmtMayCreate": stmtMayCreate,
		"stmtTables": stmtTables, "stmtCount": stmtCount, "stmtUsedBytes": stmtUsedBytes, "stmtRights": stmtRights, "stmtFilters": stmtFilters,
		"stmtHealth": stmtHealth, "stmtTableKinds": stmtTableKinds, "stmtColumnKinds": stmtColumnKinds, "stmtHeaps": stmtHeaps,
		"stmtReferences": stmtReferences, "stmtUnprinted": stmtUnprinted, "stmtFingerprint": stmtFingerprint,
		"stmtSize": stmtSize, "stmtGeoLinks": stmtGeoLinks, "stmtPrincipals": stmtPrincipals, "stmtObjects": stmtObjects,
	}
}

// words is what may stand in place of a word in braces: a quoted name, or that of a table; the rest has a closed set of letters.
var words = strings.NewReplacer(
	`\{table\}`, bracketed+`\.`+bracketed, `\{name\}`, bracketed, `\{to\}`, bracketed, `\{source\}`, bracketed, `\{target\}`, bracketed,
	`\{edition\}`, `\w+`, `\{objective\}`, `\w+`, `\{size\}`, `\d+ [GM]B`,
)

const bracketed = `\[(?:[^\]]|\]\])+\]`

// namer tells the constant that a text was made of.
func namer() func(text string) string {
	forms := map[string]*regexp.Regexp{}
	for name, text := range Constants() {
		forms[name] = regexp.MustCompile(`^` + words.Replace(regexp.QuoteMeta(text)) + `$`)
	}
	return func(text string) string {
		for name, form := range forms {
			if form.MatchString(text) {
				return name
			}
		}
		return text
	}
}

// traced stands between database/sql and the driver, so that no statement gets past it.
type traced struct {
	*mssql.Conn
	name  func(string) string
	trace Trace
}

// PrepareContext is the way that every statement takes: the driver has no other.
func (c traced) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.Conn.PrepareContext(ctx, query)
	if inner, ok := s.(*mssql.Stmt); ok && err == nil {
		return tracedStmt{inner, func(err error) { c.trace(c.name(query), err) }}, nil
	}
	return s, err
}

type tracedStmt struct {
	*mssql.Stmt
	told func(error)
}

// QueryContext tells how the query began: an error between its rows is the caller's.
func (s tracedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.Stmt.QueryContext(ctx, args)
	s.told(err)
	return rows, err
}

// ExecContext tells how the statement ended.
func (s tracedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.Stmt.ExecContext(ctx, args)
	s.told(err)
	return res, err
}
