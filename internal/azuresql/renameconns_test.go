package azuresql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
)

// counted counts a database's open connections.
type counted struct {
	fakeConnector
	open *openConns
}

type openConns struct {
	mu sync.Mutex
	n  map[string]int
}

func (o *openConns) add(db string, n int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n[db] += n
	return o.n[db]
}

type countedConn struct {
	fakeConn
	open *openConns
}

func (c counted) Connect(context.Context) (driver.Conn, error) {
	c.open.add(c.db, 1)
	return countedConn{fakeConn(c.fakeConnector), c.open}, nil
}

func (c countedConn) Close() error {
	c.open.add(c.db, -1)
	return nil
}

// An open connection of ours would stand in the way of the rename, and afterwards ask the wrong database under the old name.
func TestRenameClosesOurConnections(t *testing.T) {
	n := &names{created: map[string]time.Time{"Orders": created}}
	open := &openConns{n: map[string]int{}}
	inMaster := n.fake().answer
	var during []int
	var s *azuresql.Server
	f := &fake{answer: func(ctx context.Context, db, stmt string, sent int) (rows, error) {
		if db != "master" {
			return rows{data: [][]driver.Value{{int64(0)}}}, nil
		}
		if strings.HasPrefix(stmt, "ALTER") {
			during = append(during, open.add("Orders", 0), open.add("Orders_old", 0))
			if _, err := s.GeoLinks(ctx, "Orders"); err != nil { // somebody asks meanwhile
				return rows{}, err
			}
		}
		return inMaster(ctx, db, stmt, sent)
	}}
	s = azuresql.NewOn(azuresql.Config{Poll: time.Millisecond}, func(db string) (*sql.DB, error) {
		return sql.OpenDB(counted{fakeConnector{f, db}, open}), nil
	})
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, db := range []string{"Orders", "Orders_old"} {
		if _, err := s.GeoLinks(t.Context(), db); err != nil || open.add(db, 0) != 1 {
			t.Fatalf("%v, %d connections", err, open.add(db, 0))
		}
	}
	if err := s.Rename(t.Context(), "Orders", "Orders_old", created); err != nil {
		t.Fatal(err)
	}
	if after := []int{open.add("Orders", 0), open.add("Orders_old", 0)}; !slices.Equal(during, []int{0, 0}) || !slices.Equal(after, []int{0, 0}) {
		t.Errorf("%v connections during the rename, %v after it", during, after)
	}
}
