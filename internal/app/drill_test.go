package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/drill"
)

// realArchive is an archive of a real export in a work folder, with the manifest that a backup of it has.
func realArchive(t *testing.T, name string) (*os.File, int64, bacvault.Manifest, bacvault.Archive) {
	t.Helper()
	b, err := os.ReadFile("../../testdata/bacpacs/" + name + ".bacpac")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "archive.bacpac")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	a, err := verifyStored(t.Context(), f, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	m := bacvault.Manifest{Blob: bacvault.Blob{Name: "srv/db/b.bacpac", Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}}
	for table, n := range a.Rows {
		m.Tables = append(m.Tables, bacvault.TableRows{Table: table, Source: n, Archive: n, Verdict: bacvault.VerdictOK})
	}
	return f, int64(len(b)), m, a
}

func negatives() drill.Negative {
	a := &App{}
	a.cfg.NegativeLimit = time.Minute
	return a.negative()
}

// TestEveryDamagedCopyOfARealArchiveIsDetected runs what a drill runs, and names what tells of each damage.
func TestEveryDamagedCopyOfARealArchiveIsDetected(t *testing.T) {
	for name, tried := range map[string]int{"adventureworkslt-2025": 15, "initech-desks": 15, "pubs": 15, "wingtip-contosoconcerthall": 15, "coursecompanion-empty": 10} {
		t.Run(name, func(t *testing.T) {
			f, size, m, a := realArchive(t, name)
			n, findings, err := negatives().Run(t.Context(), f, size, m, a)
			if err != nil || n.Tried != n.Detected || n.Tried != tried || len(n.Cases) != tried {
				t.Errorf("%d of %d detected, want %d: %v", n.Detected, n.Tried, tried, err)
			}
			codes := map[string]bool{}
			for _, c := range n.Cases {
				t.Logf("%s, %s: %s: %s", c.Damage, c.Where, c.Code, c.Detail)
				codes[c.Damage+" "+string(c.Code)] = true
				if !c.Detected || c.Where == "" || c.Detail == "" {
					t.Errorf("case %+v", c)
				}
			}
			want := []string{"cut verify.broken_archive", "flipped-byte verify.broken_archive", "cut verify.hash_differs", "flipped-byte verify.hash_differs",
				"wrong-manifest verify.hash_differs", "wrong-manifest verify.rows_differ"}
			empty := a.Rows.Total() == 0
			if !empty {
				want = append(want, "lost-part verify.broken_archive", "lost-part verify.rows_differ", "lost-rows verify.rows_differ")
			}
			for _, w := range want {
				if !codes[w] {
					t.Errorf("no case of %s", w)
				}
			}
			if empty != (len(findings) > 0) {
				t.Errorf("findings %q", findings)
			}
			left, err := os.ReadDir(filepath.Dir(f.Name()))
			if err != nil || len(left) != 1 {
				t.Errorf("left in the work folder: %v %v", left, err)
			}
		})
	}
}

// TestBlindVerificationIsToldByTheDrill plants what must never be trusted, one at a time.
func TestBlindVerificationIsToldByTheDrill(t *testing.T) {
	f, size, m, a := realArchive(t, "pubs")
	for name, c := range map[string]struct {
		plant  func(*drill.Negative)
		passed []string // kinds of damage that slip through
	}{
		"all passes": {func(n *drill.Negative) {
			n.Verify = func(context.Context, io.ReaderAt, int64) (bacvault.Archive, error) { return a, nil }
		}, []string{"cut", "flipped-byte", "lost-part", "lost-rows"}},
		"checksums are not looked at": {func(n *drill.Negative) {
			n.Verify = func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error) {
				got, err := verifyStored(ctx, r, size)
				if err != nil && !strings.Contains(err.Error(), "end of the archive") && !strings.Contains(err.Error(), "is not in the archive") {
					return a, nil
				}
				return got, err
			}
		}, []string{"flipped-byte", "lost-part"}},
		"rows are not compared": {func(n *drill.Negative) {
			n.RowsAgree = func(bacvault.Manifest, bacvault.Archive) error { return nil }
		}, []string{"lost-part", "lost-rows", "wrong-manifest"}},
		"hashes are not compared": {func(n *drill.Negative) {
			n.HashAgree = func(bacvault.Manifest, string) error { return nil }
		}, []string{"cut", "flipped-byte", "wrong-manifest"}},
		"missing tables are not seen": {func(n *drill.Negative) {
			n.RowsAgree = func(m bacvault.Manifest, got bacvault.Archive) error {
				for t, want := range m.Rows() {
					if n, ok := got.Rows[t]; ok && n != want {
						return bacvault.Fail(bacvault.CodeVerifyRows, "table %s", t)
					}
				}
				return nil
			}
		}, []string{"wrong-manifest"}},
	} {
		t.Run(name, func(t *testing.T) {
			neg := negatives()
			c.plant(&neg)
			n, _, err := neg.Run(t.Context(), f, size, m, a)
			var fail *bacvault.Failure
			if !errors.As(err, &fail) || fail.Code != bacvault.CodeDrillBlind || fail.Class != bacvault.Terminal || n.Detected >= n.Tried {
				t.Fatalf("%d of %d detected: %v", n.Detected, n.Tried, err)
			}
			var passed []string
			for _, x := range n.Cases {
				if !x.Detected && !slices.Contains(passed, x.Damage) {
					passed = append(passed, x.Damage)
				}
			}
			slices.Sort(passed)
			if !slices.Equal(passed, c.passed) {
				t.Errorf("%v slip through, want %v", passed, c.passed)
			}
		})
	}
}

// The handler must take what the timer sends, and the drill's database must have a name of its own for each firing.
func TestDrillRequestsAreTakenAndNamedByTheirFiring(t *testing.T) {
	s := bacvault.SlotAt(time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC))
	seen := map[string]bool{}
	for _, d := range []bacvault.Database{{Server: "srv", Name: "db"}, {Server: "srv", Name: strings.Repeat("x", 128)}} {
		for _, slot := range []bacvault.Slot{s, s, bacvault.SlotAt(s.Time().AddDate(0, 0, 7))} {
			for _, choice := range bacvault.Choices() {
				sent := drillRequest(d, slot, choice, "timer")
				b, err := json.Marshal(sent)
				if err != nil {
					t.Fatal(err)
				}
				got, err := bacvault.ParseRestoreRequest(b, bacvault.Delivery{MessageID: "m", Enqueued: s.Time(), Count: 1})
				if err != nil || got.ID != sent.ID || got.Kind != bacvault.KindDrill || got.Backup != choice || got.TargetDatabase != drill.Target(got) {
					t.Fatalf("%s is read as %+v, %v", b, got, err)
				}
				seen[sent.MessageID()] = true
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("the messages are %v", seen)
	}
}
