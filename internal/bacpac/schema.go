package bacpac

import (
	"slices"
	"strconv"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// objectKinds takes the elements of model.xml to the kinds that a server's catalogue counts alike. Only elements at the top of
// the model are looked up: keys, checks, defaults and indexes of a table type stand inside of it and are none of a table.
// Full-text indexes are no rows of sys.indexes, and extended properties, permissions and schemas no objects.
var objectKinds = map[string]bacvault.ObjectKind{
	"SqlTable":                             bacvault.Tables,
	"SqlView":                              bacvault.Views,
	"SqlProcedure":                         bacvault.Procedures,
	"SqlScalarFunction":                    bacvault.Functions,
	"SqlInlineTableValuedFunction":         bacvault.Functions,
	"SqlMultiStatementTableValuedFunction": bacvault.Functions,
	"SqlDmlTrigger":                        bacvault.Triggers,
	"SqlDatabaseDdlTrigger":                bacvault.Triggers,
	"SqlSequence":                          bacvault.Sequences,
	"SqlSynonym":                           bacvault.Synonyms,
	"SqlUserDefinedDataType":               bacvault.UserTypes,
	"SqlTableType":                         bacvault.UserTypes,
	"SqlUserDefinedType":                   bacvault.UserTypes,
	"SqlIndex":                             bacvault.Indexes,
	"SqlColumnStoreIndex":                  bacvault.Indexes,
	"SqlSpatialIndex":                      bacvault.Indexes,
	"SqlXmlIndex":                          bacvault.Indexes,
	"SqlSelectiveXmlIndex":                 bacvault.Indexes,
	"SqlPrimaryKeyConstraint":              bacvault.PrimaryKeys,
	"SqlUniqueConstraint":                  bacvault.UniqueConstraints,
	"SqlForeignKeyConstraint":              bacvault.ForeignKeys,
	"SqlCheckConstraint":                   bacvault.CheckConstraints,
	"SqlDefaultConstraint":                 bacvault.DefaultConstraints,
	"SqlSecurityPolicy":                    bacvault.SecurityPolicies,
}

// builtinPrincipals are in every database, whether a model names them or not.
var builtinPrincipals = []string{"dbo", "guest", "INFORMATION_SCHEMA", "sys", "public"}

// schemaReader collects what the model says beside rows. user is the SqlUser that is open.
type schemaReader struct {
	schema bacvault.Schema
	user   string
}

func newSchemaReader() schemaReader {
	return schemaReader{schema: bacvault.Schema{Objects: map[bacvault.ObjectKind]int{}}}
}

// top takes an element at the top of the model.
func (s *schemaReader) top(here element) {
	s.user = ""
	kind := here.attr("Type")
	if k, ok := objectKinds[kind]; ok {
		s.schema.Objects[k]++
		return
	}
	switch kind {
	case "SqlUser", "SqlRole", "SqlApplicationRole":
		parts, err := splitName(here.attr("Name"))
		if err != nil || len(parts) != 1 || slices.Contains(builtinPrincipals, parts[0]) {
			return
		}
		s.schema.Principals = append(s.schema.Principals, parts[0])
		if kind == "SqlUser" {
			s.user = parts[0]
		}
	}
}

// inUser reads what stands right below a SqlUser: one that stands for a certificate or a key is no person's, and a
// server lists it as another type.
func (s *schemaReader) inUser(here element) {
	name := here.attr("Name")
	if s.user == "" || here.tag != "Relationship" || name != "Certificate" && name != "AsymmetricKey" {
		return
	}
	s.schema.Principals = s.schema.Principals[:len(s.schema.Principals)-1]
	s.user = ""
}

// option reads a property of SqlDatabaseOptions. A level that equals the provider's default is not written.
func (s *schemaReader) option(name, value string) {
	switch name {
	case "Collation":
		s.schema.Collation = value
	case "CompatibilityMode":
		if n, err := strconv.Atoi(value); err == nil {
			s.schema.CompatibilityLevel = n
		}
	}
}

// done gives what was collected.
func (s *schemaReader) done() bacvault.Schema {
	slices.Sort(s.schema.Principals)
	return s.schema
}
