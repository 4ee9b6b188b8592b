package sqlserver

import (
	"fmt"
	"time"
)

// Rows counts each table's rows itself: "schema.table" to rows.
func (s *Server) Rows(db string) (map[string]int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return nil, false
	}
	counts := map[string]int64{}
	for _, t := range d.tables {
		counts[t.Schema+"."+t.Name] = int64(len(t.rows))
	}
	return counts, true
}

// DeleteRows takes the first n rows of a table away, as a writer does that changes a live database.
func (s *Server) DeleteRows(db, schema, name string, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.databases[key(db)].table(schema, name)
	if t == nil {
		return fmt.Errorf("delete rows: there is no table %s.%s in %q", schema, name, db)
	}
	if n > len(t.rows) {
		return fmt.Errorf("delete rows: %s.%s has %d rows, not %d", schema, name, len(t.rows), n)
	}
	t.rows = t.rows[n:]
	return nil
}

// SetFilters says how many enabled row-level security policies and masked columns a database has.
func (s *Server) SetFilters(db string, policies, maskedColumns int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return fmt.Errorf("set filters: there is no database %q", db)
	}
	d.policies, d.masked = policies, maskedColumns
	return nil
}

// State is a database's state_desc.
func (s *Server) State(db string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return "", false
	}
	return d.state(s.cfg.Clock.Now()), true
}

// Objective is the service objective that a database was created with or scaled to; empty if none was named.
func (s *Server) Objective(db string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok {
		return "", false
	}
	d.settle(s.cfg.Clock.Now())
	return d.objective, true
}

// Copy starts a copy as the management plane does, which asks for no right inside the server. An empty objective is the
// source's; fault is "hang", "fail" or empty, as of the fault sql.copy. It returns at once; the errors are *tds.Error.
func (s *Server) Copy(source, target, owner, objective, fault string) error {
	if err := checkObjective(objective, ""); err != nil {
		return err
	}
	_, err := s.startCopy(copyRequest{source: source, target: target, owner: owner, objective: objective, fault: fault})
	return err
}

// Description is a database as its server knows it. ID stays through renames, and no other database ever has it.
type Description struct {
	ID                                         uint64
	Name, State, Collation, Edition, Objective string
	MaxBytes                                   int64
	Created                                    time.Time
}

// Describe looks a database up by its name, without regard to case.
func (s *Server) Describe(db string) (Description, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok || d.name == master {
		return Description{}, false
	}
	now := s.cfg.Clock.Now()
	d.settle(now)
	is := d.size()
	return Description{d.id, d.name, d.state(now), d.collation, is.edition, is.objective, is.maxBytes, d.created}, true
}

// Age makes a database as old as if it had been created that much earlier.
func (s *Server) Age(db string, by time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(db)]
	if !ok || d.name == master {
		return fmt.Errorf("age: there is no database %q", db)
	}
	d.created = d.created.Add(-by)
	return nil
}

// Drop removes a database and cuts its sessions, as the management plane does.
func (s *Server) Drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(name)]
	if !ok || d.name == master {
		return errNoDrop(name)
	}
	d.dropped = true
	delete(s.databases, key(name))
	return nil
}
