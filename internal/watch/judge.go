package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// judge makes the snapshot: what was seen, what is wrong with it, and what of that is new or over.
func (w *Watch) judge(seen *seen, last Snapshot) Snapshot {
	s := Snapshot{
		Schema: SnapshotSchema, At: seen.now, Version: w.Version, Vault: w.Place, MaxBackupAge: w.Limits.BackupAge, MaxProofAge: w.Limits.ProofAge,
		Posture: seen.posture, Baseline: last.Baseline, Databases: seen.databases, Probe: seen.probe, Unread: seen.reasons(),
		Findings: []bacvault.Finding{}, Untold: slices.Clone(last.Untold), FailedTo: seen.failedTo, First: last.First,
	}
	if s.First.IsZero() || !seen.oldest.IsZero() && seen.oldest.Before(s.First) {
		s.First = seen.oldest
	}
	if s.Probe == nil {
		s.Probe = last.Probe
	}
	var found []bacvault.Finding
	found = append(found, drift(&s)...)
	for _, d := range seen.databases {
		found = append(found, w.judgeDatabase(seen, d)...)
	}
	found = append(found, w.judgeRest(seen, s)...)
	s.merge(found, last.Findings, seen)
	return s
}

// finding fills in what every finding has.
func finding(k bacvault.FindingKind, severity bacvault.Severity, subject, next, format string, args ...any) bacvault.Finding {
	return bacvault.Finding{ID: string(k) + ":" + subject, Kind: k, Severity: severity, Subject: subject, Next: next, Detail: fmt.Sprintf(format, args...)}
}

func of(d bacvault.Database, k bacvault.FindingKind, severity bacvault.Severity, next, format string, args ...any) bacvault.Finding {
	f := finding(k, severity, d.String(), next, format, args...)
	f.Server, f.Database = d.Server, d.Name
	return f
}

func (w *Watch) judgeDatabase(seen *seen, d Database) (out []bacvault.Finding) {
	db := d.Database
	if seen.blind[db.String()] {
		return nil // what the last look found is carried on
	}
	const backupNext = "Look at the failed events and the dead letters of this database; ask for a backup with: bacvault backup --database NAME."
	switch {
	case d.Newest == nil && seen.now.Sub(d.Since) > w.Limits.BackupAge:
		out = append(out, of(db, bacvault.FoundOverdueBackup, bacvault.Alarm, backupNext, "%s has no backup at all, and is protected since %s", db, stamp(d.Since)))
	case d.Newest != nil && seen.now.Sub(d.Newest.Slot.Time()) > w.Limits.BackupAge:
		out = append(out, of(db, bacvault.FoundOverdueBackup, bacvault.Alarm, backupNext, "the newest backup of %s is of %s: %s old, %s at most are allowed",
			db, d.Newest.Slot, age(seen.now.Sub(d.Newest.Slot.Time())), age(w.Limits.BackupAge)))
	}
	const proofNext = "Ask for a drill with: bacvault drill --database NAME, and look why the drill timer's did not pass."
	switch {
	case d.NewestProof != nil && seen.now.Sub(d.NewestProof.At) > w.Limits.ProofAge:
		out = append(out, of(db, bacvault.FoundOverdueProof, bacvault.Alarm, proofNext, "%s was last restored by a drill that passed at %s: %s ago, %s at most are allowed",
			db, stamp(d.NewestProof.At), age(seen.now.Sub(d.NewestProof.At)), age(w.Limits.ProofAge)))
	case d.NewestProof == nil && seen.now.Sub(d.Since) > w.Limits.ProofAge:
		out = append(out, of(db, bacvault.FoundOverdueProof, bacvault.Alarm, proofNext, "no drill of %s ever passed, and it is protected since %s", db, stamp(d.Since)))
	}
	if p := d.LastDrill; p != nil && !p.Passed {
		why := "it did not pass"
		if p.Failure != nil {
			why = string(p.Failure.Code) + ": " + p.Failure.Detail
		}
		out = append(out, of(db, bacvault.FoundFailedDrill, bacvault.Alarm, "Read the drill.failed event; do not count on this backup before another drill of it passed.",
			"the last drill of %s, of its backup %s at %s, failed: %s", db, p.Slot, stamp(p.At), why))
	}
	out = append(out, unusual(d)...)
	out = append(out, w.judgePhantoms(seen, db)...)
	for _, e := range seen.orphans[db] {
		if seen.now.Sub(e.Created) < orphanAge {
			continue // a run that is just between its commit and its manifest
		}
		f := finding(bacvault.FoundOrphanBlob, bacvault.Warning, e.Blob, "Send the backup request of this slot again: its manifest is finished if the run left what it needs. It cannot be deleted before its protection ends.",
			"the blob %s (%d bytes, of %s) has no manifest: it is not a backup", e.Blob, e.Size, stamp(e.Created))
		f.Server, f.Database = db.Server, db.Name
		out = append(out, f)
	}
	return out
}

// orphanAge is how long a run may take from its commit to its manifest, with every repeat that it may make.
const orphanAge = time.Hour

// The newest backup is unusual when it is far from the median of those before it. Half the size, or a fifth of the rows
// gone, is what a lost table or a mass deletion looks like; a doubled size is what encrypted, incompressible data looks like.
const (
	enough     = 5 // backups before a median says anything
	leastSize  = 0.5
	mostSize   = 2.0
	leastRows  = 0.8
	mostRows   = 1.5
	rowsOfNote = 100 // a handful of rows may change as they like
)

func unusual(d Database) (out []bacvault.Finding) {
	if d.Newest == nil {
		return nil
	}
	var sizes, rows []int64
	for _, s := range d.Slots {
		if s.Slot == d.Newest.Slot || s.State != SlotTaken && s.State != SlotProven {
			continue
		}
		sizes = append(sizes, s.Size)
		if s.Rows != nil {
			rows = append(rows, *s.Rows)
		}
	}
	const next = "Compare the newest backup with the one before (bacvault show) and ask the database's owner; if it is damage, restore an earlier one while it is protected."
	if m := median(sizes); len(sizes) >= enough && (float64(d.Newest.Size) < leastSize*float64(m) || float64(d.Newest.Size) > mostSize*float64(m)) {
		out = append(out, of(d.Database, bacvault.FoundUnusualSize, bacvault.Warning, next, "the newest backup of %s has %d bytes, the median of the %d before it is %d", d.Database, d.Newest.Size, len(sizes), m))
	}
	if m := median(rows); d.Newest.read() && len(rows) >= enough && m >= rowsOfNote && (float64(d.Newest.Rows) < leastRows*float64(m) || float64(d.Newest.Rows) > mostRows*float64(m)) {
		out = append(out, of(d.Database, bacvault.FoundUnusualRows, bacvault.Warning, next, "the newest backup of %s has %d rows, the median of the %d before it is %d", d.Database, d.Newest.Rows, len(rows), m))
	}
	return out
}

func median(n []int64) int64 {
	if len(n) == 0 {
		return 0
	}
	n = slices.Sorted(slices.Values(n))
	return n[len(n)/2]
}

// judgeRest judges what belongs to no database's catalogue.
func (w *Watch) judgeRest(seen *seen, s Snapshot) (out []bacvault.Finding) {
	for _, d := range seen.dead {
		f := finding(bacvault.FoundDeadLetter, bacvault.Alarm, fmt.Sprintf("%s/%s/%d", d.Queue, d.ID, d.Sequence), "Mend the cause and send it again: bacvault dead-letters requeue.",
			"the message %s of %s, put there at %s, is among the dead letters: %s: %s", d.ID, d.Queue, stamp(d.At), d.Reason, d.Description)
		f.Server, f.Database = d.Database.Server, d.Database.Name
		out = append(out, f)
	}
	for i, c := range seen.copies {
		if old := seen.now.Sub(seen.copyTimes[i]); old > w.Limits.CopyAge+overlap {
			f := of(c, bacvault.FoundOrphanCopy, bacvault.Warning, "The next night's clean-up drops it if it may; else drop it by hand. It costs as much as the database.", "the copy %s has been left for %s", c, age(old))
			out = append(out, f)
		}
	}
	for _, l := range seen.lost {
		if old := seen.now.Sub(l.Since); old > w.Limits.Silence {
			out = append(out, finding(bacvault.FoundStaleLease, bacvault.Warning, l.Key, "Nothing is blocked by it: the next run takes it. Look why the run ended without a word.",
				"run %s (request %s) took the lease %s at %s and never let it go", l.Run, l.Request, l.Key, stamp(l.Since)))
		}
	}
	for _, r := range seen.runs {
		if old := seen.now.Sub(r.At); old > w.Limits.Silence {
			f := of(r.Database, bacvault.FoundStalledRun, bacvault.Warning, "Its message comes again by itself; look at the handler's log for this run.", "the %s run %s of %s has shown no sign of life for %s, since its stage %s", r.Kind, r.Run, r.Database, age(old), r.Stage)
			f.ID, f.Subject = string(f.Kind)+":"+r.Run, r.Run
			out = append(out, f)
		}
	}
	for _, d := range seen.unprotected {
		out = append(out, of(d, bacvault.FoundUnprotected, bacvault.Warning, "Add it to SQL_DATABASE_NAME, or drop it.", "the server has a database %s, and nobody backs it up", d))
	}
	out = append(out, w.judgeProbe(seen, s)...)
	out = append(out, ending(seen, s)...)
	for what, why := range seen.unread {
		slices.Sort(why)
		shown := strings.Join(why[:min(len(why), shownReasons)], "; ")
		if more := len(why) - shownReasons; more > 0 {
			shown += fmt.Sprintf("; and %d more", more)
		}
		out = append(out, finding(bacvault.FoundUnread, bacvault.Alarm, what, "Give the identity the right, or the network the way, that is named.", "could not be read: %s: %s", what, shown))
	}
	return out
}

// shownReasons is how many of the reasons for one thing that could not be read are told.
const shownReasons = 5

func (w *Watch) judgeProbe(seen *seen, s Snapshot) []bacvault.Finding {
	const next = "Treat the vault as writable until it is explained: read the policy's history in the activity log, and probe again with: bacvault policy probe."
	switch p := s.Probe; {
	case w.Limits.ProbeAge == 0:
		return nil
	case p == nil && len(s.Databases) > 0 && seen.now.Sub(s.Databases[0].Since) > w.Limits.ProbeAge:
		return []bacvault.Finding{finding(bacvault.FoundProbe, bacvault.Alarm, s.Vault, next, "the tamper probe never ran")}
	case p != nil && seen.now.Sub(p.At) > w.Limits.ProbeAge:
		return []bacvault.Finding{finding(bacvault.FoundProbe, bacvault.Alarm, s.Vault, next, "the tamper probe last ran at %s", stamp(p.At))}
	case p != nil && !p.Passed:
		return []bacvault.Finding{finding(bacvault.FoundProbe, bacvault.Alarm, s.Vault, next, "the tamper probe of %s: not every overwrite and delete of the canary %s was refused", stamp(p.At), p.Canary)}
	}
	return nil
}

// endingDays is how long before the first backup can be deleted it is told.
const endingDays = 14

// ending tells that the protection of the first backup in the vault ends soon, once in the vault's life: from then on something
// must delete what is old, or it is paid for for ever. It goes by the first archive that any look saw: the next one's
// protection ends a day later, and so on for ever.
func ending(seen *seen, s Snapshot) []bacvault.Finding {
	if seen.posture == nil || seen.posture.PeriodDays == 0 || s.First.IsZero() {
		return nil
	}
	until := seen.posture.ProtectedUntil(s.First)
	if left := until.Sub(seen.now); left <= 0 || left > endingDays*24*time.Hour {
		return nil
	}
	return []bacvault.Finding{finding(bacvault.FoundEndingShelter, bacvault.Warning, s.Vault, "Decide who deletes expired backups: a lifecycle rule of the account does it without a right for any identity.",
		"the first backups can be deleted from %s on", stamp(until))}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// age is a duration to the minute.
func age(d time.Duration) string {
	d = d.Round(time.Minute)
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
