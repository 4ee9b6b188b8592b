package azuresql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// largeDatabase is near the 200 GB below which sqlpackage's page says that it exports best.
	largeDatabase = 150e9
	// largeHeap is where the advice to have a clustered index on large tables begins to count: without one an export reads
	// the whole table in one go, and fails as a whole.
	largeHeap = 1 << 30
)

// Facts are what should be known of a database before its export.
type Facts struct {
	UsedBytes         int64 // taken by data, not the size of the files
	CanSelect         bool  // on every table
	CanViewDefinition bool
	SecurityPolicies  int // enabled row-level security policies: they hide rows from an export
	MaskedColumns     int
	Unmask            bool // whether masked columns are read in clear
	// Unsupported is what a bacpac can't hold, so that a backup would miss it or fail; Warnings is what a person should know
	// before the restore. One line for each kind.
	Unsupported, Warnings []string
}

// Preflight reads the Facts. A right that the server does not confirm counts as missing.
func (s *Server) Preflight(ctx context.Context, db string) (Facts, error) {
	var used, sel, view, policies, masked, unmask sql.NullInt64
	err := s.row(ctx, db, "read used space of", stmtUsedBytes, &used)
	if err == nil {
		err = s.row(ctx, db, "read rights on", stmtRights, &sel, &view)
	}
	if err == nil {
		err = s.row(ctx, db, "read filters of", stmtFilters, &policies, &masked, &unmask)
	}
	if err != nil {
		return Facts{}, err
	}
	if !used.Valid {
		return Facts{}, bacvault.Fail(bacvault.CodeSQLRefused, "the server does not say how much space %s takes", db)
	}
	f := Facts{
		UsedBytes: used.Int64, CanSelect: sel.Int64 == 1, CanViewDefinition: view.Int64 == 1,
		SecurityPolicies: int(policies.Int64), MaskedColumns: int(masked.Int64), Unmask: unmask.Int64 == 1,
	}
	if f.Unsupported, f.Warnings, err = s.specials(ctx, db); err != nil {
		return Facts{}, err
	}
	if f.UsedBytes >= largeDatabase {
		f.Warnings = append(f.Warnings, fmt.Sprintf("the data takes %d GB: sqlpackage exports databases under 200 GB best", f.UsedBytes/1e9))
	}
	return f, nil
}

// kinds gathers names by what is special about them, in the order in which the kinds came.
type kinds struct {
	order []string
	names map[string][]string
}

func (k *kinds) add(kind, name string) {
	if k.names == nil {
		k.names = map[string][]string{}
	}
	if _, there := k.names[kind]; !there {
		k.order = append(k.order, kind)
	}
	k.names[kind] = append(k.names[kind], name)
}

// lines is a line for each kind. A database may have thousands of such columns, so each line names a few and counts the rest.
func (k *kinds) lines() (out []string) {
	const most = 5
	for _, kind := range k.order {
		names := k.names[kind]
		line := kind + ": " + strings.Join(names[:min(len(names), most)], ", ")
		if more := len(names) - most; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, line)
	}
	return out
}

// specials looks for what a bacpac can't hold or a restore has trouble with.
func (s *Server) specials(ctx context.Context, db string) (unsupported, warnings []string, err error) {
	var bad, odd kinds
	for _, look := range []func(context.Context, string, *kinds, *kinds) error{s.tableKinds, s.columnKinds, s.heaps, s.references} {
		if err := look(ctx, db, &bad, &odd); err != nil {
			return nil, nil, err
		}
	}
	return bad.lines(), odd.lines(), nil
}

func (s *Server) tableKinds(ctx context.Context, db string, bad, odd *kinds) error {
	return s.list(ctx, db, "list special tables of", stmtTableKinds, bad, odd, func(r *sql.Rows, bad, odd *kinds) error {
		var t bacvault.Table
		var external, files, dropped, node, edge, memory bool
		var ledger sql.NullInt64
		if err := r.Scan(&t.Schema, &t.Name, &external, &files, &dropped, &ledger, &node, &edge, &memory); err != nil {
			return err
		}
		for _, k := range []struct {
			is   bool
			into *kinds
			what string
		}{
			{external, bad, "external tables, whose rows lie elsewhere"},
			{files, bad, "file tables"},
			{dropped, bad, "dropped ledger tables, which sqlpackage leaves out"},
			{ledger.Int64 > 0 && !dropped, odd, "ledger tables, whose ledger a restore begins anew"},
			{node || edge, odd, "graph tables, whose data no archive of ours was ever confirmed with"},
			{memory, odd, "memory-optimised tables, which a restore to Basic, Standard or General Purpose refuses"},
		} {
			if k.is {
				k.into.add(k.what, t.String())
			}
		}
		return nil
	})
}

func (s *Server) columnKinds(ctx context.Context, db string, bad, odd *kinds) error {
	return s.list(ctx, db, "list special columns of", stmtColumnKinds, bad, odd, func(r *sql.Rows, bad, odd *kinds) error {
		var t bacvault.Table
		var column, base, kind string
		var own, filestream, hidden, sparse bool
		var encrypted sql.NullInt64
		if err := r.Scan(&t.Schema, &t.Name, &column, &base, &kind, &own, &filestream, &hidden, &sparse, &encrypted); err != nil {
			return err
		}
		for _, k := range []struct {
			is   bool
			into *kinds
			what string
		}{
			{filestream, bad, "FILESTREAM columns"},
			{kind == "json" || kind == "vector" || base == "sql_variant" || own, odd, "columns of types whose rows in an archive may not be verified"},
			{hidden, odd, "hidden columns, which may not be verified"},
			{sparse, odd, "sparse columns, which may not be verified"},
			{encrypted.Valid, odd, "columns under Always Encrypted, which a restore needs the keys for"},
		} {
			if k.is {
				k.into.add(k.what, fmt.Sprintf("%s.%s (%s)", t, column, kind))
			}
		}
		return nil
	})
}

func (s *Server) heaps(ctx context.Context, db string, bad, odd *kinds) error {
	return s.list(ctx, db, "list heaps of", stmtHeaps, bad, odd, func(r *sql.Rows, _, odd *kinds) error {
		var t bacvault.Table
		var reserved int64
		if err := r.Scan(&t.Schema, &t.Name, &reserved); err != nil {
			return err
		}
		if reserved >= largeHeap {
			odd.add("large tables without a clustered index, which are slow to export", fmt.Sprintf("%s (%d MiB)", t, reserved>>20))
		}
		return nil
	})
}

// references are what sqlpackage refuses with SQL71562. Where they can't be looked at, that is told and the run goes on: the
// view is db_owner's of itself, and Microsoft's page on it does not list Azure SQL Database.
func (s *Server) references(ctx context.Context, db string, bad, odd *kinds) error {
	err := s.list(ctx, db, "list references of", stmtReferences, bad, odd, func(r *sql.Rows, _, odd *kinds) error {
		var schema, name, server, database string
		if err := r.Scan(&schema, &name, &server, &database); err != nil {
			return err
		}
		to := database
		if server != "" {
			to = server + "." + database
		}
		odd.add("objects that name a database, which sqlpackage may refuse (SQL71562)",
			fmt.Sprintf("%s to %s", cmp.Or(strings.Trim(schema+"."+name, "."), "a trigger of the database"), to))
		return nil
	})
	var f *bacvault.Failure
	if errors.As(err, &f) && hasNumber(f, numObjectDenied, numNoObject) {
		odd.add("not looked for, for want of SELECT on sys.sql_expression_dependencies", "objects that name a database")
		return nil
	}
	return err
}

// list gives the kinds of all rows, or of none: a read that is tried again begins anew.
func (s *Server) list(ctx context.Context, db, what, stmt string, bad, odd *kinds, row func(*sql.Rows, *kinds, *kinds) error) error {
	var b, o kinds
	err := s.read(ctx, db, what+" "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		b, o = kinds{}, kinds{}
		return each(ctx, p, stmt, func(r *sql.Rows) error { return row(r, &b, &o) })
	})
	if err != nil {
		return err
	}
	for _, part := range []struct{ from, to *kinds }{{&b, bad}, {&o, odd}} {
		for _, kind := range part.from.order {
			for _, name := range part.from.names[kind] {
				part.to.add(kind, name)
			}
		}
	}
	return nil
}
