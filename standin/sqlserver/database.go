package sqlserver

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

const (
	defaultCollation     = "SQL_Latin1_General_CP1_CI_AS"
	defaultCompatibility = 170
)

// States of sys.databases.
const (
	stateOnline  = "ONLINE"
	stateCopying = "COPYING"
	stateSuspect = "SUSPECT"
)

// database is one database under one name. Id, name, owner and lineage never change (a rename makes another value); the
// server's lock guards the rest.
type database struct {
	id    uint64 // stays through renames; a copy has its own
	name  string
	owner string // a principal, or empty
	// lineage is the names whose grants hold here: its own, and those of the databases that it is a copy of, for contained
	// users are copied with everything else.
	lineage []string
	created time.Time

	copied  time.Time // COPYING until then
	ending  copyEnding
	dropped bool
	renamed bool      // dropped from this name only
	follows *database // where sessions go after a rename; nil cuts them

	edition, objective string // empty: not named
	maxBytes           int64  // 0: the edition's
	scaling            *scaling
	moves              int // changes of objective so far
	geoLinks           int

	model      []byte
	collation  string
	clustered  map[string]bool // by schema.table in lower case, from the model
	special    Specials
	tables     []*table
	unfinished unfinished
	policies   int
	masked     int

	compatibility int
	elements      map[string]int64 // of the model, by type; replaced and never changed in place
	principals    []string
}

type copyEnding int

const (
	endsOnline copyEnding = iota
	endsSuspect
	endsNever
)

// unfinished is what an import leaves behind that did not come to its end.
type unfinished struct {
	disabledIndexes, untrustedKeys, untrustedChecks int64
}

type table struct {
	bacpacfile.Table
	rows [][]any // never changed in place: who holds the slice has a snapshot
}

func (s *Server) newDatabase(name, owner string) *database {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &database{name: name, owner: owner, lineage: []string{name}, collation: defaultCollation, compatibility: defaultCompatibility}
	s.identify(d)
	return d
}

// identify makes a database one of its own, by its id and, as clients know it, by create_date: no two have the same, as the
// real ones take longer to make, and both planes show the same, being whole 10 ms, which datetime holds exactly.
func (s *Server) identify(d *database) {
	s.ids++
	at := s.cfg.Clock.Now().Truncate(10 * time.Millisecond)
	if !at.After(s.created) {
		at = s.created.Add(10 * time.Millisecond)
	}
	d.id, d.created, s.created = s.ids, at, at
}

func (d *database) state(now time.Time) string {
	switch {
	case d.ending == endsNever || now.Before(d.copied):
		return stateCopying
	case d.ending == endsSuspect:
		return stateSuspect
	}
	return stateOnline
}

// table finds a table; the nil database has none.
func (d *database) table(schema, name string) *table {
	if d == nil {
		return nil
	}
	for _, t := range d.tables {
		if strings.EqualFold(t.Schema, schema) && strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

// define gives a database the empty tables of a model.
func (d *database) define(m bacpacfile.Model) error {
	for _, t := range m.Tables {
		if err := checkColumns(t); err != nil {
			return err
		}
	}
	for _, t := range m.Tables {
		d.tables = append(d.tables, &table{Table: t})
	}
	var err error
	if d.clustered, d.elements, d.principals, err = survey(m.XML); err != nil {
		return err
	}
	d.model = m.XML
	d.policies = m.Objects["SecurityPolicy"]
	if c := optionOf(m.XML, "Collation"); c != "" {
		d.collation = c
	}
	// "The compatibility level of the imported database is based on the compatibility level of your source database"
	// (migration guide, SQL Server to Azure SQL Database); a level that is the default is not in the model.
	if level, err := strconv.Atoi(optionOf(m.XML, "CompatibilityMode")); err == nil {
		d.compatibility = level
	}
	return nil
}

// copyAs is a consistent snapshot under another name: rows are shared until one side changes its own.
func (d *database) copyAs(name, owner string) *database {
	c := *d
	c.name, c.owner = name, owner
	c.geoLinks, c.scaling = 0, nil
	c.lineage = append([]string{name}, d.lineage...)
	c.tables = make([]*table, len(d.tables))
	for i, t := range d.tables {
		c.tables[i] = &table{Table: t.Table, rows: t.snapshot()}
	}
	return &c
}

// snapshot can be read while others append: its capacity ends where it ends.
func (t *table) snapshot() [][]any { return t.rows[:len(t.rows):len(t.rows)] }

// bytes is roughly the space that the values take.
func (t *table) bytes() (n int64) {
	for _, row := range t.rows {
		for _, v := range row {
			switch x := v.(type) {
			case string:
				n += int64(2 * len(x))
			case []byte:
				n += int64(len(x))
			default:
				n += 8
			}
		}
	}
	return n
}

// pages is what a table takes at least.
func (t *table) pages() int64 { return 1 + (t.bytes()+pageSize-1)/pageSize }

func checkColumns(t bacpacfile.Table) error {
	for _, c := range t.Columns {
		if err := wireType(c).Check(); err != nil {
			return fmt.Errorf("column %s of %s.%s: %w", c.Name, t.Schema, t.Name, err)
		}
	}
	return nil
}

// wireType is the type that a column is sent as. The old large types are sent as their (max) successors, CLR types as
// their bytes.
func wireType(c bacpacfile.Column) tds.Type {
	t := tds.Type{Name: c.Type, Length: c.Length, Precision: c.Precision, Scale: c.Scale}
	switch c.Type {
	case "text":
		t.Name, t.Length = "varchar", -1
	case "ntext":
		t.Name, t.Length = "nvarchar", -1
	case "image", "hierarchyid", "geography", "geometry":
		t.Name, t.Length = "varbinary", -1
	case "rowversion":
		t.Name, t.Length = "binary", 8
	}
	return t
}

func wireColumns(t bacpacfile.Table) []tds.Column {
	cols := make([]tds.Column, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = tds.Column{
			Name: c.Name, Type: wireType(c), Nullable: c.Nullable, Identity: c.Identity, ReadOnly: c.Type == "rowversion",
		}
	}
	return cols
}

// optionOf finds an option of the database in a model.xml; empty if there is none.
func optionOf(model []byte, name string) string {
	_, options, found := strings.Cut(string(model), `<Element Type="SqlDatabaseOptions"`)
	if !found {
		return ""
	}
	options, _, _ = strings.Cut(options, "</Element>")
	_, value, found := strings.Cut(options, `<Property Name="`+name+`" Value="`)
	if !found {
		return ""
	}
	value, _, _ = strings.Cut(value, `"`)
	return value
}
