package watch

import (
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// SnapshotSchema names the snapshot's form.
const SnapshotSchema = "bacvault.watch.v1"

// Snapshot is what one look found: the page, the JSON and the command line show it without listing the vault again. It lies in
// the state container and can be made anew at any time.
type Snapshot struct {
	Schema  string    `json:"schema"`
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Vault   string    `json:"vault"`
	// MaxBackupAge and MaxProofAge are the limits that it was judged by.
	MaxBackupAge time.Duration `json:"maxBackupAgeNs"`
	MaxProofAge  time.Duration `json:"maxProofAgeNs"`
	// Posture is nil where it could not be read; Baseline is what it is held against.
	Posture   *bacvault.Posture  `json:"posture,omitempty"`
	Baseline  *bacvault.Posture  `json:"baseline,omitempty"`
	Databases []Database         `json:"databases"`
	Findings  []bacvault.Finding `json:"findings"`
	Probe     *Probe             `json:"probe,omitempty"`
	// Untold are the beginnings and ends that no event has told yet; Requeued the missed slots that were asked for again.
	Untold   []Change `json:"untold,omitempty"`
	Requeued []Asked  `json:"requeued,omitempty"`
	// FailedTo is up to when the failed runs are known; First is when the first archive of all was made that any look saw.
	FailedTo time.Time `json:"failedTo,omitzero"`
	First    time.Time `json:"first,omitzero"`
	// Unread names what could not be read: what is missing above may be there all the same.
	Unread []string `json:"unread,omitempty"`
}

// Database is one protected database as the catalogue shows it.
type Database struct {
	bacvault.Database
	// Since is when a look first saw the database as a protected one.
	Since   time.Time `json:"since"`
	Backups int       `json:"backups"`
	Orphans int       `json:"orphans"`
	Bytes   int64     `json:"bytes"` // of all its archives
	// Newest is the newest backup, NewestProof the newest drill that passed, LastDrill the newest of either result; nil where there is none.
	Newest      *Backup         `json:"newest,omitempty"`
	NewestProof *bacvault.Proof `json:"newestProof,omitempty"`
	LastDrill   *bacvault.Proof `json:"lastDrill,omitempty"`
	Next        *time.Time      `json:"next,omitempty"` // the next occurrence of the schedule
	// Slots are those of the last 30 days, oldest first.
	Slots []Slot `json:"slots,omitempty"`
}

// Backup is what the newest manifest says.
type Backup struct {
	Slot        bacvault.Slot        `json:"slot"`
	Blob        string               `json:"blob"`
	Size        int64                `json:"size"` // bytes
	Rows        int64                `json:"rows"`
	Tables      int                  `json:"tables"`
	Consistency bacvault.Consistency `json:"consistency"`
	ProtectedTo time.Time            `json:"protectedUntil"`
	Degraded    []string             `json:"degraded,omitempty"`
	Seconds     float64              `json:"seconds"` // from its first stage to its last
}

// SlotState is what became of one slot.
type SlotState string

// The states of a slot, from best to worst.
const (
	SlotProven SlotState = "proven"
	SlotTaken  SlotState = "taken"
	SlotOrphan SlotState = "orphan"
	SlotMissed SlotState = "missed"
	SlotFailed SlotState = "failed"
)

// Slot is one square of the strip.
type Slot struct {
	Slot  bacvault.Slot `json:"slot"`
	State SlotState     `json:"state"`
	Size  int64         `json:"size,omitempty"`
	// Rows is absent where no look has read the manifest.
	Rows *int64 `json:"rows,omitempty"`
	// Code and Detail are why it failed; RestoreSec is what its newest drill measured.
	Code       bacvault.Code `json:"code,omitempty"`
	Detail     string        `json:"detail,omitempty"`
	RestoreSec float64       `json:"restoreSeconds,omitempty"`
	// Drills is how many results of drills lie beside it.
	Drills int `json:"drills,omitempty"`
}

// Probe is the tamper probe's last result: an overwrite and a delete of its own canary, both of which must be refused.
type Probe struct {
	At     time.Time `json:"at"`
	Canary string    `json:"canary"`
	Passed bool      `json:"passed"`
	Tries  []Attempt `json:"tries"`
}

// Attempt is one thing that was tried on the canary, and how the store answered.
type Attempt struct {
	What      string `json:"what"` // overwrite, delete
	Refused   bool   `json:"refused"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"requestId"`
}

// Change is the beginning or the end of a finding.
type Change struct {
	bacvault.Finding
	Ended bool      `json:"ended,omitempty"`
	At    time.Time `json:"at"`
}

// Asked is a missed slot that the watch asked for again.
type Asked struct {
	bacvault.Database
	Slot bacvault.Slot `json:"slot"`
}
