package sqlserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const copyShop = "CREATE DATABASE [Copy] AS COPY OF [Shop];"

func wantState(t *testing.T, s stand, db, want string) {
	t.Helper()
	if got, _ := s.State(db); got != want {
		t.Errorf("state of %s is %q, want %q", db, got, want)
	}
}

// eventually waits for what another goroutine of the server brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func TestCopyBlocksUntilOnlineAndIsASnapshot(t *testing.T) {
	c := &clock.Clock{}
	s := startShop(t, sqlserver.Config{Clock: c, CopyTime: time.Hour})
	done := make(chan error, 1)
	db := s.open(t, reader, "master")
	go func() {
		_, err := db.Exec(copyShop)
		done <- err
	}()
	eventually(t, "COPYING", func() bool { state, _ := s.State("Copy"); return state == "COPYING" })
	if err := s.DeleteRows("Shop", "dbo", "Or]ders", 4); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("the statement returned before its end: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	c.Advance(time.Hour)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantState(t, s, "Copy", "ONLINE")
	for name, want := range map[string]int64{"Copy": 10, "Shop": 6} {
		if n := value[int64](t, s.open(t, reader, name), countOrders); n != want {
			t.Errorf("%s has %d rows, want %d", name, n, want)
		}
	}
	if diff := cmp.Diff([]string{"Copy", "Shop"}, s.Databases()); diff != "" {
		t.Error(diff)
	}
}

func TestCopyGoesOnWhenNobodyWaits(t *testing.T) {
	c := &clock.Clock{}
	s := startShop(t, sqlserver.Config{Clock: c, CopyTime: time.Hour})
	db := s.open(t, reader, "master")
	waiting, leave := context.WithCancel(ctx(t))
	defer leave()
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(waiting, copyShop)
		done <- err
	}()
	eventually(t, "COPYING", func() bool { state, _ := s.State("Copy"); return state == "COPYING" })
	leave()
	if err := <-done; err == nil {
		t.Fatal("the statement ended by itself")
	}
	wantState(t, s, "Copy", "COPYING")
	c.Advance(time.Hour)
	wantState(t, s, "Copy", "ONLINE")
}

func TestCopyIsEndedByADrop(t *testing.T) {
	s := startShop(t, sqlserver.Config{CopyTime: time.Hour})
	done := make(chan error, 1)
	db := s.open(t, reader, "master")
	go func() {
		_, err := db.Exec(copyShop)
		done <- err
	}()
	eventually(t, "COPYING", func() bool { state, _ := s.State("Copy"); return state == "COPYING" })
	if _, err := db.ExecContext(ctx(t), "DROP DATABASE [Copy];"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !cmp.Equal([]int32{40563}, numbers(err)) {
		t.Errorf("the copying statement: %v", err)
	}
}

func TestManagingDatabases(t *testing.T) {
	for _, c := range []struct {
		name, principal, in, text string
		want                      []int32
	}{
		{"copy", reader, "master", copyShop, nil},
		{"copy with an objective", reader, "master", "CREATE DATABASE [Copy] AS COPY OF [Shop] (SERVICE_OBJECTIVE = 'S3');", nil},
		{"copy, unknown objective", reader, "master", "CREATE DATABASE [Copy] AS COPY OF [Shop] (SERVICE_OBJECTIVE = 'S5');", []int32{40804}},
		{"copy, name taken", reader, "master", "CREATE DATABASE [shop] AS COPY OF [Shop];", []int32{1801}},
		{"copy, no source", reader, "master", "CREATE DATABASE [Copy] AS COPY OF [Nowhere];", []int32{40561}},
		{"copy, no user in the source", creator, "master", copyShop, []int32{40561}},
		{"copy, no dbmanager", stranger, "master", copyShop, []int32{262}},
		{"copy, not in master", reader, "Shop", copyShop, []int32{5001}},
		{"create", creator, "master", "CREATE DATABASE [New];", nil},
		{"create with everything", creator, "master", "CREATE DATABASE [New] (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2', MAXSIZE = 32 GB);", nil},
		{"create with a size", creator, "master", "CREATE DATABASE [New] (MAXSIZE = 2 GB);", nil},
		{"create, another option", creator, "master", "CREATE DATABASE [New] (COLLATE = 'x');", []int32{40510}},
		{"create, unknown objective", creator, "master", "CREATE DATABASE [New] (SERVICE_OBJECTIVE = 'GP_Gen5_3');", []int32{40804}},
		{"create, wrong edition", creator, "master", "CREATE DATABASE [New] (EDITION = 'Standard', SERVICE_OBJECTIVE = 'GP_Gen5_2');", []int32{40808}},
		{"create, name taken", creator, "master", "CREATE DATABASE [Shop];", []int32{1801}},
		{"create, no name", creator, "master", "CREATE DATABASE [];", []int32{1038}},
		{"create, no dbmanager", stranger, "master", "CREATE DATABASE [New];", []int32{262}},
		{"drop, unknown", admin, "master", "DROP DATABASE [Nowhere];", []int32{3701}},
		{"drop master", admin, "master", "DROP DATABASE [master];", []int32{3701}},
		{"drop another's", reader, "master", "DROP DATABASE [Shop];", []int32{3701}},
		{"drop by an administrator", admin, "master", "DROP DATABASE [Shop];", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startShop(t, sqlserver.Config{})
			before := s.Databases()
			_, err := s.open(t, c.principal, c.in).ExecContext(ctx(t), c.text)
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || (err == nil) != (c.want == nil) {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			if same := cmp.Equal(before, s.Databases()); same != (c.want != nil) {
				t.Errorf("databases before %v, after %v", before, s.Databases())
			}
		})
	}
}

func TestWhoMadeADatabaseOwnsIt(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	db := s.open(t, creator, "master")
	for _, text := range []string{"CREATE DATABASE [New];", "DROP DATABASE [New];", "CREATE DATABASE [New];"} {
		if _, err := db.ExecContext(ctx(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if got, err := rows(t, s.open(t, creator, "New"), productStatements(t)["stmtRights"]); err != nil || !cmp.Equal([][]string{{"1", "1"}}, got) {
		t.Errorf("rights of the owner: %v, %v", got, err)
	}
	if got := numbers(s.open(t, reader, "New").PingContext(ctx(t))); !cmp.Equal([]int32{4060, 18456}, got) {
		t.Errorf("another's login: %v", got)
	}
}

func TestObjectiveIsKept(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	db := s.open(t, reader, "master")
	for _, text := range []string{
		"CREATE DATABASE [Same] AS COPY OF [Shop];", "CREATE DATABASE [Other] AS COPY OF [Shop] (SERVICE_OBJECTIVE = 'S3');",
		"CREATE DATABASE [New] (SERVICE_OBJECTIVE = 'GP_S_Gen5_1');",
	} {
		if _, err := db.ExecContext(ctx(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for name, want := range map[string]string{"Shop": "", "Same": "", "Other": "S3", "New": "GP_S_Gen5_1"} {
		if got, ok := s.Objective(name); !ok || got != want {
			t.Errorf("%s has objective %q, want %q", name, got, want)
		}
	}
}

func TestManagementPlaneCopies(t *testing.T) {
	s := startShop(t, sqlserver.Config{CopyTime: time.Nanosecond})
	if err := s.Copy("Nowhere", "Copy", "", "", ""); err == nil {
		t.Error("a copy of nothing")
	}
	if err := s.Copy("Shop", "Copy", "", "", ""); err != nil {
		t.Fatal(err)
	}
	// The grants on the source hold, but nobody but an administrator owns it.
	if n := value[int64](t, s.open(t, reader, "Copy"), countOrders); n != 10 {
		t.Errorf("%d rows", n)
	}
	_, err := s.open(t, reader, "master").ExecContext(ctx(t), "DROP DATABASE [Copy];")
	if !cmp.Equal([]int32{3701}, numbers(err)) {
		t.Errorf("drop: %v", err)
	}
	if err := s.Drop("Copy"); err != nil {
		t.Error(err)
	}
}

func TestCopyFaults(t *testing.T) {
	for _, c := range []struct {
		do    string
		want  []int32
		state string
	}{
		{"fail", []int32{40564}, "SUSPECT"},
		{"error", []int32{49918}, ""},
		{"cut", nil, "ONLINE"},
		{"hang", nil, "COPYING"},
	} {
		t.Run(c.do, func(t *testing.T) {
			plan := &faults.Plan{}
			plan.Add(faults.Fault{Op: "sql.copy", Do: c.do, Status: 49918})
			later := &clock.Clock{}
			s := startShop(t, sqlserver.Config{Faults: plan, Clock: later})
			waiting, leave := context.WithCancel(ctx(t))
			defer leave()
			if c.do == "hang" {
				go func() {
					for state, _ := s.State("Copy"); state != "COPYING" && waiting.Err() == nil; state, _ = s.State("Copy") {
						time.Sleep(2 * time.Millisecond)
					}
					leave()
				}()
			}
			_, err := s.open(t, reader, "master", "disableRetry=true").ExecContext(waiting, copyShop)
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || err == nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			later.Advance(time.Hour) // longer than a copy takes
			wantState(t, s, "Copy", c.state)
			if c.state == "SUSPECT" {
				if got := numbers(s.open(t, reader, "Copy").PingContext(ctx(t))); !cmp.Equal([]int32{926, 4060, 18456}, got) {
					t.Errorf("login: %v", got)
				}
			}
			if left := plan.Unfired(); left != nil {
				t.Errorf("never fired: %v", left)
			}
		})
	}
}
