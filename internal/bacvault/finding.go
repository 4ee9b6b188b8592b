package bacvault

import "time"

// FindingKind is a kind of thing that the watch finds. Alerts and scripts match on it.
type FindingKind string

// The kinds, each with a stable name.
const (
	FoundOverdueBackup FindingKind = "backup.overdue"
	FoundOverdueProof  FindingKind = "proof.overdue"
	FoundDrift         FindingKind = "immutability.drifted"
	FoundDeadLetter    FindingKind = "request.deadlettered"
	FoundOrphanBlob    FindingKind = "orphan.blob"
	FoundPhantom       FindingKind = "backup.phantom"
	FoundOrphanCopy    FindingKind = "orphan.copy"
	FoundStaleLease    FindingKind = "lease.stale"
	FoundStalledRun    FindingKind = "run.stalled"
	FoundEndingShelter FindingKind = "protection.ending"
	FoundUnusualSize   FindingKind = "size.unusual"
	FoundUnusualRows   FindingKind = "rows.unusual"
	FoundUnprotected   FindingKind = "database.unprotected"
	FoundFailedDrill   FindingKind = "drill.failed"
	FoundProbe         FindingKind = "probe.failed"
	FoundUnread        FindingKind = "watch.unread"
)

// FindingKinds lists every kind.
func FindingKinds() []FindingKind {
	return []FindingKind{
		FoundOverdueBackup, FoundOverdueProof, FoundDrift, FoundDeadLetter, FoundOrphanBlob, FoundPhantom, FoundOrphanCopy, FoundStaleLease,
		FoundStalledRun, FoundEndingShelter, FoundUnusualSize, FoundUnusualRows, FoundUnprotected, FoundFailedDrill, FoundProbe, FoundUnread,
	}
}

// Severity says how a finding is shown.
type Severity string

// The severities: an alarm breaks the promise, a warning may come to.
const (
	Alarm   Severity = "alarm"
	Warning Severity = "warning"
)

// Finding is something that a person should know, from the look that found it to the look that did not any more. ID is
// the same at each look, so that it is told when it begins and when it ends and not in between.
type Finding struct {
	ID       string      `json:"id"` // <kind>:<subject>
	Kind     FindingKind `json:"kind"`
	Severity Severity    `json:"severity"`
	Server   string      `json:"server,omitempty"`
	Database string      `json:"database,omitempty"`
	Subject  string      `json:"subject"` // server/database, a blob, a queue and message id, a container
	Since    time.Time   `json:"since"`
	Detail   string      `json:"detail"`
	Next     string      `json:"next"`
	// Before and After are set for a drift: what the baseline says, and what was seen.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}
