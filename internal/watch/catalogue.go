package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// catalogued is what one catalogue shows.
type catalogued struct {
	row     Database
	first   time.Time // creation of its first archive
	orphans []Entry
	// phantoms are the manifests that stand for no backup; strange says of the slots that have an archive beside one, why.
	phantoms []phantom
	strange  map[bacvault.Slot]string
	unread   []error // of manifests and proofs
}

// database reads one catalogue. Beside an error, which is the listing's, it gives what the last look knew. A manifest or a proof
// that cannot be read is noted and no more: a strange file beside a backup must not blind the watch for what the listing shows.
func (w *Watch) database(ctx context.Context, now time.Time, d bacvault.Database, before Database, failed []Failed) (catalogued, error) {
	if before.Since.IsZero() {
		before.Since = now
	}
	before.Database = d
	list, err := w.Vault.Catalogue(ctx, d)
	if err != nil {
		return catalogued{row: before}, err
	}
	c := catalogued{row: Database{Database: d, Since: before.Since}, strange: map[bacvault.Slot]string{}}
	list, alone := split(list)
	for _, e := range alone {
		c.phantoms = append(c.phantoms, phantom{e, WhyNoArchive})
	}
	old := map[bacvault.Slot]Slot{}
	for _, s := range before.Slots {
		old[s.Slot] = s
	}
	for _, e := range list {
		if c.first.IsZero() || e.Created.Before(c.first) {
			c.first = e.Created
		}
		c.row.Bytes += e.Size
		if !e.HasManifest {
			c.row.Orphans++
			c.orphans = append(c.orphans, e)
			continue
		}
		c.row.Backups++
		if why := strange(e, old[e.Slot]); why != "" {
			c.unsound(e, why)
		}
	}
	if next := w.Schedule.Next(now); !next.IsZero() {
		c.row.Next = &next
	}
	c.row.Newest = w.newestSound(ctx, &c, list, now, before.Newest)
	w.proofs(ctx, &c, list, before)
	c.row.Slots = w.strip(ctx, &c, now, list, before, failed)
	return c, nil
}

// newest reads the newest manifest, unless the last look did.
func (w *Watch) newest(ctx context.Context, c *catalogued, e Entry, before *Backup) *Backup {
	if before != nil && before.Blob == e.Blob && before.read() {
		return before
	}
	if b := w.manifest(ctx, c, e.Blob); b != nil {
		return b
	}
	return &Backup{Slot: e.Slot, Blob: e.Blob, Size: e.Size}
}

// manifest reads one; nil where it can't be.
func (w *Watch) manifest(ctx context.Context, c *catalogued, blob string) *Backup {
	m, ok, err := w.Vault.ReadManifest(ctx, blob)
	if err == nil && !ok {
		err = fmt.Errorf("the manifest of %s was listed and is not there", blob)
	}
	if err != nil {
		c.unread = append(c.unread, err)
		return nil
	}
	return backupOf(m)
}

// read says whether the manifest was read, or the listing alone: every manifest has an end of protection.
func (b *Backup) read() bool { return !b.ProtectedTo.IsZero() }

func backupOf(m bacvault.Manifest) *Backup {
	b := &Backup{
		Slot: m.Slot, Blob: m.Blob.Name, Size: m.Blob.Size, Tables: len(m.Tables), Consistency: m.Consistency, ProtectedTo: m.ProtectedTo,
		Degraded: m.Degraded,
	}
	for _, t := range m.Tables {
		b.Rows += max(t.Archive, 0)
	}
	if n := len(m.Stages); n > 0 {
		b.Seconds = m.Stages[n-1].End.Sub(m.Stages[0].Start).Seconds()
	}
	return b
}

// proofs finds the newest drill and the newest that passed. A name does not say how its drill ended, so that each proof is read,
// once: what is not newer than the last drill that a look read is known. A backup that a later drill condemned is not proven
// any more.
func (w *Watch) proofs(ctx context.Context, c *catalogued, list []Entry, before Database) {
	var names []string
	for _, e := range list {
		names = append(names, e.ProofNames...)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(proofStamp(b), proofStamp(a)) }) // newest first
	condemned := map[string]bool{}
	for _, name := range names {
		if p := before.LastDrill; p != nil && name == bacvault.ProofName(p.Blob, p.At) && (before.NewestProof == nil || !condemned[before.NewestProof.Blob]) {
			if c.row.LastDrill == nil {
				c.row.LastDrill = p
			}
			if q := before.NewestProof; q != nil && slices.Contains(names, bacvault.ProofName(q.Blob, q.At)) {
				c.row.NewestProof = q
			}
			return
		}
		p := w.proof(ctx, c, name)
		if p == nil {
			continue
		}
		if c.row.LastDrill == nil {
			c.row.LastDrill = p
		}
		if p.Passed && !condemned[p.Blob] {
			c.row.NewestProof = p
			return
		}
		condemned[p.Blob] = condemned[p.Blob] || !p.Passed
	}
}

// proof reads one; nil where it can't be. What nobody looks at again is not kept: a thousand snapshots of it would not fit.
func (w *Watch) proof(ctx context.Context, c *catalogued, name string) *bacvault.Proof {
	p, ok, err := w.Vault.ReadProof(ctx, name)
	if err == nil && !ok {
		err = fmt.Errorf("the proof %s was listed and is not there", name)
	}
	if err != nil {
		c.unread = append(c.unread, err)
		return nil
	}
	p.Different = p.Different[:min(len(p.Different), keptDifferences)]
	p.Stages = nil
	if n := p.Negative; n != nil {
		p.Negative = &bacvault.NegativeDrill{Tried: n.Tried, Detected: n.Detected, Cases: missed(n.Cases)}
	}
	return &p
}

// keptDifferences is how many of a drill's differing tables the snapshot keeps.
const keptDifferences = 20

// missed are the damaged copies that passed for sound ones: the others are in the proof itself.
func missed(cases []bacvault.NegativeCase) (out []bacvault.NegativeCase) {
	for _, c := range cases {
		if !c.Detected {
			out = append(out, c)
		}
	}
	return out
}

// proofStamp is the time in a proof's name, which sorts as text.
func proofStamp(name string) string {
	if i := strings.LastIndex(name, ".proof-"); i >= 0 {
		return name[i:]
	}
	return name
}
