package e2e

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/stack"
	"github.com/google/go-cmp/cmp"
)

// backUp makes one backup and gives its event.
func (a *azure) backUp() stack.Event {
	a.t.Helper()
	a.send("backup-requests", "b1", backupRequest("b1", "DB", slot, nil))
	ev := a.event(completed, "b1")
	a.idle("backup-requests")
	return ev
}

func TestARestoreOntoAnExistingNameIsRefused(t *testing.T) {
	a := start(t, protected(stack.Options{Databases: map[string]string{"DB": pubs, "DB_RESTORE": "../testdata/bacpacs/initech-desks.bacpac"},
		Settings: map[string]string{"SQL_DATABASE_NAME": "DB"}}))
	a.backUp()
	before, _ := a.SQL.Rows("DB_RESTORE")
	a.send("restore-requests", "r1", restoreRequest("r1", "DB", nil))
	ev := a.event(unrestore, "r1")
	if ev.Data.Failure.Code != "target.exists" || ev.Data.Failure.Class != "refused" || !strings.Contains(ev.Data.Failure.Exists, "not touched") {
		t.Errorf("the event says %+v", ev.Data.Failure)
	}
	a.idle("restore-requests")
	after, ok := a.SQL.Rows("DB_RESTORE")
	if d := cmp.Diff(before, after); !ok || d != "" || len(before) == 0 {
		t.Errorf("the existing database changed: %s", d)
	}
	a.noLeftovers()
}

// A second delivery of a finished restore says so again and touches nothing.
func TestARepeatedRestoreIsFoundDone(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	a.event(restored, "r1")
	a.idle("restore-requests")
	a.send("restore-requests", "m2", restoreRequest("r1", "DB", nil))
	a.idle("restore-requests")
	if evs := a.events("r1"); len(evs) != 1 {
		t.Errorf("%d events, want one: the repeat is dropped", len(evs))
	}
	a.send("restore-requests", "m3", restoreRequest("r2", "DB", nil))
	if ev := a.event(unrestore, "r2"); ev.Data.Failure.Code != "target.exists" {
		t.Errorf("another request onto the name: %+v", ev.Data.Failure)
	}
}

// A failed import drops only what its run created, and the next request works without a person cleaning up.
func TestAFailedImportLeavesNothing(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.misbehave(map[string]any{"action": "Import", "do": "die-midway", "times": 2}) // both attempts
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	ev := a.event(unrestore, "r1")
	if f := ev.Data.Failure; f.Stage != "import" || f.Code != "sqlpackage.killed" || !strings.Contains(f.Exists, "was dropped") {
		t.Errorf("the event says %+v", f)
	}
	a.idle("restore-requests")
	if _, ok := a.SQL.Rows("DB_RESTORE"); ok {
		t.Error("the failed restore's database is left")
	}
	a.send("restore-requests", "m2", restoreRequest("r2", "DB", nil))
	a.event(restored, "r2")
}

// A refusal because the target holds objects means that somebody else was quicker: what lies there is not ours to drop.
func TestATargetThatFilledUpMeanwhileIsNotTouched(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.misbehave(map[string]any{"action": "Import", "do": "not-empty", "times": 1})
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	ev := a.event(unrestore, "r1")
	if f := ev.Data.Failure; f.Code != "import.target_not_empty" || !strings.Contains(f.Exists, "not touched") {
		t.Errorf("the event says %+v", f)
	}
	if _, ok := a.SQL.Rows("DB_RESTORE"); !ok {
		t.Error("the database was dropped")
	}
}

// Rows that an import loses are found, and the database is kept for a person to look at.
func TestRowsThatAnImportLosesAreFound(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.misbehave(map[string]any{"action": "Import", "do": "import-lose-rows", "table": "dbo.authors", "rows": 1, "times": 1})
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	ev := a.event(unrestore, "r1")
	if ev.Data.Failure.Code != "restore.rows_differ" || !strings.Contains(ev.Data.Failure.Detail, "dbo.authors has 22 rows, expected 23") || !strings.Contains(ev.Data.Failure.Exists, "kept") {
		t.Errorf("the event says %+v", ev.Data.Failure)
	}
	if _, ok := a.SQL.Rows("DB_RESTORE"); !ok {
		t.Error("the database was not kept")
	}
}

// Rows that an export loses never reach the vault.
func TestRowsThatAnExportLosesNeverReachTheVault(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.misbehave(map[string]any{"action": "Export", "do": "lose-rows", "table": "dbo.authors", "rows": 1, "times": 1})
	a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
	ev := a.event(failed, "r1")
	if ev.Data.Failure.Code != "verify.rows_differ" || !strings.Contains(ev.Data.Failure.Detail, "dbo.authors has 22 rows, expected 23") {
		t.Errorf("the event says %+v", ev.Data.Failure)
	}
	a.idle("backup-requests")
	if got := a.vault(); len(got) > 0 {
		t.Errorf("the vault holds %v", got)
	}
	a.noLeftovers()
}

// A blob that was changed behind our back is an alarm, not a restore.
func TestAChangedBlobIsAnAlarm(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	ev := a.backUp()
	b, err := a.Blob.Read(t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, ev.Data.Blob.Name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := a.Blob.Replace(t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, ev.Data.Blob.Name, b); err != nil {
		t.Fatal(err)
	}
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	if ev := a.event(unrestore, "r1"); ev.Data.Failure.Code != "verify.hash_differs" {
		t.Errorf("the event says %+v", ev.Data.Failure)
	}
	a.idle("restore-requests")
	if _, ok := a.SQL.Rows("DB_RESTORE"); ok {
		t.Error("it was restored")
	}
}

// A drill restores to a throw-away name, drops it, and leaves a proof beside the backup; latest-proven then finds it.
func TestADrillProvesABackup(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.send("restore-requests", "m0", restoreRequest("r0", "DB", map[string]any{"backup": "latest-proven", "targetDatabase": "DB_proven"}))
	if ev := a.event(unrestore, "r0"); ev.Data.Failure.Code != "request.no_backup" {
		t.Errorf("before the drill: %+v", ev.Data.Failure)
	}
	a.send("restore-requests", "m1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
	a.event("bacvault.drill.passed.v1", "d1")
	a.noLeftovers()
	a.send("restore-requests", "m2", restoreRequest("r2", "DB", map[string]any{"backup": "latest-proven", "targetDatabase": "DB_proven"}))
	a.event(restored, "r2")
}

// A flat file of the old jobs, without a manifest, is restored with a mark.
func TestAnOldFileIsRestoredUnmanifested(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	ev := a.backUp()
	b, err := a.Blob.Read(t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, ev.Data.Blob.Name)
	if err != nil {
		t.Fatal(err)
	}
	const old = "sqlsvr-local-DB_2025-01-01_020000.bacpac"
	a.put(old, b)
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", map[string]any{"backupFileName": old}))
	got := a.event(restored, "r1")
	if !got.Data.Unmanifested || len(got.Data.Tables) == 0 || got.Data.Tables[0].RowsSource != nil {
		t.Errorf("the event says %s", got.Raw)
	}
}
