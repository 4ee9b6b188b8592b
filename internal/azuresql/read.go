package azuresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Info is a database as master shows it. State is ONLINE, COPYING, RESTORING, SUSPECT and so on.
type Info struct {
	Name    string
	State   string
	Created time.Time
	// Collation and Compatibility are filled by Exists and WaitOnline only; a database that is not online may have no collation.
	Collation     string
	Compatibility int
}

// cannotOpenAttempts is how often "cannot open database" (4060) is believed to pass.
const cannotOpenAttempts = 3

// read does one read, bounded, and tries it again while the fault passes. For reads only.
func (s *Server) read(ctx context.Context, db, what string, timeout time.Duration, do func(context.Context, *sql.DB) error) error {
	p, err := s.pool(db)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for attempt := 1; ; attempt++ {
		err := s.bounded(ctx, timeout, func(ctx context.Context) error { return do(ctx, p) })
		if err == nil {
			return nil
		}
		limit := s.cfg.Attempts
		if hasNumber(err, numCannotOpen) {
			limit = min(limit, cannotOpenAttempts)
		}
		if ctx.Err() != nil || attempt >= limit || !passing(err) {
			return s.explain(ctx, db, failure(ctx, what, err), err)
		}
		if lost(err) { // a failover or a rename cuts them all: each of the others would cost a try of its own
			dropIdle(p, s.cfg.Connections)
		}
		if err := s.backoff(ctx, attempt, err); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// dropIdle closes a pool's idle connections; those that work go on.
func dropIdle(p *sql.DB, keep int) {
	p.SetMaxIdleConns(-1)
	p.SetMaxIdleConns(keep)
}

// bounded gives one try its limits: a connection, then the statement.
func (s *Server) bounded(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout+timeout)
	defer cancel()
	return do(ctx)
}

// backoff waits before the next attempt.
func (s *Server) backoff(ctx context.Context, attempt int, err error) error {
	wait := s.cfg.RetryFirst
	for range attempt - 1 {
		wait = min(2*wait, s.cfg.RetryMax)
	}
	if hasNumber(err, numBusy) { // Microsoft asks for at least 10 s after 40501
		wait = max(wait, min(2*s.cfg.RetryFirst, s.cfg.RetryMax))
	}
	return sleep(ctx, wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// explain tells a database that is not there from one that we may not open: the server answers 4060 for both.
func (s *Server) explain(ctx context.Context, db string, failed, err error) error {
	var f *bacvault.Failure
	if db == master || !hasNumber(err, numCannotOpen) || !errors.As(failed, &f) {
		return failed
	}
	if _, there, err := s.look(ctx, db); err == nil && there {
		g := bacvault.Fail(bacvault.CodeSQLDenied, "%s; the database is there, but this identity has no user in it", f.Detail)
		g.Err = f.Err
		return g
	}
	return failed
}

// look reads one database's row in master once, without another try.
func (s *Server) look(ctx context.Context, db string) (info Info, there bool, err error) {
	p, err := s.pool(master)
	if err != nil {
		return Info{}, false, err
	}
	err = s.bounded(ctx, s.cfg.QueryTimeout, func(ctx context.Context) error {
		info, there, err = scanDatabase(ctx, p, db)
		return err
	})
	return info, there, err
}

func scanDatabase(ctx context.Context, p *sql.DB, db string) (Info, bool, error) {
	var i Info
	var collation sql.NullString
	var level sql.NullInt64
	err := p.QueryRowContext(ctx, stmtDatabase, sql.Named("name", db)).Scan(&i.Name, &i.State, &i.Created, &collation, &level)
	if errors.Is(err, sql.ErrNoRows) {
		return Info{}, false, nil
	}
	if err != nil {
		return Info{}, false, err
	}
	i.Created, i.Collation, i.Compatibility = i.Created.UTC(), collation.String, int(level.Int64)
	return i, true, nil
}

// Exists reads one database from master; false without an error says that it is not there.
func (s *Server) Exists(ctx context.Context, db string) (info Info, there bool, err error) {
	if err := checkName(db); err != nil {
		return Info{}, false, err
	}
	err = s.read(ctx, master, "read database "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) (err error) {
		info, there, err = scanDatabase(ctx, p, db)
		return err
	})
	return info, there, err
}

// Databases lists all but master, by name.
func (s *Server) Databases(ctx context.Context) (out []Info, err error) {
	err = s.read(ctx, master, "list databases", s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		out = nil
		return each(ctx, p, stmtDatabases, func(r *sql.Rows) error {
			var i Info
			if err := r.Scan(&i.Name, &i.State, &i.Created); err != nil {
				return err
			}
			i.Created = i.Created.UTC()
			out = append(out, i)
			return nil
		})
	})
	return out, err
}

// Copies lists the databases that bear the name of a copy that a backup of ours made, whatever became of that backup.
func (s *Server) Copies(ctx context.Context) (out []Info, err error) {
	all, err := s.Databases(ctx)
	for _, i := range all {
		if _, _, ours := bacvault.ParseCopyName(i.Name); ours {
			out = append(out, i)
		}
	}
	return out, err
}

// each runs a query and hands over every row. The error after the last row counts: without it a cut answer looks whole.
func each(ctx context.Context, p *sql.DB, stmt string, row func(*sql.Rows) error) (err error) {
	rows, err := p.QueryContext(ctx, stmt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
