package bacvault

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
)

// fileStamp is the time form that the PowerShell jobs put into a backup's file name; ours is always UTC.
const fileStamp = "2006-01-02_150405"

const (
	archiveSuffix  = ".bacpac"
	manifestSuffix = ".manifest.json"
)

// Slot is the moment that a backup stands for: UTC, whole seconds. The zero Slot stands for none.
type Slot struct{ t time.Time }

// SlotAt cuts a time to the second and takes it to UTC.
func SlotAt(t time.Time) Slot { return Slot{t.UTC().Truncate(time.Second)} }

type slotError struct{ text string }

func (e *slotError) Error() string {
	return fmt.Sprintf("slot %q is not an RFC 3339 time such as 2026-11-24T02:00:00Z", e.text)
}

// ParseSlot reads the RFC 3339 form that String writes.
func ParseSlot(s string) (Slot, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Slot{}, &slotError{s}
	}
	return SlotAt(t), nil
}

// Time is the moment in UTC.
func (s Slot) Time() time.Time { return s.t }

// IsZero says that no slot was given.
func (s Slot) IsZero() bool { return s.t.IsZero() }

// Stamp is the slot as it stands in file names: yyyy-MM-dd_HHmmss, UTC.
func (s Slot) Stamp() string { return s.t.Format(fileStamp) }

// String is the RFC 3339 form.
func (s Slot) String() string { return s.t.Format(time.RFC3339) }

// MarshalText writes RFC 3339.
func (s Slot) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads RFC 3339.
func (s *Slot) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSlot(string(b))
	return err
}

// Database names one database on one logical server. Server is the short name, without the DNS suffix.
type Database struct {
	Server string `json:"server"`
	Name   string `json:"database"`
}

// String is server/database.
func (d Database) String() string { return d.Server + "/" + d.Name }

// Prefix is the folder that all blobs of the database lie in, with the closing slash.
func (d Database) Prefix() string {
	return url.PathEscape(d.Server) + "/" + url.PathEscape(d.Name) + "/"
}

// BlobName is where the backup of a slot lies. Its last part is the name that the PowerShell job gave its files.
func (d Database) BlobName(s Slot) string {
	return d.Prefix() + url.PathEscape(d.Server) + "-" + url.PathEscape(d.Name) + "_" + s.Stamp() + archiveSuffix
}

// ManifestName is the commit mark beside a blob.
func ManifestName(blob string) string {
	return strings.TrimSuffix(blob, archiveSuffix) + manifestSuffix
}

// IsManifest says whether a blob's name is that of a manifest.
func IsManifest(name string) bool { return strings.HasSuffix(name, manifestSuffix) }

// ArchiveName is the blob that a manifest name belongs to.
func ArchiveName(manifest string) string {
	return strings.TrimSuffix(manifest, manifestSuffix) + archiveSuffix
}

// ProofName is where a drill's result lies beside the backup that it restored.
func ProofName(blob string, at time.Time) string {
	return strings.TrimSuffix(blob, archiveSuffix) + ".proof-" + at.UTC().Format(fileStamp) + ".json"
}

// ParseBlobName reads a name that BlobName wrote.
func ParseBlobName(name string) (Database, Slot, error) {
	bad := func(why string) (Database, Slot, error) {
		return Database{}, Slot{}, fmt.Errorf("%q is not the name of a backup: %s", name, why)
	}
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return bad("it is not <server>/<database>/<file>")
	}
	server, err1 := url.PathUnescape(parts[0])
	database, err2 := url.PathUnescape(parts[1])
	if err1 != nil || err2 != nil {
		return bad("its folders are not percent-encoded")
	}
	d := Database{Server: server, Name: database}
	rest, ok := strings.CutPrefix(name, d.Prefix()+path.Base(parts[0])+"-"+path.Base(parts[1])+"_")
	if !ok {
		return bad("its file name does not repeat server and database")
	}
	stamp, ok := strings.CutSuffix(rest, archiveSuffix)
	if !ok {
		return bad("it does not end in " + archiveSuffix)
	}
	t, err := time.Parse(fileStamp, stamp)
	if err != nil {
		return bad("its time is not " + fileStamp)
	}
	return d, SlotAt(t), nil
}
