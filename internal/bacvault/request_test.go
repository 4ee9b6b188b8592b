package bacvault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

var delivery = bacvault.Delivery{MessageID: "m-1", Enqueued: time.Date(2026, 11, 24, 2, 0, 0, 123456789, time.UTC), Count: 1}

func TestParseBackupRequestFreezesIDSlotAndAttempt(t *testing.T) {
	r, err := bacvault.ParseBackupRequest([]byte(`{"schema":"bacvault.backup-request.v1","server":"s","database":"a]b'c"}`), delivery)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "m-1" || r.Attempt != 1 || r.Slot.String() != "2026-11-24T02:00:00Z" {
		t.Fatalf("frozen as id %q, attempt %d, slot %s", r.ID, r.Attempt, r.Slot)
	}
	// The copy that we send ourselves must parse to the same, whatever the later delivery says.
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := bacvault.ParseBackupRequest(b, bacvault.Delivery{MessageID: "other", Enqueued: delivery.Enqueued.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != r.ID || *again.Slot != *r.Slot || again.MessageID() != r.MessageID() {
		t.Fatalf("the copy reads as %+v, the original was %+v", again, r)
	}
}

func TestMessageIDTellsAttemptsAndDeferralsApart(t *testing.T) {
	seen := map[string]string{}
	for _, e := range []bacvault.Envelope{{ID: "r", Attempt: 1}, {ID: "r", Attempt: 2}, {ID: "r", Attempt: 1, Deferrals: 1}, {ID: "r", Attempt: 1, Deferrals: 2}} {
		if was, ok := seen[e.MessageID()]; ok {
			t.Errorf("%+v has the message id of %s", e, was)
		}
		seen[e.MessageID()] = fmt.Sprintf("%+v", e)
	}
}

func TestMalformedRequestsNameTheField(t *testing.T) {
	for _, c := range []struct{ name, kind, body, field string }{
		{"not JSON", "backup", `{"schema"`, "(document)"},
		{"two documents", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d"} {}`, "(document)"},
		{"an unknown field", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d","databse":"x"}`, "databse"},
		{"a wrong type", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":7}`, "database"},
		{"a wrong schema", "backup", `{"schema":"v9","server":"s","database":"d"}`, "schema"},
		{"no database", "backup", `{"schema":"bacvault.backup-request.v1","server":"s"}`, "database"},
		{"a long name", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"` + strings.Repeat("x", 129) + `"}`, "database"},
		{"a control character", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"a\nb"}`, "database"},
		{"a negative attempt", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d","attempt":-1}`, "attempt"},
		{"a slot that is no time", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d","slot":"yesterday"}`, "slot"},
		{"a long id", "backup", `{"schema":"bacvault.backup-request.v1","server":"s","database":"d","id":"` + strings.Repeat("x", 73) + `"}`, "id"},
		{"an unknown kind", "restore", `{"schema":"bacvault.restore-request.v1","server":"s","database":"d","kind":"clone"}`, "kind"},
		{"two choices", "restore", `{"schema":"bacvault.restore-request.v1","server":"s","database":"d","backup":"latest","blob":"b"}`, "backup"},
		{"an unknown choice", "restore", `{"schema":"bacvault.restore-request.v1","server":"s","database":"d","backup":"newest"}`, "backup"},
		{"a negative size", "restore", `{"schema":"bacvault.restore-request.v1","server":"s","database":"d","maxSizeGb":-1}`, "maxSizeGb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if c.kind == "backup" {
				_, err = bacvault.ParseBackupRequest([]byte(c.body), delivery)
			} else {
				_, err = bacvault.ParseRestoreRequest([]byte(c.body), delivery)
			}
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Class != bacvault.Rejected || !strings.Contains(f.Detail, `"`+c.field+`"`) {
				t.Fatalf("error %v, want a rejection that names %q", err, c.field)
			}
		})
	}
}

// The copies that we send, and the event of a failure, hold the whole request.
func TestLargeRequestIsRefusedAndOneThatWasTakenStaysTaken(t *testing.T) {
	request := func(reason string) []byte {
		return []byte(`{"schema":"bacvault.restore-request.v1","server":"s","database":"d","reason":"` + reason + `"}`)
	}
	read := func(b []byte) (bacvault.RestoreRequest, error) { return bacvault.ParseRestoreRequest(b, delivery) }
	most := 0
	for n := 2600; n < 4000; n++ { // of a letter that takes six bytes when we write it
		r, err := read(request(strings.Repeat("<", n)))
		if err != nil {
			break
		}
		most = n
		r.Attempt, r.Deferrals = 99, 999_999
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(b); err != nil {
			t.Fatalf("%d: a copy of it is refused: %v", n, err)
		}
	}
	if most == 0 || most > bacvault.MaxRequest/6 {
		t.Errorf("at most %d letters are taken", most)
	}
	for _, kind := range []string{"backup", "restore"} {
		b := []byte(`{"schema":"bacvault.` + kind + `-request.v1","server":"s","database":"d","reason":"` + strings.Repeat("x", 250_000) + `"}`)
		_, err := read(b)
		if kind == "backup" {
			_, err = bacvault.ParseBackupRequest(b, delivery)
		}
		var f *bacvault.Failure
		if !errors.As(err, &f) || f.Class != bacvault.Rejected || len(f.Detail) > 200 {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestBlobNamesReadBack(t *testing.T) {
	slot := bacvault.SlotAt(delivery.Enqueued)
	for _, d := range []bacvault.Database{{Server: "sqlsvr-x", Name: "DToSDB"}, {Server: "s", Name: "a]b'c"}, {Server: "s-1", Name: "with/slash _x-y.bacpac"}, {Server: "s", Name: "наука"}} {
		name := d.BlobName(slot)
		got, s, err := bacvault.ParseBlobName(name)
		if err != nil || got != d || s != slot {
			t.Errorf("%q reads back as %v, %s, %v", name, got, s, err)
		}
		if bacvault.ArchiveName(bacvault.ManifestName(name)) != name || !bacvault.IsManifest(bacvault.ManifestName(name)) {
			t.Errorf("%q and its manifest's name do not belong together", name)
		}
	}
	if got := (bacvault.Database{Server: "sqlsvr-x", Name: "DToSDB"}).BlobName(slot); got != "sqlsvr-x/DToSDB/sqlsvr-x-DToSDB_2026-11-24_020000.bacpac" {
		t.Errorf("the name is %q, not the PowerShell job's", got)
	}
}

func TestCompareNamesEveryDifference(t *testing.T) {
	a, b, c := bacvault.Table{Schema: "dbo", Name: "a"}, bacvault.Table{Schema: "dbo", Name: "b"}, bacvault.Table{Schema: "dbo", Name: "c"}
	got := bacvault.Compare(bacvault.Rows{a: 1, b: 2}, bacvault.Rows{a: 1, b: 1, c: 0})
	want := []bacvault.Difference{{Table: b, Want: 2, Got: 1}, {Table: c, Want: -1, Got: 0}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if got := bacvault.Compare(bacvault.Rows{a: 0}, bacvault.Rows{}); len(got) != 1 {
		t.Fatalf("an empty table that is missing is %v, want one difference", got)
	}
}

func TestManifestReadsBackAndRefusesWhatItDoesNotKnow(t *testing.T) {
	s := bacvault.SlotAt(delivery.Enqueued)
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: bacvault.Database{Server: "s", Name: "d"}, Slot: s,
		Blob:        bacvault.Blob{Name: "s/d/x.bacpac", Size: 5, SHA256: strings.Repeat("a", 64)},
		Consistency: bacvault.ConsistencyCopy, Tables: []bacvault.TableRows{{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Source: 3, Archive: 3}},
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := bacvault.DecodeManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, got, cmp.AllowUnexported(bacvault.Slot{})); d != "" {
		t.Fatal(d)
	}
	for name, bad := range map[string]string{
		"an unknown field": strings.Replace(string(b), `"slot"`, `"slut"`, 1),
		"another schema":   strings.Replace(string(b), "manifest.v1", "manifest.v2", 1),
		"no hash":          strings.Replace(string(b), strings.Repeat("a", 64), "", 1),
		"a second object":  string(b) + "{}",
	} {
		if _, err := bacvault.DecodeManifest([]byte(bad)); err == nil {
			t.Errorf("a manifest with %s is taken", name)
		}
	}
}
