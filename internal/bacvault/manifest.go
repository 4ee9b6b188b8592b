package bacvault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// ManifestSchema names the manifest's form. A form that was released stays readable for ever.
const ManifestSchema = "bacvault.manifest.v1"

// Consistency says what the export read.
type Consistency string

const (
	// ConsistencyCopy is an export of a database copy that nobody writes to: transactionally consistent.
	ConsistencyCopy Consistency = "copy"
	// ConsistencyLive is an export of the database itself: consistent table by table only.
	ConsistencyLive Consistency = "live"
)

// Manifest is the commit mark of a backup: a blob without one is an orphan, not a backup.
type Manifest struct {
	Schema string `json:"schema"`
	Database
	Slot        Slot        `json:"slot"`
	Blob        Blob        `json:"blob"`
	Consistency Consistency `json:"consistency"`
	// Source is the database as it stood when it was backed up; absent in manifests of releases before it was recorded.
	Source      *SourceState  `json:"source,omitempty"`
	Tables      []TableRows   `json:"tables"`
	Posture     Posture       `json:"posture"`
	ProtectedTo time.Time     `json:"protectedUntil"`
	Degraded    []string      `json:"degraded,omitempty"`
	Transfer    Transfer      `json:"transfer"`
	Fingerprint *Fingerprint  `json:"fingerprint,omitempty"`
	Tool        Program       `json:"tool"`
	App         Program       `json:"app"`
	Request     RequestOrigin `json:"request"`
	Stages      []StageTime   `json:"stages"`
}

// Blob is a stored archive. Size is in bytes, SHA256 lower-case hex of the whole.
type Blob struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	ETag   string `json:"etag,omitempty"`
}

// SourceState is what a restore needs to know of the database beside its rows. MaxSizeBytes is in bytes; what the server did
// not say is empty or 0.
type SourceState struct {
	Collation          string `json:"collation,omitempty"`
	CompatibilityLevel int    `json:"compatibilityLevel,omitempty"`
	Edition            string `json:"edition,omitempty"`
	// ServiceObjective is ElasticPool for a database in a pool.
	ServiceObjective string `json:"serviceObjective,omitempty"`
	MaxSizeBytes     int64  `json:"maxSizeBytes,omitempty"`
}

// TableRows is one table's rows on each side that was counted.
type TableRows struct {
	Table
	Source int64 `json:"rowsSource"`
	// Archive is -1 where the verdict is "unverified".
	Archive int64 `json:"rowsArchive"`
	// SourceAfter is the count after a live export; nil where a copy was exported, which nobody writes to.
	SourceAfter *int64 `json:"rowsSourceAfter,omitempty"`
	// Verdict is "ok", or "unverified" where the walk could not be sure of the rows.
	Verdict     string `json:"verdict"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Transfer is how the archive came into the vault. ReadBack is "off", or "full" where all of it was read again and hashed
// after the commit.
type Transfer struct {
	Seconds        float64 `json:"seconds"`
	BytesPerSecond float64 `json:"bytesPerSecond"`
	ReadBack       string  `json:"readBack"`
}

// Fingerprint says how the tables' fingerprints were made and which tables or columns they leave out.
type Fingerprint struct {
	Method   string   `json:"method"`
	LeftOut  []string `json:"leftOut,omitempty"`
	Computed string   `json:"computedOn"` // the database that was read: copy or live
}

// Program is a name and a version.
type Program struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// RequestOrigin says who asked for a run and why.
type RequestOrigin struct {
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// StageTime is when a stage ran, in UTC.
type StageTime struct {
	Stage Stage     `json:"stage"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// The verdicts on a table.
const (
	VerdictOK         = "ok"
	VerdictUnverified = "unverified"
)

// Rows gives the archive's rows of each table that was verified.
func (m Manifest) Rows() Rows {
	r := Rows{}
	for _, t := range m.Tables {
		if t.Verdict == VerdictOK {
			r[t.Table] = t.Archive
		}
	}
	return r
}

// Unverified gives the tables that the backup was let pass without being sure of.
func (m Manifest) Unverified() map[Table]string {
	out := map[Table]string{}
	for _, t := range m.Tables {
		if t.Verdict != VerdictOK {
			out[t.Table] = t.Verdict
		}
	}
	return out
}

// Encode is the manifest's one byte form.
func (m Manifest) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeManifest reads a manifest and refuses what it does not know.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := DecodeStrict(b, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if m.Schema != ManifestSchema {
		return m, fmt.Errorf("manifest: schema %q is not %q", m.Schema, ManifestSchema)
	}
	if m.Slot.IsZero() || m.Blob.Name == "" || len(m.Blob.SHA256) != 64 || m.Blob.Size <= 0 {
		return m, fmt.Errorf("manifest: slot, blob name, size or sha256 is missing")
	}
	return m, nil
}

// DecodeStrict reads one JSON document of ours: unknown fields and anything behind it are refused.
func DecodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() || len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return fmt.Errorf("there is more after the JSON document")
	}
	return nil
}
