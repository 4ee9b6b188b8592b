package azuresql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// FingerprintMethod names what Fingerprint computes.
const FingerprintMethod = "count-checksum_agg-binary_checksum"

// unprinted is why a table's fingerprint would not hold, or what it leaves out.
type unprinted struct {
	whole   string   // why the table has none; empty: it has one
	columns []string // that are not in it
}

// Fingerprint gives each table's rows and CHECKSUM_AGG over BINARY_CHECKSUM(*), as "rows:checksum". It is no hash: two
// changes may cancel each other out, and BINARY_CHECKSUM misses some by itself, so equal is a sign and different is proof.
// BINARY_CHECKSUM ignores noncomparable columns; leftOut names them, and the tables that have no fingerprint: those with a
// type that nobody has said how it is summed (json, vector), and those with values that an import makes anew (rowversion
// and generated columns), which would differ for ever.
func (s *Server) Fingerprint(ctx context.Context, db string, tables []bacvault.Table) (of map[bacvault.Table]string, leftOut []string, err error) {
	not, err := s.unprinted(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	of = map[bacvault.Table]string{}
	var wanted []bacvault.Table
	for _, t := range tables {
		u := not[t]
		if u.whole != "" {
			leftOut = append(leftOut, fmt.Sprintf("%s (%s)", t, u.whole))
			continue
		}
		leftOut = append(leftOut, u.columns...)
		wanted = append(wanted, t)
	}
	err = s.eachTable(ctx, wanted, func(ctx context.Context, t bacvault.Table) (func(), error) {
		sum, err := s.fingerprint(ctx, db, t)
		if hasNumber(err, numNothingToSum) {
			return func() { leftOut = append(leftOut, fmt.Sprintf("%s (no comparable column)", t)) }, nil
		}
		return func() { of[t] = sum }, err
	})
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(leftOut)
	return of, leftOut, nil
}

func (s *Server) fingerprint(ctx context.Context, db string, t bacvault.Table) (string, error) {
	stmt := fill(stmtFingerprint, "{table}", quoteTable(t))
	var rows int64
	var sum sql.NullInt64 // an int
	err := s.read(ctx, db, fmt.Sprintf("fingerprint %s in %s", t, db), s.cfg.CountTimeout, func(ctx context.Context, p *sql.DB) error {
		return p.QueryRowContext(ctx, stmt).Scan(&rows, &sum)
	})
	return fmt.Sprintf("%d:%08x", rows, uint32(sum.Int64)), err
}

func (s *Server) unprinted(ctx context.Context, db string) (of map[bacvault.Table]unprinted, err error) {
	err = s.read(ctx, db, "list columns without a fingerprint of "+db, s.cfg.QueryTimeout, func(ctx context.Context, p *sql.DB) error {
		of = map[bacvault.Table]unprinted{}
		return each(ctx, p, stmtUnprinted, func(r *sql.Rows) error {
			var t bacvault.Table
			var column, base, kind string
			var generated int64
			if err := r.Scan(&t.Schema, &t.Name, &column, &base, &kind, &generated); err != nil {
				return err
			}
			u := of[t]
			switch {
			case generated < 0:
				u.whole = "column " + column + " is computed and not deterministic"
			case generated != 0:
				u.whole = "column " + column + " is generated anew by an import"
			case base == "timestamp":
				u.whole = "rowversion column " + column + " is made anew by an import"
			case kind == "json" || kind == "vector":
				u.whole = fmt.Sprintf("column %s is %s", column, kind)
			default:
				u.columns = append(u.columns, fmt.Sprintf("%s.%s (%s)", t, column, kind))
			}
			of[t] = u
			return nil
		})
	})
	return of, err
}
