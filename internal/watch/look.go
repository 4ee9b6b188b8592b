package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Vault is the catalogue of what is stored. A look lists each database once and reads only what no look has read before.
type Vault interface {
	// Catalogue lists the stored archives of a database, oldest slot first.
	Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error)
	ReadManifest(ctx context.Context, blob string) (bacvault.Manifest, bool, error)
	ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error)
}

// Entry is one stored archive.
type Entry struct {
	Blob        string
	Slot        bacvault.Slot
	Size        int64
	Created     time.Time
	HasManifest bool
	ProofNames  []string // oldest first; of drills that passed and of such that failed
}

// State is where the last look left its result.
type State interface {
	Load(ctx context.Context) (Snapshot, bool, error)
	Save(ctx context.Context, s Snapshot) error
}

// DeadLetter is a message that a queue put aside.
type DeadLetter struct {
	Queue, ID           string
	Sequence            int64
	Reason, Description string
	At                  time.Time // when it was enqueued
	Database            bacvault.Database
}

// Lost is a lease whose holder has gone without letting it go.
type Lost struct {
	Key, Run, Request string
	Since             time.Time
}

// Failed is a slot whose backup ended in a failure.
type Failed struct {
	Database bacvault.Database
	Slot     bacvault.Slot
	Code     bacvault.Code
	Detail   string
	At       time.Time
}

// Watch looks at everything that could be wrong, from what is stored and not from what runs say of themselves.
type Watch struct {
	Vault Vault
	State State

	Protected   func(ctx context.Context) ([]bacvault.Database, error)
	Unprotected func(ctx context.Context) ([]bacvault.Database, error)
	Observe     func(ctx context.Context) (bacvault.Posture, error)
	DeadLetters func(ctx context.Context) ([]DeadLetter, error)
	// Copies lists the databases that bear the name of a consistent copy of ours.
	Copies func(ctx context.Context) ([]bacvault.Database, []time.Time, error)
	Leases func(ctx context.Context) ([]Lost, error)
	Runs   func(ctx context.Context) ([]bacvault.Progress, error)
	// Failures lists what failed since a moment.
	Failures func(ctx context.Context, since time.Time) ([]Failed, error)
	Probed   func(ctx context.Context) (Probe, bool, error)
	// Publish sends an event; the same one again where it is not known whether it arrived.
	Publish func(ctx context.Context, t bacvault.EventType, id, subject string, d bacvault.EventData) error
	// QueueMissed asks once more for a slot that was missed; nil leaves it to a person.
	QueueMissed func(ctx context.Context, d bacvault.Database, s bacvault.Slot) error

	Schedule Schedule
	Limits   Limits
	Version  string
	Place    string // the vault's URL
	Now      func() time.Time
}

// Limits is what is judged by. The ages are those of the newest backup and of the newest proof.
type Limits struct {
	BackupAge, ProofAge time.Duration
	CopyAge             time.Duration // from which a copy is left over
	ProbeAge            time.Duration // from which the tamper probe is overdue; 0: it is not used
	// Silence is how long a run may show no sign of life.
	Silence time.Duration
}

// Schedule gives the occurrences of the nightly timer.
type Schedule interface {
	// Between lists those after from and not after to, in order.
	Between(from, to time.Time) []time.Time
	Next(after time.Time) time.Time
}

// Look makes one look: it reads, judges, tells what began and what ended, and leaves a snapshot. What could not be read is told
// too, and what was found there before stays found: not seen is not over.
func (w *Watch) Look(ctx context.Context) (Snapshot, error) {
	last, _, err := w.State.Load(ctx)
	if err != nil {
		return Snapshot{}, fmt.Errorf("load the last snapshot: %w", err)
	}
	seen, err := w.observe(ctx, last)
	if err != nil {
		return Snapshot{}, err
	}
	s := w.judge(seen, last)
	w.requeue(ctx, &s, seen, last)
	// Saved before it is told, with what is still to be told: a look that is killed here is told by the next one, under the
	// same ids.
	if err := w.State.Save(ctx, s); err != nil {
		return s, fmt.Errorf("save the snapshot: %w", err)
	}
	terr := w.tell(ctx, &s)
	if err := w.State.Save(ctx, s); err != nil {
		return s, errors.Join(terr, fmt.Errorf("save the snapshot: %w", err))
	}
	return s, terr
}

// seen is what one look read.
type seen struct {
	now         time.Time
	databases   []Database
	posture     *bacvault.Posture
	dead        []DeadLetter
	copies      []bacvault.Database
	copyTimes   []time.Time
	lost        []Lost
	runs        []bacvault.Progress
	unprotected []bacvault.Database
	probe       *Probe
	orphans     map[bacvault.Database][]Entry
	oldest      map[bacvault.Database]time.Time // creation of the first archive
	// blind names the kinds, and the kinds and databases, that could not be looked at.
	blind  map[string]bool
	unread []string
}

// miss notes that something could not be read, and which findings are therefore carried on.
func (s *seen) miss(what string, err error, kinds ...bacvault.FindingKind) {
	s.unread = append(s.unread, what+": "+err.Error())
	for _, k := range kinds {
		s.blind[string(k)] = true
	}
}

func (s *seen) missDatabase(d bacvault.Database, err error) {
	s.unread = append(s.unread, "the backups of "+d.String()+": "+err.Error())
	s.blind[d.String()] = true
}

// unseen says whether a finding of the last look belongs to what this look could not read.
func (s *seen) unseen(f bacvault.Finding) bool {
	if s.blind[string(f.Kind)] {
		return true
	}
	switch f.Kind {
	case bacvault.FoundOverdueBackup, bacvault.FoundOverdueProof, bacvault.FoundOrphanBlob, bacvault.FoundUnusualSize, bacvault.FoundUnusualRows, bacvault.FoundFailedDrill:
		return s.blind[f.Server+"/"+f.Database]
	}
	return false
}

// atOnce is how many databases are listed side by side.
const atOnce = 8

func (w *Watch) observe(ctx context.Context, last Snapshot) (*seen, error) {
	s := &seen{now: w.Now().UTC(), blind: map[string]bool{}, orphans: map[bacvault.Database][]Entry{}, oldest: map[bacvault.Database]time.Time{}}
	protected, err := w.Protected(ctx)
	if err != nil {
		// One server that does not answer must not take its databases off the page: those of the last look are looked at, too.
		s.miss("the protected databases", err)
		protected = also(protected, last.Databases)
	}
	if p, err := w.Observe(ctx); err != nil {
		s.miss("the vault's immutability", err, bacvault.FoundDrift, bacvault.FoundEndingShelter)
	} else {
		s.posture = &p
	}
	if s.dead, err = w.DeadLetters(ctx); err != nil {
		s.miss("the dead letters", err, bacvault.FoundDeadLetter)
	}
	if s.copies, s.copyTimes, err = w.Copies(ctx); err != nil {
		s.miss("the copies on the servers", err, bacvault.FoundOrphanCopy)
	}
	if s.lost, err = w.Leases(ctx); err != nil {
		s.miss("the leases", err, bacvault.FoundStaleLease)
	}
	if s.runs, err = w.Runs(ctx); err != nil {
		s.miss("the running runs", err, bacvault.FoundStalledRun)
	}
	if s.unprotected, err = w.Unprotected(ctx); err != nil {
		s.miss("the databases that are not protected", err, bacvault.FoundUnprotected)
	}
	if p, ok, err := w.Probed(ctx); err != nil {
		s.miss("the tamper probe's result", err, bacvault.FoundProbe)
	} else if ok {
		s.probe = &p
	}
	var failed []Failed
	if failed, err = w.Failures(ctx, last.At.Add(-overlap)); err != nil {
		s.miss("the failed runs", err)
	}
	if err := w.databases(ctx, s, protected, last, failed); err != nil {
		return nil, err
	}
	return s, nil
}

// overlap is by how much a look reads again what the last one should have read: clocks and stores differ.
const overlap = 10 * time.Minute

func also(dbs []bacvault.Database, known []Database) []bacvault.Database {
	for _, k := range known {
		if !slices.Contains(dbs, k.Database) {
			dbs = append(dbs, k.Database)
		}
	}
	return dbs
}

// databases reads the catalogue of each protected database, a few at a time.
func (w *Watch) databases(ctx context.Context, s *seen, dbs []bacvault.Database, last Snapshot, failed []Failed) error {
	before := map[bacvault.Database]Database{}
	for _, d := range last.Databases {
		before[d.Database] = d
	}
	s.databases = make([]Database, len(dbs))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, d := range dbs {
		g.Go(func() error {
			row, first, orphans, err := w.database(gctx, s.now, d, before[d], failed)
			mu.Lock()
			defer mu.Unlock()
			s.databases[i] = row
			if err != nil {
				s.missDatabase(d, err)
				return context.Cause(ctx)
			}
			if len(orphans) > 0 {
				s.orphans[d] = orphans
			}
			if !first.IsZero() {
				s.oldest[d] = first
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(s.databases, func(a, b Database) int { return strings.Compare(a.String(), b.String()) })
	slices.Sort(s.unread)
	return nil
}

// database reads one catalogue. Beside an error it gives what the last look knew.
func (w *Watch) database(ctx context.Context, now time.Time, d bacvault.Database, before Database, failed []Failed) (row Database, first time.Time, orphans []Entry, err error) {
	if before.Since.IsZero() {
		before.Since = now
	}
	before.Database = d
	list, err := w.Vault.Catalogue(ctx, d)
	if err != nil {
		return before, first, nil, err
	}
	row = Database{Database: d, Since: before.Since}
	var newest *Entry
	for i, e := range list {
		if first.IsZero() || e.Created.Before(first) {
			first = e.Created
		}
		row.Bytes += e.Size
		if !e.HasManifest {
			row.Orphans++
			orphans = append(orphans, e)
			continue
		}
		row.Backups++
		if !e.Slot.Time().After(now.Add(clockSkew)) { // a person may ask for any slot: one of next year is not the newest
			newest = &list[i]
		}
	}
	if next := w.Schedule.Next(now); !next.IsZero() {
		row.Next = &next
	}
	if row.Newest, err = w.newest(ctx, newest, before.Newest); err != nil {
		return before, first, orphans, err
	}
	if err := w.proofs(ctx, list, before, &row); err != nil {
		return before, first, orphans, err
	}
	if row.Slots, err = w.strip(ctx, now, list, before, row, failed); err != nil {
		return before, first, orphans, err
	}
	return row, first, orphans, nil
}

// newest reads the newest manifest, unless the last look did.
func (w *Watch) newest(ctx context.Context, e *Entry, before *Backup) (*Backup, error) {
	if e == nil {
		return nil, nil
	}
	if before != nil && before.Blob == e.Blob {
		return before, nil
	}
	m, ok, err := w.Vault.ReadManifest(ctx, e.Blob)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("the manifest of %s was listed and is not there", e.Blob)
	}
	return backupOf(m), nil
}

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

// proofs finds the newest drill and the newest that passed. Each proof is read once: its name does not say how it ended, but
// what the last look read is known.
func (w *Watch) proofs(ctx context.Context, list []Entry, before Database, row *Database) error {
	var names []string
	for _, e := range list {
		names = append(names, e.ProofNames...)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(proofStamp(b), proofStamp(a)) }) // newest first
	known := map[string]*bacvault.Proof{}
	for _, p := range []*bacvault.Proof{before.NewestProof, before.LastDrill} {
		if p != nil {
			known[bacvault.ProofName(p.Blob, p.At)] = p
		}
	}
	for _, name := range names {
		p := known[name]
		if p == nil {
			got, ok, err := w.Vault.ReadProof(ctx, name)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			p = &got
		}
		if row.LastDrill == nil {
			row.LastDrill = p
		}
		if p.Passed {
			row.NewestProof = p
			return nil
		}
	}
	return nil
}

// proofStamp is the time in a proof's name, which sorts as text.
func proofStamp(name string) string {
	if i := strings.LastIndex(name, ".proof-"); i >= 0 {
		return name[i:]
	}
	return name
}
