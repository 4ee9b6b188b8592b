package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

var (
	db    = bacvault.Database{Server: "srv", Name: "db"}
	other = bacvault.Database{Server: "srv", Name: "other"}
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

// nightly is the schedule 02:00 UTC.
type nightly struct{}

func (nightly) Between(from, to time.Time) (out []time.Time) {
	for t := nightly.Next(nightly{}, from); !t.After(to); t = t.AddDate(0, 0, 1) {
		out = append(out, t)
	}
	return out
}

func (nightly) Next(after time.Time) time.Time {
	t := time.Date(after.Year(), after.Month(), after.Day(), 2, 0, 0, 0, time.UTC)
	if !t.After(after) {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// told is an event that was published.
type told struct {
	Type    bacvault.EventType
	ID      string
	Subject string
	Finding bacvault.Finding
}

// world is everything that a look looks at.
type world struct {
	t   *testing.T
	now time.Time

	protected   []bacvault.Database
	unprotected []bacvault.Database
	entries     map[bacvault.Database][]watch.Entry
	manifests   map[string]bacvault.Manifest
	proofs      map[string]bacvault.Proof
	posture     bacvault.Posture
	dead        []watch.DeadLetter
	copies      map[bacvault.Database]time.Time
	lost        []watch.Lost
	runs        []bacvault.Progress
	failed      []watch.Failed
	probe       *watch.Probe

	saved *watch.Snapshot
	told  []told
	asked []string
	lists map[bacvault.Database]int
	mu    sync.Mutex // of reads: databases are read side by side
	reads int
	fails map[string]error // by what is asked

	limits watch.Limits
	again  bool
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: start, protected: []bacvault.Database{db}, entries: map[bacvault.Database][]watch.Entry{}, manifests: map[string]bacvault.Manifest{},
		proofs: map[string]bacvault.Proof{}, copies: map[bacvault.Database]time.Time{}, lists: map[bacvault.Database]int{}, fails: map[string]error{},
		posture: bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: 365},
		limits:  watch.Limits{BackupAge: 26 * time.Hour, ProofAge: 8 * 24 * time.Hour, CopyAge: 24 * time.Hour, Silence: 2 * time.Hour},
	}
}

// backUp stores a backup of a slot; the time of the world is its moment.
func (w *world) backUp(d bacvault.Database, slot time.Time, size, rows int64) string {
	s := bacvault.SlotAt(slot)
	name := d.BlobName(s)
	w.entries[d] = append(w.entries[d], watch.Entry{Blob: name, Slot: s, Size: size, Created: slot.Add(10 * time.Minute), HasManifest: true})
	w.manifests[name] = bacvault.Manifest{
		Database: d, Slot: s, Blob: bacvault.Blob{Name: name, Size: size}, Consistency: bacvault.ConsistencyCopy, ProtectedTo: slot.AddDate(1, 0, 0),
		Tables: []bacvault.TableRows{{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Source: rows, Archive: rows, Verdict: bacvault.VerdictOK}},
	}
	return name
}

// drill lays a result beside the newest backup.
func (w *world) drill(d bacvault.Database, at time.Time, passed bool) {
	list := w.entries[d]
	e := &list[len(list)-1]
	p := bacvault.Proof{Schema: bacvault.ProofSchema, Database: d, Slot: e.Slot, Blob: e.Blob, At: at, Passed: passed, RestoreSec: 77}
	if !passed {
		p.Failure = &bacvault.FailureData{Code: bacvault.CodeRestoreRows, Detail: "table dbo.t differs"}
	}
	name := bacvault.ProofName(e.Blob, at)
	e.ProofNames = append(e.ProofNames, name)
	w.proofs[name] = p
}

func (w *world) fail(what string) error { return w.fails[what] }

func (w *world) Catalogue(_ context.Context, d bacvault.Database) ([]watch.Entry, error) {
	if err := w.fail("catalogue " + d.Name); err != nil {
		return nil, err
	}
	return slices.Clone(w.entries[d]), nil
}

func (w *world) ReadManifest(_ context.Context, blob string) (bacvault.Manifest, bool, error) {
	w.mu.Lock()
	w.reads++
	w.mu.Unlock()
	m, ok := w.manifests[blob]
	return m, ok, w.fail("manifest")
}

func (w *world) ReadProof(_ context.Context, name string) (bacvault.Proof, bool, error) {
	w.mu.Lock()
	w.reads++
	w.mu.Unlock()
	p, ok := w.proofs[name]
	return p, ok, w.fail("proof")
}

func (w *world) Load(context.Context) (watch.Snapshot, bool, error) {
	if w.saved == nil {
		return watch.Snapshot{}, false, nil
	}
	return *w.saved, true, w.fail("load")
}

func (w *world) Save(_ context.Context, s watch.Snapshot) error {
	if err := w.fail("save"); err != nil {
		return err
	}
	w.saved = &s
	return nil
}

func (w *world) watch() *watch.Watch {
	o := &watch.Watch{
		Vault: w, State: w, Schedule: nightly{}, Limits: w.limits, Version: "test", Place: "https://x/vault", Now: func() time.Time { return w.now },
		Protected: func(context.Context) ([]bacvault.Database, error) {
			return slices.Clone(w.protected), w.fail("protected")
		},
		Unprotected: func(context.Context) ([]bacvault.Database, error) { return w.unprotected, w.fail("unprotected") },
		Observe:     func(context.Context) (bacvault.Posture, error) { return w.posture, w.fail("posture") },
		DeadLetters: func(context.Context) ([]watch.DeadLetter, error) { return w.dead, w.fail("dead") },
		Copies: func(context.Context) (dbs []bacvault.Database, at []time.Time, err error) {
			for d, t := range w.copies {
				dbs, at = append(dbs, d), append(at, t)
			}
			return dbs, at, w.fail("copies")
		},
		Leases: func(context.Context) ([]watch.Lost, error) { return w.lost, w.fail("leases") },
		Runs:   func(context.Context) ([]bacvault.Progress, error) { return slices.Clone(w.runs), w.fail("runs") },
		Forget: func(_ context.Context, run string) error {
			w.runs = slices.DeleteFunc(w.runs, func(r bacvault.Progress) bool { return r.Run == run })
			return w.fail("forget")
		},
		Failures: func(_ context.Context, since time.Time) (out []watch.Failed, err error) {
			for _, f := range w.failed {
				if f.At.After(since) {
					out = append(out, f)
				}
			}
			return out, w.fail("failures")
		},
		Probed: func(context.Context) (watch.Probe, bool, error) {
			if w.probe == nil {
				return watch.Probe{}, false, w.fail("probe")
			}
			return *w.probe, true, w.fail("probe")
		},
		Publish: func(_ context.Context, t bacvault.EventType, id, subject string, d bacvault.EventData) error {
			if err := w.fail("publish"); err != nil {
				return err
			}
			w.told = append(w.told, told{t, id, subject, *d.Finding})
			return nil
		},
	}
	if w.again {
		o.QueueMissed = func(_ context.Context, d bacvault.Database, s bacvault.Slot) error {
			w.asked = append(w.asked, fmt.Sprintf("%s %s", d, s))
			return w.fail("ask")
		}
	}
	return o
}

// look makes one look and gives the events that it told.
func (w *world) look() []told {
	w.t.Helper()
	n := len(w.told)
	if _, err := w.watch().Look(w.t.Context()); err != nil {
		w.t.Fatalf("look at %s: %v", w.now, err)
	}
	return w.told[n:]
}

// kinds names the findings of the last snapshot.
func (w *world) kinds() (out []bacvault.FindingKind) {
	for _, f := range w.saved.Findings {
		out = append(out, f.Kind)
	}
	return out
}

var errGone = errors.New("no answer")
