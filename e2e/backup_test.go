package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
	"github.com/google/go-cmp/cmp"
)

const (
	completed = "bacvault.backup.completed.v1"
	failed    = "bacvault.backup.failed.v1"
	restored  = "bacvault.restore.completed.v1"
	unrestore = "bacvault.restore.failed.v1"
	rejected  = "bacvault.request.rejected.v1"
)

// The last night, of this machine's clock: the handlers have no other, and to them a fixed date would be overdue one day.
var (
	occurrence = time.Now().UTC().Add(-2 * time.Hour).Truncate(24 * time.Hour).Add(2 * time.Hour)
	slot       = slotBefore(0)
)

// slotBefore is so many hours before the last night's.
func slotBefore(hours int) string {
	return occurrence.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339)
}

// Every real bacpac goes through the timer, the vault and back, and every table has the rows that its page says.
func TestEveryRealDatabaseComesBack(t *testing.T) {
	files, err := filepath.Glob("../testdata/bacpacs/*.bacpac")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d bacpacs, error %v", len(files), err)
	}
	dbs := map[string]string{}
	for _, f := range files {
		dbs[strings.TrimSuffix(filepath.Base(f), ".bacpac")] = f
	}
	a := start(t, protected(stack.Options{Databases: dbs}))
	if status, body, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, false); err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	a.until("all backups", func() bool { return len(a.all.All()) == len(dbs) })
	for name, file := range dbs {
		id := "restore-" + name
		a.send("restore-requests", id, restoreRequest(id, name, nil))
		ev := a.event(restored, id)
		b, err := os.ReadFile(strings.TrimSuffix(file, ".bacpac") + ".rows.json")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		for side, pick := range map[string]func(i int) *int64{
			"source":   func(i int) *int64 { return ev.Data.Tables[i].RowsSource },
			"archive":  func(i int) *int64 { return ev.Data.Tables[i].RowsArchive },
			"restored": func(i int) *int64 { return ev.Data.Tables[i].RowsRestored },
		} {
			got := map[string]int64{}
			for i, tab := range ev.Data.Tables {
				if n := pick(i); n != nil {
					got[tab.Schema+"."+tab.Table] = *n
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, %s: %s", name, side, d)
			}
		}
		if got, _ := a.SQL.Rows(name + "_RESTORE"); cmp.Diff(want, got) != "" {
			t.Errorf("%s: the restored database holds %v", name, got)
		}
	}
	a.idle("backup-requests")
	a.idle("restore-requests")
	a.noLeftovers()
	if got := len(a.vault()); got != 2*len(dbs) {
		t.Errorf("the vault holds %d blobs, want a blob and a manifest for each of %d databases: %v", got, len(dbs), a.vault())
	}
}

// What is not immutable enough is refused before anything is exported.
func TestTheGateRefusesBeforeTheExport(t *testing.T) {
	for _, c := range []struct {
		name, code string
		options    stack.Options
	}{
		{"no policy", "gate.no_policy", stack.Options{}},
		{"unlocked", "gate.unlocked", stack.Options{PolicyDays: 365, Unlocked: true}},
		{"too short", "gate.too_short", stack.Options{PolicyDays: 29}},
		{"a waiver that has lapsed", "gate.unlocked", stack.Options{PolicyDays: 365, Unlocked: true, Settings: map[string]string{
			"BACVAULT_ALLOW_UNLOCKED_UNTIL": "2026-01-01", "BACVAULT_ALLOW_UNLOCKED_REASON": "trial",
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, c.options)
			a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
			ev := a.event(failed, "r1")
			if ev.Data.Failure.Code != c.code || ev.Data.Failure.Class != "refused" || !ev.Data.Final || ev.Data.Failure.Stage != "gate" {
				t.Errorf("the event says %+v", ev.Data.Failure)
			}
			a.idle("backup-requests")
			if got := a.vault(); len(got) > 0 {
				t.Errorf("the vault holds %v", got)
			}
			if got := a.SQL.Databases(); len(got) != 1 {
				t.Errorf("the server has %v: a copy was made", got)
			}
			if n := len(a.events("r1")); n != 1 {
				t.Errorf("%d events, want one", n)
			}
			if _, _, _, dead, _ := a.Bus.Counts("backup-requests"); dead != 0 {
				t.Errorf("%d messages are dead-lettered, want the message completed", dead)
			}
		})
	}
}

// A valid waiver lets an unlocked policy pass, and everybody can see it.
func TestAWaiverMarksTheBackupDegraded(t *testing.T) {
	a := start(t, stack.Options{PolicyDays: 365, Unlocked: true, Settings: map[string]string{
		"BACVAULT_ALLOW_UNLOCKED_UNTIL": time.Now().AddDate(0, 0, 2).Format(time.DateOnly), "BACVAULT_ALLOW_UNLOCKED_REASON": "trial run CHG1",
	}})
	a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
	ev := a.event(completed, "r1")
	if len(ev.Data.Degraded) == 0 || !strings.Contains(ev.Data.Degraded[0], "trial run CHG1") {
		t.Errorf("degraded is %q", ev.Data.Degraded)
	}
	m := a.manifest(ev)
	if !strings.Contains(m, "trial run CHG1") {
		t.Errorf("the manifest does not say it:\n%s", m)
	}
}

func (a *azure) manifest(ev stack.Event) string {
	a.t.Helper()
	name := strings.TrimSuffix(ev.Data.Blob.Name, ".bacpac") + ".manifest.json"
	b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, name)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// oneBackup fails unless the vault holds exactly one blob and one manifest for each of n slots.
func (a *azure) oneBackup(n int) {
	a.t.Helper()
	names := a.vault()
	archives := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !strings.HasSuffix(s, ".bacpac") })
	if len(archives) != n || len(names) != 2*n {
		a.t.Errorf("the vault holds %v, want %d archives with a manifest each", names, n)
	}
}

func TestOneSlotIsOneBackup(t *testing.T) {
	t.Run("the same message delivered twice, one after the other", func(t *testing.T) {
		a := start(t, protected(stack.Options{}))
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		a.event(completed, "r1")
		a.idle("backup-requests")
		before := a.vaultState()
		a.send("backup-requests", "m2", backupRequest("r1", "DB", slot, nil))
		a.idle("backup-requests")
		if d := cmp.Diff(before, a.vaultState()); d != "" {
			t.Errorf("the second delivery changed the vault: %s", d)
		}
		if n := len(a.events("r1")); n != 1 {
			t.Errorf("%d events: the repeat of one publish must be dropped", n)
		}
		a.logged(`"event":"` + completed + `"`)
		a.noLeftovers()
	})
	t.Run("twice at once", func(t *testing.T) {
		a := start(t, protected(stack.Options{Settings: map[string]string{"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "2"}}))
		a.misbehave(map[string]any{"action": "Export", "do": "slow", "seconds": 1, "times": 1})
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		a.send("backup-requests", "m2", backupRequest("r1", "DB", slot, nil))
		a.event(completed, "r1")
		a.until("the second to wait for the first", func() bool { _, scheduled, _, _, _ := a.Bus.Counts("backup-requests"); return scheduled == 1 })
		a.Clock.Advance(20 * time.Second)
		a.idle("backup-requests")
		a.oneBackup(1)
		if n := len(a.events("r1")); n != 1 {
			t.Errorf("%d events, want one", n)
		}
		a.noLeftovers()
	})
	t.Run("two requests for one slot", func(t *testing.T) {
		a := start(t, protected(stack.Options{}))
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		a.send("backup-requests", "m2", backupRequest("r2", "DB", slot, nil))
		first, second := a.event(completed, "r1"), a.event(completed, "r2")
		if first.Data.AlreadyDone || !second.Data.AlreadyDone || first.Data.Blob != second.Data.Blob {
			t.Errorf("events say %+v and %+v", first.Data, second.Data)
		}
		a.idle("backup-requests")
		a.oneBackup(1)
	})
	t.Run("another slot while one is at work", func(t *testing.T) {
		a := start(t, protected(stack.Options{Settings: map[string]string{"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "2"}}))
		a.misbehave(map[string]any{"action": "Export", "do": "slow", "seconds": 1, "times": 1})
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		a.send("backup-requests", "m2", backupRequest("r2", "DB", slotBefore(1), nil))
		a.until("one to wait for the other", func() bool { _, scheduled, _, _, _ := a.Bus.Counts("backup-requests"); return scheduled == 1 })
		a.until("the first", func() bool { return len(a.all.All()) == 1 })
		a.Clock.Advance(20 * time.Second)
		for _, r := range []string{"r1", "r2"} {
			if ev := a.event(completed, r); ev.ID != r+".1."+completed {
				t.Errorf("event id %s: waiting counted as an attempt", ev.ID)
			}
		}
		a.idle("backup-requests")
		a.oneBackup(2)
	})
	t.Run("a request that was tried again after a passing fault", func(t *testing.T) {
		a := start(t, protected(stack.Options{}))
		a.misbehave(map[string]any{"action": "Export", "do": "exit-137", "times": 1})
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		if ev := a.event(completed, "r1"); ev.ID != "r1.2."+completed {
			t.Errorf("event id %s, want the second attempt's", ev.ID)
		}
		a.idle("backup-requests")
		a.oneBackup(1)
		a.noLeftovers()
	})
	t.Run("a request that was requeued from the dead letters", func(t *testing.T) {
		a := start(t, protected(stack.Options{}))
		a.misbehave(map[string]any{"action": "Export", "do": "exit-137", "times": 2})
		a.send("backup-requests", "m1", backupRequest("r1", "DB", slot, nil))
		ev := a.event(failed, "r1")
		if ev.Data.Failure.Code != "sqlpackage.killed" || !ev.Data.Final {
			t.Errorf("the event says %+v", ev.Data.Failure)
		}
		a.until("the dead letter", func() bool { _, _, _, dead, _ := a.Bus.Counts("backup-requests"); return dead == 1 })
		a.send("backup-requests", "m2", backupRequest("r1", "DB", slot, map[string]any{"attempt": 3}))
		if ev := a.event(completed, "r1"); ev.ID != "r1.3."+completed {
			t.Errorf("event id %s, want the third attempt's", ev.ID)
		}
		a.oneBackup(1)
	})
	t.Run("a past-due, a repeated and a manual run of the timer", func(t *testing.T) {
		a := start(t, protected(stack.Options{}))
		for _, pastDue := range []bool{true, false, true} {
			if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, pastDue); err != nil {
				t.Fatal(err)
			}
		}
		a.until("the night's backup", func() bool { return len(a.all.All()) == 1 })
		a.idle("backup-requests")
		a.oneBackup(1)
		res, err := http.Post("http://"+a.Backup.Addr()+"/admin/functions/nightly", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			b, _ := io.ReadAll(res.Body)
			t.Fatalf("the manual run was answered %d %s", res.StatusCode, b)
		}
		a.until("the manual backup", func() bool { return len(a.all.All()) == 2 })
		a.idle("backup-requests")
		a.oneBackup(2)
		if got := a.all.All(); got[0].Data.Slot != slot || got[1].Data.Slot == slot {
			t.Errorf("slots %s and %s", got[0].Data.Slot, got[1].Data.Slot)
		}
	})
}

// vaultState is every blob's name with its bytes' length and beginning.
func (a *azure) vaultState() map[string]string {
	a.t.Helper()
	out := map[string]string{}
	for _, n := range a.vault() {
		b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, n)
		if err != nil {
			a.t.Fatal(err)
		}
		out[n] = fmt.Sprintf("%d %x", len(b), b[:min(len(b), 64)])
	}
	return out
}

// A message that nobody understands is put aside with a reason that names the field, and told.
func TestMalformedMessagesAreDeadLettered(t *testing.T) {
	for _, c := range []struct{ name, queue, body, field string }{
		{"no JSON", "backup-requests", "backup please", "(document)"},
		{"an unknown field", "backup-requests", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d","slott":"x"}`, "slott"},
		{"an empty body", "backup-requests", "", "(document)"},
		{"a wrong kind", "restore-requests", `{"schema":"bacvault.restore-request.v1","server":"s","database":"d","kind":"clone"}`, "kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{}))
			a.sendRaw(c.queue, "m1", []byte(c.body))
			ev := a.event(rejected, "m1")
			if ev.Data.Failure.Code != "request.malformed" || !strings.Contains(ev.Data.Failure.Detail, `"`+c.field+`"`) {
				t.Errorf("the event says %+v", ev.Data.Failure)
			}
			a.idle(c.queue)
			reason, description := a.deadLetter(c.queue)
			if reason != "request.malformed" || !strings.Contains(description, `"`+c.field+`"`) {
				t.Errorf("dead-lettered with %q, %q", reason, description)
			}
			if got := a.vault(); len(got) > 0 {
				t.Errorf("the vault holds %v", got)
			}
		})
	}
}

func TestAnUnknownDatabaseIsRefused(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.send("backup-requests", "r1", backupRequest("r1", "Other", slot, nil))
	if ev := a.event(failed, "r1"); ev.Data.Failure.Code != "request.unknown_database" {
		t.Errorf("the event says %+v", ev.Data.Failure)
	}
	a.idle("backup-requests")
}

// The status page and its JSON show the backup and the lock.
func TestStatusShowsTheBackup(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	get := func(path string) string {
		res, err := http.Get("http://" + a.Backup.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %d %s, %v", path, res.StatusCode, b, err)
		}
		return string(b)
	}
	var before, after struct {
		Verdict   string
		Databases []struct{ Backups int }
		Overdue   []any
	}
	if err := json.Unmarshal([]byte(get("/api/status?format=json")), &before); err != nil {
		t.Fatal(err)
	}
	if before.Verdict != "overdue" || len(before.Overdue) != 1 {
		t.Errorf("before the first backup the status says %+v", before)
	}
	a.send("backup-requests", "r1", backupRequest("r1", "DB", "", nil))
	a.event(completed, "r1")
	if err := json.Unmarshal([]byte(get("/api/status/status.json")), &after); err != nil {
		t.Fatal(err)
	}
	if after.Verdict != "ok" || after.Databases[0].Backups != 1 {
		t.Errorf("after the backup the status says %+v", after)
	}
	if page := get("/api/status"); !strings.Contains(page, "bacvault: <span class=\"verdict\">ok</span>") || !strings.Contains(page, server+"/DB") {
		t.Errorf("the page is\n%s", page)
	}
}
