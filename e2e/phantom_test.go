package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// plant writes a blob into the vault with an app's own rights.
func (a *azure) plant(client, name string, body []byte) {
	a.t.Helper()
	c, err := blockblob.NewClient(a.Blob.URL(a.Places.VaultAccount)+"/"+a.Places.VaultContainer+"/"+name, a.Identity.Credential(client), &blockblob.ClientOptions{ClientOptions: a.overTLS()})
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = c.Upload(a.t.Context(), streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
	}})
	if err != nil {
		a.t.Fatalf("%s plants %s: %v", client, name, err)
	}
}

// A manifest that the restore app's identity laid under the name of a night, alone or beside an archive of another size: that
// night fails loudly, once, and writes nothing; the watch tells; nobody takes it for a backup.
func TestAPlantedManifestIsNoBackup(t *testing.T) {
	for name, archive := range map[string]string{"alone": "", "beside an archive of another size": "short"} {
		t.Run(name, func(t *testing.T) {
			a := start(t, protected(stack.Options{TokenLifetime: lifetime}))
			i := a.inside(roles.Backup)
			old := i.now().UTC().Add(-time.Hour).Truncate(time.Second)
			a.take("r0", old)
			a.told(i.look, "all is well")
			good := a.event(completed, "r0")

			tonight := i.now().UTC().Add(-time.Minute).Truncate(time.Second)
			stamp := func(at time.Time) string { return at.Format("2006-01-02_150405") }
			stem := server + "/DB/" + server + "-DB_"
			was := a.manifest(good)
			planted := strings.ReplaceAll(was, stamp(old), stamp(tonight))
			planted = strings.ReplaceAll(planted, old.Format(time.RFC3339), tonight.Format(time.RFC3339))
			if !json.Valid([]byte(planted)) || planted == was {
				t.Fatal("the planted manifest is none")
			}
			if archive != "" {
				a.plant(roles.Restore, stem+stamp(tonight)+".bacpac", []byte(archive))
			}
			a.plant(roles.Restore, stem+stamp(tonight)+".manifest.json", []byte(planted))
			before := a.vaultState()

			a.send("backup-requests", "r1", backupRequest("r1", "DB", tonight.Format(time.RFC3339), nil))
			ev := a.event(failed, "r1")
			if f := ev.Data.Failure; f.Code != "vault.phantom" || f.Class != "terminal" || f.Stage != "admit" || !ev.Data.Final || !strings.Contains(f.Exists, "nothing was written") || !strings.Contains(f.Next, "bacvault backup") {
				t.Errorf("the event says %+v", f)
			}
			a.idle("backup-requests")
			if n := len(a.events("r1")); n != 1 {
				t.Errorf("%d events, want one", n)
			}
			if _, _, _, dead, _ := a.Bus.Counts("backup-requests"); dead != 0 {
				t.Errorf("%d dead letters", dead)
			}
			if after := a.vaultState(); len(after) != len(before) {
				t.Errorf("the vault held %d blobs, now %d", len(before), len(after))
			}
			i.advance(20 * time.Minute)
			a.told(i.look, "somebody planted a manifest", "finding.raised backup.phantom")
			i.advance(25 * time.Hour)
			a.told(i.look, "the newest true backup is too old", "backup.overdue backup.overdue")
			if archive == "" { // the latest is the newest one that is there
				a.send("restore-requests", "r2", restoreRequest("r2", "DB", nil))
				if got := a.event(restored, "r2").Data.Blob.Name; got != good.Data.Blob.Name {
					t.Errorf("the latest is %s", got)
				}
			} else {
				a.send("restore-requests", "r2", restoreRequest("r2", "DB", nil))
				if f := a.event(unrestore, "r2").Data.Failure; f.Code != "verify.hash_differs" {
					t.Errorf("a restore of the latest says %+v", f)
				}
			}
			a.noLeftovers()
		})
	}
}
