package bacvault

import (
	"encoding/json"
	"fmt"
	"time"
)

// EventType is a CloudEvents type; subscriptions filter on it.
type EventType string

// The events that others alert on.
const (
	BackupCompleted     EventType = "bacvault.backup.completed.v1"
	BackupFailed        EventType = "bacvault.backup.failed.v1"
	BackupOverdue       EventType = "bacvault.backup.overdue.v1"
	RestoreCompleted    EventType = "bacvault.restore.completed.v1"
	RestoreFailed       EventType = "bacvault.restore.failed.v1"
	PromoteCompleted    EventType = "bacvault.promote.completed.v1"
	PromoteFailed       EventType = "bacvault.promote.failed.v1"
	DrillPassed         EventType = "bacvault.drill.passed.v1"
	DrillFailed         EventType = "bacvault.drill.failed.v1"
	ImmutabilityDrifted EventType = "bacvault.immutability.drifted.v1"
	FindingRaised       EventType = "bacvault.finding.raised.v1"
	FindingCleared      EventType = "bacvault.finding.cleared.v1"
	RequestRejected     EventType = "bacvault.request.rejected.v1"
	RequestDeadlettered EventType = "bacvault.request.deadlettered.v1"
)

// Event is a CloudEvents 1.0 event in structured JSON
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            EventType `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            EventData `json:"data"`
}

// EventData is what happened. Fields that do not apply are left out.
type EventData struct {
	Server       string          `json:"server,omitempty"`
	Database     string          `json:"database,omitempty"`
	Slot         *Slot           `json:"slot,omitempty"`
	RequestID    string          `json:"requestId,omitempty"`
	Attempt      int             `json:"attempt,omitempty"`
	AlreadyDone  bool            `json:"alreadyDone,omitempty"`
	Final        bool            `json:"final,omitempty"`
	Degraded     []string        `json:"degraded,omitempty"`
	Unmanifested bool            `json:"unmanifested,omitempty"`
	Blob         *Blob           `json:"blob,omitempty"`
	Manifest     string          `json:"manifest,omitempty"`
	Consistency  Consistency     `json:"consistency,omitempty"`
	ProtectedTo  *time.Time      `json:"protectedUntil,omitempty"`
	Target       *Database       `json:"target,omitempty"`
	TargetState  string          `json:"targetState,omitempty"`
	Tables       []TableCheck    `json:"tables,omitempty"`
	Objects      []ObjectCheck   `json:"objects,omitempty"`
	Findings     []string        `json:"findings,omitempty"`
	Stages       []StageTime     `json:"stages,omitempty"`
	Omitted      []Omitted       `json:"omitted,omitempty"` // what fit left out
	Proof        *Proof          `json:"proof,omitempty"`
	Promotion    *Promotion      `json:"promotion,omitempty"`
	Finding      *Finding        `json:"finding,omitempty"`
	Failure      *FailureData    `json:"failure,omitempty"`
	Request      json.RawMessage `json:"request,omitempty"`
}

// TableCheck is one table's rows at the source, in the archive and after the restore; nil where that side was not counted.
type TableCheck struct {
	Table
	Source   *int64 `json:"rowsSource,omitempty"`
	Archive  *int64 `json:"rowsArchive,omitempty"`
	Restored *int64 `json:"rowsRestored,omitempty"`
	// Fingerprint is "equal" or "differs" where the manifest has one of this table.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// FailureData is a Failure as an event carries it.
type FailureData struct {
	Code   Code   `json:"code"`
	Class  Class  `json:"class"`
	Stage  Stage  `json:"stage"`
	Detail string `json:"detail"`
	Exists string `json:"exists,omitempty"`
	Next   string `json:"next"`
}

// Data is the failure as an event carries it.
func (f *Failure) Data() *FailureData {
	return &FailureData{Code: f.Code, Class: f.Class, Stage: f.Stage, Detail: f.Detail, Exists: f.Exists, Next: f.Next}
}

// NewEvent fills in what every event has. The id derives from request, attempt and type: the repeat of one publish is
// dropped by the topic's duplicate detection, a new outcome never is. An event that could not be published for its size is cut
// here: lists that grow with the database lose what has no room, and Omitted says so.
func NewEvent(t EventType, requestID string, attempt int, source, subject string, now time.Time, d EventData) Event {
	d.RequestID, d.Attempt = requestID, attempt
	e := Event{
		SpecVersion: "1.0", ID: fmt.Sprintf("%s.%d.%s", requestID, attempt, t), Source: source, Type: t, Subject: subject,
		Time: now.UTC(), DataContentType: "application/json", Data: d,
	}
	e.fit()
	return e
}
