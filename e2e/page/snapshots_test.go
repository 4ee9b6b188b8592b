package page_test

import (
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// now is the moment of every scenario.
var now = time.Date(2026, 11, 24, 8, 40, 0, 0, time.UTC)

// night is the slot of so many nights ago.
func night(n int) bacvault.Slot {
	return bacvault.SlotAt(time.Date(2026, 11, 24-n, 2, 0, 0, 0, time.UTC))
}

// database has a backup in each of the last 30 nights and a drill of four nights ago.
func database(server, name string, size int64) watch.Database {
	d := watch.Database{Database: bacvault.Database{Server: server, Name: name}, Backups: 212}
	for n := 29; n >= 0; n-- {
		s := watch.Slot{Slot: night(n), State: watch.SlotTaken, Size: size + int64(29-n)*size/200 + int64(n*n%7)*size/300}
		if n%4 == 0 && n > 0 {
			s.State, s.RestoreSec = watch.SlotProven, 760+float64(n)
		}
		d.Slots = append(d.Slots, s)
		d.Bytes += s.Size
	}
	proof := &bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: d.Database, Slot: night(4), Passed: true, At: now.Add(-3*24*time.Hour - 5*time.Hour),
		RestoreSec: 764, Tables: 48, Rows: 18_204_511, Choice: "newest", Negative: &bacvault.NegativeDrill{Tried: 5, Detected: 5},
	}
	next := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	newest := d.Slots[len(d.Slots)-1]
	d.NewestProof, d.LastDrill, d.Next = proof, proof, &next
	d.Newest = &watch.Backup{
		Slot: newest.Slot, Blob: d.BlobName(newest.Slot), Size: newest.Size, Rows: 18_312_044, Tables: 48,
		Consistency: bacvault.ConsistencyCopy, ProtectedTo: newest.Slot.Time().AddDate(1, 0, 0), Seconds: 1312,
	}
	return d
}

// good is a look of four minutes ago that found nothing wrong.
func good() status.Input {
	posture := bacvault.Posture{
		ObservedAt: now.Add(-4 * time.Minute), Scope: "container", State: "Locked", PeriodDays: 365, ExtensionsLeft: 4, DataPlaneHasPolicy: true,
		History: []bacvault.PolicyChange{
			{Kind: "put", Days: 180, At: now.AddDate(0, -7, 0), By: "4a1c7f0e-4b66-4b0f-9f2b-1d3f8a2c5e11"},
			{Kind: "lock", Days: 180, At: now.AddDate(0, -7, 1), By: "4a1c7f0e-4b66-4b0f-9f2b-1d3f8a2c5e11"},
			{Kind: "extend", Days: 365, At: now.AddDate(0, -2, 0), By: "9d02b7aa-0c1d-4d58-8d3c-6d9be2f0a7c4"},
		},
	}
	baseline := posture
	return status.Input{
		Source: status.FromWatch, Now: now, Silence: 40 * time.Minute, RunLimit: 20 * time.Hour, Version: "1.0.0",
		Snapshot: watch.Snapshot{
			Schema: watch.SnapshotSchema, At: now.Add(-4 * time.Minute), Version: "1.0.0", Vault: "https://stvaultprod.blob.core.windows.net/sql-backups",
			MaxBackupAge: 26 * time.Hour, MaxProofAge: 31 * 24 * time.Hour, Posture: &posture, Baseline: &baseline,
			Databases: []watch.Database{database("sql-cohort-prod", "Cohort", 2_904<<20), database("sql-cohort-prod", "Audit", 740<<20), database("sql-cohort-prod", "Reference", 9<<20)},
			Probe: &watch.Probe{At: now.Add(-30 * time.Hour), Canary: "canary/1", Passed: true, Tries: []watch.Attempt{
				{What: "overwrite", Refused: true, Status: 409, Code: "BlobImmutableDueToPolicy"}, {What: "delete", Refused: true, Status: 409, Code: "BlobImmutableDueToPolicy"},
			}},
		},
	}
}

func finding(kind bacvault.FindingKind, s bacvault.Severity, d bacvault.Database, subject, detail, next string, since time.Duration) bacvault.Finding {
	return bacvault.Finding{
		ID: string(kind) + ":" + subject, Kind: kind, Severity: s, Server: d.Server, Database: d.Name, Subject: subject, Since: now.Add(-since), Detail: detail, Next: next,
	}
}

func overdue() status.Input {
	in := good()
	s := &in.Snapshot
	d := &s.Databases[1]
	for _, n := range []int{0, 1} { // the last two nights
		d.Slots[29-n] = watch.Slot{Slot: night(n), State: watch.SlotMissed}
	}
	d.Slots[27] = watch.Slot{Slot: night(2), State: watch.SlotFailed, Code: bacvault.CodeVerifyRows, Detail: "dbo.Entry has 48,112 rows at the source and 48,110 in the archive"}
	d.Slots[14] = watch.Slot{Slot: night(15), State: watch.SlotOrphan, Size: 741 << 20}
	d.Orphans = 1
	d.Newest.Slot = night(3)
	d.Slots[26].Size = 300 << 20
	d.Newest.Degraded = []string{"the policy was unlocked, by a waiver"}
	s.Findings = []bacvault.Finding{
		finding(bacvault.FoundUnusualSize, bacvault.Warning, s.Databases[2].Database, s.Databases[2].String(), "The newest backup is 61 % smaller than the median of 30.", "Compare the rows of the two manifests with bacvault show.", 6*time.Hour),
		finding(bacvault.FoundOverdueBackup, bacvault.Alarm, d.Database, d.String(), "the newest backup of sql-cohort-prod/Audit is of 2026-11-21 02:00: 3 d 6 h old, 26 h at most are allowed", "Look at the failure of 2026-11-22 in the history, then run bacvault backup.", 52*time.Hour),
		finding(bacvault.FoundUnprotected, bacvault.Warning, bacvault.Database{Server: "sql-cohort-prod", Name: "Scratch"}, "sql-cohort-prod/Scratch", "The server has this database and nobody backs it up.", "Name it in SQL_DATABASE_NAME, or leave it out on purpose.", 9*24*time.Hour),
	}
	return in
}

func drift() status.Input {
	in := good()
	s := &in.Snapshot
	s.Posture.PeriodDays, s.Posture.State = 7, "Unlocked"
	f := finding(bacvault.FoundDrift, bacvault.Alarm, bacvault.Database{}, "sql-backups", "The vault's policy is not what it was when the baseline was taken.", "Find out who changed it in the activity log; lock it again.", 2*time.Hour)
	f.Before, f.After = "Locked, 365 days", "Unlocked, 7 days"
	s.Findings = []bacvault.Finding{f}
	s.Databases[0].LastDrill = &bacvault.Proof{
		Database: s.Databases[0].Database, Slot: night(0), At: now.Add(-time.Hour), Choice: "random", Tables: 48,
		Failure: &bacvault.FailureData{Code: bacvault.CodeVerifyRows, Detail: "dbo.Person: 12 rows fewer than the archive holds"},
	}
	s.Findings = append(s.Findings, finding(bacvault.FoundFailedDrill, bacvault.Alarm, s.Databases[0].Database, s.Databases[0].String(), "The last drill did not pass: dbo.Person has 12 rows fewer than the archive holds.", "Drill the backup of the night before: bacvault drill.", time.Hour))
	return in
}

func running() status.Input {
	in := good()
	one, two := night(0), night(0)
	in.Running = []bacvault.Progress{
		{Run: "4f1c22ab", Kind: "backup", Database: in.Snapshot.Databases[0].Database, Slot: &one, Attempt: 1, Stage: bacvault.StageExport, Note: "Processing Table '[dbo].[Person]'.", At: now.Add(-9 * time.Second), Tables: 31, TablesTotal: 48, Bytes: 1_811 << 20, BytesTotal: 2_944 << 20, Rate: 41.3 * (1 << 20)},
		{Run: "77d0e1b9", Kind: "restore", Database: in.Snapshot.Databases[1].Database, Slot: &two, Target: "Audit_RESTORE", Attempt: 2, Stage: bacvault.StageFetch, At: now.Add(-40 * time.Second), Bytes: 201 << 20, BytesTotal: 745 << 20},
	}
	return in
}

func stalled() status.Input {
	in := running()
	in.Running[0].At = now.Add(-3 * time.Hour)
	in.Running[1].At = now.Add(-3 * time.Hour)
	in.Gone = map[string]bool{in.Running[1].Run: true}
	return in
}

func stale() status.Input {
	in := good()
	in.Snapshot.At = now.Add(-5*time.Hour - 20*time.Minute)
	return in
}

// direct is the first look of a fresh installation.
func direct() status.Input {
	in := good()
	in.Source, in.Snapshot.At, in.Snapshot.Baseline, in.Snapshot.Probe = status.Direct, now, nil, nil
	d := &in.Snapshot.Databases[0]
	*d = watch.Database{Database: d.Database, Backups: 1, Bytes: 5 << 20, Newest: &watch.Backup{Slot: night(0), Blob: "b", Size: 5 << 20}, Slots: []watch.Slot{{Slot: night(0), State: watch.SlotTaken, Size: 5 << 20}}}
	in.Snapshot.Databases = in.Snapshot.Databases[:1]
	in.Snapshot.Posture.History = nil
	return in
}

// empty is what is there when nothing could be read.
func empty() status.Input {
	return status.Input{
		Source: status.Direct, Now: now, Snapshot: watch.Snapshot{At: now, Vault: "https://stvaultprod.blob.core.windows.net/sql-backups"},
		Unread: []string{"the vault's immutability: 403 AuthorizationFailed", "the running runs: 403 AuthorizationFailed"},
	}
}

// thousand databases, 30 slots each, one of them overdue.
func thousand() status.Input {
	in := good()
	in.Snapshot.Databases = nil
	for i := range 1000 {
		in.Snapshot.Databases = append(in.Snapshot.Databases, database(fmt.Sprintf("sql-region-%02d", i%20), fmt.Sprintf("Tenant-%04d", i), int64(20+i)<<20))
	}
	d := &in.Snapshot.Databases[613]
	d.Newest.Slot, d.Slots[29] = night(1), watch.Slot{Slot: night(0), State: watch.SlotFailed, Code: bacvault.CodeExportStalled, Detail: "no sign of life for 30 minutes"}
	in.Snapshot.Findings = []bacvault.Finding{finding(bacvault.FoundOverdueBackup, bacvault.Alarm, d.Database, d.String(), "The newest backup is 30 h 40 min old; the limit is 26 h.", "Run bacvault backup.", 4*time.Hour)}
	return in
}

// scenarios by the path that each is served at.
func scenarios() map[string]status.Input {
	return map[string]status.Input{
		"good": good(), "overdue": overdue(), "drift": drift(), "running": running(), "stalled": stalled(), "stale": stale(),
		"direct": direct(), "empty": empty(), "thousand": thousand(),
	}
}
