package sqlserver

import (
	"context"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

const pageSize = 8192

func databaseColumns() []tds.Column {
	return []tds.Column{
		text("name", 128), text("state_desc", 60), number("create_date", "datetime"), text("collation_name", 128),
		number("compatibility_level", "tinyint"),
	}
}

// visible lists what sys.databases shows: in master all databases, elsewhere master and the database itself.
func (s *session) visible() []*database {
	if s.database.name != master {
		return []*database{s.server.databases[master], s.database}
	}
	var all []*database
	for _, d := range s.server.databases {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *database) int { return compareNames(a.name, b.name) })
	return all
}

// databaseRows is sys.databases as rows of databaseColumns.
func (s *session) databaseRows(want func(*database) bool) (rows [][]any) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	now := s.server.cfg.Clock.Now()
	for _, d := range s.visible() {
		if want(d) {
			rows = append(rows, []any{d.name, d.state(now), d.created, d.collation, int64(d.compatibility)})
		}
	}
	return rows
}

func (s *session) oneDatabase(ctx context.Context, c call) error {
	name, ok := c.params["@name"].(string)
	if !ok {
		return errNoParameter("@name")
	}
	if err := c.out.Columns(databaseColumns()); err != nil {
		return err
	}
	return send(ctx, c.out, s.databaseRows(func(d *database) bool { return key(d.name) == key(name) }))
}

func (s *session) allDatabases(_ context.Context, c call) error {
	if err := c.out.Columns(databaseColumns()[:3]); err != nil {
		return err
	}
	for _, row := range s.databaseRows(func(d *database) bool { return d.name != master }) {
		if err := c.out.Row(row[:3]); err != nil {
			return err
		}
	}
	return nil
}

// seesTables is whether the catalogue shows a principal the tables at all. To one that may not read them it shows none,
// and no error.
func (s *session) seesTables() bool {
	return s.may(roles.SQLDataReader) || s.may(roles.SQLViewDefinition)
}

func (s *session) tableList(_ context.Context, c call) error {
	if !s.may(roles.SQLViewDatabaseState) {
		return errStateDenied(s.database.name)
	}
	type entry struct {
		schema, name string
		rows         int64
	}
	var list []entry
	if s.seesTables() {
		s.server.mu.Lock()
		for _, t := range s.database.tables {
			list = append(list, entry{t.Schema, t.Name, int64(len(t.rows))})
		}
		s.server.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b entry) int {
		if n := compareNames(a.schema, b.schema); n != 0 {
			return n
		}
		return compareNames(a.name, b.name)
	})
	err := c.out.Columns([]tds.Column{text("schema_name", 128), text("table_name", 128), number("row_count", "bigint")})
	for _, e := range list {
		if err == nil {
			err = c.out.Row([]any{e.schema, e.name, e.rows})
		}
	}
	return err
}

func (s *session) count(ctx context.Context, c call) error {
	t, rows, err := s.lookup(c)
	if err != nil {
		return err
	}
	if !s.may(roles.SQLDataReader) {
		return errObjectDenied("SELECT", t.Schema, t.Name, s.database.name)
	}
	if _, err := s.server.fault(ctx, "sql.count"); err != nil {
		return err
	}
	return one(c.out, []tds.Column{number("", "bigint")}, int64(len(rows)))
}

// selectAll sends every row. The faults "cut" and "stall" hit half-way.
func (s *session) selectAll(ctx context.Context, c call) error {
	t, rows, err := s.lookup(c)
	if err != nil {
		return err
	}
	if !s.may(roles.SQLDataReader) {
		return errObjectDenied("SELECT", t.Schema, t.Name, s.database.name)
	}
	f, err := s.server.fault(ctx, "sql.select", "cut", "stall")
	if err != nil {
		return err
	}
	cols := wireColumns(t.Table)
	widen(cols, rows)
	if err := c.out.Columns(cols); err != nil {
		return err
	}
	half := len(rows) / 2
	if err := send(ctx, c.out, rows[:half]); err != nil {
		return err
	}
	if f.Do != "" {
		if err := halfWay(ctx, f, c.out); err != nil {
			return err
		}
	}
	return send(ctx, c.out, rows[half:])
}

// widen sends a varchar column as nvarchar where code page 1252 would lose something of its values: a database of another
// collation is read whole, too.
func widen(cols []tds.Column, rows [][]any) {
	for i := range cols {
		t := &cols[i].Type
		if t.Name != "varchar" && t.Name != "char" {
			continue
		}
		if slices.ContainsFunc(rows, func(row []any) bool { s, ok := row[i].(string); return ok && !tds.InCodePage(s) }) {
			t.Name = "n" + t.Name
			if t.Length > 4000 {
				t.Name, t.Length = "nvarchar", -1
			}
		}
	}
}

func send(ctx context.Context, out *tds.Results, rows [][]any) error {
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := out.Row(row); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) usedBytes(_ context.Context, c call) error {
	if !s.may(roles.SQLViewDatabaseState) {
		return errStateDenied(s.database.name)
	}
	s.server.mu.Lock()
	pages := int64(0)
	for _, t := range s.database.tables {
		pages += t.pages()
	}
	s.server.mu.Unlock()
	return one(c.out, []tds.Column{number("", "bigint")}, pages*pageSize)
}

func has(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func (s *session) rights(_ context.Context, c call) error {
	cols := []tds.Column{number("", "int"), number("", "int")}
	return one(c.out, cols, has(s.may(roles.SQLDataReader)), has(s.may(roles.SQLViewDefinition)))
}

// filters counts what the catalogue shows; it hides from a principal without VIEW DEFINITION what it may not see.
func (s *session) filters(_ context.Context, c call) error {
	policies, masked := int64(0), int64(0)
	if s.may(roles.SQLViewDefinition) {
		s.server.mu.Lock()
		policies, masked = int64(s.database.policies), int64(s.database.masked)
		s.server.mu.Unlock()
	}
	cols := []tds.Column{number("", "int"), number("", "int"), number("", "int")}
	return one(c.out, cols, policies, masked, has(s.may(rightUnmask)))
}

func (s *session) health(_ context.Context, c call) error {
	var u unfinished
	if s.seesTables() {
		s.server.mu.Lock()
		u = s.database.unfinished
		s.server.mu.Unlock()
	}
	cols := []tds.Column{number("", "int"), number("", "int"), number("", "int")}
	return one(c.out, cols, u.disabledIndexes, u.untrustedKeys, u.untrustedChecks)
}

func (s *session) countTables(_ context.Context, c call) error {
	n := 0
	if s.seesTables() {
		s.server.mu.Lock()
		n = len(s.database.tables)
		s.server.mu.Unlock()
	}
	return one(c.out, []tds.Column{number("", "bigint")}, int64(n))
}

func (s *session) readModel(_ context.Context, c call) error {
	if !s.may(roles.SQLViewDefinition) {
		return errDatabaseDenied("VIEW DEFINITION", s.database.name)
	}
	s.server.mu.Lock()
	model := s.database.model
	s.server.mu.Unlock()
	if model == nil {
		return errNoTable("standin", "model")
	}
	return one(c.out, []tds.Column{{Name: "model", Type: tds.Type{Name: "varbinary", Length: -1}, Nullable: true}}, model)
}

// splitOptions reads the parenthesis of CREATE DATABASE.
func splitOptions(s string) map[string]string {
	options := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		options[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return options
}
