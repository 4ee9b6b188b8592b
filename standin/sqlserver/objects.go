package sqlserver

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// kinds are the types of elements directly under a model's Model, and the kind that stmtObjects counts each as. An
// element inside another (a table type's key, say) is no row of sys.objects that the statement counts. What the catalogue
// has and no model tells (the index of a graph table, the objects of the system) is not here.
var kinds = map[string]string{
	"SqlTable": kindTables, "SqlExternalTable": kindTables, "SqlView": "views", "SqlProcedure": "procedures",
	"SqlScalarFunction": "functions", "SqlInlineTableValuedFunction": "functions", "SqlMultiStatementTableValuedFunction": "functions",
	"SqlDmlTrigger": "triggers", "SqlDatabaseDdlTrigger": "triggers",
	"SqlSequence": "sequences", "SqlSynonym": "synonyms",
	"SqlUserDefinedDataType": "user types", "SqlTableType": "user types", "SqlUserDefinedType": "user types",
	"SqlIndex": "indexes", "SqlColumnStoreIndex": "indexes", "SqlXmlIndex": "indexes", "SqlSelectiveXmlIndex": "indexes", "SqlSpatialIndex": "indexes",
	"SqlPrimaryKeyConstraint": "primary keys", "SqlUniqueConstraint": "unique constraints", "SqlForeignKeyConstraint": "foreign keys",
	"SqlCheckConstraint": "check constraints", "SqlDefaultConstraint": "default constraints", "SqlSecurityPolicy": "security policies",
}

const kindTables = "tables"

// seenByReaders are the elements that SELECT on everything makes visible. The documentation promises it of what a right
// can be granted on, and of a table's indexes.
var seenByReaders = map[string]bool{
	"SqlTable": true, "SqlExternalTable": true, "SqlView": true, "SqlInlineTableValuedFunction": true, "SqlMultiStatementTableValuedFunction": true,
	"SqlIndex": true, "SqlColumnStoreIndex": true, "SqlXmlIndex": true, "SqlSelectiveXmlIndex": true, "SqlSpatialIndex": true,
}

// objects counts as the database is: what lost an object since its model was read has one less.
func (s *session) objects(_ context.Context, c call) error {
	all, some := s.may(roles.SQLViewDefinition), s.may(roles.SQLDataReader)
	counts := map[string]int64{}
	s.server.mu.Lock()
	for element, n := range s.database.counted() {
		if n > 0 && (all || some && seenByReaders[element]) {
			counts[kinds[element]] += n
		}
	}
	s.server.mu.Unlock()
	if err := c.out.Columns([]tds.Column{text("kind", 19), number("", "bigint")}); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if err := c.out.Row([]any{kind, counts[kind]}); err != nil {
			return err
		}
	}
	return nil
}

// counted is the number of elements of each type; the tables are those that have rows here.
func (d *database) counted() map[string]int64 {
	all := maps.Clone(d.elements)
	if all == nil {
		all = map[string]int64{}
	}
	all["SqlTable"] = int64(len(d.tables))
	return all
}

// principal is the name of a user or role that people made, as the statement's types and ids leave it.
func (e modelElement) principal() (string, bool) {
	switch e.Type {
	case "SqlUser", "SqlRole", "SqlApplicationRole":
	default:
		return "", false
	}
	for _, r := range e.Relationships {
		if r.Name == "Certificate" || r.Name == "AsymmetricKey" { // types C and K
			return "", false
		}
	}
	name, _, ok := unquote(e.Name)
	builtIn := slices.ContainsFunc([]string{"dbo", "guest", "sys", "INFORMATION_SCHEMA", "public"}, func(b string) bool { return strings.EqualFold(b, name) })
	return name, ok && !builtIn
}

// showPrincipals shows nothing of others to whom VIEW DEFINITION was not given. The users that the table of roles stands
// for are not among them: here they are rights and no rows.
func (s *session) showPrincipals(_ context.Context, c call) error {
	var all []string
	if s.may(roles.SQLViewDefinition) {
		s.server.mu.Lock()
		all = slices.SortedFunc(slices.Values(s.database.principals), compareNames)
		s.server.mu.Unlock()
	}
	if err := c.out.Columns([]tds.Column{text("name", 128)}); err != nil {
		return err
	}
	for _, name := range all {
		if err := c.out.Row([]any{name}); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) showGeoLinks(_ context.Context, c call) error {
	if !s.may(roles.SQLViewDatabaseState) {
		return errStateDenied(s.database.name)
	}
	s.server.mu.Lock()
	n := s.database.geoLinks
	s.server.mu.Unlock()
	return one(c.out, []tds.Column{number("", "bigint")}, int64(n))
}
