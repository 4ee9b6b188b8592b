package drill_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/drill"
	"github.com/google/go-cmp/cmp"
)

var (
	db     = bacvault.Database{Server: "srv", Name: "db"}
	night  = bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	errNet = errors.New("connection reset by peer")
)

// world is what outlives a process: the drill's database and the vault.
type world struct {
	log     []string
	got     drill.Restored
	restore error
	drop    error
	put     error
	now     time.Time
	there   bool // the drill's database is there, restored by this request
	proofs  map[string]bacvault.Proof

	calls  int
	killAt int  // the call at which the process dies; 0: never
	after  bool // it dies after the call's effect
	dead   bool
}

var errDead = errors.New("the process is dead")

// call is every call that leaves the room. A dead process makes none.
func (w *world) call(label string, effect func() error) error {
	w.calls++
	if w.dead || w.calls == w.killAt && !w.after {
		w.dead = true
		return errDead
	}
	w.log = append(w.log, label)
	err := effect()
	if w.calls == w.killAt {
		w.dead = true
		return errDead
	}
	return err
}

func (w *world) drill() drill.Drill {
	return drill.Drill{
		Restore: func(_ context.Context, req bacvault.RestoreRequest) (got drill.Restored, err error) {
			err = w.call("restore "+req.TargetDatabase, func() error {
				w.now = w.now.Add(90 * time.Second)
				got = w.got
				if got.AlreadyDone = w.there; w.there {
					got.Negative = nil // no other process knows what an earlier one tried
				}
				w.there = w.restore == nil
				return w.restore
			})
			return got, err
		},
		Drop: func(ctx context.Context, name string) error {
			return w.call("drop "+name, func() error {
				w.there = w.there && w.drop != nil
				return errors.Join(w.drop, ctx.Err())
			})
		},
		ProofNames: func(context.Context, bacvault.Database) (names []string, err error) {
			err = w.call("list", func() error {
				names = slices.Collect(maps.Keys(w.proofs))
				return nil
			})
			return names, err
		},
		ReadProof: func(_ context.Context, name string) (p bacvault.Proof, ok bool, err error) {
			err = w.call("read", func() error {
				p, ok = w.proofs[name]
				return nil
			})
			return p, ok, err
		},
		PutProof: func(_ context.Context, p bacvault.Proof) error {
			return w.call("proof", func() error {
				name := bacvault.ProofName(p.Blob, p.At)
				if _, taken := w.proofs[name]; taken {
					return bacvault.Fail(bacvault.CodeVaultConflict, "%s is taken", name)
				}
				if w.put == nil {
					w.proofs[name] = p
				}
				return w.put
			})
		},
		Now: func() time.Time { return w.now }, App: bacvault.Program{Name: "bacvault", Version: "1.0"},
	}
}

// proof is the only one that lies in the vault.
func (w *world) proof(t *testing.T) bacvault.Proof {
	t.Helper()
	if len(w.proofs) != 1 {
		t.Fatalf("%d proofs lie in the vault", len(w.proofs))
	}
	for _, p := range w.proofs {
		return p
	}
	return bacvault.Proof{}
}

func request() bacvault.RestoreRequest {
	return bacvault.RestoreRequest{Envelope: bacvault.Envelope{ID: "r-1", Attempt: 1}, Kind: bacvault.KindDrill, Database: db, Backup: "latest", TargetDatabase: "db_RESTORE"}
}

func counted(name string, source, archive, restored int64) bacvault.TableCheck {
	return bacvault.TableCheck{Table: bacvault.Table{Schema: "dbo", Name: name}, Source: &source, Archive: &archive, Restored: &restored}
}

func newWorld() *world {
	return &world{now: night.Time(), proofs: map[string]bacvault.Proof{}, got: drill.Restored{
		Blob: db.BlobName(night), Slot: night, Tables: []bacvault.TableCheck{counted("a", 3, 3, 3), counted("b", 0, 0, 0)},
		Negative:  &bacvault.NegativeDrill{Tried: 1, Detected: 1, Cases: []bacvault.NegativeCase{{Damage: "cut", Detected: true}}},
		Negatives: 10 * time.Second, Findings: []string{"one finding"}, Stages: []bacvault.StageTime{{Stage: bacvault.StageImport}},
	}}
}

const name = "db_bacvault_drill_r-1"

var options = cmp.AllowUnexported(bacvault.Slot{})

func TestDrillRestoresCountsProvesAndDrops(t *testing.T) {
	w := newWorld()
	p, err := w.drill().Run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"list", "restore " + name, "proof", "drop " + name}, w.log); d != "" {
		t.Error(d)
	}
	want := bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: db, Slot: night, Blob: db.BlobName(night), Choice: "latest", Passed: true,
		At: night.Time().Add(90 * time.Second), RestoreSec: 80, Tables: 2, Rows: 3, Negative: w.got.Negative, Findings: w.got.Findings,
		Stages: w.got.Stages, Request: &bacvault.RequestOrigin{ID: "r-1", Attempt: 1}, App: &bacvault.Program{Name: "bacvault", Version: "1.0"},
	}
	if d := cmp.Diff(want, p, options); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(p, w.proof(t), options); d != "" {
		t.Errorf("recorded was another proof: %s", d)
	}
}

func TestDrillThatProvesNothingDoesNotPassAndIsRecordedAndDropped(t *testing.T) {
	without := func(f func(*bacvault.TableCheck)) func(*drill.Restored) {
		return func(r *drill.Restored) {
			c := counted("a", 3, 3, 3)
			f(&c)
			r.Tables = []bacvault.TableCheck{counted("b", 1, 1, 1), c}
		}
	}
	for _, c := range []struct {
		name string
		got  func(*drill.Restored)
		code bacvault.Code
	}{
		{"no table", func(r *drill.Restored) { r.Tables = nil }, bacvault.CodeRestoreRows},
		{"the source was not counted", without(func(c *bacvault.TableCheck) { c.Source = nil }), bacvault.CodeRestoreRows},
		{"the archive was not counted", without(func(c *bacvault.TableCheck) { c.Archive = nil }), bacvault.CodeRestoreRows},
		{"the restored table was not counted", without(func(c *bacvault.TableCheck) { c.Restored = nil }), bacvault.CodeRestoreRows},
		{"the source had more rows", without(func(c *bacvault.TableCheck) { *c.Source = 4 }), bacvault.CodeRestoreRows},
		{"the archive had more rows", without(func(c *bacvault.TableCheck) { *c.Archive = 4 }), bacvault.CodeRestoreRows},
		{"no damaged copies", func(r *drill.Restored) { r.Negative = nil }, bacvault.CodeDrillBlind},
		{"none tried", func(r *drill.Restored) { r.Negative = &bacvault.NegativeDrill{} }, bacvault.CodeDrillBlind},
		{"one not detected", func(r *drill.Restored) { r.Negative = &bacvault.NegativeDrill{Tried: 2, Detected: 1} }, bacvault.CodeDrillBlind},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.got(&w.got)
			p, err := w.drill().Run(t.Context(), request())
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Code != c.code || f.Class != bacvault.Terminal || f.Stage != bacvault.StageReconcile {
				t.Errorf("error %v", err)
			}
			if d := cmp.Diff(p, w.proof(t), options); d != "" {
				t.Errorf("recorded was another proof: %s", d)
			}
			if p.Passed || p.Failure == nil || p.Failure.Code != c.code || p.Failure.Detail != f.Detail {
				t.Errorf("passed %t, failure %+v", p.Passed, p.Failure)
			}
			if d := cmp.Diff([]string{"list", "restore " + name, "proof", "drop " + name}, w.log); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDrillDropsOnACancelledContextToo(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.drill().Run(ctx, request()); err != nil {
		t.Errorf("the drop took the cancelled context: %v", err)
	}
}

func TestOldFileWithoutAManifestIsRefusedBeforeAnythingIsDone(t *testing.T) {
	w := newWorld()
	req := request()
	req.Backup, req.BackupFileName = "", "srv-db_2026.bacpac"
	_, err := w.drill().Run(t.Context(), req)
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeRequestNoBackup || f.Class != bacvault.Refused || len(w.log) > 0 {
		t.Errorf("%v, calls %v", err, w.log)
	}
}

func TestFaultsAfterTheRestoreAreToldWithTheirStage(t *testing.T) {
	for _, c := range []struct {
		name      string
		put, drop error
		stage     bacvault.Stage
		exists    string
	}{
		{"the proof is not recorded", errNet, nil, bacvault.StageProof, "was dropped"},
		{"the database is not dropped", nil, errNet, bacvault.StageDrop, name},
		{"neither", errNet, errNet, bacvault.StageProof, "is left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.put, w.drop = c.put, c.drop
			_, err := w.drill().Run(t.Context(), request())
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Class != bacvault.Retry || f.Stage != c.stage || !strings.Contains(f.Exists, c.exists) {
				t.Fatalf("error %v as %+v", err, f)
			}
			if w.log[len(w.log)-1] != "drop "+name {
				t.Errorf("calls %v", w.log)
			}
		})
	}
}

func TestTargetIsOneNameForEachRequestWithinTheServersLimit(t *testing.T) {
	seen := map[string]bool{}
	for _, long := range []string{"db", strings.Repeat("x", 128), strings.Repeat("ж", 128), strings.Repeat("🗄", 64)} {
		for _, id := range []string{"r-1", strings.Repeat("y", 72)} {
			got := drill.Target(bacvault.RestoreRequest{Envelope: bacvault.Envelope{ID: id}, Database: bacvault.Database{Server: "srv", Name: long}})
			if bacvault.NameLength(got) > 128 || seen[got] || !strings.HasSuffix(got, "_bacvault_drill_"+id) || strings.ToValidUTF8(got, "?") != got {
				t.Errorf("%q (%d long) for %s", got, bacvault.NameLength(got), fmt.Sprintf("%.10s… %.10s…", long, id))
			}
			seen[got] = true
		}
	}
}
