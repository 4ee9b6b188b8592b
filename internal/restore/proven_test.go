package restore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// history fills the vault with n nights, the newest first in the names that it gives.
func history(w *world, n int, proofs ...bool) (newestFirst []string) {
	w.catalogue = nil
	for i := range n {
		newestFirst = append([]string{w.store(bacvault.SlotAt(night.Time().AddDate(0, 0, i-n+1)), archive, proofs...)}, newestFirst...)
	}
	return newestFirst
}

// chosenAtRandom is what request i takes; another run is at the target, so that it goes no further.
func chosenAtRandom(t *testing.T, w *world, i int) string {
	t.Helper()
	w.holder = "run0 r-0"
	s := newSide(w)
	s.req.ID, s.req.Backup = fmt.Sprintf("r-%d", i), "random"
	res, err := s.run(t.Context())
	if busy := (*restore.Busy)(nil); !errors.As(err, &busy) || res.Blob.Name == "" {
		t.Fatalf("took %q, error %v", res.Blob.Name, err)
	}
	return res.Blob.Name
}

func TestRandomIsTheSameAtEachDeliveryAndReachesEveryBackup(t *testing.T) {
	took := map[string]int{}
	for i := range 200 {
		var first string
		for range 2 {
			w := newWorld(t)
			names := history(w, 8)
			w.archived[names[0]], w.catalogue[7].Archived = true, true
			name := chosenAtRandom(t, w, i)
			if first == "" {
				first = name
			}
			if name != first {
				t.Fatalf("request %d took %s, then %s", i, first, name)
			}
		}
		took[first]++
	}
	if len(took) != 7 {
		t.Errorf("7 of 8 backups can be fetched, 200 requests took %v", took)
	}
}

// A backup that came between two deliveries changes the choice only if it is itself the one.
func TestRandomHoldsWhileNightsGoBy(t *testing.T) {
	moved := 0
	for i := range 100 {
		var chosen [2]string
		for j := range chosen {
			w := newWorld(t)
			history(w, 8)
			w.catalogue = w.catalogue[:7+j]
			chosen[j] = chosenAtRandom(t, w, i)
		}
		if chosen[0] != chosen[1] {
			moved++
			if chosen[1] != db.BlobName(night) {
				t.Errorf("%s became %s", chosen[0], chosen[1])
			}
		}
	}
	if moved == 0 || moved > 40 {
		t.Errorf("the new backup was taken by %d of 100 requests", moved)
	}
}

func TestLatestProvenReadsTheProofs(t *testing.T) {
	w := newWorld(t)
	names := history(w, 4, false)
	w.proofs[names[1]+".proof-0"] = bacvault.Proof{Blob: "another.bacpac", Passed: true} // not this backup's
	w.proofs[names[2]+".proof-0"] = bacvault.Proof{Blob: names[2], Passed: true}
	s := newSide(w)
	s.req.Backup = "latest-proven"
	res, err := s.run(t.Context())
	if err != nil || res.Blob.Name != names[2] || s.count["proof"] != 3 {
		t.Errorf("restored %s after %d proofs, error %v; want %s after 3", res.Blob.Name, s.count["proof"], err, names[2])
	}
}

func TestAProofThatNobodyUnderstandsHoldsUpNothing(t *testing.T) {
	damaged := bacvault.Fail(bacvault.CodeVaultRead, "x.proof-1.json can't be understood")
	damaged.Class = bacvault.Terminal
	w := newWorld(t)
	names := history(w, 2, true)
	s := newSide(w)
	s.req.Backup, s.failAt, s.err = "latest-proven", "proof#1", damaged
	res, err := s.run(t.Context())
	if err != nil || res.Blob.Name != names[1] || len(res.Findings) != 1 || !strings.Contains(res.Findings[0], "x.proof-1.json") {
		t.Errorf("restored %s, findings %q, error %v; want %s", res.Blob.Name, res.Findings, err, names[1])
	}
	s = newSide(newWorld(t))
	s.req.Backup, s.failAt = "latest-proven", "proof#1"
	if _, err = s.run(t.Context()); err == nil || failure(t, err).Class != bacvault.Retry {
		t.Errorf("a proof that could not be read was passed over: %v", err)
	}
}

func TestProofsAreReadWithinABound(t *testing.T) {
	w := newWorld(t)
	history(w, 250, false)
	s := newSide(w)
	s.req.Backup = "latest-proven"
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeRequestNoBackup || s.count["proof"] != 200 {
		t.Errorf("%v after %d proofs", f, s.count["proof"])
	}
}

func TestAnArchivedBlobIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	const old = "srv-db_2025-01-01_020000.bacpac"
	name := db.BlobName(night)
	for _, c := range []struct {
		how string
		ask func(*bacvault.RestoreRequest)
	}{
		{"latest", func(r *bacvault.RestoreRequest) { r.Backup = "latest" }},
		{"latest-proven", func(r *bacvault.RestoreRequest) { r.Backup = "latest-proven" }},
		{"oldest", func(r *bacvault.RestoreRequest) { r.Backup = "oldest" }},
		{"a slot", func(r *bacvault.RestoreRequest) { s := night; r.Slot = &s }},
		{"a blob", func(r *bacvault.RestoreRequest) { r.Blob = name }},
		{"an old file", func(r *bacvault.RestoreRequest) { r.BackupFileName = old }},
	} {
		t.Run(c.how, func(t *testing.T) {
			w := newWorld(t)
			w.blobs[old] = archive
			w.archived[name], w.archived[old] = true, true
			w.databases[target.Name] = &database{owner: "r-1", created: w.now.Add(time.Second)}
			s := newSide(w)
			s.req.Backup = ""
			c.ask(&s.req)
			_, err := s.run(t.Context())
			f := failure(t, err)
			if f.Code != bacvault.CodeVaultRead || f.Class != bacvault.Refused || f.Stage != bacvault.StageAdmit || !strings.Contains(f.Next, "set-tier") {
				t.Errorf("%v (%s), next %q", f, f.Class, f.Next)
			}
			if s.count["acquire"]+s.count["exists"]+s.count["drop"]+s.count["fetch"] > 0 {
				t.Errorf("calls %v", s.log)
			}
		})
	}
}

func TestAManifestWithoutItsBlobIsRefused(t *testing.T) {
	w := newWorld(t)
	delete(w.blobs, db.BlobName(night))
	s := newSide(w)
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeVaultMissing || s.count["acquire"] > 0 {
		t.Errorf("%v after %v", f, s.log)
	}
}
