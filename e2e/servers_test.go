package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver"
	"github.com/bacvault/bacvault/standin/stack"
)

const (
	other = "sqlsvr-other"
	desks = "../testdata/bacpacs/initech-desks.bacpac"
)

// servers is a local Azure with two servers that both have a database DB, with different tables in it.
func servers(t *testing.T, settings map[string]string) *azure {
	t.Helper()
	return start(t, protected(stack.Options{
		Databases: map[string]string{"DB": pubs}, MoreServers: map[string]map[string]string{other: {"DB": desks, "Only": pubs}}, Settings: settings,
		Rights: func(table roles.Table) roles.Table { return roles.Promotion(table, roles.Promoter, server) },
	}))
}

// on gives the server of a name.
func (a *azure) on(name string) *sqlserver.Server {
	if name == server {
		return a.SQL
	}
	return a.More[name]
}

// night fires the nightly timer and waits for an event of each database.
func (a *azure) night(want int) map[string]stack.Event {
	a.t.Helper()
	if status, body, err := a.Backup.FireTimer(a.t.Context(), "nightly", occurrence, false); err != nil {
		a.t.Fatalf("the timer: %d %s, %v", status, body, err)
	}
	a.until("the night's events", func() bool { return len(a.all.All()) >= want })
	a.idle("backup-requests")
	out := map[string]stack.Event{}
	for _, e := range a.all.All() {
		out[e.Subject] = e
	}
	if len(out) != want || len(a.all.All()) != want {
		a.t.Fatalf("%d events of %d databases, want one of each of %d", len(a.all.All()), len(out), want)
	}
	return out
}

// One request is queued for each database of each server; each backup lies in its own server's folder and holds that server's
// rows, and a restore comes back on the server that it was taken from.
func TestTwoServersWithDatabasesOfOneName(t *testing.T) {
	a := servers(t, nil)
	night := a.night(3)
	for _, d := range []struct{ server, database string }{{server, "DB"}, {other, "DB"}, {other, "Only"}} {
		ev := night[d.server+"/"+d.database]
		if ev.Type != completed || !strings.HasPrefix(ev.Data.Blob.Name, d.server+"/"+d.database+"/"+d.server+"-"+d.database+"_") {
			t.Errorf("the backup of %s/%s: %s", d.server, d.database, ev.Raw)
		}
		source, _ := a.on(d.server).Rows(d.database)
		if got := archived(ev); !maps.Equal(source, got) || len(got) == 0 {
			t.Errorf("the backup of %s/%s holds %v, the server %v", d.server, d.database, got, source)
		}
	}
	a.night(3) // fired twice, nothing is asked twice
	if n := len(a.vault()); n != 6 {
		t.Errorf("the vault holds %d blobs, want three backups with their manifests: %v", n, a.vault())
	}

	a.send("restore-requests", "r1", restoreRequest("r1", "DB", map[string]any{"server": other}))
	ev := a.event(restored, "r1")
	source, _ := a.More[other].Rows("DB")
	if got, _ := a.More[other].Rows("DB_RESTORE"); !maps.Equal(source, got) || ev.Data.Target.Server != other {
		t.Errorf("restored to %+v: %v, want %v", ev.Data.Target, got, source)
	}
	if got := a.SQL.Databases(); !slices.Equal(got, []string{"DB"}) {
		t.Errorf("the other server has %v", got)
	}

	// Whoever names no server, or one that is not there, means nobody's database.
	a.send("restore-requests", "r2", restoreRequest("r2", "DB", map[string]any{"server": "sqlsvr-third"}))
	if f := a.event(unrestore, "r2").Data.Failure; f.Code != "request.unknown_database" {
		t.Errorf("a server that nobody knows: %+v", f)
	}
	if out, words, code := a.cli(roles.Admin, "restore", "--database", "DB"); code != 2 || !strings.Contains(words, "server") {
		t.Errorf("no server: exit %d, %s, %s", code, out, words)
	}
	out, words, code := a.cli(roles.Admin, "list", "--server", other, "--database", "DB", "-o", "text")
	if code != 0 || strings.Contains(out, server+"/") || !strings.Contains(out, other+"/DB") {
		t.Errorf("the list of one server's: exit %d, %s, %s", code, out, words)
	}
	out, words, code = a.cli(roles.Admin, "list", "--server", other, "-o", "text")
	if code != 0 || strings.Contains(out, server+"/") || !strings.Contains(out, other+"/DB") || !strings.Contains(out, other+"/Only") {
		t.Errorf("the list of one server: exit %d, %s, %s", code, out, words)
	}
	a.idle("restore-requests")
}

// archived is the rows of each table in the archive, as the event tells them.
func archived(ev stack.Event) map[string]int64 {
	out := map[string]int64{}
	for _, tab := range ev.Data.Tables {
		if tab.RowsArchive != nil {
			out[tab.Schema+"."+tab.Table] = *tab.RowsArchive
		}
	}
	return out
}

// The database of a server that is down fails, and is told; that of the other one is backed up all the same.
func TestOneServerDownDoesNotStopTheOther(t *testing.T) {
	a := start(t, protected(stack.Options{
		Databases: map[string]string{"DB": pubs}, MoreServers: map[string]map[string]string{other: {"DB": desks}},
		Settings: map[string]string{"BACVAULT_MAX_ATTEMPTS": "1", "BACVAULT_RUN_TIMEOUT": "15s"}, // it is tried for minutes otherwise
	}))
	if err := a.More[other].Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	fired := make(chan error, 1)
	go func() { // after it queued the requests the timer looks for left copies, for minutes where a server does not answer
		_, _, err := a.Backup.FireTimer(ctx, "nightly", occurrence, false)
		fired <- err
	}()
	a.until("an event of each", func() bool { return len(a.all.All()) >= 2 })
	cancel()
	<-fired
	a.idle("backup-requests")
	night := map[string]stack.Event{}
	for _, e := range a.all.All() {
		night[e.Subject] = e
	}
	if ev := night[server+"/DB"]; ev.Type != completed {
		t.Errorf("the backup of the server that is up: %s", ev.Raw)
	}
	if ev := night[other+"/DB"]; ev.Type != failed || ev.Data.Failure == nil || ev.Data.Failure.Stage != "copy" || !ev.Data.Final {
		t.Errorf("the backup of the server that is down: %s", ev.Raw)
	}
	if n := len(a.vault()); n != 2 || len(a.all.All()) != 2 {
		t.Errorf("%d events; the vault holds %v", len(a.all.All()), a.vault())
	}
}

// With BACVAULT_RESTORE_SERVER_NAME backups come back on that server, also those of its own databases; a name can be taken once
// only. Drills go there too. What lies there can't be promoted, for a rename does not leave its server.
func TestRestoresOntoAnotherServer(t *testing.T) {
	const dr = "sqlsvr-dr"
	a := start(t, protected(stack.Options{
		Databases: map[string]string{"DB": pubs}, MoreServers: map[string]map[string]string{dr: nil, other: {"DB": desks}},
		Settings: map[string]string{"BACVAULT_RESTORE_SERVER_NAME": dr, "BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup},
		Rights: func(table roles.Table) roles.Table {
			return roles.Promotion(roles.Promotion(table, roles.Restore, server), roles.Promoter, server)
		},
	}))
	a.night(2)
	var plan struct {
		Target struct{ Server, Database string }
	}
	if out, words, code := a.cli(roles.Admin, "restore", "--server", server, "--database", "DB", "--plan", "-o", "json"); code != 0 || json.Unmarshal([]byte(out), &plan) != nil || plan.Target.Server != dr {
		t.Errorf("the plan: exit %d, %s, %s", code, out, words)
	}
	a.send("restore-requests", "r1", restoreRequest("r1", "DB", nil))
	if ev := a.event(restored, "r1"); ev.Data.Target.Server != dr || ev.Subject != server+"/DB" {
		t.Errorf("restored: %s", ev.Raw)
	}
	want, _ := a.SQL.Rows("DB")
	if got, _ := a.More[dr].Rows("DB_RESTORE"); !maps.Equal(want, got) {
		t.Errorf("restored %v, want %v", got, want)
	}
	a.send("restore-requests", "r2", restoreRequest("r2", "DB", map[string]any{"server": other}))
	if f := a.event(unrestore, "r2").Data.Failure; f.Code != "target.exists" {
		t.Errorf("the same name for the other server's: %+v", f)
	}
	a.send("restore-requests", "r3", restoreRequest("r3", "DB", map[string]any{"server": other, "targetDatabase": "Other_RESTORE"}))
	a.event(restored, "r3")
	want, _ = a.More[other].Rows("DB")
	if got, _ := a.More[dr].Rows("Other_RESTORE"); !maps.Equal(want, got) {
		t.Errorf("restored %v, want %v", got, want)
	}

	if status, body, err := a.Restore.FireTimer(t.Context(), "drill", sunday(), true); err != nil {
		t.Fatalf("the drill timer: %d %s, %v", status, body, err)
	}
	a.idle("restore-requests")
	a.until("both drills", func() bool { return len(a.proofs()) == 2 })
	for _, p := range a.proofs() {
		if !p.Passed || p.Rows == 0 {
			t.Errorf("%+v", p)
		}
	}

	a.send("restore-requests", "p1", restoreRequest("p1", "DB", map[string]any{"kind": "promote", "action": "apply"}))
	if f := a.event(unpromoted, "p1").Data.Failure; f.Class != "refused" || !strings.Contains(f.Detail, dr) || !strings.Contains(f.Next, "BACVAULT_RESTORE_SERVER_NAME") {
		t.Errorf("promoted: %+v", f)
	}
	if _, words, code := a.cli(roles.Promoter, "promote", "apply", "--server", server, "--database", "DB", "--yes"); code == 0 || !strings.Contains(words, dr) {
		t.Errorf("promoted by the command line: exit %d, %s", code, words)
	}
	a.idle("restore-requests")
	for name, want := range map[string][]string{server: {"DB"}, other: {"DB"}, dr: {"DB_RESTORE", "Other_RESTORE"}} {
		if got := a.on(name).Databases(); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}
