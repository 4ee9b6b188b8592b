package sqlserver

import (
	"context"
	"slices"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// scopeServer is the scope of sql/login and sql/admin.
const scopeServer = "server"

// rightUnmask lets its holder read masked columns; no role in the table needs it.
const rightUnmask = "sql/UNMASK"

func (s *Server) isAdmin(principal string) bool {
	return s.cfg.Allow(principal, roles.SQLAdmin, scopeServer)
}

// owns is who has every right in a database, and may drop it.
func (s *Server) owns(principal string, d *database) bool {
	return s.isAdmin(principal) || (d.owner != "" && d.owner == principal)
}

// may asks for a right in a database. Grants on the databases that it is a copy of hold in it, too.
func (s *Server) may(principal, right string, d *database) bool {
	return s.owns(principal, d) || slices.ContainsFunc(d.lineage, func(name string) bool {
		return s.cfg.Allow(principal, right, name)
	})
}

// isUser is whether a principal has a user in a database. Who has any right there has one.
func (s *Server) isUser(principal string, d *database) bool {
	for _, right := range []string{roles.SQLDataReader, roles.SQLViewDefinition, roles.SQLViewDatabaseState} {
		if s.may(principal, right, d) {
			return true
		}
	}
	return d.name == master
}

func (s *Server) mayCreate(principal string) bool {
	return s.isAdmin(principal) || s.cfg.Allow(principal, roles.SQLDBManager, master)
}

// mayCreate answers for master. dbmanager is a role of master alone: elsewhere the server does not know it. An administrator is
// in no role and has every right.
func (s *session) mayCreate(_ context.Context, c call) error {
	var member any
	if s.database.name == master {
		member = has(s.server.cfg.Allow(s.principal, roles.SQLDBManager, master))
	}
	cols := []tds.Column{number("", "int"), number("", "int")}
	return one(c.out, cols, member, has(s.server.owns(s.principal, s.database)))
}

// open answers a login.
func (s *Server) open(ctx context.Context, l tds.Login) (tds.Session, error) {
	if _, err := s.fault(ctx, "sql.login"); err != nil {
		return nil, err
	}
	if !l.HasToken {
		s.cfg.Log("login of %q refused: the stand-in takes tokens only", l.User)
		return nil, errLogin(l.User)
	}
	principal, err := s.cfg.Authenticate(l.Token, s.cfg.Audience)
	if err != nil {
		s.cfg.Log("login refused: %v", err)
		return nil, errLogin(tokenPrincipal)
	}
	if !s.cfg.Allow(principal, roles.SQLLogin, scopeServer) && !s.isAdmin(principal) {
		s.cfg.Log("login refused: %s has no %s", principal, roles.SQLLogin)
		return nil, errLogin(tokenPrincipal)
	}
	d, moves, err := s.openDatabase(principal, l.Database)
	if err != nil {
		s.cfg.Log("login of %s to %q refused: %v", principal, l.Database, err)
		return nil, err
	}
	return &session{server: s, principal: principal, database: d, moves: moves}, nil
}

// openDatabase finds the database of a login, and how often it has changed its objective.
func (s *Server) openDatabase(principal, name string) (d *database, moves int, err error) {
	if name == "" {
		name = master
	}
	s.mu.Lock()
	d, ok := s.databases[key(name)]
	state := ""
	if now := s.cfg.Clock.Now(); ok {
		d.settle(now)
		state, moves = d.state(now), d.moves
	}
	s.mu.Unlock()
	switch {
	case !ok || !s.isUser(principal, d): // the answer does not tell which
		return nil, 0, errCannotOpen(name)
	case state == stateCopying: // the documentation does not say what a login meets then
		return nil, 0, errCannotOpen(name, errRestoring(d.name))
	case state == stateSuspect:
		return nil, 0, errCannotOpen(name, errSuspect(d.name))
	}
	return d, moves, nil
}
