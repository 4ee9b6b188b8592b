package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// session is one login to one database.
type session struct {
	server    *Server
	principal string
	database  *database
	moves     int // the database's at the login

	formatOnly bool
	bulk       *table // the target of the last INSERT BULK
	// In a transaction loaded rows wait here; others see them at the commit.
	transaction bool
	pending     map[*table][][]any
}

func (s *session) Database() string { return s.database.name }

// check cuts a session whose database was dropped or went to another objective, as the real server does, or was renamed.
func (s *session) check() error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for s.database.follows != nil {
		s.database = s.database.follows
	}
	if s.database.dropped {
		return fmt.Errorf("%w: database %s was dropped or renamed", tds.ErrCut, s.database.name)
	}
	if s.database.settle(s.server.cfg.Clock.Now()); s.database.moves != s.moves {
		return fmt.Errorf("%w: database %s has another service objective now", tds.ErrCut, s.database.name)
	}
	return nil
}

func (s *session) Begin() error {
	if s.transaction {
		return errors.New("nested transactions are not known")
	}
	s.transaction, s.pending = true, map[*table][][]any{}
	return s.check()
}

func (s *session) Commit() error {
	if err := s.check(); err != nil {
		return err
	}
	if !s.transaction {
		return tds.Errorf(3902, 16, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
	}
	s.server.mu.Lock()
	for t, rows := range s.pending {
		t.rows = append(t.rows, rows...)
	}
	s.server.mu.Unlock()
	s.transaction, s.pending = false, nil
	return nil
}

func (s *session) Rollback() error {
	if !s.transaction {
		return tds.Errorf(3903, 16, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
	}
	s.transaction, s.pending = false, nil
	return nil
}

func (s *session) Reset() {
	s.transaction, s.pending, s.formatOnly, s.bulk = false, nil, false, nil
}

func (s *session) Close() { s.Reset() }

// lookup finds a table and takes a snapshot of its rows, this session's uncommitted ones included.
func (s *session) lookup(c call) (*table, [][]any, error) {
	schema, name := c.holes["schema"], c.holes["table"]
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	t := s.database.table(schema, name)
	if t == nil {
		return nil, nil, errNoTable(schema, name)
	}
	rows := t.snapshot()
	if added := s.pending[t]; len(added) > 0 {
		rows = slices.Concat(rows, added)
	}
	return t, rows, nil
}

func (s *session) may(right string) bool { return s.server.may(s.principal, right, s.database) }

func (s *session) ping(_ context.Context, c call) error {
	return one(c.out, []tds.Column{number("", "int")}, int64(1))
}

// one answers with one row.
func one(out *tds.Results, cols []tds.Column, values ...any) error {
	if err := out.Columns(cols); err != nil {
		return err
	}
	return out.Row(values)
}

func number(name, kind string) tds.Column {
	return tds.Column{Name: name, Type: tds.Type{Name: kind}, Nullable: true, ReadOnly: true}
}

func text(name string, length int) tds.Column {
	return tds.Column{Name: name, Type: tds.Type{Name: "nvarchar", Length: length}, Nullable: true, ReadOnly: true}
}
