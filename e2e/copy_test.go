package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// Whatever a copy does wrong has a code of its own, nothing reaches the vault, and no copy is left.
func TestACopyThatCannotBeHad(t *testing.T) {
	for _, c := range []struct {
		name, code string
		fault      faults.Fault
		settings   map[string]string
		rights     func(roles.Table) roles.Table
	}{
		{name: "it never comes online", code: "copy.timeout", fault: faults.Fault{Op: "sql.copy", Do: "hang"}, settings: map[string]string{"BACVAULT_COPY_TIMEOUT": "2s"}},
		{name: "it fails half-way", code: "copy.failed", fault: faults.Fault{Op: "sql.copy", Do: "fail"}},
		{name: "the elastic pool is full", code: "copy.no_room", fault: faults.Fault{Op: "sql.copy", Do: "error", Status: 1132}},
		{name: "the right is denied", code: "sql.denied", rights: func(r roles.Table) roles.Table { return r.Without(roles.Backup, roles.SQLDBManager) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}
			for k, v := range c.settings {
				settings[k] = v
			}
			a := start(t, protected(stack.Options{Settings: settings, Rights: c.rights}))
			if c.fault.Op != "" {
				a.Faults.Add(c.fault)
			}
			a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
			ev := a.event(failed, "r1")
			if f := ev.Data.Failure; f.Code != c.code || f.Stage != "copy" || f.Next == "" {
				t.Errorf("the event says %+v", f)
			}
			a.idle("backup-requests")
			if got := a.vault(); len(got) > 0 {
				t.Errorf("the vault holds %v", got)
			}
			a.noLeftovers()
		})
	}
}

// With copy-or-live the same night has its backup, and everybody can see that it is the weaker one.
func TestWithoutACopyTheLiveDatabaseIsExportedDegraded(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_CONSISTENCY": "copy-or-live"}}))
	a.Faults.Add(faults.Fault{Op: "sql.copy", Do: "error", Status: 1132})
	a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
	ev := a.event(completed, "r1")
	if len(ev.Data.Degraded) != 1 || !strings.Contains(ev.Data.Degraded[0], "copy.no_room") {
		t.Errorf("degraded: %q", ev.Data.Degraded)
	}
	if m := a.manifest(ev); !strings.Contains(m, `"consistency": "live"`) || !strings.Contains(m, `"rowsSourceAfter": 23`) {
		t.Errorf("the manifest is\n%s", m)
	}
	a.noLeftovers()
}

// A copy that a killed run left long ago is dropped with the next night; a young one, and a database that only looks like
// one, stay. The night's first database is at work meanwhile: its own copies would wait for another night.
func TestTheNightClearsLeftCopies(t *testing.T) {
	old := bacvault.CopyName("Later", bacvault.SlotAt(occurrence.AddDate(0, 0, -3)))
	young := bacvault.CopyName("Later", bacvault.SlotAt(occurrence.AddDate(0, 0, -1)))
	a := start(t, protected(stack.Options{
		Databases: map[string]string{"DB": pubs, "Later": pubs},
		Settings:  map[string]string{"BACVAULT_JANITOR_AFTER": "1h", "SQL_DATABASE_NAME": "DB,Later"},
	}))
	a.misbehave(map[string]any{"action": "Export", "do": "slow", "seconds": 3, "times": 1})
	for _, name := range []string{old, "DB_bacvault_copy_"} {
		if err := a.SQL.Copy("DB", name, roles.Backup, "", ""); err != nil {
			t.Fatal(err)
		}
		if err := a.SQL.Age(name, 2*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.SQL.Copy("DB", young, roles.Backup, "", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, false); err != nil {
		t.Fatal(err)
	}
	a.until("the old copy to go", func() bool { _, there := a.SQL.State(old); return !there })
	for _, name := range []string{young, "DB_bacvault_copy_", "DB"} {
		if _, there := a.SQL.State(name); !there {
			t.Errorf("%s was dropped too", name)
		}
	}
	a.logged(old)
}

// Everything that can be asked for, in one backup: fingerprints, read-back.
func TestABackupWithEverythingAskedFor(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_FINGERPRINT": "checksum", "BACVAULT_READ_BACK": "full", "BACVAULT_ACCESS_TIER": "Cool"}}))
	ev := a.backUp()
	m := a.manifest(ev)
	for _, want := range []string{`"readBack": "full"`, `"fingerprint": "23:`, `"method": "count-checksum_agg-binary_checksum"`, `"extensionsLeft": 5`, `"verdict": "ok"`} {
		if !strings.Contains(m, want) {
			t.Errorf("the manifest lacks %s", want)
		}
	}
	p, err := a.admin(ev.Data.Blob.Name).GetProperties(t.Context(), nil)
	if err != nil || p.AccessTier == nil || *p.AccessTier != "Cool" {
		t.Errorf("the blob's tier is %v, %v", p.AccessTier, err)
	}
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	back := a.event(restored, "r1")
	for _, want := range []string{`"fingerprint":"equal"`, `{"kind":"tables","archive":11,"restored":11}`} {
		if !strings.Contains(string(back.Raw), want) {
			t.Errorf("the restore's event lacks %s: %s", want, back.Raw)
		}
	}
	if strings.Contains(string(back.Raw), `"fingerprint":"differs"`) {
		t.Errorf("a fingerprint differs: %s", back.Raw)
	}
	if t.Failed() {
		t.Log(m)
	}
}

// As many rows, and not the same: the fingerprint finds what a count can't.
func TestChangedValuesAreFoundByTheFingerprint(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_FINGERPRINT": "checksum"}}))
	ev := a.backUp()
	a.alterManifestPrint(ev)
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	f := a.event(unrestore, "r1").Data.Failure
	if f.Code != "restore.rows_differ" || !strings.Contains(f.Detail, "not the same") || !strings.Contains(f.Exists, "kept for inspection") {
		t.Errorf("the event says %+v", f)
	}
	a.idle("restore-requests")
}

// alterManifestPrint makes the manifest's first fingerprint another, by the store's back door: as if the source had held something else.
func (a *azure) alterManifestPrint(ev stack.Event) {
	a.t.Helper()
	name := strings.TrimSuffix(ev.Data.Blob.Name, ".bacpac") + ".manifest.json"
	b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, name)
	if err != nil {
		a.t.Fatal(err)
	}
	print := regexp.MustCompile(`"fingerprint": "(\d+):[0-9a-f]{8}"`)
	if !print.Match(b) {
		a.t.Fatalf("the manifest has no fingerprint: %s", b)
	}
	done := false
	b = print.ReplaceAllFunc(b, func(m []byte) []byte {
		if done {
			return m
		}
		done = true
		return append(m[:len(m)-9], "00c0ffee\""...)
	})
	if err := a.Blob.Replace(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, name, b); err != nil {
		a.t.Fatal(err)
	}
}

// Through the management plane a copy needs no right inside the server; it is dropped the same way.
func TestCopiesByTheManagementPlane(t *testing.T) {
	a := start(t, protected(stack.Options{
		Settings: map[string]string{"BACVAULT_COPY_BY": "management", "BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup},
		Rights: func(r roles.Table) roles.Table {
			return roles.ManagementCopies(r, stack.ServerName).Without(roles.Backup, roles.SQLDBManager)
		},
	}))
	ev := a.backUp()
	if m := a.manifest(ev); !strings.Contains(m, `"consistency": "copy"`) {
		t.Errorf("the manifest is\n%s", m)
	}
	a.noLeftovers()
	a.Faults.Add(faults.Fault{Op: "arm.database.write", Do: "fail-operation", Times: 2})
	a.send("backup-requests", "r2", backupRequest("r2", "DB", slotBefore(1), nil))
	if f := a.event(failed, "r2").Data.Failure; f.Stage != "copy" || !strings.HasPrefix(f.Code, "copy.") {
		t.Errorf("the event says %+v", f)
	}
	a.noLeftovers()
	a.oneBackup(1)
}

// Row-level security hides rows from the export and from the count alike: only an identity that sees all that is stored may go on.
func TestRowLevelSecurityAndMaskedColumns(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	if err := a.SQL.SetFilters("DB", 1, 0); err != nil {
		t.Fatal(err)
	}
	ev := a.backUp()
	if len(ev.Data.Findings) == 0 || !strings.Contains(strings.Join(ev.Data.Findings, " "), "sees every row") {
		t.Errorf("findings %q", ev.Data.Findings)
	}
	if err := a.SQL.SetFilters("DB", 0, 2); err != nil {
		t.Fatal(err)
	}
	a.send("backup-requests", "r2", backupRequest("r2", "DB", slotBefore(1), map[string]any{}))
	// The copy's owner may unmask; a reader of the live database may not.
	if ev := a.event(completed, "r2"); ev.Data.AlreadyDone {
		t.Error("nothing was done")
	}
	live, err := a.StartBackup(t.Context(), map[string]string{"BACVAULT_CONSISTENCY": "live"})
	if err != nil {
		t.Fatal(err)
	}
	a.Backup.Drain()
	defer live.Close()
	a.send("backup-requests", "r3", backupRequest("r3", "DB", slotBefore(2), nil))
	if f := a.event(failed, "r3").Data.Failure; f.Code != "preflight.filtered" || !strings.Contains(f.Detail, "masked") {
		t.Errorf("the event says %+v", f)
	}
	a.oneBackup(2)
}
