package watch

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
)

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
	phantoms    map[bacvault.Database][]phantom
	oldest      time.Time // creation of the first archive of all
	// failedTo is up to when the failed runs are known.
	failedTo time.Time
	// blind names the kinds, and the databases, that could not be looked at.
	blind map[string]bool
	// unread says why, for each thing that could not be read.
	unread map[string][]string
}

// miss notes that something could not be read, and which findings are therefore carried on.
func (s *seen) miss(what string, err error, kinds ...bacvault.FindingKind) {
	s.unread[what] = append(s.unread[what], err.Error())
	for _, k := range kinds {
		s.blind[string(k)] = true
	}
}

// The things of a database that may be unread. All databases share one finding of each: a store that is gone is one alarm.
const (
	theBackups   = "the backups"
	theManifests = "the manifests and proofs"
)

// unseen says whether a finding of the last look belongs to what this look could not read.
func (s *seen) unseen(f bacvault.Finding) bool {
	if s.blind[string(f.Kind)] {
		return true
	}
	switch f.Kind {
	case bacvault.FoundOverdueBackup, bacvault.FoundOverdueProof, bacvault.FoundOrphanBlob, bacvault.FoundPhantom, bacvault.FoundUnusualSize, bacvault.FoundUnusualRows, bacvault.FoundFailedDrill:
		return s.blind[f.Server+"/"+f.Database]
	}
	return false
}

// reasons lists what could not be read, one line each.
func (s *seen) reasons() (out []string) {
	for what, why := range s.unread {
		for _, w := range why {
			out = append(out, what+": "+w)
		}
	}
	slices.Sort(out)
	return out
}

// atOnce is how many databases are listed side by side.
const atOnce = 8

// overlap is by how much a look reads again what the last one should have read: clocks and stores differ.
const overlap = 10 * time.Minute

func (w *Watch) observe(ctx context.Context, last Snapshot) (*seen, error) {
	s := &seen{now: w.Now().UTC(), blind: map[string]bool{}, unread: map[string][]string{}, orphans: map[bacvault.Database][]Entry{}, phantoms: map[bacvault.Database][]phantom{}, failedTo: last.FailedTo}
	protected, err := w.Protected(ctx)
	if err != nil {
		// One server that does not answer must not take its databases off the page: those of the last look are looked at, too.
		s.miss("the protected databases", err)
		protected = also(protected, last.Databases)
	}
	if p, err := w.Observe(ctx); err != nil {
		s.miss("the vault's immutability", err, bacvault.FoundDrift, bacvault.FoundEndingShelter, bacvault.FoundPhantom)
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
	w.forget(ctx, s)
	failed, err := w.Failures(ctx, last.FailedTo.Add(-overlap))
	if err != nil {
		s.miss("the failed runs", err)
	}
	if err := w.databases(ctx, s, protected, last, failed); err != nil {
		return nil, err
	}
	// A database that was not seen has not taken up its failures: the next look reads them again.
	if len(s.unread["the failed runs"])+len(s.unread[theBackups]) == 0 {
		s.failedTo = s.now
	}
	return s, nil
}

// forget removes the silent runs whose lease is their own no more: another run took their work up. One whose lease lapsed and
// that nobody followed stays, and is told.
func (w *Watch) forget(ctx context.Context, s *seen) {
	if s.blind[string(bacvault.FoundStaleLease)] {
		return
	}
	s.runs = slices.DeleteFunc(s.runs, func(r bacvault.Progress) bool {
		if s.now.Sub(r.At) <= w.Limits.Silence || slices.ContainsFunc(s.lost, func(l Lost) bool { return l.Run == r.Run }) {
			return false
		}
		if err := w.Forget(ctx, r.Run); err != nil {
			s.miss("the running runs", err, bacvault.FoundStalledRun)
			return false
		}
		return true
	})
}

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
			c, err := w.database(gctx, s.now, d, before[d], failed)
			mu.Lock()
			defer mu.Unlock()
			s.databases[i] = c.row
			if err != nil {
				s.miss(theBackups, err)
				s.blind[d.String()] = true
				return context.Cause(ctx)
			}
			for _, why := range c.unread {
				s.miss(theManifests, why)
			}
			if len(c.phantoms) > 0 {
				s.phantoms[d] = c.phantoms
			}
			if len(c.orphans) > 0 {
				s.orphans[d] = c.orphans
			}
			if !c.first.IsZero() && (s.oldest.IsZero() || c.first.Before(s.oldest)) {
				s.oldest = c.first
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(s.databases, func(a, b Database) int { return strings.Compare(a.String(), b.String()) })
	return nil
}
