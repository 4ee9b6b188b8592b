package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// thousand is what a look leaves of 1,000 databases with 30 nights each.
func thousand(now time.Time, vault string) watch.Snapshot {
	s := watch.Snapshot{
		Schema: watch.SnapshotSchema, At: now, Version: "test", Vault: vault, MaxBackupAge: 26 * time.Hour, MaxProofAge: 8 * 24 * time.Hour,
		Posture: &bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: 365, ObservedAt: now}, Findings: []bacvault.Finding{},
	}
	s.Baseline = s.Posture
	night := now.Truncate(24 * time.Hour).Add(2 * time.Hour)
	if night.After(now) {
		night = night.AddDate(0, 0, -1)
	}
	for i := range 1000 {
		d := watch.Database{Database: bacvault.Database{Server: server, Name: fmt.Sprintf("Database%04d", i)}, Since: night.AddDate(0, 0, -40), Backups: 365, Bytes: 365 << 20}
		for n := range 30 {
			rows := int64(1_000_000 + n)
			d.Slots = append(d.Slots, watch.Slot{Slot: bacvault.SlotAt(night.AddDate(0, 0, n-29)), State: watch.SlotTaken, Size: 1 << 20, Rows: &rows})
		}
		newest := bacvault.SlotAt(night)
		d.Newest = &watch.Backup{Slot: newest, Blob: d.BlobName(newest), Size: 1 << 20, Rows: 1_000_029, Tables: 40, Consistency: bacvault.ConsistencyCopy, ProtectedTo: night.AddDate(1, 0, 0)}
		d.NewestProof = &bacvault.Proof{Schema: bacvault.ProofSchema, Database: d.Database, Slot: newest, Blob: d.Newest.Blob, At: now.Add(-time.Hour), Passed: true, RestoreSec: 700, Tables: 40, Rows: 1_000_029}
		d.LastDrill = d.NewestProof
		s.Databases = append(s.Databases, d)
	}
	return s
}

// The status of a thousand databases is one read of the snapshot: the command line and the page show it in a moment, and in little
// memory. The time is told; only the memory is held to its bound.
func TestTheStatusOfAThousandDatabases(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	b, err := json.Marshal(thousand(time.Now().UTC(), "https://vault"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := blockblob.NewClient(a.Blob.URL(a.Places.StateAccount)+"/"+a.Places.StateContainer+"/watch/snapshot", a.Identity.Credential(roles.Admin), &blockblob.ClientOptions{ClientOptions: a.overTLS()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), streaming.NopCloser(bytes.NewReader(b)), nil); err != nil {
		t.Fatal(err)
	}
	shipped := filepath.Join(t.TempDir(), "bacvault") // without the race detector, which takes memory of its own
	build := exec.Command("go", "build", "-trimpath", "-o", shipped, "../cmd/bacvault")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, form := range []string{"text", "json"} {
		cmd := exec.CommandContext(t.Context(), shipped, "status", "-o", form)
		for k, v := range a.Settings(roles.Backup) {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var out, words bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &words
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		peak := peakOf(cmd.Process.Pid)
		err := cmd.Wait()
		took := time.Since(began)
		if err != nil {
			t.Fatalf("status: %v\n%s", err, words.String())
		}
		t.Logf("status -o %s: a snapshot of %d KiB, %d KiB printed in %s, CPU %s, peak memory %d MiB", form, len(b)>>10, out.Len()>>10,
			took.Round(time.Millisecond), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond), peak)
		if peak < 10 || peak > 100 {
			t.Errorf("it took %d MiB", peak)
		}
		if n := strings.Count(out.String(), "Database0"); n < 1000 {
			t.Errorf("%d mentions of databases in %s", n, form)
		}
	}
}

// peakOf looks at a process's greatest resident size until it has gone, in MiB. What the kernel tells of a process that has ended
// has this one's size in it, from before the exec.
func peakOf(pid int) (mib int64) {
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, ok := strings.Cut(string(b), "VmHWM:")
		if err != nil || !ok { // gone, or waiting to be waited for
			return mib
		}
		var kib int64
		if _, err := fmt.Sscanf(rest, "%d kB", &kib); err == nil {
			mib = max(mib, kib>>10)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
