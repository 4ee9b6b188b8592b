package sqlserver_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const (
	admin    = "admin"    // everything
	reader   = "reader"   // what the backup identity has, and dbmanager
	creator  = "creator"  // dbmanager alone
	stranger = "stranger" // a login and nothing else
)

// allow is the rights of the tests' principals. Authenticate takes a principal's name, prefixed, as its token.
func allow(principal, action, scope string) bool {
	switch principal {
	case admin:
		return true
	case reader:
		return action == roles.SQLLogin || scope == "Shop" && action != "sql/UNMASK" && action != roles.SQLAdmin ||
			scope == "master" && action == roles.SQLDBManager
	case creator:
		return action == roles.SQLLogin || scope == "master" && action == roles.SQLDBManager
	case stranger:
		return action == roles.SQLLogin
	}
	return false
}

func authenticate(token, audience string) (string, error) {
	principal, ok := strings.CutPrefix(token, "token of ")
	if !ok || audience != "https://database.windows.net/" {
		return "", errors.New("bad token")
	}
	return principal, nil
}

// stand is a started stand-in with a trusted certificate.
type stand struct {
	*sqlserver.Server
	clientTLS *tls.Config
}

func start(t *testing.T, cfg sqlserver.Config) stand {
	t.Helper()
	authority, err := pki.New(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.Authenticate, cfg.Log = "127.0.0.1:0", authenticate, t.Logf
	if cfg.TLS, err = authority.ServerTLS(); err != nil {
		t.Fatal(err)
	}
	if cfg.Allow == nil {
		cfg.Allow = allow
	}
	if cfg.CopyTime == 0 {
		cfg.CopyTime = 20 * time.Millisecond
	}
	s, err := sqlserver.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return stand{s, authority.ClientTLS()}
}

// open makes a pool of the unmodified driver, as the product does.
func (s stand) open(t *testing.T, principal, database string, extra ...string) *sql.DB {
	t.Helper()
	q := url.Values{"database": {database}, "encrypt": {"true"}, "dial timeout": {"10"}}
	for _, e := range extra {
		name, value, _ := strings.Cut(e, "=")
		q.Set(name, value)
	}
	cfg, err := msdsn.Parse("sqlserver://" + s.Addr() + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.TLSConfig != nil {
		cfg.TLSConfig.RootCAs = s.clientTLS.RootCAs
	}
	c, err := mssql.NewSecurityTokenConnector(cfg, func(context.Context) (string, error) { return "token of " + principal, nil })
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

// shop is a small database.
func shop() *bacpacfile.File {
	orders := bacpacfile.Table{Schema: "dbo", Name: "Or]ders", Columns: []bacpacfile.Column{
		{Name: "Id", Type: "int", Identity: true}, {Name: "Note", Type: "nvarchar", Length: 20, Nullable: true},
	}}
	empty := bacpacfile.Table{Schema: "Sales", Name: "Empty", Columns: orders.Columns[:1]}
	data := bacpacfile.TableData{Table: orders}
	for i := range 10 {
		data.Rows = append(data.Rows, []any{int64(i), fmt.Sprint("order ", i)})
	}
	return &bacpacfile.File{
		Model:  bacpacfile.Model{XML: []byte("<model/>"), Tables: []bacpacfile.Table{empty, orders}},
		Tables: []bacpacfile.TableData{{Table: empty}, data},
	}
}

func startShop(t *testing.T, cfg sqlserver.Config) stand {
	t.Helper()
	s := start(t, cfg)
	if err := s.Load("Shop", shop()); err != nil {
		t.Fatal(err)
	}
	return s
}

// numbers are the error numbers of a failure, in the order in which the server sent them.
func numbers(err error) []int32 {
	var e mssql.Error
	if !errors.As(err, &e) {
		return nil
	}
	var all []int32
	for _, one := range e.All {
		all = append(all, one.Number)
	}
	return all
}

func value[T any](t *testing.T, db *sql.DB, text string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(ctx(t), text, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

const countOrders = "SELECT COUNT_BIG(*) FROM [dbo].[Or]]ders];"

func TestLoginAndCount(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	for _, encrypt := range []string{"true", "false", "strict"} {
		db := s.open(t, reader, "Shop", "encrypt="+encrypt)
		if n := value[int64](t, db, countOrders); n != 10 {
			t.Errorf("encrypt=%s: %d rows", encrypt, n)
		}
	}
}
