package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// take makes a backup of a slot.
func (a *azure) take(id string, slot time.Time) {
	a.t.Helper()
	a.send("backup-requests", id, backupRequest(id, "DB", slot.UTC().Format(time.RFC3339), nil))
	a.event(completed, id)
}

// Each alarm is told once when it begins and once when it ends, by the handler on its timer.
func TestTheWatchTellsWhatBeginsAndWhatEnds(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.told(a.look, "all is well")
	for _, c := range []struct {
		name       string
		begin, end func()
		typ, kind  string
	}{
		{"the newest backup is too old", func() { a.take("old", time.Now().Add(-30*time.Hour)) }, func() { a.take("new", time.Now()) }, "backup.overdue", "backup.overdue"},
		{"the policy is shorter", func() { a.protect(200, true) }, func() { a.protect(365, true) }, "immutability.drifted", "immutability.drifted"},
		{"the policy is unlocked", func() { a.protect(365, false) }, func() { a.protect(365, true) }, "immutability.drifted", "immutability.drifted"},
		{"a message is among the dead letters", func() {
			a.sendRaw("restore-requests", "m1", []byte("restore please"))
			a.event(rejected, "m1")
			a.until("the dead letter", func() bool { _, _, _, dead, _ := a.Bus.Counts("restore-requests"); return dead == 1 })
		}, func() { a.purge("restore-requests") }, "request.deadlettered", "request.deadlettered"},
		{"a database that nobody protects", func() {
			if err := a.SQL.LoadFile("Forgotten", pubs); err != nil {
				t.Fatal(err)
			}
		}, func() {
			if err := a.SQL.Drop("Forgotten"); err != nil {
				t.Fatal(err)
			}
		}, "finding.raised", "database.unprotected"},
	} {
		c.begin()
		a.told(a.look, c.name, c.typ+" "+c.kind)
		if !slices.Contains(a.kinds(), c.kind) {
			t.Errorf("%s: the snapshot has %v", c.name, a.kinds())
		}
		c.end()
		a.told(a.look, c.name+", and it is over", "finding.cleared "+c.kind)
	}
	if k := a.kinds(); len(k) > 0 {
		t.Errorf("in the end it still finds %v", k)
	}
}

func (a *azure) protect(days int, locked bool) {
	a.t.Helper()
	if err := a.Policies.Protect(a.Places.VaultAccount, a.Places.VaultContainer, days, locked); err != nil {
		a.t.Fatal(err)
	}
}

// A drill that failed and a proof that is too old stand until a drill passes.
func TestTheWatchTellsOfDrills(t *testing.T) {
	a := start(t, protected(stack.Options{NoApps: true, TokenLifetime: lifetime, Settings: map[string]string{"BACVAULT_MAX_PROOF_AGE": "2h"}}))
	i, drills := a.inside(roles.Backup), a.inside(roles.Restore)
	drill := func() string {
		drills.skew = i.skew
		return drills.do(order{Do: "drill", Database: "DB", Slot: i.now()})
	}
	if code := i.do(order{Do: "backup", Database: "DB", Slot: i.now()}); code != "" {
		t.Fatalf("the backup ended with %s", code)
	}
	a.told(i.look, "all is well")
	a.misbehave(map[string]any{"action": "Import", "do": "import-lose-rows", "table": "dbo.titles", "rows": 2, "times": 1})
	if code := drill(); code != "restore.rows_differ" {
		t.Fatalf("the drill ended with %q", code)
	}
	a.told(i.look, "a drill failed", "finding.raised drill.failed")
	i.advance(3 * time.Hour)
	a.told(i.look, "no drill passed for long", "finding.raised proof.overdue")
	i.advance(time.Minute)
	if code := drill(); code != "" {
		t.Fatalf("the second drill ended with %q", code)
	}
	a.told(i.look, "a drill passed", "finding.cleared drill.failed", "finding.cleared proof.overdue")
}

// A backup that is not like those before it is told, and the next one that is ends it.
func TestTheWatchTellsOfAnUnusualBackup(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	from := time.Now().Add(-10 * time.Hour)
	for i := range 6 {
		a.take("b"+string(rune('0'+i)), from.Add(time.Duration(i)*time.Hour))
	}
	a.told(a.look, "all is well")
	if err := a.SQL.DeleteRows("DB", "dbo", "roysched", 80); err != nil {
		t.Fatal(err)
	}
	a.take("few", from.Add(7*time.Hour))
	a.told(a.look, "rows are gone", "finding.raised rows.unusual")
	if err := a.SQL.InsertRows("DB", "dbo", "roysched", 80); err != nil {
		t.Fatal(err)
	}
	a.take("full", from.Add(8*time.Hour))
	a.told(a.look, "they are back", "finding.cleared rows.unusual")
	if err := a.SQL.InsertRows("DB", "dbo", "roysched", 200_000); err != nil {
		t.Fatal(err)
	}
	a.take("more", from.Add(9*time.Hour))
	a.told(a.look, "it is many times as large", "finding.raised rows.unusual", "finding.raised size.unusual")
}

// Without a right the watch says what it could not read, and goes on with the rest.
func TestTheWatchTellsWhatItCannotRead(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: func(r roles.Table) roles.Table {
		return r.WithoutOn(roles.Backup, roles.BusReceive, "queues/restore-requests")
	}}))
	a.told(a.look, "a right is missing", "finding.raised watch.unread")
	s, _ := a.snapshot()
	if len(s.Unread) != 1 || !strings.Contains(s.Unread[0], "the dead letters") || len(s.Databases) != 1 || !s.Probe.Passed {
		t.Errorf("the snapshot is %+v", s)
	}
	a.protect(200, true)
	a.told(a.look, "the policy is shorter, too", "immutability.drifted immutability.drifted")
}

// Where nothing protects the canary the tamper probe lays it open, and passes an hour after the policy was locked.
func TestTheTamperProbeAlarmsWhereNothingProtects(t *testing.T) {
	a := start(t, stack.Options{TokenLifetime: lifetime})
	i := a.inside(roles.Backup)
	a.told(i.look, "there is no policy", "finding.raised probe.failed", "immutability.drifted immutability.drifted")
	a.protect(365, true)
	a.told(i.look, "it is locked", "finding.cleared immutability.drifted")
	i.advance(time.Hour)
	a.told(i.look, "an hour later", "finding.cleared probe.failed")
	if s, _ := a.snapshot(); !s.Probe.Passed {
		t.Errorf("the probe is %+v", s.Probe)
	}
	if n := len(a.vault()); n != 1 {
		t.Errorf("the vault holds %v, want the canary alone", a.vault())
	}
}

// lifetime is that of tokens where a test moves the clock by more than the hour that they are good for: clients keep them by the
// machine's time.
const lifetime = 30_000 * time.Hour

// A handler that was killed in mid-run is told of: its run, its lease, and a day later what it left. When its message has come
// again and is done, all of it is over.
func TestTheWatchTellsOfAKilledHandler(t *testing.T) {
	a := start(t, protected(stack.Options{TokenLifetime: lifetime, Settings: map[string]string{"SQL_DATABASE_NAME": "DB"}}))
	i := a.inside(roles.Backup)
	a.told(i.look, "all is well")
	a.misbehave(map[string]any{"action": "Export", "do": "slow", "seconds": 3, "times": 1})
	killed := a.killAt(a.Backup, nil)
	a.send("backup-requests", "r1", backupRequest("r1", "DB", time.Now().UTC().Format(time.RFC3339), nil))
	a.wait(killed, "the kill")
	if err := a.Backup.Close(); err != nil { // as if the app did not come back
		t.Fatal(err)
	}
	orphan := server + "/DB/" + server + "-DB_" + time.Now().UTC().Add(-time.Minute).Format("2006-01-02_150405") + ".bacpac"
	a.put(orphan, []byte("no manifest will ever come"))
	if _, err := a.Blob.LapseLeases(t.Context(), a.Places.StateAccount, a.Places.StateContainer); err != nil {
		t.Fatal(err)
	}
	a.told(i.look, "it was killed a moment ago")
	i.advance(20 * time.Minute)
	a.told(i.look, "it has been silent for 20 minutes", "finding.raised lease.stale", "finding.raised run.stalled")
	i.advance(time.Hour)
	a.told(i.look, "an archive has had no manifest for an hour", "finding.raised orphan.blob")
	i.advance(23*time.Hour + 30*time.Minute)
	a.told(i.look, "its copy is a day old", "finding.raised orphan.copy")

	host, err := a.StartBackup(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a.event(completed, "r1")
	a.idle("backup-requests")
	a.until("neither run to say that it is at work", func() bool {
		left, err := a.Blob.Blobs(t.Context(), a.Places.StateAccount, a.Places.StateContainer)
		return err == nil && !slices.ContainsFunc(left, func(n string) bool { return strings.HasPrefix(n, "runs/") })
	})
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	a.told(i.look, "its message is done", "finding.cleared lease.stale", "finding.cleared orphan.copy", "finding.cleared run.stalled")
	if k := a.kinds(); !slices.Equal(k, []string{"orphan.blob"}) {
		t.Errorf("in the end it finds %v", k)
	}
}

// With the setting the watch asks once for a slot that nobody took, and the app takes it.
func TestAMissedSlotIsAskedForAgain(t *testing.T) {
	a := start(t, protected(stack.Options{TokenLifetime: lifetime, Settings: map[string]string{"BACVAULT_REQUEUE_MISSED": "yes"}}))
	i := a.inside(roles.Backup)
	night := i.now().Truncate(24*time.Hour).AddDate(0, 0, 1).Add(2 * time.Hour)
	i.advance(night.Add(-time.Hour).Sub(i.now()))
	i.look() // from now on the database is a protected one
	i.advance(5 * time.Hour)
	i.look()
	a.idle("backup-requests")
	if n := len(a.vault()); n != 1 { // the canary
		t.Fatalf("four hours after its moment the slot is not missed yet, and the vault holds %v", a.vault())
	}
	i.advance(3 * time.Hour)
	for range 2 {
		i.look()
		a.idle("backup-requests")
	}
	var taken []string
	for _, e := range a.all.All() {
		if e.Type == completed {
			taken = append(taken, e.Data.Slot)
		}
	}
	if !slices.Equal(taken, []string{night.Format(time.RFC3339)}) {
		t.Errorf("the slots %v were taken, want that of %s", taken, night)
	}
	i.look()
	s, _ := a.snapshot()
	if sq := s.Databases[0].Slots; len(sq) != 1 || sq[0].State != "taken" {
		t.Errorf("the strip is %+v", sq)
	}
}
