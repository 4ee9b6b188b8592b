package sqlserver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const readOrders = "SELECT * FROM [dbo].[Or]]ders];"

func TestPlannedErrors(t *testing.T) {
	for op, try := range map[string]func(*testing.T, stand) error{
		"sql.login": func(t *testing.T, s stand) error { return s.open(t, reader, "Shop").PingContext(ctx(t)) },
		"sql.count": func(t *testing.T, s stand) error {
			_, err := rows(t, s.open(t, reader, "Shop"), countOrders)
			return err
		},
		"sql.select": func(t *testing.T, s stand) error {
			_, err := rows(t, s.open(t, reader, "Shop", "disableRetry=true"), readOrders)
			return err
		},
		"sql.drop": func(t *testing.T, s stand) error {
			_, err := s.open(t, admin, "master", "disableRetry=true").ExecContext(ctx(t), "DROP DATABASE [Shop];")
			return err
		},
		"sql.bulk": func(t *testing.T, s stand) error {
			return load(t, s.open(t, admin, "Shop", "disableRetry=true"), "[dbo].[Or]]ders]", []string{"Id", "Note"}, [][]any{{int64(1), "a"}, {int64(2), "b"}})
		},
	} {
		t.Run(op, func(t *testing.T) {
			plan := &faults.Plan{}
			s := startShop(t, sqlserver.Config{Faults: plan})
			plan.Add(faults.Fault{Op: op, Do: "error", Status: 40613})
			if err := try(t, s); !cmp.Equal([]int32{40613}, numbers(err)) {
				t.Errorf("error: %v", err)
			}
			if n, ok := s.Rows("Shop"); !ok || n["dbo.Or]ders"] != 10 {
				t.Errorf("the statement took effect: %v", n)
			}
			plan.Add(faults.Fault{Op: op, Do: "confuse"})
			if err := try(t, s); !cmp.Equal([]int32{50000}, numbers(err)) {
				t.Errorf("an unknown word: %v", err)
			}
			plan.Add(faults.Fault{Op: op, Do: "stall", Wait: 30 * time.Millisecond})
			begin := time.Now()
			if err := try(t, s); err != nil || time.Since(begin) < 30*time.Millisecond {
				t.Errorf("stall: %v after %v", err, time.Since(begin))
			}
			if op == "sql.drop" { // it is gone by now
				if err := s.Load("Shop", shop()); err != nil {
					t.Fatal(err)
				}
			}
			plan.Add(faults.Fault{Op: op, Do: "cut", Times: -1})
			if err := try(t, s); err == nil || numbers(err) != nil {
				t.Errorf("cut: %v", err)
			}
			if left := plan.Unfired(); left != nil {
				t.Errorf("never fired: %v", left)
			}
			if _, there := s.Rows("Shop"); there == (op == "sql.drop") {
				t.Errorf("after the cut the database is there: %v", there)
			}
		})
	}
}

func TestSelectIsCutHalfWay(t *testing.T) {
	plan := &faults.Plan{}
	plan.Add(faults.Fault{Op: "sql.select", Do: "cut"})
	s := startShop(t, sqlserver.Config{Faults: plan})
	r, err := s.open(t, reader, "Shop").QueryContext(ctx(t), readOrders)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for r.Next() {
		n++
	}
	if n != 5 || r.Err() == nil {
		t.Errorf("%d rows, then %v", n, r.Err())
	}
}

// countLogins counts new connections: sql/login is asked for once for each.
func countLogins(logins *atomic.Int64) func(string, string, string) bool {
	return func(p, action, scope string) bool {
		if action == "sql/login" {
			logins.Add(1)
		}
		return allow(p, action, scope)
	}
}

func TestCancelKeepsTheConnection(t *testing.T) {
	plan, logins := &faults.Plan{}, &atomic.Int64{}
	s := startShop(t, sqlserver.Config{Faults: plan, Allow: countLogins(logins)})
	db := s.open(t, reader, "Shop")
	for range 5 {
		plan.Add(faults.Fault{Op: "sql.count", Do: "stall"})
		c, cancel := context.WithCancel(context.Background())
		go func() { // once the server is at it: before that there is nothing to cancel
			for end := time.Now().Add(10 * time.Second); plan.Unfired() != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
			}
			cancel()
		}()
		var n int64
		if err := db.QueryRowContext(c, countOrders).Scan(&n); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
		if n := value[int64](t, db, countOrders); n != 10 {
			t.Fatalf("after a cancel: %d rows", n)
		}
	}
	if n := logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1: the driver keeps a connection whose request was cancelled", n)
	}
}

func TestCancelAtAnyMoment(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	db := s.open(t, reader, "Shop")
	db.SetMaxOpenConns(1)
	for i := range 150 {
		c, cancel := context.WithCancel(context.Background())
		stop := time.AfterFunc(time.Duration(i)*2*time.Microsecond, cancel)
		var n int64
		if err := db.QueryRowContext(c, countOrders).Scan(&n); err == nil && n != 10 {
			t.Fatalf("attempt %d: %d rows and no error", i, n)
		}
		stop.Stop()
		cancel()
		if n := value[int64](t, db, countOrders); n != 10 {
			t.Fatalf("after attempt %d: %d rows", i, n)
		}
	}
}

func TestCloseEndsWhatStalls(t *testing.T) {
	plan := &faults.Plan{}
	plan.Add(faults.Fault{Op: "sql.count", Do: "stall"})
	s := startShop(t, sqlserver.Config{Faults: plan})
	done := make(chan error, 1)
	db := s.open(t, reader, "Shop")
	go func() {
		var n int64
		done <- db.QueryRow(countOrders).Scan(&n)
	}()
	eventually(t, "the stalled count", func() bool { return plan.Calls("sql.count") > 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil {
			t.Error("a count without a server")
		}
	case <-time.After(5 * time.Second):
		t.Error("Close left a client waiting")
	}
	var e mssql.Error
	if err := db.Ping(); err == nil || errors.As(err, &e) {
		t.Errorf("after Close: %v", err)
	}
}
