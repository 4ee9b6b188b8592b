package sqlserver

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// summable says whether BINARY_CHECKSUM looks at a type of a model; hierarchyid is compared by its bytes.
func summable(base string) bool {
	switch base {
	case "text", "ntext", "image", "xml", "geography", "geometry":
		return false
	}
	return true
}

// fingerprint is not SQL Server's sum: BINARY_CHECKSUM's arithmetic is not written down. It has what the documentation
// promises of it: over the comparable columns, order of rows not counting, NULL for no rows, 8184 for no column.
func (s *session) fingerprint(ctx context.Context, c call) error {
	t, rows, err := s.lookup(c)
	if err != nil {
		return err
	}
	if !s.may(roles.SQLDataReader) {
		return errObjectDenied("SELECT", t.Schema, t.Name, s.database.name)
	}
	if _, err := s.server.fault(ctx, "sql.fingerprint"); err != nil {
		return err
	}
	var summed []int
	for i, col := range t.Columns {
		if summable(col.Type) {
			summed = append(summed, i)
		}
	}
	if len(summed) == 0 {
		return errNothingToSum()
	}
	var sum any
	total := uint32(0)
	for _, row := range rows {
		h := fnv.New32a()
		for _, i := range summed {
			v := row[i]
			if at, ok := v.(time.Time); ok { // the same moment may have been loaded by another way
				v = at.Format(time.RFC3339Nano)
			}
			fmt.Fprintf(h, "%d %v|", i, v)
		}
		total ^= h.Sum32()
		sum = int64(int32(total))
	}
	return one(c.out, []tds.Column{number("", "bigint"), number("", "int")}, int64(len(rows)), sum)
}
