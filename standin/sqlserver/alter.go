package sqlserver

import (
	"context"
	"time"

	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

const alterDatabase = "ALTER DATABASE"

// alterable finds the database that an ALTER DATABASE names. The server's administrator, a member of dbmanager and the
// database's owner may change it; nobody else is told whether it is there.
func (s *session) alterable(name string) error {
	if err := s.inMaster(alterDatabase); err != nil {
		return err
	}
	s.server.mu.Lock()
	d := s.server.databases[key(name)]
	s.server.mu.Unlock()
	if d == nil || d.name == master || !s.server.mayCreate(s.principal) && !s.server.owns(s.principal, d) {
		return errNoAlter(name)
	}
	return nil
}

// rename gives a database another name. The fault "cut" hits when it has it; with "keep" the sessions in it stay.
func (s *session) rename(ctx context.Context, c call) error {
	if err := s.alterable(c.holes["name"]); err != nil {
		return err
	}
	f, err := s.server.fault(ctx, "sql.rename", "cut", "keep")
	if err != nil {
		return err
	}
	if err := s.server.renameTo(c.holes["name"], c.holes["to"], f.Do == "keep"); err != nil {
		return err
	}
	if f.Do == "cut" {
		return tds.ErrCut
	}
	return nil
}

// Rename is what the statement does, without a right. The database comes back as another value over the same rows, and the
// old value is gone with its sessions: what a rename does to open sessions is not documented, and cut ones are the harder
// case for a client. Owner, create_date and the grants that held stay; grants on the new name give nothing.
func (s *Server) Rename(name, to string) error { return s.renameTo(name, to, false) }

// renameTo may let the sessions follow their database: a client that keeps one then asks another database than it thinks.
func (s *Server) renameTo(name, to string, keep bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(name)]
	if !ok || d.name == master {
		return errNoAlter(name)
	}
	if state := d.state(s.cfg.Clock.Now()); state != stateOnline {
		return errNotNow(state)
	}
	if d.geoLinks > 0 {
		return errReplicated(d.name)
	}
	renamed := *d
	renamed.name = to
	if err := s.addLocked(&renamed); err != nil {
		return err
	}
	delete(s.databases, key(name))
	d.dropped, d.renamed = true, true
	if keep {
		d.follows = &renamed
	}
	return nil
}

// scaling is a change of objective that is under way.
type scaling struct {
	to size
	at time.Time // when it is done
}

// scale starts a change of objective and does not wait for it. The fault "cut" hits when it has begun.
func (s *session) scale(ctx context.Context, c call) error {
	if err := s.alterable(c.holes["name"]); err != nil {
		return err
	}
	to, err := sizeOf(c.holes["edition"], c.holes["objective"], c.holes["size"])
	if err != nil {
		return err
	}
	f, err := s.server.fault(ctx, "sql.scale", "cut")
	if err != nil {
		return err
	}
	if err := s.server.startScaling(c.holes["name"], to); err != nil {
		return err
	}
	if f.Do == "cut" {
		return tds.ErrCut
	}
	return nil
}

func (s *Server) startScaling(name string, to size) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.databases[key(name)]
	if !ok {
		return errNoAlter(name)
	}
	now := s.cfg.Clock.Now()
	if state := d.state(now); state != stateOnline {
		return errNotNow(state)
	}
	if d.settle(now); d.scaling != nil {
		return errScaling(s.cfg.ServerName, d.name)
	}
	d.scaling = &scaling{to, now.Add(s.cfg.ScaleTime)}
	return nil
}

// settle ends a change of objective whose time has come. The new objective runs elsewhere, so sessions opened before it
// are cut at their next statement; another maximum size alone cuts none.
func (d *database) settle(now time.Time) {
	if d.scaling == nil || now.Before(d.scaling.at) {
		return
	}
	before := d.size()
	d.edition, d.objective, d.maxBytes = d.scaling.to.edition, d.scaling.to.objective, d.scaling.to.maxBytes
	d.scaling = nil
	if d.size().objective != before.objective {
		d.moves++
	}
}
