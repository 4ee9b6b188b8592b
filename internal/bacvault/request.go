package bacvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The queues that requests come by and the topic that events leave by.
const (
	BackupQueue  = "backup-requests"
	RestoreQueue = "restore-requests"
	EventTopic   = "backup-events"
)

// The forms of a request.
const (
	BackupRequestSchema  = "bacvault.backup-request.v1"
	RestoreRequestSchema = "bacvault.restore-request.v1"
)

// Envelope is what every request has. ID and Slot are frozen at the first delivery in every copy that we send ourselves.
type Envelope struct {
	Schema string `json:"schema"`
	ID     string `json:"id,omitempty"`
	// Attempt counts from 1; 0 in a request that a person wrote means 1.
	Attempt int `json:"attempt,omitempty"`
	// Deferrals counts the copies that waited for another run; they are not attempts.
	Deferrals   int    `json:"deferrals,omitempty"`
	RequestedBy string `json:"requestedBy,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// MessageID is the id that a copy of the request is sent under, so that duplicate detection drops a repeated send.
func (e Envelope) MessageID() string {
	return fmt.Sprintf("%s.%d.%d", e.ID, max(e.Attempt, 1), e.Deferrals)
}

// Origin is who asked and why.
func (e Envelope) Origin() RequestOrigin {
	return RequestOrigin{ID: e.ID, Attempt: e.Attempt, By: e.RequestedBy, Reason: e.Reason}
}

// BackupRequest asks for one backup of one database.
type BackupRequest struct {
	Envelope
	Database
	// Slot is the moment the backup stands for; absent, the enqueued time of the first delivery.
	Slot *Slot `json:"slot,omitempty"`
}

// RestoreKind is what a message on the restore queue asks for.
type RestoreKind string

// The kinds of restore request.
const (
	KindRestore RestoreKind = "restore"
	KindDrill   RestoreKind = "drill"
	KindPromote RestoreKind = "promote"
)

// RestoreRequest asks for a backup to be brought back as a new database. Exactly one of Backup, At, Slot, Blob and
// BackupFileName says which; none means the latest.
type RestoreRequest struct {
	Envelope
	Kind RestoreKind `json:"kind,omitempty"`
	Database
	// Backup is a word of Choices.
	Backup string     `json:"backup,omitempty"`
	At     *time.Time `json:"at,omitempty"`
	Slot   *Slot      `json:"slot,omitempty"`
	Blob   string     `json:"blob,omitempty"`
	// BackupFileName is the flat name of a file that the PowerShell job wrote; it has no manifest.
	BackupFileName string `json:"backupFileName,omitempty"`
	// TargetDatabase defaults to <database>_RESTORE.
	TargetDatabase   string `json:"targetDatabase,omitempty"`
	ServiceObjective string `json:"serviceObjective,omitempty"`
	Edition          string `json:"edition,omitempty"`
	MaxSizeGB        int    `json:"maxSizeGb,omitempty"`

	// Action is for a promotion alone, whose target is the restored database; Force goes on without a passed reconciliation
	// and then needs a reason.
	Action PromoteAction `json:"action,omitempty"`
	Force  bool          `json:"force,omitempty"`
}

// The words that choose a backup. A random one is the same at each delivery of one request.
const (
	ChooseLatest       = "latest"
	ChooseLatestProven = "latest-proven"
	ChooseOldest       = "oldest"
	ChooseRandom       = "random"
)

// Choices lists the words that choose a backup.
func Choices() []string {
	return []string{ChooseLatest, ChooseLatestProven, ChooseOldest, ChooseRandom}
}

// Delivery is what the broker says of the message that a request came in.
type Delivery struct {
	MessageID string
	Enqueued  time.Time
	Count     int
}

// ParseBackupRequest reads a request strictly and freezes its id, attempt and slot.
func ParseBackupRequest(b []byte, d Delivery) (BackupRequest, error) {
	var r BackupRequest
	if err := decodeRequest(b, &r); err != nil {
		return r, err
	}
	if err := r.freeze(BackupRequestSchema, d); err != nil {
		return r, err
	}
	if err := r.Database.check(); err != nil {
		return r, err
	}
	if r.Slot == nil {
		s := SlotAt(d.Enqueued)
		r.Slot = &s
	}
	if r.Slot.IsZero() {
		return r, malformed("slot", "is the zero time")
	}
	sent := r
	sent.Attempt, sent.Deferrals = 0, 0
	return r, checkSize(sent)
}

// ParseRestoreRequest reads a request strictly and freezes its id and attempt.
func ParseRestoreRequest(b []byte, d Delivery) (RestoreRequest, error) {
	var r RestoreRequest
	if err := decodeRequest(b, &r); err != nil {
		return r, err
	}
	if err := r.freeze(RestoreRequestSchema, d); err != nil {
		return r, err
	}
	if r.Kind == "" {
		r.Kind = KindRestore
	}
	if !slices.Contains([]RestoreKind{KindRestore, KindDrill, KindPromote}, r.Kind) {
		return r, malformed("kind", "%q is not restore, drill or promote", r.Kind)
	}
	if err := r.checkAction(); err != nil {
		return r, err
	}
	if err := r.Database.check(); err != nil {
		return r, err
	}
	chosen := 0
	for _, set := range []bool{r.Backup != "", r.At != nil, r.Slot != nil, r.Blob != "", r.BackupFileName != ""} {
		if set {
			chosen++
		}
	}
	if chosen > 1 {
		return r, malformed("backup", "only one of backup, at, slot, blob and backupFileName may be given")
	}
	if chosen == 0 {
		r.Backup = ChooseLatest
	}
	if r.Backup != "" && !slices.Contains(Choices(), r.Backup) {
		return r, malformed("backup", "%q is not one of %s", r.Backup, strings.Join(Choices(), ", "))
	}
	if r.TargetDatabase == "" {
		r.TargetDatabase = r.Name + "_RESTORE"
	}
	if NameLength(r.TargetDatabase) > MaxName {
		return r, malformed("targetDatabase", "is longer than %d characters", MaxName)
	}
	if n := len((Database{Server: r.Server, Name: r.TargetDatabase}).Prefix()) + stateRoom; n > maxBlobName {
		return r, malformed("targetDatabase", "would make a name of %d letters in the state container, where it is percent-encoded; at most %d are possible", n, maxBlobName)
	}
	if r.MaxSizeGB < 0 {
		return r, malformed("maxSizeGb", "%d is negative", r.MaxSizeGB)
	}
	sent := r
	sent.Attempt, sent.Deferrals = 0, 0
	return r, checkSize(sent)
}

// MaxRequest bounds a request as we write it, in bytes: each later copy and the event of its failure hold all of it.
const MaxRequest = 16 << 10

// checkSize takes a request as the copies have it, without what they count: one that was taken once is taken each time.
func checkSize(request any) error {
	if n := jsonSize(request); n > MaxRequest {
		return malformed("(document)", "takes %d bytes; at most %d are taken", n, MaxRequest)
	}
	return nil
}

// checkAction: what belongs to a promotion stands in a promotion alone.
func (r RestoreRequest) checkAction() error {
	switch {
	case r.Kind != KindPromote && r.Action != "":
		return malformed("action", "belongs to a promotion")
	case r.Kind != KindPromote && r.Force:
		return malformed("force", "belongs to a promotion")
	case r.Kind != KindPromote:
		return nil
	case !slices.Contains([]PromoteAction{PromotePlan, PromoteApply, PromoteUndo}, r.Action):
		return malformed("action", "%q is not plan, apply or undo", r.Action)
	case r.Force && r.Reason == "":
		return malformed("reason", "is missing: who forces a promotion says why")
	}
	return nil
}

func (d Database) check() error {
	for _, f := range []struct{ field, v string }{{"server", d.Server}, {"database", d.Name}} {
		switch {
		case f.v == "":
			return malformed(f.field, "is missing")
		case NameLength(f.v) > MaxName:
			return malformed(f.field, "is longer than %d characters", MaxName)
		case strings.ContainsFunc(f.v, func(r rune) bool { return r < ' ' }):
			return malformed(f.field, "holds a control character")
		}
	}
	if n := len(ProofName(d.BlobName(Slot{}), time.Time{})); n > maxBlobName {
		return malformed("database", "would make names of %d letters in the vault, where they are percent-encoded; at most %d are possible", n, maxBlobName)
	}
	return nil
}

const (
	// maxBlobName is Azure's limit for the name of a blob.
	maxBlobName = 1024
	// stateRoom is for what stands around a database's name in the state container, such as leases/restore/.
	stateRoom = 64
)

func (e *Envelope) freeze(schema string, d Delivery) error {
	if e.Schema != schema {
		return malformed("schema", "%q is not %q", e.Schema, schema)
	}
	if e.ID == "" {
		e.ID = d.MessageID
	}
	if e.ID == "" {
		return malformed("id", "is missing, and the message has no MessageId")
	}
	// 128 characters is Service Bus's limit for a MessageId; ours adds attempt, deferrals and the event type.
	if len(e.ID) > 72 {
		return malformed("id", "is longer than 72 characters")
	}
	if e.Attempt < 0 || e.Deferrals < 0 {
		return malformed("attempt", "or deferrals is negative")
	}
	e.Attempt = max(e.Attempt, 1)
	return nil
}

// malformed is the failure that names the field.
func malformed(field, format string, args ...any) *Failure {
	f := Fail(CodeRequestMalformed, "field %q %s", field, fmt.Sprintf(format, args...))
	f.Stage, f.Exists = StageAdmit, "nothing was started"
	return f
}

func decodeRequest(b []byte, v any) error {
	err := DecodeStrict(b, v)
	if err == nil {
		return nil
	}
	field := "(document)"
	var wrong *json.UnmarshalTypeError
	var slot *slotError
	switch {
	case errors.As(err, &slot):
		field = "slot"
	case errors.As(err, &wrong) && wrong.Field != "":
		// The path runs through our embedded structs, which the sender does not know.
		field = wrong.Field[strings.LastIndex(wrong.Field, ".")+1:]
	default:
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return malformed(strings.Trim(name, `"`), "is not known")
		}
	}
	return malformed(field, "does not parse: %v", err)
}
