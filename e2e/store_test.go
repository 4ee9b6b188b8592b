package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/stack"
)

// Whatever the store and the network do, in the end there is one right blob with its manifest, or nothing.
func TestAStoreThatMisbehaves(t *testing.T) {
	unlocked := stack.Options{PolicyDays: 365, Unlocked: true, Settings: map[string]string{
		"BACVAULT_ALLOW_UNLOCKED_UNTIL": time.Now().AddDate(0, 0, 2).Format(time.DateOnly), "BACVAULT_ALLOW_UNLOCKED_REASON": "trial",
	}}
	for _, c := range []struct {
		name    string
		faults  []faults.Fault
		options stack.Options
		code    string // of the failure; empty: a backup
	}{
		{name: "the network is cut in mid-block, and again", faults: []faults.Fault{{Op: "blob.block", Do: "cut", Times: 2}}},
		{name: "a storm of 503 with Retry-After", faults: []faults.Fault{
			{Op: "blob.blocks", Do: "status", Code: "ServerBusy", Wait: time.Second},
			{Op: "blob.block", Do: "status", Code: "ServerBusy", Wait: time.Second, Times: 2},
		}},
		{name: "a storm that does not end", faults: []faults.Fault{{Op: "blob.block", Do: "status", Code: "ServerBusy", Wait: time.Second, Times: -1}}, code: "vault.write"},
		{name: "a block took effect behind a 500", faults: []faults.Fault{{Op: "blob.block", Do: "status-after", Status: 500, Code: "InternalError"}}},
		{name: "a block's body stalls for a while", faults: []faults.Fault{{Op: "blob.block", Do: "stall", Wait: time.Second}}},
		{name: "no right to write", faults: []faults.Fault{{Op: "blob.block", Do: "status", Status: 403, Code: "AuthorizationPermissionMismatch"}}, code: "vault.denied"},
		{name: "the commit took effect behind a 500", faults: []faults.Fault{{Op: "blob.commit", Do: "status-after", Status: 500, Code: "InternalError"}}},
		{name: "the commit took effect behind a 409", faults: []faults.Fault{{Op: "blob.commit", Do: "status-after", Status: 409, Code: "BlobAlreadyExists"}}},
		{name: "the commit took effect behind a 500, unlocked", options: unlocked, faults: []faults.Fault{{Op: "blob.commit", Do: "status-after", Status: 500, Code: "InternalError"}}},
		{name: "the commit took effect behind a 409 of the policy, unlocked", options: unlocked,
			faults: []faults.Fault{{Op: "blob.commit", Do: "status-after", Status: 409, Code: "BlobImmutableDueToPolicy"}}},
		{name: "a 409 for a commit without effect", faults: []faults.Fault{{Op: "blob.commit", Do: "status", Status: 409, Code: "BlobImmutableDueToPolicy"}}},
		{name: "the commit is cut off", faults: []faults.Fault{{Op: "blob.commit", Do: "cut"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.options
			if o.PolicyDays == 0 {
				o = protected(stack.Options{})
			}
			if c.code != "" {
				o.Settings = map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}
			}
			a := start(t, o)
			a.Faults.Add(c.faults...)
			a.send("backup-requests", "r1", backupRequest("r1", "DB", slot, nil))
			if c.code != "" {
				ev := a.event(failed, "r1")
				if f := ev.Data.Failure; f.Code != c.code || f.Next == "" || f.Exists == "" {
					t.Errorf("the event says %+v", f)
				}
				a.idle("backup-requests")
				if got := a.vault(); len(got) > 0 {
					t.Errorf("the vault holds %v", got)
				}
			} else {
				a.rightBackup(a.event(completed, "r1"))
				a.idle("backup-requests")
				a.oneBackup(1)
			}
			if n := len(a.events("r1")); n != 1 {
				t.Errorf("%d events, want one", n)
			}
			a.noLeftovers()
			a.noFiles()
		})
	}
}

// rightBackup fails unless the stored bytes are those that event and manifest promise.
func (a *azure) rightBackup(ev stack.Event) {
	a.t.Helper()
	b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, ev.Data.Blob.Name)
	if err != nil {
		a.t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != ev.Data.Blob.SHA256 || !strings.Contains(a.manifest(ev), got) {
		a.t.Errorf("the stored bytes have the SHA-256 %s, the event says %s", got, ev.Data.Blob.SHA256)
	}
}

// Bytes that read back wrong never get a manifest. The first backup tells which read is the read-back: the last one.
func TestWrongBytesOnReadBackAreNoBackup(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_READ_BACK": "full"}}))
	a.rightBackup(a.backUp())
	reads := a.Faults.Calls("blob.get")
	a.Faults.Add(faults.Fault{Op: "blob.get", Do: "wrong-bytes", Nth: reads})
	a.send("backup-requests", "r2", backupRequest("r2", "DB", slotBefore(1), nil))
	f := a.event(failed, "r2").Data.Failure
	if f.Code != "verify.hash_differs" || f.Stage != "read-back" || !strings.Contains(f.Exists, "without a manifest") {
		t.Errorf("the event says %+v", f)
	}
	a.idle("backup-requests")
	if got := a.vault(); len(got) != 3 {
		t.Errorf("the vault holds %v, want one backup and one blob without a manifest", got)
	}
	a.noLeftovers()
	a.noFiles()
}

// Each read of a restore comes with a wrong byte once. What ends well has the source's rows; what does not has left no
// database, and the read that fetches the archive is caught by its hash.
func TestWrongBytesOnARestoreAreNeverRestored(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	want, _ := a.SQL.Rows("DB")
	before := a.Faults.Calls("blob.get")
	a.send("restore-requests", "r0", restoreRequest("r0", "DB", map[string]any{"targetDatabase": "T0"}))
	a.event(restored, "r0")
	a.idle("restore-requests")
	reads := a.Faults.Calls("blob.get") - before
	if reads < 2 {
		t.Fatalf("a restore makes %d reads: manifest and archive are at least two", reads)
	}
	caught := 0
	for n := 1; n <= reads; n++ {
		id, target := fmt.Sprintf("r%d", n), fmt.Sprintf("T%d", n)
		a.Faults.Add(faults.Fault{Op: "blob.get", Do: "wrong-bytes", Nth: n})
		a.send("restore-requests", id, restoreRequest(id, "DB", map[string]any{"targetDatabase": target}))
		a.until("the end of "+id, func() bool { return len(a.events(id)) > 0 })
		a.idle("restore-requests")
		got, there := a.SQL.Rows(target)
		switch ev := a.events(id)[0]; {
		case ev.Type == restored:
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("read %d: restored %v, want %v", n, got, want)
			}
		case there:
			t.Errorf("read %d: %+v, and the database %s is there", n, ev.Data.Failure, target)
		case ev.Data.Failure.Code == "verify.hash_differs":
			caught++
		}
	}
	if caught != 1 {
		t.Errorf("%d of %d reads were caught by the hash, want the one of the archive", caught, reads)
	}
	a.noLeftovers()
}
