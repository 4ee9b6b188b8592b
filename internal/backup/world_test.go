package backup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
)

var (
	db   = bacvault.Database{Server: "srv", Name: "db"}
	slot = bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	tabA = bacvault.Table{Schema: "dbo", Name: "a"}
	tabB = bacvault.Table{Schema: "dbo", Name: "b"}

	errNet = errors.New("connection reset by peer")
)

const theCopy = "db_bacvault_copy_20261124020000"

func failure(t *testing.T, err error) *bacvault.Failure {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no failure", err)
	}
	return f
}

func write(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// world is everything outside a run; it outlives the run.
type world struct {
	mu        sync.Mutex
	databases map[string]bacvault.Rows
	hidden    bacvault.Rows // what row-level security hides from the identity
	blobs     map[string]backup.Stored
	manifests map[string][]byte
	pending   map[string][]byte
	holder    *backup.Holder
	now       time.Time
	workDir   string
}

func newWorld(t *testing.T) *world {
	return &world{
		databases: map[string]bacvault.Rows{"db": {tabA: 3, tabB: 0}}, blobs: map[string]backup.Stored{},
		manifests: map[string][]byte{}, pending: map[string][]byte{}, now: slot.Time(), workDir: t.TempDir(),
	}
}

// stored is what lies in a database, and Count what the identity sees of it.
func (w *world) stored(name string) bacvault.Rows {
	rows := maps.Clone(w.databases[name])
	for t, n := range w.hidden {
		rows[t] += n
	}
	return rows
}

// lapse is what the store does with a dead run's lease.
func (w *world) lapse() { w.holder = nil }

func (w *world) tick() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	return w.now
}

func (w *world) copies() (out []string) {
	for name := range w.databases {
		if name != "db" {
			out = append(out, name)
		}
	}
	return out
}

// side is one run's view of the world, with what goes wrong there. Calls are labelled name#n, counted by name.
type side struct {
	w     *world
	log   []string
	count map[string]int
	notes []bacvault.Progress

	failAt string // the call that fails
	err    error  // with this
	after  bool   // only once it has taken effect: an ambiguous answer
	killAt string // from this call on nothing that the run does reaches the world
	dead   bool
	at     map[string]func() // what else happens at a call, before it

	posture bacvault.Posture
	facts   backup.Facts
	free    int64
	archive bacvault.Rows // instead of the true rows
	file    *[]byte       // instead of the true archive
	lose    context.CancelCauseFunc

	unverified map[bacvault.Table]string
	weakness   string
	warnings   []string
	rotten     bool // the store hands out other bytes than it took
}

func newSide(w *world) *side {
	return &side{
		w: w, count: map[string]int{}, err: errNet, at: map[string]func(){}, free: 1 << 30,
		posture: bacvault.Posture{State: "Locked", Scope: "container", PeriodDays: 90},
		facts:   backup.Facts{UsedBytes: 1000, CanSelect: true, CanViewDefinition: true},
	}
}

// call runs an effect under the fault plan.
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

func (s *side) backup(c bacvault.Consistency) *backup.Backup {
	runs := 0
	return &backup.Backup{
		Server: s, Vault: s, State: s, Protects: func(server, name string) bool { return server == "srv" && name == "db" },
		Posture: func(context.Context) (p bacvault.Posture, err error) {
			return s.posture, s.call("posture", func() error { return nil })
		},
		Judge: func(p bacvault.Posture) ([]string, *bacvault.Failure) {
			if !p.Locked() {
				return nil, bacvault.Fail(bacvault.CodeGateUnlocked, "the policy is %s", p.State)
			}
			return nil, nil
		},
		Export: s.export, Verify: s.verify,
		Tool: func(context.Context) (string, string, error) {
			return "170.1", s.weakness, s.call("version", func() error { return nil })
		},
		AppVersion: "1.0", Consistency: c, WorkDir: s.w.workDir, CommitPause: time.Millisecond,
		FreeBytes: func(string) (int64, error) { return s.free, nil }, Now: s.w.tick,
		NewRun: func() string { runs++; return fmt.Sprintf("run%d", runs) },
		Report: func(p bacvault.Progress) { s.w.mu.Lock(); s.notes = append(s.notes, p); s.w.mu.Unlock() },
	}
}

func (s *side) run(ctx context.Context) (backup.Result, error) {
	return s.backup(bacvault.ConsistencyCopy).Run(ctx, request())
}

func request() bacvault.BackupRequest {
	at := slot
	return bacvault.BackupRequest{Envelope: bacvault.Envelope{Schema: bacvault.BackupRequestSchema, ID: "r-1", Attempt: 1, RequestedBy: "test"}, Database: db, Slot: &at}
}
