// Package status is the read model: what is protected, what runs, what is wrong; the page, its JSON and its metrics show the same.
package status

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

// Schema names the JSON form, which docs/status.v1.schema.json describes.
const Schema = "bacvault.status.v1"

// Source says who looked at the vault.
type Source string

// The sources: the watch's last look, or a shallow look of our own where the watch has not looked yet.
const (
	FromWatch Source = "watch"
	Direct    Source = "direct"
)

// Model is the whole of it at one moment.
type Model struct {
	Schema string `json:"schema"`
	// At is when the running runs were read, LookedAt when the vault was looked at; they differ where the watch looked.
	At       time.Time `json:"at"`
	LookedAt time.Time `json:"lookedAt"`
	Source   Source    `json:"source"`
	Version  string    `json:"version"`
	Vault    string    `json:"vault"`
	// MaxBackupAge and MaxProofAge are the limits that the look judged by, in nanoseconds; 0: none.
	MaxBackupAge time.Duration      `json:"maxBackupAgeNs"`
	MaxProofAge  time.Duration      `json:"maxProofAgeNs"`
	Posture      *bacvault.Posture  `json:"posture,omitempty"`
	Baseline     *bacvault.Posture  `json:"baseline,omitempty"`
	Databases    []Database         `json:"databases"`
	Running      []Run              `json:"running"`
	Findings     []bacvault.Finding `json:"findings"`
	Overdue      []watch.Overdue    `json:"overdue"`
	// Unprotected are databases that a server has and SQL_DATABASE_NAME does not name.
	Unprotected []bacvault.Database `json:"unprotected,omitempty"`
	Probe       *watch.Probe        `json:"probe,omitempty"`
	// Unread lists what could not be read: what is missing above may be there all the same.
	Unread []string `json:"unread,omitempty"`
}

// Database is one protected database.
type Database struct {
	bacvault.Database
	ID          string     `json:"id"` // what links call it: no name of a database stands in a URL
	State       State      `json:"state"`
	Backups     int        `json:"backups"`
	Orphans     int        `json:"orphans"`
	Bytes       int64      `json:"bytes"` // of all its archives
	Newest      *Backup    `json:"newest,omitempty"`
	NewestProof *Drill     `json:"newestProof,omitempty"`
	LastDrill   *Drill     `json:"lastDrill,omitempty"`
	Next        *time.Time `json:"next,omitempty"`
	Slots       []Slot     `json:"slots"` // of the last 30 days, oldest first
}

// State is how a database stands.
type State string

// The states, from worst to best.
const (
	StateOverdue  State = "overdue"
	StateAlarm    State = "alarm"
	StateUnknown  State = "unknown"
	StateNone     State = "none" // no backup yet, and none is overdue
	StateUnproven State = "unproven"
	StateWarning  State = "warning"
	StateTaken    State = "taken" // a backup in time; nobody looked whether it is proven
	StateOK       State = "ok"    // a backup in time and a proof in time
)

var states = []State{StateOverdue, StateAlarm, StateUnknown, StateNone, StateUnproven, StateWarning, StateTaken, StateOK}

// Backup is a database's newest backup.
type Backup watch.Backup

// String is its slot.
func (b Backup) String() string { return b.Slot.String() }

// Time is its slot's.
func (b Backup) Time() time.Time { return b.Slot.Time() }

// Slot is one square of the strip.
type Slot struct {
	Slot       bacvault.Slot   `json:"slot"`
	State      watch.SlotState `json:"state"`
	Size       int64           `json:"size,omitempty"` // bytes
	Code       bacvault.Code   `json:"code,omitempty"`
	Detail     string          `json:"detail,omitempty"`
	RestoreSec float64         `json:"restoreSeconds,omitempty"`
}

// Drill is a proof in short; all of it lies beside the backup.
type Drill struct {
	Slot             bacvault.Slot `json:"slot"`
	At               time.Time     `json:"at"`
	Passed           bool          `json:"passed"`
	RestoreSec       float64       `json:"restoreSeconds"` // from request to reconciled database
	Tables           int           `json:"tables"`
	Rows             int64         `json:"rows"`
	Choice           string        `json:"choice,omitempty"`
	Code             bacvault.Code `json:"code,omitempty"` // why it did not pass
	Detail           string        `json:"detail,omitempty"`
	NegativeTried    int           `json:"negativeTried,omitempty"`
	NegativeDetected int           `json:"negativeDetected,omitempty"`
}

// Document is the JSON form.
type Document struct {
	Verdict  string `json:"verdict"`
	Sentence string `json:"sentence"`
	Model
}

// Document is the model for machines.
func (m Model) Document() Document {
	headline, detail := m.Words()
	return Document{m.Verdict(), headline + " " + detail, m}
}

// JSON is the document in one line: to indent that of a thousand databases takes twice as long as to make it.
func (m Model) JSON() ([]byte, error) { return json.Marshal(m.Document()) }

// id is short, and the same in every process.
func id(d bacvault.Database) string {
	sum := sha256.Sum256([]byte(d.String()))
	return hex.EncodeToString(sum[:6])
}
