package azuresql

import (
	"context"
	"database/sql"
	"slices"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Schema reads what a database shows beside its rows: every kind of object is in the answer, those that it has none of with
// 0. The server lists only what the identity may see, so ask Preflight about VIEW DEFINITION first.
func (s *Server) Schema(ctx context.Context, db string) (bacvault.Schema, error) {
	info, there, err := s.Exists(ctx, db)
	if err != nil {
		return bacvault.Schema{}, err
	}
	if !there {
		return bacvault.Schema{}, bacvault.Fail(bacvault.CodeSQLNotFound, "read the schema of %s: the server has no such database", db)
	}
	out := bacvault.Schema{Collation: info.Collation, CompatibilityLevel: info.Compatibility}
	err = s.read(ctx, db, "count objects of "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		out.Objects = map[bacvault.ObjectKind]int{}
		for _, k := range bacvault.ObjectKinds() {
			out.Objects[k] = 0
		}
		return each(ctx, p, stmtObjects, func(r *sql.Rows) error {
			var kind bacvault.ObjectKind
			var n int
			if err := r.Scan(&kind, &n); err != nil {
				return err
			}
			if _, known := out.Objects[kind]; known {
				out.Objects[kind] = n
			}
			return nil
		})
	})
	if err != nil {
		return bacvault.Schema{}, err
	}
	err = s.read(ctx, db, "list users and roles of "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		out.Principals = nil
		return each(ctx, p, stmtPrincipals, func(r *sql.Rows) error {
			var name string
			if err := r.Scan(&name); err != nil {
				return err
			}
			out.Principals = append(out.Principals, name)
			return nil
		})
	})
	if err != nil {
		return bacvault.Schema{}, err
	}
	slices.Sort(out.Principals) // the server sorts by its collation
	return out, nil
}

// GeoLinks counts the links of geo-replication of a database. A rename of one that has any is refused by the server.
func (s *Server) GeoLinks(ctx context.Context, db string) (int, error) {
	if err := checkName(db); err != nil {
		return 0, err
	}
	var n int
	err := s.row(ctx, db, "count links of geo-replication of", stmtGeoLinks, &n)
	return n, err
}
