package azuresql

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Tables lists the user tables with their rows by partition statistics: quick, and approximate while somebody writes. The
// server lists only tables that the identity may see, so ask Preflight about VIEW DEFINITION first.
func (s *Server) Tables(ctx context.Context, db string) (bacvault.Rows, error) {
	var rows bacvault.Rows
	err := s.read(ctx, db, "list tables of "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		rows = bacvault.Rows{}
		return each(ctx, p, stmtTables, func(r *sql.Rows) error {
			var t bacvault.Table
			var n int64
			if err := r.Scan(&t.Schema, &t.Name, &n); err != nil {
				return err
			}
			rows[t] = n
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Count counts every user table's rows, a few tables at a time. It gives all tables or an error.
func (s *Server) Count(ctx context.Context, db string) (bacvault.Rows, error) {
	tables, err := s.Tables(ctx, db)
	if err != nil {
		return nil, err
	}
	rows := bacvault.Rows{}
	err = s.eachTable(ctx, tables.Tables(), func(ctx context.Context, t bacvault.Table) (func(), error) {
		n, err := s.countTable(ctx, db, t)
		return func() { rows[t] = n }, err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// eachTable asks about a few tables at a time. What ask returns runs under a lock.
func (s *Server) eachTable(ctx context.Context, tables []bacvault.Table, ask func(context.Context, bacvault.Table) (func(), error)) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.Connections)
	for _, t := range tables {
		g.Go(func() error {
			keep, err := ask(ctx, t)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			keep()
			return nil
		})
	}
	return g.Wait()
}

func (s *Server) countTable(ctx context.Context, db string, t bacvault.Table) (n int64, err error) {
	stmt := fill(stmtCount, "{table}", quoteTable(t))
	err = s.read(ctx, db, fmt.Sprintf("count rows of %s in %s", t, db), s.cfg.CountTimeout, func(ctx context.Context, p *sql.DB) error {
		return p.QueryRowContext(ctx, stmt).Scan(&n)
	})
	return n, err
}

// Health is what an import that broke off leaves behind; all 0 is well.
type Health struct {
	DisabledIndexes      int
	UntrustedForeignKeys int
	UntrustedChecks      int
}

// Health counts what is disabled or untrusted in a database.
func (s *Server) Health(ctx context.Context, db string) (Health, error) {
	var h Health
	err := s.row(ctx, db, "read health of", stmtHealth, &h.DisabledIndexes, &h.UntrustedForeignKeys, &h.UntrustedChecks)
	return h, err
}

// Findings says it in words; none is well.
func (h Health) Findings() (out []string) {
	for _, f := range []struct {
		n    int
		what string
	}{
		{h.DisabledIndexes, "indexes are disabled"}, {h.UntrustedForeignKeys, "foreign keys are not trusted"},
		{h.UntrustedChecks, "check constraints are not trusted"},
	} {
		if f.n != 0 {
			out = append(out, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	return out
}

// row reads a query's only row.
func (s *Server) row(ctx context.Context, db, what, stmt string, into ...any) error {
	return s.read(ctx, db, what+" "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		return p.QueryRowContext(ctx, stmt).Scan(into...)
	})
}
