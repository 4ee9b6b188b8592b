package drill_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/drill"
	"github.com/google/go-cmp/cmp"
)

var (
	tabA   = bacvault.Table{Schema: "dbo", Name: "a"}
	broken = bacvault.Fail(bacvault.CodeVerifyBroken, "broken")
)

// side is an archive of the letters "sound", and a verification that tells it from every other.
type side struct {
	drill.Negative
	seen []string // what was verified
	m    bacvault.Manifest
	a    bacvault.Archive
}

func damage(name string, quick bool, content string) drill.Damage {
	return drill.Damage{Name: name, Quick: quick, Open: func(context.Context) (drill.Copy, error) {
		return drill.Copy{ReaderAt: strings.NewReader(content), Size: int64(len(content)), Where: "all of it"}, nil
	}}
}

func newSide(damages ...drill.Damage) *side {
	s := &side{
		m: bacvault.Manifest{Blob: bacvault.Blob{SHA256: "00ff"}, Tables: []bacvault.TableRows{{Table: tabA, Archive: 3, Verdict: bacvault.VerdictOK}}},
		a: bacvault.Archive{Rows: bacvault.Rows{tabA: 3}},
	}
	s.Negative = drill.Negative{
		Damages: func(_ context.Context, _ io.ReaderAt, _ int64, counted func(bacvault.Table) bool) ([]drill.Damage, error) {
			if !counted(tabA) || counted(bacvault.Table{Name: "other"}) {
				return nil, errors.New("the wrong tables count")
			}
			return damages, nil
		},
		Verify: func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error) {
			b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
			if err != nil {
				return bacvault.Archive{}, err
			}
			s.seen = append(s.seen, string(b))
			switch string(b) {
			case "fewer":
				return bacvault.Archive{Rows: bacvault.Rows{tabA: 2}}, nil
			case "slow":
				<-ctx.Done()
				return bacvault.Archive{}, fmt.Errorf("verify: %w", ctx.Err())
			case "away":
				return bacvault.Archive{}, errNet
			case "undetected":
				return s.a, nil
			}
			return bacvault.Archive{}, broken
		},
		RowsAgree: func(m bacvault.Manifest, a bacvault.Archive) error {
			if diff := bacvault.Compare(m.Rows(), a.Rows); len(diff) > 0 {
				return bacvault.Fail(bacvault.CodeVerifyRows, "%s", bacvault.Describe(diff))
			}
			return nil
		},
		HashAgree: func(m bacvault.Manifest, sum string) error {
			if sum != m.Blob.SHA256 {
				return bacvault.Fail(bacvault.CodeVerifyHash, "%s", sum)
			}
			return nil
		},
		Limit: time.Minute, DiskBytes: 100,
	}
	return s
}

// run gives the file that the archive lies in, too.
func (s *side) run(t *testing.T, ctx context.Context) (bacvault.NegativeDrill, []string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.bacpac")
	if err := os.WriteFile(path, []byte("sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n, findings, err := s.Run(ctx, f, 5, s.m, s.a)
	left, lerr := os.ReadDir(filepath.Dir(path))
	if now, rerr := os.ReadFile(path); lerr != nil || rerr != nil || len(left) != 1 || !bytes.Equal(now, []byte("sound")) {
		t.Errorf("the work folder holds %v, the archive %q", left, now)
	}
	return n, findings, err
}

// told lists the cases in a line each.
func told(n bacvault.NegativeDrill) (out []string) {
	for _, c := range n.Cases {
		out = append(out, fmt.Sprintf("%s %t %s", c.Damage, c.Detected, c.Code))
	}
	return out
}

var wrongManifests = []string{"wrong-manifest true verify.hash_differs", "wrong-manifest true verify.rows_differ", "wrong-manifest true verify.rows_differ"}

func TestEveryDamagedCopyIsShownToTheVerification(t *testing.T) {
	s := newSide(damage("lost-rows", false, "fewer"), damage("cut", true, "sou"), damage("flipped-byte", true, "sOund"), damage("flipped-byte", true, "sounD"))
	n, findings, err := s.run(t, t.Context())
	if err != nil || n.Tried != n.Detected || len(findings) > 0 {
		t.Fatalf("%d of %d, findings %q, %v", n.Detected, n.Tried, findings, err)
	}
	want := append(append([]string{}, wrongManifests...), "cut true verify.broken_archive", "flipped-byte true verify.broken_archive", "flipped-byte true verify.broken_archive",
		"lost-rows true verify.rows_differ", "cut true verify.broken_archive", "cut true verify.hash_differs", "flipped-byte true verify.broken_archive", "flipped-byte true verify.hash_differs")
	if d := cmp.Diff(want, told(n)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"sou", "sOund", "sounD", "fewer", "sou", "sOund"}, s.seen); d != "" {
		t.Errorf("verified was %s", d)
	}
}

func TestOneCopyThatPassesMakesTheDrillBlind(t *testing.T) {
	n, _, err := newSide(damage("cut", true, "sou"), damage("lost-part", false, "undetected")).run(t, t.Context())
	f := bacvault.AsFailure(err, "")
	if f.Code != bacvault.CodeDrillBlind || f.Class != bacvault.Terminal || !strings.Contains(f.Detail, "1 of 7") || !strings.Contains(f.Detail, "lost-part") {
		t.Errorf("%v", err)
	}
	if n.Tried != 7 || n.Detected != 6 {
		t.Errorf("%d of %d", n.Detected, n.Tried)
	}
}

// A fault beside a verdict does not hide it.
func TestBlindDrillIsToldThoughTheRestCouldNotBeTried(t *testing.T) {
	_, _, err := newSide(damage("lost-part", true, "undetected"), damage("cut", true, "away")).run(t, t.Context())
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeDrillBlind {
		t.Errorf("%v", err)
	}
}

func TestFaultThatSaysNothingOfACopyEndsTheDrillForNow(t *testing.T) {
	cannot := drill.Damage{Name: "cut", Quick: true, Open: func(context.Context) (drill.Copy, error) { return drill.Copy{}, errNet }}
	denied := newSide(damage("cut", true, "sou"))
	denied.Verify = func(context.Context, io.ReaderAt, int64) (bacvault.Archive, error) {
		return bacvault.Archive{}, bacvault.Fail(bacvault.CodeVaultRead, "not of the archive")
	}
	for name, s := range map[string]*side{
		"verify": newSide(damage("cut", true, "away")), "open": newSide(cannot), "another code": denied,
		"slow ones too": newSide(damage("lost-rows", false, "away")),
	} {
		n, _, err := s.run(t, t.Context())
		if f := bacvault.AsFailure(err, ""); err == nil || f.Class != bacvault.Retry || n.Tried != n.Detected {
			t.Errorf("%s: %d of %d, %v", name, n.Detected, n.Tried, err)
		}
	}
}

func TestWhatCannotBeMadeIsNamedAndNotCounted(t *testing.T) {
	unmade := drill.Damage{Name: "lost-rows", Open: func(context.Context) (drill.Copy, error) { return drill.Copy{Unmade: "there is no row"}, nil }}
	s := newSide(unmade, damage("cut", true, "sou"))
	s.DiskBytes = 4
	n, findings, err := s.run(t, t.Context())
	if err != nil || n.Tried != 4 {
		t.Errorf("%d tried, %v", n.Tried, err)
	}
	if len(findings) != 2 || !strings.Contains(findings[0], "lost-rows was left out: there is no row") || !strings.Contains(findings[1], "a copy on disk was left out") {
		t.Errorf("findings %q", findings)
	}
}

func TestTimeLimitLeavesOutOnlyWhatTakesAFullRead(t *testing.T) {
	s := newSide(damage("lost-part", false, "slow"), damage("cut", true, "sou"))
	s.Limit = 20 * time.Millisecond
	n, findings, err := s.run(t, t.Context())
	if err != nil || n.Tried != 4 || n.Detected != 4 {
		t.Errorf("%d of %d: %v", n.Detected, n.Tried, err)
	}
	if len(findings) != 2 || !strings.Contains(findings[0], "lost-part was left out: the time for it was over after 20ms") || !strings.Contains(findings[1], "on disk") {
		t.Errorf("findings %q", findings)
	}
}

func TestEndOfTheDrillIsNoLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := newSide(damage("lost-part", false, "slow")).run(t, ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// Nothing tried is as good as nothing detected; a manifest whose hash is compared is always tried, so only a comparison
// that was taken out can come to this.
func TestArchiveWithoutTablesStillShowsWhatItCan(t *testing.T) {
	s := newSide()
	s.m.Tables, s.a.Rows = nil, bacvault.Rows{}
	s.Damages = func(context.Context, io.ReaderAt, int64, func(bacvault.Table) bool) ([]drill.Damage, error) {
		return nil, nil
	}
	n, findings, err := s.run(t, t.Context())
	if err != nil || n.Tried != 1 || len(findings) != 1 || !strings.Contains(findings[0], "wrong-manifest") {
		t.Errorf("%d tried, findings %q, %v", n.Tried, findings, err)
	}
}
