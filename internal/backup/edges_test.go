package backup_test

import (
	"context"
	"slices"
	"testing"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

func TestUnknownDatabaseIsRefusedUnseen(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	req := request()
	req.Name = "other"
	_, err := s.backup(bacvault.ConsistencyCopy).Run(t.Context(), req)
	if f := failure(t, err); f.Code != bacvault.CodeRequestUnknownDB || f.Class != bacvault.Refused || len(s.log) > 0 {
		t.Errorf("%v (%s) after %v", f, f.Class, s.log)
	}
}

func TestAnotherRunIsNotDisturbed(t *testing.T) {
	w := newWorld(t)
	w.holder = &backup.Holder{Run: "other", Request: "r-0", Slot: slot}
	s := newSide(w)
	_, err := s.run(t.Context())
	busy, ok := err.(*backup.Busy)
	if !ok || busy.Holder.Run != "other" {
		t.Fatalf("error %v, want busy with the other run", err)
	}
	if d := cmp.Diff([]string{"manifest#1", "acquire#1"}, s.log); d != "" {
		t.Error(d)
	}
	if w.holder == nil {
		t.Error("its lease was released")
	}
}

func TestAmbiguousCommitIsSettledWithinTheRun(t *testing.T) {
	for _, after := range []bool{true, false} {
		w := newWorld(t)
		s := newSide(w)
		s.failAt, s.err, s.after = "commit#1", bacvault.Fail(bacvault.CodeVaultWrite, "503"), after
		res, err := s.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		complete(t, w, res)
		if s.count["commit"] != 2 || s.count["held"] != 2 || s.count["posture"] != 3 {
			t.Errorf("gate, lease and commit were asked %d, %d and %d times", s.count["posture"], s.count["held"], s.count["commit"])
		}
	}
}

func TestOrphanWithoutItsPreparedManifestIsToldAndKept(t *testing.T) {
	name := db.BlobName(slot)
	for _, c := range []struct {
		name    string
		pending string
	}{
		{"none", ""},
		{"of other content", `{"blob":{"size":7,"sha256":"other"}}`},
		{"of another size", `{"blob":{"size":8,"sha256":"x"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.blobs[name] = backup.Stored{Blob: bacvault.Blob{Name: name, Size: 7, SHA256: "x"}}
			if c.pending != "" {
				w.pending[name] = []byte(c.pending)
			}
			s := newSide(w)
			_, err := s.run(t.Context())
			if f := failure(t, err); f.Code != bacvault.CodeVaultOrphan || f.Stage != bacvault.StageManifest || f.Class != bacvault.Terminal {
				t.Errorf("%v (%s)", f, f.Class)
			}
			if len(w.blobs) != 1 || len(w.manifests) != 0 || w.holder != nil || slices.Contains(s.log, "copy#1") {
				t.Errorf("%d blobs, %d manifests, holder %v, calls %v", len(w.blobs), len(w.manifests), w.holder, s.log)
			}
		})
	}
}

func TestCancelledRunStopsAndCleansUp(t *testing.T) {
	first := newSide(newWorld(t))
	if _, err := first.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, label := range order(first.log) {
		t.Run(label, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			w := newWorld(t)
			s := newSide(w)
			s.at[label] = func() { cancel(errNet) }
			res, err := s.run(ctx)
			committed := slices.Index(order(first.log), "commit#1")
			switch {
			case i >= committed: // what is sent is finished
				if err != nil {
					t.Fatal(err)
				}
				complete(t, w, res)
				return
			case len(w.blobs)+len(w.manifests) > 0:
				t.Error("something was stored after the cancel")
			}
			f := failure(t, err)
			if f.Detail != errNet.Error() || f.Exists == "" || f.Stage == "" {
				t.Errorf("%v, exists %q: want the cancel's cause", f, f.Exists)
			}
			if w.holder != nil || len(w.copies()) > 0 || len(files(t, w.workDir)) > 0 {
				t.Errorf("left behind: lease %v, databases %v, files %v", w.holder, w.copies(), files(t, w.workDir))
			}
		})
	}
}
