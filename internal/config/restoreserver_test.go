package config_test

import (
	"testing"

	"github.com/bacvault/bacvault/internal/config"
	"github.com/google/go-cmp/cmp"
)

func TestRestoreServerIsTakenInEitherForm(t *testing.T) {
	for name, c := range map[string]struct {
		set           []string
		name, address string
	}{
		"absent":                   {nil, "", ""},
		"short":                    {[]string{"BACVAULT_RESTORE_SERVER_NAME=sqlsvr-dr"}, "sqlsvr-dr", "sqlsvr-dr.database.windows.net:1433"},
		"full":                     {[]string{"BACVAULT_RESTORE_SERVER_NAME=sqlsvr-dr.database.windows.net"}, "sqlsvr-dr", "sqlsvr-dr.database.windows.net:1433"},
		"another cloud":            {[]string{"BACVAULT_RESTORE_SERVER_NAME=sqlsvr-dr", "BACVAULT_SQL_DNS_SUFFIX=database.example"}, "sqlsvr-dr", "sqlsvr-dr.database.example:1433"},
		"an endpoint of its own":   {[]string{"BACVAULT_RESTORE_SERVER_NAME=sqlsvr-dr", "BACVAULT_SQL_ENDPOINT=SQLSVR-DR=10.0.0.9:1433"}, "sqlsvr-dr", "10.0.0.9:1433"},
		"the endpoint is not its":  {[]string{"BACVAULT_RESTORE_SERVER_NAME=sqlsvr-dr", "BACVAULT_SQL_ENDPOINT=10.0.0.4:1433"}, "sqlsvr-dr", "sqlsvr-dr.database.windows.net:1433"},
		"the database's own":       {[]string{"BACVAULT_RESTORE_SERVER_NAME=SQLSVR-X"}, "sqlsvr-x", "sqlsvr-x.database.windows.net:1433"},
		"its own with an endpoint": {[]string{"BACVAULT_RESTORE_SERVER_NAME=SQLSVR-X", "BACVAULT_SQL_ENDPOINT=10.0.0.4:1433"}, "sqlsvr-x", "10.0.0.4:1433"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := config.Load(env(c.set...))
			if err != nil {
				t.Fatal(err)
			}
			if got.RestoreServer != c.name || got.RestoreAddress != c.address {
				t.Errorf("restores on %q at %q, want %q at %q", got.RestoreServer, got.RestoreAddress, c.name, c.address)
			}
			if d := cmp.Diff([]string{"sqlsvr-x"}, got.Servers.Names()); d != "" {
				t.Errorf("a server to restore on is none to protect: %s", d)
			}
		})
	}
}

func TestRestoreServerThatIsNoNameIsRefused(t *testing.T) {
	for _, v := range []string{"a,b", ".database.windows.net", "a/b", "tcp:a"} {
		if _, err := config.Load(env("BACVAULT_RESTORE_SERVER_NAME=" + v)); err == nil {
			t.Errorf("%q was taken", v)
		}
	}
}
