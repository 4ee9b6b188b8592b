package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
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
			return x.shutOut(lerr, "master")
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

// rights are what the backup identity must have in a database beside being let in, in the order in which one is needed to see
// the next.
func rights() []Check {
	return []Check{CheckDatabaseState, CheckSelect, CheckDefinition, CheckDependencies, CheckFiltered}
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
			return x.right(c, facts, d.Name)
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
		return ok("online"), bad(x.grant(name, grantState), "%s", f.Detail)
	}
	if err != nil {
		return x.shutOut(err, name), state
	}
	return ok("online, %d tables", len(tables)), ok("partition statistics can be read")
}

// The lines of docs/grants.sql that give what is missing in a database; %s is the identity.
const (
	grantUser         = "CREATE USER [%s] FROM EXTERNAL PROVIDER;"
	grantRead         = "ALTER ROLE db_datareader ADD MEMBER [%s];"
	grantDefinition   = "GRANT VIEW DEFINITION TO [%s];"
	grantState        = "GRANT VIEW DATABASE STATE TO [%s];"
	grantDependencies = "GRANT SELECT ON sys.sql_expression_dependencies TO [%s];"
	grantUnmask       = "GRANT UNMASK TO [%s];"
)

// shutOut is an identity that a server or a database does not let in. What else keeps one out has its own advice.
func (x *examined) shutOut(err error, database string) finding {
	if f := bacvault.AsFailure(err, ""); f.Code == bacvault.CodeSQLDenied && f.Class == bacvault.Terminal {
		return bad(x.grant(database, grantUser), "%s", f.Detail)
	}
	return failed(err, "")
}

func (x *examined) right(c Check, f azuresql.Facts, database string) finding {
	held := func(has bool, what, grant string) finding {
		if has {
			return ok("the server confirms it")
		}
		return bad(x.grant(database, grant), "the server does not confirm %s on the whole database", what)
	}
	switch c {
	case CheckSelect:
		return held(f.CanSelect, "SELECT (db_datareader)", grantRead)
	case CheckDefinition:
		return held(f.CanViewDefinition, "VIEW DEFINITION", grantDefinition)
	case CheckFiltered:
		return x.filtered(f, database)
	}
	if slices.ContainsFunc(f.Warnings, func(w string) bool { return strings.Contains(w, "sys.sql_expression_dependencies") }) {
		return warn(x.grant(database, grantDependencies), "objects that name another database can't be looked for")
	}
	return ok("sys.sql_expression_dependencies can be read")
}

// filtered is what would thin an export silently. Whether a policy hides rows from this identity shows only when they are counted.
func (x *examined) filtered(f azuresql.Facts, database string) finding {
	switch {
	case !f.CanViewDefinition:
		return skip("masked columns and security policies can't be seen without VIEW DEFINITION")
	case f.MaskedColumns > 0 && !f.Unmask:
		return bad(x.grant(database, grantUnmask), "%d columns are masked for this identity: backups are refused", f.MaskedColumns)
	case f.SecurityPolicies > 0:
		return warn("Exempt the identity in the policies' predicates; a backup counts every row and is refused where some are hidden.",
			"%d row-level security policies are enabled; whether they hide rows from this identity is not known before a backup", f.SecurityPolicies)
	case f.MaskedColumns > 0:
		return ok("%d columns are masked, and this identity holds UNMASK", f.MaskedColumns)
	}
	return ok("no column is masked, and no row-level security policy is enabled")
}
