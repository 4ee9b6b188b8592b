package bacvault_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

var update = flag.Bool("update", false, "write the golden files of forms that are not released yet")

// Names and order of a released form are promises: a manifest that lies in a vault for years must be readable, and two
// builds must write the same bytes. A golden file of a released version is never changed; a new form gets a new file.
func TestGoldenManifest(t *testing.T) {
	s := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	at := func(sec int) time.Time { return s.Time().Add(time.Duration(sec) * time.Second) }
	after := int64(24)
	db := bacvault.Database{Server: "sqlsvr-x", Name: "DToSDB"}
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: db, Slot: s,
		Blob:        bacvault.Blob{Name: db.BlobName(s), Size: 27984, SHA256: strings.Repeat("9ab95ef1", 8), ETag: `"0x1F3C2DDADB94C70"`},
		Consistency: bacvault.ConsistencyLive,
		Tables: []bacvault.TableRows{
			{Table: bacvault.Table{Schema: "dbo", Name: "authors"}, Source: 23, Archive: 23, SourceAfter: &after, Verdict: bacvault.VerdictOK, Fingerprint: "23:-1234"},
			{Table: bacvault.Table{Schema: "dbo", Name: "documents"}, Source: 7, Archive: -1, Verdict: bacvault.VerdictUnverified},
		},
		Posture: bacvault.Posture{
			ObservedAt: at(1), Scope: "container", State: "Locked", PeriodDays: 365, LegalHold: true, LegalHoldTags: []string{"case7"}, PolicyETag: `"8d"`,
			ExtensionsLeft: 5, DataPlaneHasPolicy: true, DataPlaneHasLegalHold: true,
			History: []bacvault.PolicyChange{{Kind: "put", Days: 365, At: at(-1000), By: "admin"}, {Kind: "lock", Days: 365, At: at(-900), By: "admin"}},
		},
		ProtectedTo: s.Time().AddDate(1, 0, 0), Degraded: []string{"one sentence"},
		Transfer:    bacvault.Transfer{Seconds: 1.5, BytesPerSecond: 18656, ReadBack: "full"},
		Fingerprint: &bacvault.Fingerprint{Method: "CHECKSUM_AGG(BINARY_CHECKSUM(*))", LeftOut: []string{"dbo.documents.body"}, Computed: "live"},
		Tool:        bacvault.Program{Name: "sqlpackage", Version: "170.5.96.0"}, App: bacvault.Program{Name: "bacvault", Version: "1.0"},
		Request: bacvault.RequestOrigin{ID: "nightly-2026-11-24_020000-bbd927d4453d", Attempt: 1, By: "timer", Reason: "night"},
		Stages:  []bacvault.StageTime{{Stage: bacvault.StageAdmit, Start: at(0), End: at(1)}, {Stage: bacvault.StageVerify, Start: at(2), End: at(9)}},
	}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/manifest.v1.golden.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the manifest is written as\n%s\nthe golden file is\n%s", got, want)
	}
	read, err := bacvault.DecodeManifest(want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := read.Encode(); err != nil || !bytes.Equal(again, want) {
		t.Errorf("read and written again it is\n%s (%v)", again, err)
	}
}
