package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/stack"
)

func TestAThousandDatabasesAreQueuedInSeconds(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("DB%04d", i))
	}
	a := start(t, protected(stack.Options{Settings: map[string]string{"SQL_DATABASE_NAME": strings.Join(names, ","), "AzureWebJobs_backup_Disabled": "true"}}))
	begin := time.Now()
	if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, false); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if active, _, _, _, _ := a.Bus.Counts("backup-requests"); active != 1000 {
		t.Errorf("%d requests are queued", active)
	}
	// Fired once more, nothing is queued twice.
	if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, true); err != nil {
		t.Fatal(err)
	}
	if active, _, _, _, _ := a.Bus.Counts("backup-requests"); active != 1000 {
		t.Errorf("after the second firing %d requests are queued", active)
	}
	t.Logf("1000 requests queued in %s", took)
}

// A request that can't be queued fails the timer's call, the host repeats it, and the log tells.
func TestAFailedEnqueueIsRepeatedAndTold(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.Faults.Add(faults.Fault{Op: "servicebus.send", Do: "error", Code: "amqp:not-allowed"})
	if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, false); err != nil {
		t.Fatal(err)
	}
	a.until("the backup", func() bool { return len(a.all.All()) == 1 })
	a.oneBackup(1)
	a.logged("queueing the backups failed")
}

// One database's failure neither hides nor stops another's, and a database that nobody protects is told.
func TestOneDatabaseDoesNotStopAnother(t *testing.T) {
	a := start(t, protected(stack.Options{
		Databases: map[string]string{"A": pubs, "B": pubs, "C": pubs, "Forgotten": pubs},
		Settings:  map[string]string{"SQL_DATABASE_NAME": "A,B,C", "BACVAULT_MAX_ATTEMPTS": "1"},
	}))
	a.misbehave(map[string]any{"action": "Export", "do": "lose-rows", "table": "dbo.authors", "rows": 1, "times": 1})
	if _, _, err := a.Backup.FireTimer(t.Context(), "nightly", occurrence, false); err != nil {
		t.Fatal(err)
	}
	a.until("three events", func() bool { return len(a.all.All()) == 3 })
	good, bad := 0, 0
	for _, e := range a.all.All() {
		switch e.Type {
		case completed:
			good++
		case failed:
			bad++
		}
	}
	if good != 2 || bad != 1 {
		t.Errorf("%d completed, %d failed", good, bad)
	}
	a.logged(server + "/Forgotten") // nobody protects it
}
