package bacpac

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// ModelInfo is what model.xml says about itself.
type ModelInfo struct {
	SHA256        string         // lower-case hex of its raw bytes, a BOM among them
	Bytes         int64          // uncompressed
	SchemaVersion string         // "3.5"
	Provider      string         // DspName, which names the kind of server
	Collation     string         // of the database
	Tables        int            // tables that can have data
	Objects       map[string]int // elements of each type without the prefix Sql, at any depth, as Origin.xml counts them
}

// model is the schema, so far as it decides the form of rows.
type model struct {
	info   ModelInfo
	schema bacvault.Schema
	tables []*table
	alias  map[string]*typeSpec // by bracketed name
	clr    map[string]bool      // user-defined CLR types, by bracketed name
}

// table is a top-level SqlTable. Doubts say why its rows may have a form that nobody has confirmed.
type table struct {
	bacvault.Table
	columns []*column
	doubts  []string
}

// column is an entry of a table's Columns, in their order, which is that of the fields.
type column struct {
	name      string
	computed  bool
	notNull   bool
	collation string // empty is the database's
	spec      typeSpec
	doubts    []string
}

// typeSpec is a type as model.xml writes it. Numbers are -1 where they are absent.
type typeSpec struct {
	name                     string // bracketed
	builtin                  bool
	length, precision, scale int
	max                      bool
}

func newTypeSpec() typeSpec { return typeSpec{length: -1, precision: -1, scale: -1} }

// Depths of model.xml: DataSchemaModel 1, Model 2, Element 3, then Relationship, Entry, Element by turns.
const (
	depthTop    = 3
	depthColumn = depthTop + 3
	depthSpec   = depthColumn + 3
)

// maxColumns is SQL Server's own limit, for a wide table.
const maxColumns = 30_000

// modelReader is where readModel stands. What is nil is not open.
type modelReader struct {
	m      *model
	schema schemaReader
	table  *table
	col    *column
	alias  *typeSpec
}

// readModel reads model.xml. Only top-level tables have data; views, table types and functions hold column elements too,
// so it goes by nesting.
func readModel(r io.Reader, lim xmlLimits) (*model, error) {
	m := &model{alias: map[string]*typeSpec{}, clr: map[string]bool{}, info: ModelInfo{Objects: map[string]int{}}}
	rd := &modelReader{m: m, schema: newSchemaReader()}
	if err := scanXML(r, lim, rd.open, nil); err != nil {
		return nil, err
	}
	m.info.Tables, m.schema = len(m.tables), rd.schema.done()
	m.info.Collation = m.schema.Collation
	seen := make(map[bacvault.Table]bool, len(m.tables))
	for _, t := range m.tables {
		if seen[t.Table] {
			return nil, fmt.Errorf("table %s stands there twice", t.Table)
		}
		seen[t.Table] = true
	}
	return m, nil
}

func (rd *modelReader) open(path []element) error {
	here := path[len(path)-1]
	if len(path) == 1 {
		if here.tag != "DataSchemaModel" {
			return fmt.Errorf("its root is %s, not DataSchemaModel", here.tag)
		}
		rd.m.info.SchemaVersion, rd.m.info.Provider = here.attr("SchemaVersion"), here.attr("DspName")
	}
	if here.tag == "Element" {
		rd.m.info.Objects[strings.TrimPrefix(here.attr("Type"), "Sql")]++
	}
	switch {
	case len(path) < depthTop || path[1].tag != "Model":
		return nil
	case len(path) == depthTop:
		return rd.openTop(here)
	}
	switch path[depthTop-1].attr("Type") {
	case "SqlTable":
		return rd.inTable(path, here)
	case "SqlUserDefinedDataType":
		return rd.inSpec(path[depthTop:], here, rd.alias)
	case "SqlDatabaseOptions":
		if len(path) == depthTop+1 && here.tag == "Property" {
			rd.schema.option(here.attr("Name"), here.attr("Value"))
		}
	case "SqlUser":
		if len(path) == depthTop+1 {
			rd.schema.inUser(here)
		}
	}
	return nil
}

func (rd *modelReader) openTop(here element) error {
	rd.table, rd.col, rd.alias = nil, nil, nil
	rd.schema.top(here)
	name := here.attr("Name")
	switch here.attr("Type") {
	case "SqlTable":
		parts, err := splitName(name)
		if err != nil || len(parts) != 2 {
			return fmt.Errorf("table name %q is not [schema].[table]", name)
		}
		rd.table = &table{Table: bacvault.Table{Schema: parts[0], Name: parts[1]}}
		rd.m.tables = append(rd.m.tables, rd.table)
	case "SqlUserDefinedDataType":
		spec := newTypeSpec()
		rd.alias = &spec
		rd.m.alias[name] = rd.alias
	case "SqlUserDefinedType":
		rd.m.clr[name] = true
	}
	return nil
}

func (rd *modelReader) inTable(path []element, here element) error {
	switch {
	case len(path) == depthTop+1 && here.tag == "Property":
		if why := tableDoubt(here.attr("Name"), here.attr("Value")); why != "" {
			rd.table.doubts = append(rd.table.doubts, why)
		}
	case len(path) == depthColumn && here.tag == "Element" && path[depthTop].attr("Name") == "Columns":
		return rd.openColumn(here)
	case len(path) <= depthColumn || rd.col == nil || path[depthTop].attr("Name") != "Columns":
	case len(path) == depthColumn+1:
		rd.inColumn(here)
	case len(path) > depthSpec && path[depthColumn].attr("Name") == "TypeSpecifier":
		return rd.inSpec(path[depthSpec:], here, &rd.col.spec)
	}
	return nil
}

func (rd *modelReader) openColumn(here element) error {
	name := here.attr("Name")
	parts, err := splitName(name)
	if err != nil || len(parts) != 3 || parts[0] != rd.table.Schema || parts[1] != rd.table.Name {
		return fmt.Errorf("column name %q is not one of table %s", name, rd.table.Table)
	}
	rd.col = &column{name: parts[2], spec: newTypeSpec()}
	rd.table.columns = append(rd.table.columns, rd.col)
	if len(rd.table.columns) > maxColumns {
		return fmt.Errorf("table %s has more than %d columns", rd.table.Table, maxColumns)
	}
	switch kind := here.attr("Type"); kind {
	case "SqlSimpleColumn":
	case "SqlComputedColumn":
		rd.col.computed = true
	default:
		rd.col.doubts = append(rd.col.doubts, "column kind "+kind)
	}
	return nil
}

// inColumn reads a property or relationship of a column. What is not known to leave the form of the field alone is a doubt.
func (rd *modelReader) inColumn(here element) {
	name, value := here.attr("Name"), here.attr("Value")
	switch here.tag {
	case "Property":
		switch name {
		case "IsNullable":
			rd.col.notNull = value == "False"
		case "Collation":
			rd.col.collation = value
		case "IsIdentity", "IdentitySeed", "IdentityIncrement", "IdentityIsNotForReplication", "IsRowGuidColumn",
			"ExpressionScript", "IsMasked", "MaskingFunction":
		default:
			if value != "False" && value != "0" {
				rd.col.doubts = append(rd.col.doubts, "column property "+name)
			}
		}
	case "Relationship":
		if name != "TypeSpecifier" && name != "ExpressionDependencies" {
			rd.col.doubts = append(rd.col.doubts, "column relationship "+name)
		}
	}
}

// inSpec reads what is inside a type specifier or an alias type; rel is the path from there.
func (rd *modelReader) inSpec(rel []element, here element, spec *typeSpec) error {
	switch {
	case len(rel) == 1 && here.tag == "Property":
		value := here.attr("Value")
		switch here.attr("Name") {
		case "Length":
			return number(value, &spec.length)
		case "Precision":
			return number(value, &spec.precision)
		case "Scale":
			return number(value, &spec.scale)
		case "IsMax":
			spec.max = value == "True"
		}
	case len(rel) == 3 && here.tag == "References" && rel[0].attr("Name") == "Type":
		spec.name, spec.builtin = here.attr("Name"), here.attr("ExternalSource") == "BuiltIns"
	}
	return nil
}

func number(s string, into *int) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is no length, precision or scale", s)
	}
	*into = int(n)
	return nil
}

// splitName takes [a].[b] apart; ] is doubled inside.
func splitName(s string) ([]string, error) {
	var parts []string
	for {
		if !strings.HasPrefix(s, "[") {
			return nil, fmt.Errorf("name does not begin with a bracket")
		}
		var part strings.Builder
		rest := s[1:]
		for {
			i := strings.IndexByte(rest, ']')
			if i < 0 {
				return nil, fmt.Errorf("name has an open bracket")
			}
			part.WriteString(rest[:i])
			rest = rest[i+1:]
			if !strings.HasPrefix(rest, "]") {
				break
			}
			part.WriteByte(']')
			rest = rest[1:]
		}
		parts = append(parts, part.String())
		if rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("name has no dot between its parts")
		}
		s = rest[1:]
	}
}
