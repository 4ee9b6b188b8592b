package sqlserver_test

import (
	"database/sql"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

func TestLogin(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	for _, c := range []struct {
		name, principal, database string
		want                      []int32 // none: the login is good
	}{
		{"who has rights there", reader, "Shop", nil},
		{"case of the name does not count", reader, "sHOP", nil},
		{"master, by default", stranger, "", nil},
		{"an administrator", admin, "Shop", nil},
		{"no user in the database", stranger, "Shop", []int32{4060, 18456}},
		{"dbmanager is no user of every database", creator, "Shop", []int32{4060, 18456}},
		{"a missing database", reader, "Nowhere", []int32{4060, 18456}},
		{"a missing database, to an administrator", admin, "Nowhere", []int32{4060, 18456}},
		{"not even a login", "nobody", "Shop", []int32{18456}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.open(t, c.principal, c.database).PingContext(ctx(t))
			if diff := cmp.Diff(c.want, numbers(err)); diff != "" || (err == nil) != (c.want == nil) {
				t.Errorf("login: %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

func TestLoginNeedsAToken(t *testing.T) {
	s := startShop(t, sqlserver.Config{Allow: func(string, string, string) bool { return true }})
	u := url.URL{Scheme: "sqlserver", Host: s.Addr(), User: url.UserPassword("sa", "secret"), RawQuery: "encrypt=true&TrustServerCertificate=true"}
	db, err := sql.Open("sqlserver", u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if diff := cmp.Diff([]int32{18456}, numbers(db.PingContext(ctx(t)))); diff != "" {
		t.Errorf("user and password (-want +got)\n%s", diff)
	}
}

func TestBadTokenIsRefused(t *testing.T) {
	s := startShop(t, sqlserver.Config{Audience: "https://elsewhere.test/"}) // so that authenticate refuses every token
	if diff := cmp.Diff([]int32{18456}, numbers(s.open(t, admin, "Shop").PingContext(ctx(t)))); diff != "" {
		t.Errorf("bad token (-want +got)\n%s", diff)
	}
}

func TestClientWithoutEncryptionIsRefused(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	if err := s.open(t, reader, "Shop", "encrypt=disable").PingContext(ctx(t)); err == nil {
		t.Error("an unencrypted session is taken")
	}
}

func TestLoginToADatabaseThatIsNotOnline(t *testing.T) {
	c, plan := &clock.Clock{}, &faults.Plan{}
	s := startShop(t, sqlserver.Config{Clock: c, Faults: plan, CopyTime: time.Hour})
	if err := s.Copy("Shop", "Copy", reader, "", ""); err != nil {
		t.Fatal(err)
	}
	copied := s.open(t, reader, "Copy")
	if diff := cmp.Diff([]int32{927, 4060, 18456}, numbers(copied.PingContext(ctx(t)))); diff != "" {
		t.Errorf("while copying (-want +got)\n%s", diff)
	}
	c.Advance(time.Hour)
	if err := copied.PingContext(ctx(t)); err != nil {
		t.Errorf("after copying: %v", err)
	}
}

func TestDroppedDatabaseCutsItsSessions(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	conn, err := s.open(t, reader, "Shop").Conn(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := s.Drop("Shop"); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := conn.QueryRowContext(ctx(t), countOrders).Scan(&n); err == nil {
		t.Error("a session goes on in a database that was dropped")
	}
}
