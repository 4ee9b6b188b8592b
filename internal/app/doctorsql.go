package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/watch"
)

// sql is one walk for each server: what fails first says why the rest can't be looked at.
func (x *examined) sql() (out []func(context.Context) error) {
	for name := range x.servers {
		backs := x.backs() && x.cfg.Servers[name] != ""
		restores := x.restores() && (name == x.cfg.RestoreServer || x.cfg.RestoreServer == "")
		if backs || restores {
			out = append(out, func(ctx context.Context) error { return x.server(ctx, name, backs, restores) })
		}
	}
	return out
}

func (x *examined) server(ctx context.Context, name string, backs, restores bool) error {
	s := x.servers[name]
	var there []azuresql.Info
	var lerr error
	if err := x.do(ctx, job{CheckSQLLogin, name, func(ctx context.Context) finding {
		if there, lerr = s.Databases(ctx); lerr != nil {
			return failed(lerr, "")
		}
		return ok("logged in; the server shows %d databases", len(there))
	}}); err != nil {
		return err
	}
	if err := x.do(ctx, job{CheckSQLCreate, name, func(ctx context.Context) finding {
		if lerr != nil {
			return skip("the server can't be logged in to")
		}
		return x.created(ctx, name, backs, restores)
	}}); err != nil || !backs {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, d := range protectedOn(x.cfg, name, there) {
		g.Go(func() error { return x.database(gctx, s, bacvault.Database{Server: name, Name: d}, lerr) })
	}
	return g.Wait()
}

func protectedOn(c config.Config, server string, there []azuresql.Info) (out []string) {
	for _, p := range c.Protected {
		if p.Server != server {
			continue
		}
		if p.Name != "*" {
			out = append(out, p.Name)
			continue
		}
		for _, d := range there {
			if !config.Own(d.Name) {
				out = append(out, d.Name)
			}
		}
	}
	return out
}

// created says whether databases can be made on a server, as far as that is seen without making one: no right is asked for, but
// the last night that copied, and the last drill that restored, are read.
func (x *examined) created(ctx context.Context, server string, backs, restores bool) finding {
	var shown []string
	if backs && x.cfg.Consistency != "live" {
		slot, stored, err := x.lastCopy(ctx, server)
		if err != nil {
			return skip("%s", bacvault.AsFailure(err, "").Detail)
		}
		if denied := x.lastDenied(ctx, server); denied.At.After(stored) {
			return bad(grantCreate, "the backup of %s of %s was refused: %s", denied.Slot, denied.Database, denied.Detail)
		}
		if slot.IsZero() {
			return unseen("no backup younger than " + x.cfg.MaxBackupAge.String() + " was made of a copy")
		}
		shown = append(shown, "the backup of "+slot.String()+" was made of a copy")
	}
	if restores {
		at, err := x.lastDrill(ctx)
		if err != nil {
			return skip("%s", bacvault.AsFailure(err, "").Detail)
		}
		if at == "" {
			return unseen("no drill has passed in the last " + x.cfg.MaxProofAge.String())
		}
		shown = append(shown, "the drill of "+at+" restored")
	}
	if len(shown) == 0 {
		return ok("not needed: the live database is exported")
	}
	return ok("%s", strings.Join(shown, "; "))
}

const grantCreate = "Grant dbmanager in master (docs/grants.sql), then run bacvault backup and bacvault drill with --wait, which show it."

func unseen(why string) finding {
	return finding{CheckSkipped, "it can't be seen without making a database: " + why, grantCreate}
}

// lastDenied is the newest backup of a server's database that failed because no copy could be made; the zero value is none that
// is known of.
func (x *examined) lastDenied(ctx context.Context, server string) (last watch.Failed) {
	list, err := x.failures(ctx, x.now().Add(-x.cfg.MaxBackupAge))
	if err != nil {
		return last // the check of the state container tells that
	}
	for _, f := range list {
		if f.Database.Server == server && f.Code == bacvault.CodeSQLDenied && strings.Contains(f.Detail, "CREATE DATABASE") && f.At.After(last.At) {
			last = f
		}
	}
	return last
}

// lastCopy is the newest backup on a server that was made of a copy, and when it was stored; the zero slot is none that is young.
func (x *examined) lastCopy(ctx context.Context, server string) (last bacvault.Slot, stored time.Time, err error) {
	dbs, err := x.vault.Databases(ctx)
	if err != nil {
		return last, stored, err
	}
	stored = x.now().Add(-x.cfg.MaxBackupAge)
	for _, d := range dbs {
		if d.Server != server || !x.cfg.Protects(d.Server, d.Name) {
			continue
		}
		list, err := x.vault.Catalogue(ctx, d)
		if err != nil {
			return last, stored, err
		}
		for _, e := range slices.Backward(list) {
			if !e.HasManifest {
				continue
			}
			if e.Created.After(stored) {
				m, found, err := x.vault.ReadManifest(ctx, e.Blob)
				if err != nil {
					return last, stored, err
				}
				if found && m.Consistency == bacvault.ConsistencyCopy {
					last, stored = m.Slot, e.Created
				}
			}
			break
		}
	}
	return last, stored, nil
}

func (x *examined) lastDrill(ctx context.Context) (string, error) {
	dbs, err := x.vault.Databases(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range dbs {
		list, err := x.vault.Catalogue(ctx, d)
		if err != nil {
			return "", err
		}
		for _, e := range slices.Backward(list) {
			if e.Proofs == 0 || e.ProofNames[e.Proofs-1] < bacvault.ProofName(e.Blob, x.now().Add(-x.cfg.MaxProofAge)) {
				continue
			}
			p, found, err := x.vault.ReadProof(ctx, e.ProofNames[e.Proofs-1])
			if err != nil {
				return "", err
			}
			if found && p.Passed {
				return p.At.UTC().Format("2006-01-02T15:04:05Z") + " of " + d.String(), nil
			}
		}
	}
	return "", nil
}

// rights are what the backup identity must have in a database beside being let in, in the order in which one is needed to see
// the next.
func rights() []Check {
	return []Check{CheckDatabaseState, CheckSelect, CheckDefinition, CheckDependencies}
}

// database looks at one protected database.
func (x *examined) database(ctx context.Context, s *azuresql.Server, d bacvault.Database, lerr error) error {
	why := ""
	if lerr != nil {
		why = "the server can't be logged in to"
	}
	var state finding
	if err := x.do(ctx, job{CheckDatabase, d.String(), func(ctx context.Context) finding {
		if why != "" {
			return skip("%s", why)
		}
		var f finding
		if f, state = x.enter(ctx, s, d.Name); f.verdict == CheckFail {
			why = "the database can't be entered"
		}
		return f
	}}); err != nil {
		return err
	}
	var facts azuresql.Facts
	var ferr error
	if why == "" && state.verdict == CheckOK {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		defer cancel()
		facts, ferr = s.Preflight(limited, d.Name)
	}
	for _, c := range rights() {
		if err := x.do(ctx, job{c, d.String(), func(context.Context) finding {
			switch {
			case why != "":
				return skip("%s", why)
			case c == CheckDatabaseState:
				return state
			case state.verdict != CheckOK:
				return skip("it can't be seen without VIEW DATABASE STATE")
			case ferr != nil:
				return failed(ferr, "")
			}
			return right(c, facts)
		}}); err != nil {
			return err
		}
	}
	return nil
}

// enter reads partition statistics, which needs a user in the database and VIEW DATABASE STATE: the server's answer says which is
// missing.
func (x *examined) enter(ctx context.Context, s *azuresql.Server, name string) (database, state finding) {
	info, there, err := s.Exists(ctx, name)
	switch {
	case err != nil:
		return failed(err, ""), state
	case !there:
		return bad("Put SQL_DATABASE_NAME right, or create the database.", "the server does not show it: it is not there, or this identity may not know of it"), state
	case info.State != "ONLINE":
		return bad("Bring the database online.", "it is %s", info.State), state
	}
	tables, err := s.Tables(ctx, name)
	var f *bacvault.Failure
	if errors.As(err, &f) && strings.Contains(f.Detail, "VIEW DATABASE STATE") || errors.As(err, &f) && strings.Contains(f.Detail, "VIEW DATABASE PERFORMANCE STATE") {
		return ok("online"), bad("Grant VIEW DATABASE STATE: docs/grants.sql.", "%s", f.Detail)
	}
	if err != nil {
		return failed(err, ""), state
	}
	return ok("online, %d tables", len(tables)), ok("partition statistics can be read")
}

func right(c Check, f azuresql.Facts) finding {
	grant := func(has bool, what string) finding {
		if has {
			return ok("the server confirms it")
		}
		return bad("Grant "+what+": docs/grants.sql.", "the server does not confirm %s on the whole database", what)
	}
	switch c {
	case CheckSelect:
		return grant(f.CanSelect, "SELECT (db_datareader)")
	case CheckDefinition:
		return grant(f.CanViewDefinition, "VIEW DEFINITION")
	}
	if slices.ContainsFunc(f.Warnings, func(w string) bool { return strings.Contains(w, "sys.sql_expression_dependencies") }) {
		return warn("Grant SELECT on sys.sql_expression_dependencies: docs/grants.sql.", "objects that name another database can't be looked for")
	}
	return ok("sys.sql_expression_dependencies can be read")
}
