package config_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/config"
	"github.com/google/go-cmp/cmp"
)

func env(extra ...string) []string {
	return append([]string{
		"SQL_SERVER_NAME=sqlsvr-x.database.windows.net", "SQL_DATABASE_NAME=DToSDB", "STORAGE_ACCOUNT_NAME=stx", "STORAGE_CONTAINER_NAME=vault",
		"MANAGED_IDENTITY_CLIENT_ID=11111111-1111-1111-1111-111111111111", "TARGET_SUBSCRIPTION_ID=22222222-2222-2222-2222-222222222222",
		"BACVAULT_VAULT_RESOURCE_GROUP=rg", "AzureWebJobsStorage__accountName=stapp", "ServiceBusConnection__fullyQualifiedNamespace=sb-x.servicebus.windows.net",
	}, extra...)
}

func TestLoadTakesThePowerShellJobsSettings(t *testing.T) {
	c, err := config.Load(env())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(config.Servers{"sqlsvr-x": "sqlsvr-x.database.windows.net:1433"}, c.Servers); d != "" {
		t.Error(d)
	}
	if c.VaultURL() != "https://stx.blob.core.windows.net/vault" || c.StateURL() != "https://stapp.blob.core.windows.net/bacvault-state" {
		t.Errorf("vault %q, state %q", c.VaultURL(), c.StateURL())
	}
	if !c.Protects("SQLSVR-X", "DToSDB") || c.Protects("sqlsvr-x", "other") || c.Protects("sqlsvr-y", "DToSDB") {
		t.Error("protects the wrong databases")
	}
	if c.RunTimeout != 20*time.Hour || c.MinRetentionDays != 30 || c.Consistency != "copy" {
		t.Errorf("defaults are wrong: %+v", c)
	}
}

func TestLoadListsEveryFaultInOneError(t *testing.T) {
	_, err := config.Load([]string{"SQL_SERVER_NAME=s", "BACVAULT_MIN_RETENTION_DAYS=0", "BACVAULT_STAL_TIMEOUT=1h", "BACVAULT_RUN_TIMEOUT=soon"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"SQL_DATABASE_NAME is not set", "STORAGE_ACCOUNT_NAME is not set", "STORAGE_CONTAINER_NAME is not set", "BACVAULT_MIN_RETENTION_DAYS: ",
		"BACVAULT_STAL_TIMEOUT is not a setting; the nearest is BACVAULT_STALL_TIMEOUT", "BACVAULT_RUN_TIMEOUT: ", "MANAGED_IDENTITY_CLIENT_ID is not set",
		"ServiceBusConnection__fullyQualifiedNamespace is not set", "BACVAULT_VAULT_RESOURCE_GROUP is not set",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ set, want string }{
		"a connection string with a key":   {"ServiceBusConnection=Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey=topsecret", "emulator only"},
		"a storage account key":            {"AzureWebJobsStorage=DefaultEndpointsProtocol=https;AccountKey=topsecret", "Azurite only"},
		"an http endpoint":                 {"BACVAULT_BLOB_ENDPOINT=http://x", "https://"},
		"a waiver without a reason":        {"BACVAULT_ALLOW_UNLOCKED_UNTIL=2026-12-31", "BACVAULT_ALLOW_UNLOCKED_REASON"},
		"a database twice":                 {"SQL_DATABASE_NAME=a,a", "twice"},
		"the vault as the state container": {"BACVAULT_STATE_ACCOUNT=stx", ""},
		"an archive tier":                  {"BACVAULT_ACCESS_TIER=Archive", "not one of"},
		"a schedule of five fields":        {"BACVAULT_DRILL_SCHEDULE=0 6 * * 0", "six"},
		"a server's endpoint without port": {"BACVAULT_SQL_ENDPOINT=sql.internal", "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			extra := []string{c.set}
			if c.want == "" {
				extra, c.want = append(extra, "BACVAULT_STATE_CONTAINER=vault"), "is the vault"
			}
			_, err := config.Load(env(extra...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Fatal("the error shows the secret")
			}
		})
	}
}

// A run that outlasts its message's lock is begun again beside itself.
func TestRunEndsBeforeItsLock(t *testing.T) {
	const renewal = "AzureFunctionsJobHost__extensions__serviceBus__maxAutoLockRenewalDuration"
	for _, c := range []struct {
		run, renewal string
		fault        string
	}{
		{"35h30m", "", ""},
		{"35h31m", "", "BACVAULT_RUN_TIMEOUT"},
		{"47h", "2.00:00:00", ""},
		{"48h", "2.00:00:00", renewal},
		{"20h", "20:00:00", "BACVAULT_RUN_TIMEOUT"},
		{"20h", "20:30:00", ""},
		{"20h", "36:00:00", "1.12:00:00"}, // .NET takes no more than 23 hours so
		{"20h", "36h", "1.12:00:00"},
		{"20h", "-1.00:00:00", "1.12:00:00"},
		{"20h", "00:00:00", "no run has an end within that"}, // which is no renewal at all
		{"20h", "0.00:30:00", "no run has an end within that"},
	} {
		set := []string{"BACVAULT_RUN_TIMEOUT=" + c.run}
		if c.renewal != "" {
			set = append(set, renewal+"="+c.renewal)
		}
		_, err := config.Load(env(set...))
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v: %v", set, err)
		}
	}
}

func TestSeveralServers(t *testing.T) {
	c, err := config.Load(env("SQL_SERVER_NAME=a.database.windows.net, b, c", "SQL_DATABASE_NAME=shared, a/only, c/x/y", "BACVAULT_SQL_ENDPOINT=b=10.0.0.4:1433"))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Protected{{Server: "a", Name: "shared"}, {Server: "b", Name: "shared"}, {Server: "c", Name: "shared"}, {Server: "a", Name: "only"}, {Server: "c", Name: "x/y"}}
	if d := cmp.Diff(want, c.Protected); d != "" {
		t.Error(d)
	}
	if c.Servers["b"] != "10.0.0.4:1433" || c.Servers["a"] != "a.database.windows.net:1433" {
		t.Errorf("addresses %v", c.Servers)
	}
	if !c.Protects("A", "only") || c.Protects("b", "only") || !c.Protects("b", "shared") {
		t.Error("protects the wrong databases")
	}
	for name, bad := range map[string][]string{
		"a server twice":                  {"SQL_SERVER_NAME=a, A.database.windows.net"},
		"an address for nobody":           {"SQL_SERVER_NAME=a,b", "BACVAULT_SQL_ENDPOINT=10.0.0.4:1433"},
		"an address of another server":    {"SQL_SERVER_NAME=a,b", "BACVAULT_SQL_ENDPOINT=c=10.0.0.4:1433"},
		"a database beside all of them":   {"SQL_SERVER_NAME=a,b", "SQL_DATABASE_NAME=*,a/x"},
		"a database that stands twice":    {"SQL_SERVER_NAME=a,b", "SQL_DATABASE_NAME=x,a/x"},
		"a server's name with a port":     {"SQL_SERVER_NAME=a:1433"},
		"an entry that names no database": {"SQL_SERVER_NAME=a,b", "SQL_DATABASE_NAME=a/"},
	} {
		if _, err := config.Load(env(bad...)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestStarLeavesOurOwnDatabasesOut(t *testing.T) {
	c, err := config.Load(env("SQL_DATABASE_NAME=*"))
	if err != nil {
		t.Fatal(err)
	}
	for db, want := range map[string]bool{
		"DToSDB": true, "DToSDB_RESTORE": false, "DToSDB_old_20261124": false, "DToSDB_bacvault_copy_20261124020000": false,
	} {
		if got := c.Protects("sqlsvr-x", db); got != want {
			t.Errorf("protects %s: %v, want %v", db, got, want)
		}
	}
}

// The page is generated from nothing: it is written for people, and held against the code here, both ways.
func TestSettingsPageListsEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Name] = true
		row := "| `" + s.Name + "` | " + s.Default
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/settings.md has no row beginning %q", row)
		}
	}
	for _, line := range strings.Split(string(page), "\n") {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			if name, _, _ = strings.Cut(name, "`"); !known[name] {
				t.Errorf("docs/settings.md lists %s, which nobody reads", name)
			}
		}
	}
}
