package azuresql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// fake is a server as database/sql sees one. It answers every statement by a func and keeps what was sent.
type fake struct {
	mu     sync.Mutex
	sent   []string // database: statement
	most   int      // statements at once
	now    int
	answer func(ctx context.Context, db, stmt string, n int) (rows, error)
}

type rows struct {
	data [][]driver.Value
	err  error // after the last row
}

// said lists what was sent that holds a word.
func (f *fake) said(word string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		if strings.Contains(s, word) {
			out = append(out, s)
		}
	}
	return out
}

func (f *fake) do(ctx context.Context, db, stmt string) (rows, error) {
	f.mu.Lock()
	f.sent = append(f.sent, db+": "+stmt)
	n := 0
	for _, s := range f.sent {
		if s == db+": "+stmt {
			n++
		}
	}
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.now--; f.mu.Unlock() }()
	return f.answer(ctx, db, stmt, n)
}

type fakeConnector struct {
	f  *fake
	db string
}

func (c fakeConnector) Connect(context.Context) (driver.Conn, error) { return fakeConn(c), nil }
func (c fakeConnector) Driver() driver.Driver                        { return nil }

type fakeConn fakeConnector

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("not used") }
func (c fakeConn) Close() error                        { return nil }

func (c fakeConn) QueryContext(ctx context.Context, stmt string, args []driver.NamedValue) (driver.Rows, error) {
	for _, a := range args {
		stmt += " @" + a.Name + "=" + a.Value.(string)
	}
	r, err := c.f.do(ctx, c.db, stmt)
	if err != nil {
		return nil, err
	}
	return &fakeRows{r}, nil
}

func (c fakeConn) ExecContext(ctx context.Context, stmt string, _ []driver.NamedValue) (driver.Result, error) {
	_, err := c.f.do(ctx, c.db, stmt)
	return driver.RowsAffected(0), err
}

type fakeRows struct{ r rows }

func (r *fakeRows) Columns() []string {
	return make([]string, len(slices.Concat(r.r.data...))/max(len(r.r.data), 1))
}
func (r *fakeRows) Close() error { return nil }
func (r *fakeRows) Next(into []driver.Value) error {
	if len(r.r.data) == 0 {
		if r.r.err != nil {
			return r.r.err
		}
		return io.EOF
	}
	copy(into, r.r.data[0])
	r.r.data = r.r.data[1:]
	return nil
}

// server is a Server over the fake, quick in all its waits.
func server(t *testing.T, f *fake) *azuresql.Server {
	t.Helper()
	s := azuresql.NewOn(azuresql.Config{
		Poll: 2 * time.Millisecond, RetryFirst: time.Millisecond, RetryMax: 4 * time.Millisecond, Attempts: 4, Connections: 3,
	}, func(db string) (*sql.DB, error) { return sql.OpenDB(fakeConnector{f, db}), nil })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sqlError is an error as the driver gives it: Number is that of the last.
func sqlError(numbers ...int32) error {
	var all []mssql.Error
	for _, n := range numbers {
		all = append(all, mssql.Error{Number: n, Message: "the server's words"})
	}
	last := all[len(all)-1]
	last.All = all
	return last
}

func wantFailure(t *testing.T, err error, code bacvault.Code, class bacvault.Class) *bacvault.Failure {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a failure %s", err, code)
	}
	if f.Code != code || f.Class != class {
		t.Fatalf("failure is %s (%s), want %s (%s): %s", f.Code, f.Class, code, class, f.Detail)
	}
	return f
}

var created = time.Date(2026, 11, 24, 2, 0, 5, 0, time.UTC)

// inState is the row of sys.databases, or none for the empty state.
func inState(state string) rows {
	if state == "" {
		return rows{}
	}
	return rows{data: [][]driver.Value{{"x", state, created, nil, int64(160)}}}
}
