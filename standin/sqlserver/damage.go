package sqlserver

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// change does something to a database under the lock.
func (s *Server) change(what, db string, do func(*database) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return fmt.Errorf("%s: there is no database %q", what, db)
	}
	if err := do(d); err != nil {
		return fmt.Errorf("%s in %s: %w", what, db, err)
	}
	return nil
}

// changeTable does something to a table's rows, which the table then has; rows are never changed in place.
func (s *Server) changeTable(what, db, schema, name string, do func(*table) ([][]any, error)) error {
	return s.change(what, db, func(d *database) error {
		t := d.table(schema, name)
		if t == nil {
			return fmt.Errorf("there is no table %s.%s", schema, name)
		}
		rows, err := do(t)
		if err == nil {
			t.rows = rows
		}
		return err
	})
}

// InsertRows adds n copies of a table's first row, keys and all: none is enforced here.
func (s *Server) InsertRows(db, schema, name string, n int) error {
	return s.changeTable("insert rows", db, schema, name, func(t *table) ([][]any, error) {
		if len(t.rows) == 0 {
			return nil, fmt.Errorf("%s.%s has no row to copy", schema, name)
		}
		return slices.Concat(t.rows, slices.Repeat(t.rows[:1], n)), nil
	})
}

// AlterValue changes one value of a table's first row that a fingerprint looks at. The number of rows stays.
func (s *Server) AlterValue(db, schema, name string) error {
	return s.changeTable("alter a value", db, schema, name, func(t *table) ([][]any, error) {
		if len(t.rows) == 0 {
			return nil, fmt.Errorf("%s.%s has no row", schema, name)
		}
		row := slices.Clone(t.rows[0])
		for i, c := range slices.Backward(t.Columns) {
			if c.Identity || c.Type == "rowversion" || !summable(c.Type) {
				continue
			}
			if other, ok := another(c.Type, row[i]); ok {
				row[i] = other
				rows := slices.Clone(t.rows)
				rows[0] = row
				return rows, nil
			}
		}
		return nil, fmt.Errorf("%s.%s has no value in its first row that is easy to change", schema, name)
	})
}

// another is a value of the same type and length.
func another(kind string, v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		return !x, true
	case int64:
		if x > 0 {
			return x - 1, true
		}
		return x + 1, true
	case time.Time:
		return x.AddDate(0, 0, 1), true
	case string:
		if !strings.HasSuffix(kind, "char") || x == "" {
			return nil, false
		}
		r := []rune(x)
		if r[0] == 'x' {
			return "y" + string(r[1:]), true
		}
		return "x" + string(r[1:]), true
	}
	return nil, false
}

// LoseObject takes one object of a kind (a word of stmtObjects) out of what the catalogue counts; of tables it is the last
// one, with its rows. The model that an export reads stays.
func (s *Server) LoseObject(db, kind string) error {
	return s.change("lose an object", db, func(d *database) error {
		if kind == kindTables && len(d.tables) > 0 {
			d.tables = d.tables[: len(d.tables)-1 : len(d.tables)-1]
			return nil
		}
		for _, element := range slices.Sorted(maps.Keys(d.elements)) {
			if kinds[element] == kind && d.elements[element] > 0 {
				d.elements = maps.Clone(d.elements)
				d.elements[element]--
				return nil
			}
		}
		return fmt.Errorf("there are no %q", kind)
	})
}

// LosePrincipal takes a user or role away.
func (s *Server) LosePrincipal(db, name string) error {
	return s.change("lose a principal", db, func(d *database) error {
		i := slices.IndexFunc(d.principals, func(p string) bool { return key(p) == key(name) })
		if i < 0 {
			return fmt.Errorf("there is no principal %q", name)
		}
		d.principals = slices.Concat(d.principals[:i], d.principals[i+1:])
		return nil
	})
}

// AddPrincipal makes a user or role.
func (s *Server) AddPrincipal(db, name string) error {
	return s.change("add a principal", db, func(d *database) error {
		d.principals = append(slices.Clip(d.principals), name)
		return nil
	})
}

// SetCollation changes what sys.databases shows, and no value.
func (s *Server) SetCollation(db, collation string) error {
	return s.change("set the collation", db, func(d *database) error { d.collation = collation; return nil })
}

// SetCompatibility changes what sys.databases shows.
func (s *Server) SetCompatibility(db string, level int) error {
	return s.change("set the compatibility level", db, func(d *database) error { d.compatibility = level; return nil })
}

// SetGeoLinks says how many geo-replication links a database has; with any it cannot be renamed. Copies have none.
func (s *Server) SetGeoLinks(db string, n int) error {
	return s.change("set geo-replication links", db, func(d *database) error { d.geoLinks = n; return nil })
}

// Inventory is what the catalogue shows an administrator of a database, beside its tables' rows.
type Inventory struct {
	Objects       map[string]int // by the words of stmtObjects
	Principals    []string
	Compatibility int
	// What an import left behind.
	DisabledIndexes, UntrustedKeys, UntrustedChecks int64
}

// Inventory tells what a database holds, for comparison by tests.
func (s *Server) Inventory(db string) (Inventory, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return Inventory{}, false
	}
	i := Inventory{map[string]int{}, slices.SortedFunc(slices.Values(d.principals), compareNames), d.compatibility,
		d.unfinished.disabledIndexes, d.unfinished.untrustedKeys, d.unfinished.untrustedChecks}
	for element, n := range d.counted() {
		if n > 0 {
			i.Objects[kinds[element]] += int(n)
		}
	}
	return i, true
}
