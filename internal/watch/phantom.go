package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// phantom is a manifest that stands for no backup: its archive is not there, or is not the one that it describes.
type phantom struct {
	Entry
	why string
}

// split takes the manifests without an archive out of a listing.
func split(list []Entry) (stored, alone []Entry) {
	for _, e := range list {
		if e.NoArchive {
			alone = append(alone, e)
		} else {
			stored = append(stored, e)
		}
	}
	return stored, alone
}

// strange says why a manifest that lies beside an archive is not its own, as far as the listing or an earlier look shows it: every
// archive is stored before its manifest.
func strange(e Entry, old Slot) string {
	switch {
	case !e.HasManifest:
		return ""
	case !e.ManifestAt.IsZero() && e.Created.Sub(e.ManifestAt) > clockSkew:
		return fmt.Sprintf("the archive was stored at %s, after its manifest of %s", stamp(e.Created), stamp(e.ManifestAt))
	case old.State == SlotOrphan && old.Detail != "" && old.Size == e.Size: // read once, and neither can change
		return old.Detail
	}
	return ""
}

// differs holds a manifest that was read against the listing.
func differs(b *Backup, e Entry) string {
	if b == nil || !b.read() || b.Size == e.Size {
		return ""
	}
	return fmt.Sprintf("the manifest promises %d bytes, the archive has %d", b.Size, e.Size)
}

// newestSound finds the newest backup whose manifest is that of its archive.
func (w *Watch) newestSound(ctx context.Context, c *catalogued, list []Entry, now time.Time, before *Backup) *Backup {
	for _, e := range slices.Backward(list) {
		if !e.HasManifest || c.strange[e.Slot] != "" || e.Slot.Time().After(now.Add(clockSkew)) { // a person may ask for any slot: one of next year is not the newest
			continue
		}
		b := w.newest(ctx, c, e, before)
		why := differs(b, e)
		if why == "" {
			return b
		}
		c.unsound(e, why)
	}
	return nil
}

// unsound takes an archive with a manifest off the backups.
func (c *catalogued) unsound(e Entry, why string) {
	if c.strange[e.Slot] == "" {
		c.row.Backups--
	}
	c.strange[e.Slot] = why
	c.phantoms = append(c.phantoms, phantom{e, why})
}

// deletedEarlier is how long before its manifest an archive may have been stored, and be deleted.
const deletedEarlier = 48 * time.Hour

// leftOver says that a manifest stands alone because its archive's protection ended and somebody deleted it, as a lifecycle rule
// does. One that is older than its slot was laid before there could be an archive, and is never that.
func leftOver(e Entry, p *bacvault.Posture, now time.Time) bool {
	if e.Slot.Time().After(e.Created) {
		return false
	}
	if p == nil {
		return true // not known: what was found before is carried on, and the next look knows
	}
	return p.ProtectedUntil(e.Created).Add(-deletedEarlier).Before(now)
}

func (w *Watch) judgePhantoms(seen *seen, d bacvault.Database) (out []bacvault.Finding) {
	for _, p := range seen.phantoms[d] {
		if p.NoArchive && (seen.now.Sub(p.Created) < overlap || leftOver(p.Entry, seen.posture, seen.now)) {
			continue // a page of the listing may be older than the next one, by a run that just ended
		}
		out = append(out, PhantomOf(d, p.Blob, p.why))
	}
	return out
}

// WhyNoArchive is what is said of a manifest that stands alone.
const WhyNoArchive = "there is no archive beside its manifest"

// PhantomOf is the finding of a manifest that stands for no backup.
func PhantomOf(d bacvault.Database, blob, why string) bacvault.Finding {
	f := finding(bacvault.FoundPhantom, bacvault.Alarm, blob, "Treat it as laid by somebody: look in the storage log who wrote it. Its slot is lost: ask for a backup of now (bacvault backup), and do not restore this one.",
		"the backup %s is none: %s", blob, why)
	f.Server, f.Database = d.Server, d.Name
	return f
}
