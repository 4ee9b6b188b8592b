package app

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/vault"
)

// shelf is a vault that holds what a test put there, by name. unread names are answered with 403.
type shelf struct {
	blobs  map[string]string
	unread string
}

func (s *shelf) Do(r *http.Request) (*http.Response, error) {
	answer := func(code int, body string) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/xml"}, "Etag": {`"1"`}, "Last-Modified": {"Tue, 24 Nov 2026 02:00:00 GMT"}, "Content-Length": {strconv.Itoa(len(body))}}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	}
	q := r.URL.Query()
	if q.Get("comp") == "list" {
		return answer(http.StatusOK, s.list(q.Get("prefix"), q.Get("delimiter")))
	}
	name := strings.TrimPrefix(r.URL.Path, "/vault/")
	text, ok := s.blobs[name]
	switch {
	case s.unread != "" && strings.HasSuffix(name, s.unread):
		return answer(http.StatusForbidden, "")
	case !ok:
		return answer(http.StatusNotFound, "")
	}
	return answer(http.StatusOK, text)
}

func (s *shelf) list(prefix, delimiter string) string {
	var b strings.Builder
	var folders []string
	for name, text := range s.blobs {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if folder, _, deep := strings.Cut(rest, "/"); deep && delimiter != "" {
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
				fmt.Fprintf(&b, "<BlobPrefix><Name>%s/</Name></BlobPrefix>", prefix+folder)
			}
			continue
		}
		fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Content-Length>%d</Content-Length><Creation-Time>Tue, 24 Nov 2026 02:10:00 GMT</Creation-Time></Properties></Blob>", name, len(text))
	}
	return xml.Header + "<EnumerationResults><Blobs>" + b.String() + "</Blobs><NextMarker/></EnumerationResults>"
}

func (s *shelf) put(t *testing.T, name string, v any) {
	t.Helper()
	s.blobs[name] = text(t, v)
}

// backup puts a backup of a slot there, and gives its blob's name.
func (s *shelf) backup(t *testing.T, d bacvault.Database, slot bacvault.Slot, degraded ...string) string {
	t.Helper()
	blob := d.BlobName(slot)
	s.blobs[blob] = "archive"
	s.put(t, bacvault.ManifestName(blob), bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: d, Slot: slot, Blob: bacvault.Blob{Name: blob, Size: 7, SHA256: strings.Repeat("ab", 32)},
		Consistency: bacvault.ConsistencyCopy, ProtectedTo: slot.Time().AddDate(1, 0, 0), Degraded: degraded,
		Tables: []bacvault.TableRows{{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Source: 42, Archive: 42, Verdict: bacvault.VerdictOK}},
	})
	return blob
}

func (s *shelf) drill(t *testing.T, d bacvault.Database, slot bacvault.Slot, at time.Time, passed bool) {
	t.Helper()
	blob := d.BlobName(slot)
	s.put(t, bacvault.ProofName(blob, at), bacvault.Proof{Schema: bacvault.ProofSchema, Database: d, Slot: slot, Blob: blob, At: at, Passed: passed})
}

// withVault is an App whose vault is s and whose servers are those named, each with every database protected; nothing else answers.
func withVault(t *testing.T, s *shelf, servers ...string) *App {
	t.Helper()
	a := wired(t, nil)
	t.Cleanup(func() {
		if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	a.cfg.Servers, a.cfg.Protected = config.Servers{}, nil
	for _, name := range servers {
		a.cfg.Servers[name] = name + ":1433"
		a.cfg.Protected = append(a.cfg.Protected, config.Protected{Server: name, Name: "*"})
	}
	var err error
	if a.vault, err = vault.New(vault.Config{ContainerURL: "https://127.0.0.1:1/vault", Credential: anyToken{}, Transport: s}); err != nil {
		t.Fatal(err)
	}
	return a
}

func nights() (d bacvault.Database, first, second, third bacvault.Slot) {
	at := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	return bacvault.Database{Server: "srv", Name: "db"}, bacvault.SlotAt(at), bacvault.SlotAt(at.AddDate(0, 0, 1)), bacvault.SlotAt(at.AddDate(0, 0, 2))
}

func TestListTellsBackupsOrphansAndDrills(t *testing.T) {
	d, first, second, third := nights()
	s := &shelf{blobs: map[string]string{}}
	s.backup(t, d, first, "not locked")
	s.drill(t, d, first, first.Time().Add(time.Hour), false)
	s.drill(t, d, first, first.Time().Add(2*time.Hour), true)
	s.backup(t, d, second)
	s.drill(t, d, second, second.Time().Add(time.Hour), false)
	s.blobs[d.BlobName(third)] = "left behind"
	s.backup(t, bacvault.Database{Server: "gone", Name: "old"}, first)
	a := withVault(t, s, "srv")

	l, err := a.Backups(t.Context(), BackupFilter{})
	if err != nil || len(l.Backups) != 3 || len(l.Unread) > 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	one, two, orphan := l.Backups[0], l.Backups[1], l.Backups[2]
	if one.Slot != first || one.Proven != ProvenPassed || one.Drills != 2 || one.ProvenAt == nil || one.Rows != 42 || one.Tables != 1 || len(one.Degraded) != 1 || one.ProtectedTo == nil {
		t.Errorf("the first is listed as %+v", one)
	}
	if two.Slot != second || two.Proven != ProvenFailed || two.Orphan {
		t.Errorf("the second is listed as %+v", two)
	}
	if orphan.Slot != third || !orphan.Orphan || orphan.Proven != ProvenNone || orphan.Size != 11 || orphan.Consistency != "" || orphan.ProtectedTo != nil {
		t.Errorf("the orphan is listed as %+v", orphan)
	}
	for _, c := range []struct {
		name   string
		filter BackupFilter
		want   int
	}{
		{"all, also of databases that nobody protects", BackupFilter{All: true}, 4},
		{"one database", BackupFilter{Database: d}, 3},
		{"one in another spelling of the server", BackupFilter{Database: bacvault.Database{Server: "SRV", Name: "db"}}, 3},
		{"one of the only server", BackupFilter{Database: bacvault.Database{Name: "db"}}, 3},
		{"one of a server that is no more", BackupFilter{Database: bacvault.Database{Server: "gone", Name: "old"}}, 1},
		{"since", BackupFilter{Since: second.Time()}, 2},
		{"nothing", BackupFilter{Database: bacvault.Database{Name: "other"}}, 0},
	} {
		if l, err := a.Backups(t.Context(), c.filter); err != nil || len(l.Backups) != c.want {
			t.Errorf("%s: %d, %v", c.name, len(l.Backups), err)
		}
	}
}

func TestListNamesWhatItCouldNotRead(t *testing.T) {
	d, first, second, _ := nights()
	for unread, want := range map[string]string{".manifest.json": "the manifest of ", "-22_030000.json": "the proof "} {
		s := &shelf{blobs: map[string]string{}, unread: unread}
		s.backup(t, d, first)
		s.drill(t, d, first, first.Time().Add(time.Hour), true)
		s.blobs[d.BlobName(second)] = "left behind"
		l, err := withVault(t, s, "srv").Backups(t.Context(), BackupFilter{})
		if err != nil || len(l.Backups) != 2 || len(l.Unread) != 1 || !strings.HasPrefix(l.Unread[0], want) {
			t.Errorf("%s: %+v, %v", unread, l, err)
		}
	}
}

func TestDatabaseOfSeveralServersNeedsItsServer(t *testing.T) {
	s := &shelf{blobs: map[string]string{}}
	a := withVault(t, s, "srv", "other")
	_, err := a.Backups(t.Context(), BackupFilter{Database: bacvault.Database{Name: "db"}})
	if f := bacvault.AsFailure(err, ""); err == nil || f.Code != bacvault.CodeRequestMalformed || !strings.Contains(f.Detail, "SERVER/db") {
		t.Errorf("%v", err)
	}
}

func TestShowChoosesAsARestoreWould(t *testing.T) {
	d, first, second, third := nights()
	s := &shelf{blobs: map[string]string{}}
	oldest, latest := s.backup(t, d, first), s.backup(t, d, second)
	s.drill(t, d, first, first.Time().Add(time.Hour), true)
	s.blobs[d.BlobName(third)] = "left behind"
	a := withVault(t, s, "srv")
	for _, c := range []struct {
		name   string
		req    bacvault.RestoreRequest
		blob   string
		proofs int
	}{
		{"the latest, which an orphan is not", bacvault.RestoreRequest{Database: d, Backup: bacvault.ChooseLatest}, latest, 0},
		{"the latest proven", bacvault.RestoreRequest{Database: d, Backup: bacvault.ChooseLatestProven}, oldest, 1},
		{"a slot, without a server", bacvault.RestoreRequest{Database: bacvault.Database{Name: "db"}, Slot: &first}, oldest, 1},
		{"a blob", bacvault.RestoreRequest{Database: d, Blob: latest}, latest, 0},
	} {
		b, err := a.ShowBackup(t.Context(), c.req)
		if err != nil || b.Manifest.Blob.Name != c.blob || len(b.Proofs) != c.proofs || b.Schema != BackupSchema {
			t.Errorf("%s: %s, %d proofs, %v", c.name, b.Manifest.Blob.Name, len(b.Proofs), err)
		}
	}
	for code, req := range map[bacvault.Code]bacvault.RestoreRequest{
		bacvault.CodeVaultOrphan:      {Database: d, Blob: d.BlobName(third)},
		bacvault.CodeRequestNoBackup:  {Database: bacvault.Database{Server: "srv", Name: "other"}, Backup: bacvault.ChooseLatest},
		bacvault.CodeRequestMalformed: {Database: d, Backup: "best"},
	} {
		if _, err := a.ShowBackup(t.Context(), req); err == nil || bacvault.AsFailure(err, "").Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A manifest without its archive, or beside one of another size, is listed as none of the backups, and is never the latest.
func TestAPhantomIsListedAsNone(t *testing.T) {
	d, first, second, third := nights()
	s := &shelf{blobs: map[string]string{}}
	good := s.backup(t, d, first)
	s.blobs[s.backup(t, d, second)] = "another archive"
	delete(s.blobs, s.backup(t, d, third))
	a := withVault(t, s, "srv")
	l, err := a.Backups(t.Context(), BackupFilter{})
	if err != nil || len(l.Backups) != 3 || len(l.Unread) > 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	if b := l.Backups[0]; b.Phantom != "" || b.Blob != good {
		t.Errorf("the good one is listed as %+v", b)
	}
	if b := l.Backups[1]; !strings.Contains(b.Phantom, "15") || b.Orphan {
		t.Errorf("the one of another size is listed as %+v", b)
	}
	if b := l.Backups[2]; b.Slot != third || !strings.Contains(b.Phantom, "no archive") || b.Orphan || b.Rows != 0 {
		t.Errorf("the manifest alone is listed as %+v", b)
	}
	for code, slot := range map[bacvault.Code]bacvault.Slot{bacvault.CodeVerifyHash: second, bacvault.CodeVaultMissing: third} {
		if _, err := a.ShowBackup(t.Context(), bacvault.RestoreRequest{Database: d, Slot: &slot}); err == nil || bacvault.AsFailure(err, "").Code != code {
			t.Errorf("show of %s: %v", slot, err)
		}
	}
	row, found, err := a.catalogued(t.Context(), d, third.Time().Add(time.Hour))
	if err != nil || len(found) != 1 || found[0].Kind != bacvault.FoundPhantom || row.Newest.Slot == third {
		t.Errorf("a direct look: %+v, %+v, %v", row.Newest, found, err)
	}
}

// Whoever waits for a backup is not told that it is there where only a manifest is.
func TestAPhantomIsNotWaitedForWithSuccess(t *testing.T) {
	d, first, _, _ := nights()
	s := &shelf{blobs: map[string]string{}}
	blob := s.backup(t, d, first)
	a := withVault(t, s, "srv")
	for _, content := range []string{"another archive", "archive", ""} { // the second was stored without its hash
		if s.blobs[blob] = content; content == "" {
			delete(s.blobs, blob)
		}
		if _, ok, err := a.Manifest(t.Context(), d, first); ok || err == nil || bacvault.AsFailure(err, "").Code != bacvault.CodeVaultPhantom {
			t.Errorf("%q: %t, %v", content, ok, err)
		}
	}
}
