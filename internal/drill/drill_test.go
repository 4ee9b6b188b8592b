package drill_test

import (
	"context"
	"errors"
	"fmt"
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

// world counts what a drill does.
type world struct {
	log     []string
	got     drill.Restored
	restore error
	drop    error
	put     error
	now     time.Time
	proof   *bacvault.Proof
}

func (w *world) drill() drill.Drill {
	return drill.Drill{
		Restore: func(_ context.Context, req bacvault.RestoreRequest) (drill.Restored, error) {
			w.log = append(w.log, "restore "+req.TargetDatabase)
			w.now = w.now.Add(90 * time.Second)
			return w.got, w.restore
		},
		Drop: func(ctx context.Context, name string) error {
			w.log = append(w.log, "drop "+name)
			return errors.Join(w.drop, ctx.Err())
		},
		PutProof: func(_ context.Context, p bacvault.Proof) error {
			w.log = append(w.log, "proof")
			if w.put == nil {
				w.proof = &p
			}
			return w.put
		},
		Now: func() time.Time { return w.now },
	}
}

func request() bacvault.RestoreRequest {
	return bacvault.RestoreRequest{Envelope: bacvault.Envelope{ID: "r-1", Attempt: 1}, Kind: bacvault.KindDrill, Database: db, Backup: "latest", TargetDatabase: "db_RESTORE"}
}

func counted(name string, source, archive, restored int64) bacvault.TableCheck {
	return bacvault.TableCheck{Table: bacvault.Table{Schema: "dbo", Name: name}, Source: &source, Archive: &archive, Restored: &restored}
}

func newWorld() *world {
	return &world{now: night.Time(), got: drill.Restored{
		Blob: db.BlobName(night), Slot: night, Tables: []bacvault.TableCheck{counted("a", 3, 3, 3), counted("b", 0, 0, 0)},
	}}
}

const name = "db_bacvault_drill_r-1"

func TestDrillRestoresCountsProvesAndDrops(t *testing.T) {
	w := newWorld()
	p, err := w.drill().Run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"restore " + name, "proof", "drop " + name}, w.log); d != "" {
		t.Error(d)
	}
	want := bacvault.Proof{
		Schema: bacvault.ProofSchema, Database: db, Slot: night, Blob: db.BlobName(night), Passed: true,
		At: night.Time().Add(90 * time.Second), RestoreSec: 90, Tables: 2, Rows: 3,
	}
	if d := cmp.Diff(want, p, cmp.AllowUnexported(bacvault.Slot{})); d != "" {
		t.Error(d)
	}
	if w.proof == nil || !cmp.Equal(*w.proof, p, cmp.AllowUnexported(bacvault.Slot{})) {
		t.Errorf("recorded was %+v", w.proof)
	}
}

func TestDrillThatProvesNothingDoesNotPassAndIsDropped(t *testing.T) {
	without := func(f func(*bacvault.TableCheck)) drill.Restored {
		c := counted("a", 3, 3, 3)
		f(&c)
		return drill.Restored{Blob: "b", Slot: night, Tables: []bacvault.TableCheck{counted("b", 1, 1, 1), c}}
	}
	for _, c := range []struct {
		name string
		got  drill.Restored
	}{
		{"no table", drill.Restored{Blob: "b", Slot: night}},
		{"the source was not counted", without(func(c *bacvault.TableCheck) { c.Source = nil })},
		{"the archive was not counted", without(func(c *bacvault.TableCheck) { c.Archive = nil })},
		{"the restored table was not counted", without(func(c *bacvault.TableCheck) { c.Restored = nil })},
		{"the source had more rows", without(func(c *bacvault.TableCheck) { *c.Source = 4 })},
		{"the archive had more rows", without(func(c *bacvault.TableCheck) { *c.Archive = 4 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.got = c.got
			p, err := w.drill().Run(t.Context(), request())
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Code != bacvault.CodeRestoreRows || f.Class != bacvault.Terminal || f.Stage != bacvault.StageReconcile {
				t.Errorf("error %v", err)
			}
			if p.Passed || w.proof != nil {
				t.Errorf("passed %t, proof %v", p.Passed, w.proof)
			}
			if d := cmp.Diff([]string{"restore " + name, "drop " + name}, w.log); d != "" {
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

func TestFailedRestoreIsTheDrillsFailureAndTouchesNothingMore(t *testing.T) {
	w := newWorld()
	w.restore = bacvault.Fail(bacvault.CodeTargetExists, "taken")
	p, err := w.drill().Run(t.Context(), request())
	if !errors.Is(err, w.restore) || p.Passed || len(w.log) != 1 {
		t.Errorf("error %v, passed %t, calls %v", err, p.Passed, w.log)
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
	for _, long := range []string{"db", strings.Repeat("x", 128), strings.Repeat("ж", 64)} {
		for _, id := range []string{"r-1", strings.Repeat("y", 72)} {
			got := drill.Target(bacvault.RestoreRequest{Envelope: bacvault.Envelope{ID: id}, Database: bacvault.Database{Server: "srv", Name: long}})
			if len(got) > 128 || seen[got] || !strings.HasSuffix(got, "_bacvault_drill_"+id) || strings.ToValidUTF8(got, "?") != got {
				t.Errorf("%q (%d bytes) for %s", got, len(got), fmt.Sprintf("%.10s… %.10s…", long, id))
			}
			seen[got] = true
		}
	}
}
