package sqlserver_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const (
	renameShop = "ALTER DATABASE [Shop] MODIFY NAME = [Old];"
	scaleShop  = "ALTER DATABASE [Shop] MODIFY (EDITION = 'Standard', SERVICE_OBJECTIVE = 'S3', MAXSIZE = 500 GB);"
)

func TestRefusedChanges(t *testing.T) {
	for _, c := range []struct {
		name, principal, in, text string
		want                      []int32
	}{
		{"rename by an administrator", admin, "master", renameShop, nil},
		{"rename by a dbmanager", creator, "master", renameShop, nil},
		{"rename, no right", stranger, "master", renameShop, []int32{5011, 5069}},
		{"rename, not in master", reader, "Shop", renameShop, []int32{5001}},
		{"rename, unknown", admin, "master", "ALTER DATABASE [Nowhere] MODIFY NAME = [Old];", []int32{5011, 5069}},
		{"rename master", admin, "master", "ALTER DATABASE [master] MODIFY NAME = [Old];", []int32{5011, 5069}},
		{"rename, name taken", admin, "master", "ALTER DATABASE [shop] MODIFY NAME = [COPYING];", []int32{1801}},
		{"rename to itself", admin, "master", "ALTER DATABASE [Shop] MODIFY NAME = [SHOP];", []int32{1801}},
		{"rename to nothing", admin, "master", "ALTER DATABASE [Shop] MODIFY NAME = [];", []int32{1038}},
		{"rename to too long a name", admin, "master", "ALTER DATABASE [Shop] MODIFY NAME = [" + strings.Repeat("x", 129) + "];", []int32{1038}},
		{"rename while copying", admin, "master", "ALTER DATABASE [Copying] MODIFY NAME = [Old];", []int32{5052, 5069}},
		{"rename of a replicated one", admin, "master", "ALTER DATABASE [Replicated] MODIFY NAME = [Old];", []int32{40680}},
		{"scale by a dbmanager", creator, "master", scaleShop, nil},
		{"scale, no right", stranger, "master", scaleShop, []int32{5011, 5069}},
		{"scale, not in master", reader, "Shop", scaleShop, []int32{5001}},
		{"scale while copying", admin, "master", strings.Replace(scaleShop, "Shop", "Copying", 1), []int32{5052, 5069}},
		{"scale, no such objective", admin, "master", strings.Replace(scaleShop, "S3", "S5", 1), []int32{40804}},
		{"scale, wrong edition", admin, "master", strings.Replace(scaleShop, "Standard", "Premium", 1), []int32{40808}},
		{"scale, too large", admin, "master", strings.Replace(scaleShop, "500 GB", "1025 GB", 1), []int32{40809}},
		{"scale, too small", admin, "master", strings.Replace(scaleShop, "500 GB", "99 MB", 1), []int32{40809}},
		{"scale, another unit", admin, "master", strings.Replace(scaleShop, "500 GB", "1 TB", 1), []int32{40510}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startShop(t, sqlserver.Config{CopyTime: time.Hour})
			for name, change := range map[string]func() error{
				"Replicated": func() error { return s.SetGeoLinks("Replicated", 1) },
				"Copying":    func() error { return s.Copy("Shop", "Copying", "", "", "hang") },
			} {
				if name == "Replicated" {
					if err := s.Load(name, shop()); err != nil {
						t.Fatal(err)
					}
				}
				if err := change(); err != nil {
					t.Fatal(err)
				}
			}
			before := s.Databases()
			_, err := s.open(t, c.principal, c.in).ExecContext(ctx(t), c.text)
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || (err == nil) != (c.want == nil) {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			if same := cmp.Equal(before, s.Databases()); same != (c.want != nil || strings.Contains(c.name, "scale")) {
				t.Errorf("databases before %v, after %v", before, s.Databases())
			}
		})
	}
}

func TestChangesOfDatabasesWantAutocommit(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	for _, text := range []string{renameShop, scaleShop} {
		tx, err := s.open(t, admin, "master").BeginTx(ctx(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(ctx(t), text); !cmp.Equal([]int32{226}, numbers(err)) {
			t.Errorf("%s in a transaction: %v", text, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	wantState(t, s, "Shop", "ONLINE")
}

// What is in a database goes with it; the grants on its new name are another database's.
func TestRenameTakesEverythingAlong(t *testing.T) {
	const newcomer = "newcomer" // has every right on the new name
	s := startShop(t, sqlserver.Config{Allow: func(p, action, scope string) bool {
		return p == newcomer && (action == roles.SQLLogin || scope == "Old") || allow(p, action, scope)
	}})
	before, _ := s.Describe("Shop")
	if _, err := s.open(t, admin, "master").ExecContext(ctx(t), renameShop); err != nil {
		t.Fatal(err)
	}
	after, ok := s.Describe("old")
	before.Name = "Old"
	if diff := cmp.Diff(before, after); !ok || diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	if n := value[int64](t, s.open(t, reader, "Old"), countOrders); n != 10 {
		t.Errorf("who had a user in it counts %d rows", n)
	}
	for who, db := range map[string]string{newcomer: "Old", reader: "Shop"} {
		if got := numbers(s.open(t, who, db).PingContext(ctx(t))); !cmp.Equal([]int32{4060, 18456}, got) {
			t.Errorf("%s in %s: %v", who, db, got)
		}
	}
	if err := s.Load("Shop", shop()); err != nil {
		t.Fatal(err)
	}
	if d, _ := s.Describe("Shop"); d.ID == after.ID || d.ID == 0 {
		t.Errorf("another database has the id %d of the renamed one, %d", d.ID, after.ID)
	}
	for _, db := range []string{"Shop", "Old"} { // the table of rights knows names only, so the namesake has them too
		if err := s.open(t, reader, db).PingContext(ctx(t)); err != nil {
			t.Errorf("%s: %v", db, err)
		}
	}
}

// The owner needs no right of the server to rename what it made, and keeps it.
func TestAnOwnerRenames(t *testing.T) {
	dbmanager := true
	s := start(t, sqlserver.Config{Allow: func(p, action, scope string) bool {
		return (action != roles.SQLDBManager || dbmanager) && allow(p, action, scope)
	}})
	db := s.open(t, creator, "master")
	exec := func(text string) {
		t.Helper()
		if _, err := db.ExecContext(ctx(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec("CREATE DATABASE [New];")
	dbmanager = false
	exec("ALTER DATABASE [New] MODIFY NAME = [Newer];")
	exec("DROP DATABASE [Newer];")
}

func TestRenameCutsSessions(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	inside, err := s.open(t, reader, "Shop", "disableRetry=true").Conn(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if _, err := s.open(t, admin, "master").ExecContext(ctx(t), renameShop); err != nil {
		t.Fatal(err)
	}
	if err := inside.QueryRowContext(ctx(t), countOrders).Scan(new(int64)); err == nil || numbers(err) != nil {
		t.Errorf("a session in the renamed database: %v", err)
	}
}

// A session that is kept goes where its database goes, also through two renames.
func TestKeptSessionsFollow(t *testing.T) {
	plan := &faults.Plan{}
	plan.Add(faults.Fault{Op: "sql.rename", Do: "keep", Times: 2})
	s := startShop(t, sqlserver.Config{Faults: plan})
	inside, err := s.open(t, reader, "Shop", "disableRetry=true").Conn(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	master := s.open(t, admin, "master")
	for _, text := range []string{renameShop, "ALTER DATABASE [Old] MODIFY NAME = [Older];"} {
		if _, err := master.ExecContext(ctx(t), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load("Shop", shop()); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRows("Older", "dbo", "Or]ders", 4); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := inside.QueryRowContext(ctx(t), countOrders).Scan(&n); err != nil || n != 6 {
		t.Errorf("%d rows, %v; want the 6 of the renamed database", n, err)
	}
	if left := plan.Unfired(); left != nil {
		t.Errorf("never fired: %v", left)
	}
}

func TestFaultsOfChanges(t *testing.T) {
	for _, c := range []struct {
		op, do, text string
		want         []int32
		changed      bool
	}{
		{"sql.rename", "error", renameShop, []int32{5030}, false},
		{"sql.rename", "cut", renameShop, nil, true},
		{"sql.scale", "error", scaleShop, []int32{40197}, false},
		{"sql.scale", "cut", scaleShop, nil, true},
	} {
		t.Run(c.op+" "+c.do, func(t *testing.T) {
			plan, clk := &faults.Plan{}, &clock.Clock{}
			status := 0
			if c.want != nil {
				status = int(c.want[0])
			}
			plan.Add(faults.Fault{Op: c.op, Do: c.do, Status: status})
			s := startShop(t, sqlserver.Config{Faults: plan, Clock: clk})
			_, err := s.open(t, admin, "master", "disableRetry=true").ExecContext(context.Background(), c.text)
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || err == nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			clk.Advance(time.Hour)
			d, there := s.Describe("Shop")
			if changed := !there || d.Objective == "S3"; changed != c.changed {
				t.Errorf("changed: %t, %+v", changed, d)
			}
			if left := plan.Unfired(); left != nil {
				t.Errorf("never fired: %v", left)
			}
		})
	}
}

// create_date tells a database from every other, through renames, and is to the tick what the management plane shows.
func TestCreateDateIsAnIdentity(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	if err := s.Load("Second", shop()); err != nil {
		t.Fatal(err)
	}
	if err := s.Copy("Shop", "Third", "", "", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Rename("Second", "Renamed"); err != nil {
		t.Fatal(err)
	}
	r, err := s.open(t, admin, "master").QueryContext(ctx(t), productStatements(t)["stmtDatabases"])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	seen := map[time.Time]string{}
	for r.Next() {
		var name, state string
		var created time.Time
		if err := r.Scan(&name, &state, &created); err != nil {
			t.Fatal(err)
		}
		if d, _ := s.Describe(name); !d.Created.Equal(created) {
			t.Errorf("%s was created at %v, and at %v", name, created, d.Created)
		}
		if other := seen[created]; other != "" {
			t.Errorf("%s and %s were created at the same time", name, other)
		}
		seen[created] = name
	}
	if err := r.Err(); err != nil || len(seen) != 3 {
		t.Errorf("%v, %v", seen, err)
	}
}
