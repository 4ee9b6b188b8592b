package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
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
		ToolVersion: func(context.Context) (string, error) { return "170.1", s.call("version", func() error { return nil }) },
		AppVersion:  "1.0", Consistency: c, WorkDir: s.w.workDir, CommitPause: time.Millisecond,
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

func (s *side) Copy(_ context.Context, source, target string) error {
	return s.call("copy", func() error {
		if _, taken := s.w.databases[target]; taken {
			return bacvault.Fail(bacvault.CodeCopyFailed, "%s exists", target)
		}
		s.w.databases[target] = maps.Clone(s.w.databases[source])
		s.w.databases[source][tabA]++ // life goes on: only the copy is consistent
		return nil
	})
}

func (s *side) Drop(_ context.Context, name string) error {
	return s.call("drop", func() error { delete(s.w.databases, name); return nil })
}

func (s *side) Exists(_ context.Context, name string) (ok bool, err error) {
	err = s.call("exists", func() error { _, ok = s.w.databases[name]; return nil })
	return ok, err
}

func (s *side) Count(_ context.Context, name string) (rows bacvault.Rows, err error) {
	err = s.call("count", func() error { rows = maps.Clone(s.w.databases[name]); return nil })
	return rows, err
}

func (s *side) Preflight(context.Context, string) (backup.Facts, error) {
	return s.facts, s.call("preflight", func() error { return nil })
}

// export writes the rows that the database has as the archive.
func (s *side) export(_ context.Context, database, file, _ string, report func(string)) error {
	report("Exporting")
	return s.call("export", func() error {
		rows := s.w.databases[database]
		if s.archive != nil {
			rows = s.archive
		}
		var b []byte
		for _, t := range rows.Tables() {
			b = fmt.Appendf(b, "%s %s %d\n", t.Schema, t.Name, rows[t])
		}
		b = append(b, '.')
		if s.file != nil {
			b = *s.file
		}
		if b == nil {
			return nil
		}
		return os.WriteFile(file, b, 0o600)
	})
}

func (s *side) verify(_ context.Context, r io.ReaderAt, size int64) (rows bacvault.Rows, err error) {
	err = s.call("verify", func() error {
		b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(b, []byte(".")) {
			return bacvault.Fail(bacvault.CodeVerifyBroken, "the archive has no end")
		}
		rows = bacvault.Rows{}
		for line := range strings.Lines(string(b[:len(b)-1])) {
			var t bacvault.Table
			var n int64
			if _, err := fmt.Sscan(line, &t.Schema, &t.Name, &n); err != nil {
				return err
			}
			rows[t] = n
		}
		return nil
	})
	return rows, err
}

func (s *side) Manifest(_ context.Context, d bacvault.Database, at bacvault.Slot) (m bacvault.Manifest, ok bool, err error) {
	err = s.call("manifest", func() error {
		var b []byte
		if b, ok = s.w.manifests[d.BlobName(at)]; ok {
			m, err = bacvault.DecodeManifest(b)
		}
		return err
	})
	return m, ok, err
}

func (s *side) Head(_ context.Context, blob string) (st backup.Stored, ok bool, err error) {
	err = s.call("head", func() error { st, ok = s.w.blobs[blob]; return nil })
	return st, ok, err
}

type staged struct {
	s   *side
	b   bacvault.Blob
	run string
}

func (g staged) SHA256() string { return g.b.SHA256 }

func (s *side) Stage(_ context.Context, blob string, r io.ReaderAt, size int64) (g backup.Staged, err error) {
	err = s.call("stage", func() error {
		h := sha256.New()
		n, err := io.Copy(h, io.NewSectionReader(r, 0, size))
		g = staged{s: s, b: bacvault.Blob{Name: blob, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}}
		return err
	})
	return g, err
}

// Commit is create-only; the same content that is there already is success, as the store's adapter settles it.
func (g staged) Commit(_ context.Context, meta map[string]string) (st backup.Stored, err error) {
	err = g.s.call("commit", func() error {
		if there, ok := g.s.w.blobs[g.b.Name]; ok {
			if there.Blob.SHA256 != g.b.SHA256 {
				return bacvault.Fail(bacvault.CodeVaultConflict, "the name is taken")
			}
			st = there
			return nil
		}
		st = backup.Stored{Blob: g.b, Created: g.s.w.now}
		st.Blob.ETag = "etag-" + meta["run"]
		g.s.w.blobs[g.b.Name] = st
		return nil
	})
	if err != nil {
		return backup.Stored{}, err
	}
	return st, nil
}

func (s *side) PutManifest(_ context.Context, m bacvault.Manifest) error {
	return s.call("putManifest", func() error {
		b, err := m.Encode()
		if err != nil {
			return err
		}
		if was, ok := s.w.manifests[m.Blob.Name]; ok && !bytes.Equal(was, b) {
			return bacvault.Fail(bacvault.CodeVaultConflict, "another manifest is there")
		}
		s.w.manifests[m.Blob.Name] = b
		return nil
	})
}

type lease struct {
	s *side
	h backup.Holder
}

func (s *side) Acquire(ctx context.Context, _ bacvault.Database, h backup.Holder) (out context.Context, l backup.Lease, by *backup.Holder, err error) {
	out, s.lose = context.WithCancelCause(ctx)
	err = s.call("acquire", func() error {
		if s.w.holder != nil {
			by = s.w.holder
			return nil
		}
		s.w.holder = &h
		l = lease{s, h}
		return nil
	})
	return out, l, by, err
}

func (l lease) Held(context.Context) error {
	return l.s.call("held", func() error {
		if l.s.w.holder == nil || l.s.w.holder.Run != l.h.Run {
			return bacvault.Fail(bacvault.CodeLeaseLost, "another run holds it")
		}
		return nil
	})
}

func (l lease) Release(context.Context) error {
	return l.s.call("release", func() error {
		if l.s.w.holder != nil && l.s.w.holder.Run == l.h.Run {
			l.s.w.holder = nil
		}
		return nil
	})
}

func (s *side) SavePending(_ context.Context, m bacvault.Manifest) error {
	return s.call("savePending", func() error {
		b, err := json.Marshal(m)
		s.w.pending[m.Blob.Name] = b
		return err
	})
}

func (s *side) Pending(_ context.Context, d bacvault.Database, at bacvault.Slot) (m bacvault.Manifest, ok bool, err error) {
	err = s.call("pending", func() error {
		var b []byte
		if b, ok = s.w.pending[d.BlobName(at)]; ok {
			return json.Unmarshal(b, &m)
		}
		return nil
	})
	return m, ok, err
}

func (s *side) DropPending(_ context.Context, d bacvault.Database, at bacvault.Slot) error {
	return s.call("dropPending", func() error { delete(s.w.pending, d.BlobName(at)); return nil })
}
