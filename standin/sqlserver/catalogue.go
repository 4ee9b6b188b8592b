package sqlserver

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// Specials is what a test says that a database has and that no bacpac decoded here can hold.
type Specials struct {
	Tables     []SpecialTable
	Columns    []SpecialColumn
	References []Reference
	// Reserved is the bytes that a heap reserves, by "schema.table", where the values' own size is too small to tell.
	Reserved map[string]int64
}

// SpecialTable is a row of sys.tables.
type SpecialTable struct {
	Schema, Name                                   string
	External, FileTable, DroppedLedger, Node, Edge bool
	MemoryOptimized                                bool
	Ledger                                         int // ledger_type
}

// SpecialColumn is a row of sys.columns. Type is the type's name, Base that of its base type.
type SpecialColumn struct {
	Schema, Table, Name, Type, Base    string
	OwnCLR, Filestream, Hidden, Sparse bool
	Encrypted                          bool // Always Encrypted
	Generated                          int  // generated_always_type; -1 is a computed column that is not deterministic
}

// Reference is a row of sys.sql_expression_dependencies.
type Reference struct{ Schema, Name, Server, Database string }

// SetSpecials replaces what SetSpecials said before. Copies that are made later have it, too.
func (s *Server) SetSpecials(db string, special Specials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return fmt.Errorf("set specials: there is no database %q", db)
	}
	d.special = special
	return nil
}

// modelElement is an element directly under the Model of a model.xml, as far as a clustered index or a principal shows in it.
type modelElement struct {
	Type       string `xml:"Type,attr"`
	Name       string `xml:"Name,attr"`
	Properties []struct {
		Name  string `xml:"Name,attr"`
		Value string `xml:"Value,attr"`
	} `xml:"Property"`
	Relationships []struct {
		Name       string `xml:"Name,attr"`
		References []struct {
			Name string `xml:"Name,attr"`
		} `xml:"Entry>References"`
	} `xml:"Relationship"`
}

// survey reads what the catalogue shows of a model: the tables that have a clustered index (a primary key is one unless the
// model says no, every other index and constraint only if the model says so), how many elements of each type stand directly
// under Model, and the principals.
func survey(model []byte) (clustered map[string]bool, elements map[string]int64, principals []string, err error) {
	clustered, elements = map[string]bool{}, map[string]int64{}
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(model, []byte("\xef\xbb\xbf"))))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return clustered, elements, principals, nil
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("survey model.xml: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Element" {
			continue
		}
		var e modelElement
		if err := dec.DecodeElement(&e, &start); err != nil {
			return nil, nil, nil, fmt.Errorf("survey model.xml: %w", err)
		}
		if table, ok := e.clusters(); ok {
			clustered[table] = true
		}
		if name, ok := e.principal(); ok {
			principals = append(principals, name)
		}
		if _, ok := kinds[e.Type]; ok {
			elements[e.Type]++
		}
	}
}

func (e modelElement) clusters() (table string, ok bool) {
	on := ""
	switch e.Type {
	case "SqlPrimaryKeyConstraint":
		on, ok = "DefiningTable", true
	case "SqlUniqueConstraint":
		on = "DefiningTable"
	case "SqlIndex", "SqlColumnStoreIndex":
		on = "IndexedObject"
	default:
		return "", false
	}
	for _, p := range e.Properties {
		if p.Name == "IsClustered" {
			ok = p.Value == "True"
		}
	}
	for _, r := range e.Relationships {
		if r.Name != on || len(r.References) != 1 {
			continue
		}
		schema, rest, _ := unquote(r.References[0].Name)
		name, _, _ := unquote(strings.TrimPrefix(rest, "."))
		return key(schema + "." + name), ok
	}
	return "", false
}

// listed answers with rows that only those see who see the tables.
func (s *session) listed(ctx context.Context, c call, cols []tds.Column, rows func(*database) [][]any) error {
	var all [][]any
	if s.seesTables() {
		s.server.mu.Lock()
		all = rows(s.database)
		s.server.mu.Unlock()
	}
	if err := c.out.Columns(cols); err != nil {
		return err
	}
	return send(ctx, c.out, all)
}

func names(n int) (cols []tds.Column) {
	for range n {
		cols = append(cols, text("", 128))
	}
	return cols
}

func bits(n int) (cols []tds.Column) {
	for range n {
		cols = append(cols, number("", "bit"))
	}
	return cols
}

func (s *session) tableKinds(ctx context.Context, c call) error {
	cols := slices.Concat(names(2), bits(3), []tds.Column{number("", "tinyint")}, bits(3))
	return s.listed(ctx, c, cols, func(d *database) (rows [][]any) {
		for _, t := range d.special.Tables {
			rows = append(rows, []any{t.Schema, t.Name, t.External, t.FileTable, t.DroppedLedger, int64(t.Ledger), t.Node, t.Edge, t.MemoryOptimized})
		}
		return rows
	})
}

func (s *session) columnKinds(ctx context.Context, c call) error {
	cols := slices.Concat(names(5), bits(4), []tds.Column{number("", "int")})
	return s.listed(ctx, c, cols, func(d *database) (rows [][]any) {
		for _, col := range d.special.Columns {
			var encryption any
			if col.Encrypted {
				encryption = int64(1)
			}
			rows = append(rows, []any{col.Schema, col.Table, col.Name, col.Base, col.Type, col.OwnCLR, col.Filestream, col.Hidden, col.Sparse, encryption})
		}
		return rows
	})
}

func (s *session) heaps(ctx context.Context, c call) error {
	if !s.may(roles.SQLViewDatabaseState) {
		return errStateDenied(s.database.name)
	}
	return s.listed(ctx, c, append(names(2), number("", "bigint")), func(d *database) (rows [][]any) {
		for _, t := range d.tables {
			name := t.Schema + "." + t.Name
			if d.clustered[key(name)] {
				continue
			}
			reserved, said := d.special.Reserved[name]
			if !said {
				reserved = t.pages() * pageSize
			}
			rows = append(rows, []any{t.Schema, t.Name, reserved})
		}
		slices.SortStableFunc(rows, func(a, b []any) int { return int(b[2].(int64) - a[2].(int64)) })
		return rows
	})
}

// references needs SELECT on the view, which the documentation gives to db_owner of itself and to whom it is granted. Whether
// db_datareader covers a system view is not written down; here it does not, which is the harder case.
func (s *session) references(ctx context.Context, c call) error {
	if !s.may(roles.SQLDependencies) {
		return errObjectDenied("SELECT", "sys", "sql_expression_dependencies", "mssqlsystemresource")
	}
	return s.listed(ctx, c, names(4), func(d *database) (rows [][]any) {
		for _, r := range d.special.References {
			rows = append(rows, []any{r.Schema, r.Name, r.Server, r.Database})
		}
		return rows
	})
}

// unprinted lists the columns of the model that BINARY_CHECKSUM ignores and those that an import makes anew, then the
// special ones.
func (s *session) unprinted(ctx context.Context, c call) error {
	return s.listed(ctx, c, append(names(5), number("", "int")), func(d *database) (rows [][]any) {
		for _, t := range d.tables {
			for _, col := range t.Columns {
				base := col.Type
				if base == "rowversion" {
					base = "timestamp"
				} else if summable(base) {
					continue
				}
				kind := base
				if col.Alias != "" {
					kind = col.Alias
				}
				rows = append(rows, []any{t.Schema, t.Name, col.Name, base, kind, int64(0)})
			}
		}
		for _, col := range d.special.Columns {
			if col.Type == "json" || col.Type == "vector" || col.OwnCLR || col.Generated != 0 {
				rows = append(rows, []any{col.Schema, col.Table, col.Name, col.Base, col.Type, int64(col.Generated)})
			}
		}
		return rows
	})
}
