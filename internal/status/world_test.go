package status_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func night(n int) bacvault.Slot { return bacvault.SlotAt(now.Add(-10*time.Hour).AddDate(0, 0, -n)) }

// protected is a database with a backup in each of the last 30 nights, the newest of them proven.
func protected(server, name string) watch.Database {
	d := watch.Database{Database: bacvault.Database{Server: server, Name: name}, Backups: 30, Bytes: 90 << 20}
	for n := 29; n >= 0; n-- {
		d.Slots = append(d.Slots, watch.Slot{Slot: night(n), State: watch.SlotTaken, Size: 3 << 20})
	}
	d.Slots[29].State, d.Slots[29].RestoreSec = watch.SlotProven, 90
	next := night(-1).Time()
	d.Next = &next
	d.Newest = &watch.Backup{
		Slot: night(0), Blob: d.BlobName(night(0)), Size: 3 << 20, Rows: 1000, Tables: 7, Consistency: bacvault.ConsistencyCopy,
		ProtectedTo: night(0).Time().AddDate(0, 0, 90), Seconds: 60,
	}
	d.NewestProof = &bacvault.Proof{Schema: bacvault.ProofSchema, Database: d.Database, Slot: night(0), Passed: true, At: now.Add(-2 * time.Hour), RestoreSec: 90, Tables: 7, Rows: 1000}
	d.LastDrill = d.NewestProof
	return d
}

// good is a look with nothing to complain of, and nothing running.
func good() status.Input {
	posture := bacvault.Posture{ObservedAt: now, State: "Locked", PeriodDays: 90, Scope: "container", ExtensionsLeft: 5, DataPlaneHasPolicy: true}
	baseline := posture
	return status.Input{
		Source: status.FromWatch, Now: now, Silence: 15 * time.Minute, RunLimit: 20 * time.Hour, Version: "1.0",
		Snapshot: watch.Snapshot{
			Schema: watch.SnapshotSchema, At: now.Add(-5 * time.Minute), Vault: "https://stx.blob.core.windows.net/vault",
			MaxBackupAge: 26 * time.Hour, MaxProofAge: 8 * 24 * time.Hour, Posture: &posture, Baseline: &baseline,
			Databases: []watch.Database{protected("srv", "db"), protected("srv", "other")},
		},
	}
}

// full has everything that a model can have.
func full() status.Input {
	in := good()
	s := &in.Snapshot
	d := &s.Databases[0]
	d.Orphans, d.Newest.Degraded = 1, []string{"by a waiver"}
	d.Slots[3] = watch.Slot{Slot: night(26), State: watch.SlotOrphan, Size: 5}
	d.Slots[4] = watch.Slot{Slot: night(25), State: watch.SlotMissed}
	d.Slots[5] = watch.Slot{Slot: night(24), State: watch.SlotFailed, Code: bacvault.CodeVerifyRows, Detail: "two rows are missing"}
	d.LastDrill = &bacvault.Proof{
		Database: d.Database, Slot: night(1), At: now.Add(-time.Hour), Choice: "oldest", Failure: &bacvault.FailureData{Code: bacvault.CodeVerifyRows, Detail: "rows differ"},
		Negative: &bacvault.NegativeDrill{Tried: 5, Detected: 4},
	}
	s.Databases = append(s.Databases, watch.Database{Database: bacvault.Database{Server: "srv", Name: "empty"}})
	s.Posture.LegalHold, s.Posture.LegalHoldTags, s.Posture.PolicyETag = true, []string{"case7"}, "etag"
	s.Posture.History = []bacvault.PolicyChange{{Kind: "lock", Days: 90, At: now.AddDate(0, -1, 0), By: "someone"}}
	s.Probe = &watch.Probe{At: now, Canary: "c", Tries: []watch.Attempt{{What: "delete", Status: 202, Code: "", RequestID: "r"}}}
	drift := find(bacvault.FoundDrift, bacvault.Alarm, bacvault.Database{})
	drift.Before, drift.After = "90 days", "9 days"
	s.Findings = []bacvault.Finding{
		find(bacvault.FoundOverdueBackup, bacvault.Alarm, s.Databases[1].Database), drift,
		find(bacvault.FoundUnprotected, bacvault.Warning, bacvault.Database{Server: "srv", Name: "forgotten"}),
	}
	s.Unread = []string{"the dead letters: 403"}
	slot := night(0)
	in.Running = []bacvault.Progress{{
		Run: "run1", Kind: "restore", Database: d.Database, Slot: &slot, Target: "db_RESTORE", Request: "r1", Attempt: 2, Stage: bacvault.StageImport, Done: true,
		Elapsed: time.Minute, Note: "half way", At: now, Tables: 3, TablesTotal: 7, Bytes: 1 << 20, BytesTotal: 3 << 20, Rate: 1 << 19,
	}}
	return in
}

func find(kind bacvault.FindingKind, s bacvault.Severity, d bacvault.Database) bacvault.Finding {
	return bacvault.Finding{
		ID: string(kind) + ":" + d.String(), Kind: kind, Severity: s, Server: d.Server, Database: d.Name, Subject: d.String(), Since: now.Add(-time.Hour),
		Detail: "something is wrong with " + d.Name, Next: "look",
	}
}

// many is a look at n databases.
func many(n int) status.Input {
	in := good()
	in.Snapshot.Databases = nil
	for i := range n {
		in.Snapshot.Databases = append(in.Snapshot.Databases, protected(fmt.Sprintf("sql-region-%02d", i%20), fmt.Sprintf("Tenant-%04d", i)))
	}
	return in
}

func html(t testing.TB, m status.Model) string {
	t.Helper()
	b, err := m.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
