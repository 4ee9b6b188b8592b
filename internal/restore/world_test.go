package restore_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

var (
	db     = bacvault.Database{Server: "srv", Name: "db"}
	target = bacvault.Database{Server: "srv", Name: "db_RESTORE"}
	night  = bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	tabA   = bacvault.Table{Schema: "dbo", Name: "a"}
	tabB   = bacvault.Table{Schema: "dbo", Name: "b"}

	errNet = errors.New("connection reset by peer")
)

const archive = "dbo a 3\ndbo b 0\n."

// database is one that the server has. Owner is the request that it was created for; only that request may drop it.
type database struct {
	owner   string
	created time.Time
	rows    bacvault.Rows
}

// world is everything outside a run; it outlives the run.
type world struct {
	mu        sync.Mutex
	databases map[string]*database
	blobs     map[string]string
	manifests map[string]bacvault.Manifest
	proofs    map[string]bacvault.Proof
	archived  map[string]bool
	catalogue []restore.Entry
	marks     map[string][]byte
	holder    string
	now       time.Time
	workDir   string
	crimes    []string // what was dropped or changed that was another's
}

func newWorld(t *testing.T) *world {
	w := &world{
		databases: map[string]*database{"db": {owner: "live", rows: bacvault.Rows{tabA: 3, tabB: 0}}},
		blobs:     map[string]string{}, manifests: map[string]bacvault.Manifest{}, marks: map[string][]byte{},
		proofs: map[string]bacvault.Proof{}, archived: map[string]bool{},
		now: night.Time().Add(8 * time.Hour), workDir: t.TempDir(),
	}
	w.store(night, archive, true)
	return w
}

// store puts a backup of the database into the vault, with the proofs of drills that passed or did not.
func (w *world) store(s bacvault.Slot, content string, proofs ...bool) string {
	name := db.BlobName(s)
	sum := sha256.Sum256([]byte(content))
	w.blobs[name] = content
	w.manifests[bacvault.ManifestName(name)] = bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: db, Slot: s, Blob: bacvault.Blob{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])},
		Tables: []bacvault.TableRows{{Table: tabA, Source: 3, Archive: 3, Verdict: bacvault.VerdictOK}, {Table: tabB, Verdict: bacvault.VerdictOK}},
	}
	e := restore.Entry{Blob: name, Slot: s, HasManifest: true}
	for i, passed := range proofs {
		e.ProofNames = append(e.ProofNames, fmt.Sprintf("%s.proof-%d", name, i))
		w.proofs[e.ProofNames[i]] = bacvault.Proof{Blob: name, Passed: passed}
	}
	w.catalogue = append(w.catalogue, e)
	return name
}

// foreign lets somebody else create the target now.
func (w *world) foreign() {
	w.databases[target.Name] = &database{owner: "somebody else", created: w.now, rows: bacvault.Rows{tabA: 99}}
}

func (w *world) lapse() { w.holder = "" }

func (w *world) tick() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	return w.now
}

// side is one run's view of the world, with what goes wrong there. Calls are labelled name#n, counted by name.
type side struct {
	w     *world
	req   bacvault.RestoreRequest
	log   []string
	count map[string]int
	notes []bacvault.Progress

	failAt string
	err    error
	after  bool
	killAt string // from this call on nothing that the run does reaches the world
	dead   bool
	at     map[string]func() // what else happens at a call, before it

	free     int64
	restored bacvault.Rows // instead of the archive's rows
	health   []string
	imported restore.Import
	prints   map[bacvault.Table]string // of the restored tables
	model    bacvault.Schema           // what the archive's model says
	schema   bacvault.Schema           // what the restored database shows
	target   string                    // the server to restore on

	planning []time.Duration // before the import makes the database; the run looks after each
	look     chan struct{}
	looks    int
	pauses   int
	saves    int
	lose     context.CancelCauseFunc

	unverified map[bacvault.Table]string // what the walk can't be sure of
}

func newSide(w *world) *side {
	return &side{
		w: w, count: map[string]int{}, err: errNet, at: map[string]func(){}, free: 1 << 30, look: make(chan struct{}),
		req: bacvault.RestoreRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.RestoreRequestSchema, ID: "r-1", Attempt: 1}, Kind: bacvault.KindRestore, Database: db,
			Backup: "latest", TargetDatabase: target.Name,
		},
	}
}

func (s *side) call(name string, effect func() error) error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.count[name]++
	label := fmt.Sprintf("%s#%d", name, s.count[name])
	if s.dead = s.dead || label == s.killAt; s.dead {
		return errors.New("killed")
	}
	s.log = append(s.log, label)
	if do := s.at[label]; do != nil {
		do()
	}
	if label == s.failAt && !s.after {
		return s.err
	}
	if err := effect(); err != nil {
		return err
	}
	if label == s.failAt {
		return s.err
	}
	return nil
}

func (s *side) restore() *restore.Restore {
	return &restore.Restore{
		Server: s, Target: s.target, Fingerprint: "sum", Pause: s.pause, Vault: s, State: s, Protects: func(server, name string) bool { return server == "srv" && name == "db" },
		Verify: s.verify, Import: s.importFile, ServiceObjective: "S3", MaxSizeGB: 250, WorkDir: s.w.workDir,
		FreeBytes: func(string) (int64, error) { return s.free, nil }, Now: s.w.tick, NewRun: func() string { return "run1" },
		Report: func(p bacvault.Progress) { s.w.mu.Lock(); s.notes = append(s.notes, p); s.w.mu.Unlock() },
	}
}

func (s *side) run(ctx context.Context) (restore.Result, error) { return s.restore().Run(ctx, s.req) }

func (s *side) Exists(_ context.Context, name string) (ok bool, created time.Time, err error) {
	err = s.call("exists", func() error {
		d := s.w.databases[name]
		if ok = d != nil; ok {
			created = d.created
		}
		return nil
	})
	return ok, created, err
}

func (s *side) Drop(_ context.Context, name string) error {
	return s.call("drop", func() error {
		if d := s.w.databases[name]; d != nil && d.owner != s.req.ID {
			s.w.crimes = append(s.w.crimes, "dropped the database of "+d.owner)
		}
		delete(s.w.databases, name)
		return nil
	})
}

func (s *side) Count(_ context.Context, name string) (rows bacvault.Rows, err error) {
	err = s.call("count", func() error { rows = maps.Clone(s.w.databases[name].rows); return nil })
	return rows, err
}

func (s *side) Health(context.Context, string) ([]string, error) {
	return s.health, s.call("health", func() error { return nil })
}

type lease struct{ s *side }

func (s *side) Acquire(ctx context.Context, d bacvault.Database, run, request string) (out context.Context, l restore.Lease, by string, err error) {
	out, s.lose = context.WithCancelCause(ctx)
	err = s.call("acquire", func() error {
		if by = s.w.holder; by != "" {
			return nil
		}
		s.w.holder, l = run+" "+request+" "+d.String(), lease{s}
		return nil
	})
	return out, l, by, err
}

func (l lease) Release(context.Context) error {
	return l.s.call("release", func() error { l.s.w.holder = ""; return nil })
}

func (s *side) SaveMark(_ context.Context, d bacvault.Database, m restore.Mark) error {
	return s.call("saveMark", func() error {
		b, err := json.Marshal(m)
		s.w.marks[d.String()] = b
		s.saves++
		return err
	})
}

func (s *side) Mark(_ context.Context, d bacvault.Database) (m restore.Mark, ok bool, err error) {
	err = s.call("mark", func() error {
		var b []byte
		if b, ok = s.w.marks[d.String()]; ok {
			return json.Unmarshal(b, &m)
		}
		return nil
	})
	return m, ok, err
}
