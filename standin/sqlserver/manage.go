package sqlserver

import (
	"context"
	"regexp"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// inMaster is what CREATE and DROP DATABASE demand of their session.
func (s *session) inMaster(statement string) error {
	switch {
	case s.database.name != master:
		return errNotMaster()
	case s.transaction:
		return errInTransaction(statement)
	}
	return nil
}

// createCopy starts a copy and waits until it is online. The copy goes on when nobody waits any more.
func (s *session) createCopy(ctx context.Context, c call) error {
	if err := s.inMaster("CREATE DATABASE"); err != nil {
		return err
	}
	if !s.server.mayCreate(s.principal) {
		return errDatabaseDenied("CREATE DATABASE", master)
	}
	if err := checkObjective(c.holes["objective"], ""); err != nil {
		return err
	}
	s.server.mu.Lock()
	source := s.server.databases[key(c.holes["source"])]
	s.server.mu.Unlock()
	if source == nil || !s.server.isUser(s.principal, source) {
		return errNoCopySource()
	}
	f, err := s.server.fault(ctx, "sql.copy", "hang", "fail", "cut")
	if err != nil {
		return err
	}
	copied, err := s.server.startCopy(copyRequest{
		source: c.holes["source"], target: c.holes["target"], owner: s.principal, objective: c.holes["objective"], fault: f.Do,
	})
	if err != nil {
		return err
	}
	if f.Do == "cut" {
		return tds.ErrCut
	}
	return s.server.awaitCopy(ctx, copied)
}

type copyRequest struct {
	source, target, owner string
	objective             string // empty: the source's
	fault                 string
}

// startCopy puts the snapshot there in state COPYING. The errors are *tds.Error.
func (s *Server) startCopy(r copyRequest) (*database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock.Now()
	from, ok := s.databases[key(r.source)]
	if !ok || from.name == master || from.state(now) != stateOnline {
		return nil, errNoCopySource()
	}
	from.settle(now)
	d := from.copyAs(r.target, r.owner)
	s.identify(d)
	d.copied = now.Add(s.cfg.CopyTime)
	if r.objective != "" {
		d.resize(r.objective)
	}
	switch r.fault {
	case "hang":
		d.ending = endsNever
	case "fail":
		d.ending, d.copied = endsSuspect, now.Add(s.cfg.CopyTime/2)
	}
	return d, s.addLocked(d)
}

func (s *Server) awaitCopy(ctx context.Context, d *database) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		dropped, state := d.dropped && !d.renamed, d.state(s.cfg.Clock.Now())
		s.mu.Unlock()
		switch {
		case dropped:
			return errCopyTargetDropped()
		case state == stateOnline:
			return nil
		case state == stateSuspect:
			return errCopyFailed()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// drop removes a database. The fault "cut" hits after the database is gone.
func (s *session) drop(ctx context.Context, c call) error {
	if err := s.inMaster("DROP DATABASE"); err != nil {
		return err
	}
	name := c.holes["name"]
	s.server.mu.Lock()
	d := s.server.databases[key(name)]
	s.server.mu.Unlock()
	if d == nil || !s.server.owns(s.principal, d) {
		return errNoDrop(name)
	}
	f, err := s.server.fault(ctx, "sql.drop", "cut")
	if err != nil {
		return err
	}
	if err := s.server.Drop(name); err != nil {
		return err
	}
	if f.Do == "cut" {
		return tds.ErrCut
	}
	return nil
}

// create makes an empty database, online at once.
func (s *session) create(_ context.Context, c call) error {
	if err := s.inMaster("CREATE DATABASE"); err != nil {
		return err
	}
	if !s.server.mayCreate(s.principal) {
		return errDatabaseDenied("CREATE DATABASE", master)
	}
	d := s.server.newDatabase(c.holes["target"], s.principal)
	if options, ok := c.holes["options"]; ok {
		if err := d.configure(options); err != nil {
			return err
		}
	}
	return s.server.add(d)
}

var quotedOption = regexp.MustCompile(`^'([A-Za-z0-9_]+)'$`)

// configure reads (EDITION = 'e', SERVICE_OBJECTIVE = 'o', MAXSIZE = n GB), any of the three.
func (d *database) configure(text string) error {
	edition, objective, maximum := "", "", ""
	for name, value := range splitOptions(text) {
		quoted := quotedOption.FindStringSubmatch(value)
		switch {
		case name == "EDITION" && quoted != nil:
			edition = quoted[1]
		case name == "SERVICE_OBJECTIVE" && quoted != nil:
			objective = quoted[1]
		case name == "MAXSIZE":
			maximum = value
		default:
			return tds.Errorf(40510, 16, "the SQL Server stand-in does not know the option %s = %s of CREATE DATABASE.", name, value)
		}
	}
	s, err := sizeOf(edition, objective, maximum)
	d.edition, d.objective, d.maxBytes = s.edition, s.objective, s.maxBytes
	return err
}

// resize gives a copy its own objective. It keeps the source's maximum where the new edition has such a size.
func (d *database) resize(objective string) {
	was := d.size()
	d.edition, d.objective, d.maxBytes = "", objective, 0
	for _, e := range editions {
		if e.name == editionOf(objective) && was.maxBytes <= e.atMost {
			d.maxBytes = was.maxBytes
		}
	}
}

// createFromModel makes the empty tables of a model.xml, with indexes disabled and constraints not trusted, as an import
// leaves them until its end.
func (s *session) createFromModel(_ context.Context, c call) error {
	if !s.server.owns(s.principal, s.database) {
		return errDatabaseDenied("CREATE TABLE", s.database.name)
	}
	raw, ok := c.params["@model"].([]byte)
	if !ok {
		return errNoParameter("@model")
	}
	m, err := bacpacfile.ParseModel(raw)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if len(s.database.tables) > 0 || s.database.model != nil || s.database.name == master {
		return tds.Errorf(2714, 16, "There is already a model in the database '%s'.", s.database.name)
	}
	if err := s.database.define(m); err != nil {
		return err
	}
	s.database.unfinished = unfinished{
		disabledIndexes: int64(m.Objects["Index"] + m.Objects["PrimaryKeyConstraint"] + m.Objects["UniqueConstraint"]),
		untrustedKeys:   int64(m.Objects["ForeignKeyConstraint"]),
		untrustedChecks: int64(m.Objects["CheckConstraint"]),
	}
	return nil
}

func (s *session) enableIndexes(context.Context, call) error {
	return s.finish(func(u *unfinished) { *u = unfinished{} })
}

// enableIndexesOnly leaves the constraints as they are.
func (s *session) enableIndexesOnly(context.Context, call) error {
	return s.finish(func(u *unfinished) { u.disabledIndexes = 0 })
}

func (s *session) finish(do func(*unfinished)) error {
	if !s.server.owns(s.principal, s.database) {
		return errDatabaseDenied("ALTER", s.database.name)
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	do(&s.database.unfinished)
	return nil
}
