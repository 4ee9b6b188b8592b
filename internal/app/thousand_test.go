package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/vault"
	"github.com/bacvault/bacvault/internal/watch"
)

// hall is a store with the backups of a year of many databases, and the state container beside it, in memory: no name and no byte
// of a backup is held, each is made when it is asked for. Every seventh backup has a proof.
type hall struct {
	databases, days int
	last            time.Time // the newest slot of all but the first database, which missed one

	mu     sync.Mutex
	state  map[string][]byte
	lists  map[string]int // listing calls by prefix
	gets   atomic.Int64
	orphan string // the database whose newest archive has no manifest
}

func (h *hall) database(i int) bacvault.Database {
	return bacvault.Database{Server: "srv", Name: fmt.Sprintf("db%04d", i)}
}

func (h *hall) Do(r *http.Request) (*http.Response, error) {
	q, path := r.URL.Query(), strings.TrimPrefix(r.URL.Path, "/c/")
	answer := func(status int, body string, header ...string) (*http.Response, error) {
		res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r, ContentLength: int64(len(body))}
		for i := 0; i+1 < len(header); i += 2 {
			res.Header.Set(header[i], header[i+1])
		}
		return res, nil
	}
	switch {
	case q.Get("comp") == "list":
		h.mu.Lock()
		h.lists[q.Get("prefix")]++
		h.mu.Unlock()
		return answer(200, h.list(q.Get("prefix"), q.Get("marker")), "Content-Type", "application/xml")
	case r.Method == http.MethodPut:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.state[path] = b
		return answer(201, "")
	case r.Method == http.MethodGet && strings.HasPrefix(path, "srv/"):
		h.gets.Add(1)
		return answer(200, h.document(path))
	case r.Method == http.MethodGet:
		h.mu.Lock()
		defer h.mu.Unlock()
		if b, ok := h.state[path]; ok {
			return answer(200, string(b))
		}
		return answer(404, "", "x-ms-error-code", "BlobNotFound")
	}
	return answer(501, "")
}

// list is one page: a year of one database is less than the 5,000 names that the service gives.
func (h *hall) list(prefix, marker string) string {
	var b strings.Builder
	b.WriteString("<EnumerationResults><Blobs>")
	for i := 0; i < h.databases && marker == ""; i++ {
		d := h.database(i)
		if d.Prefix() != prefix {
			continue
		}
		for n := h.days - 1; n >= 0; n-- {
			at := h.last.AddDate(0, 0, -n)
			if i == 0 && n == 0 {
				continue
			}
			blob := d.BlobName(bacvault.SlotAt(at))
			names := []string{blob}
			if d.Name != h.orphan || n > 0 {
				names = append(names, bacvault.ManifestName(blob))
			}
			if n%7 == 1 {
				names = append(names, bacvault.ProofName(blob, at.Add(4*time.Hour)))
			}
			for _, name := range names {
				fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Creation-Time>%s</Creation-Time><Content-Length>1000000</Content-Length></Properties></Blob>",
					name, at.Add(10*time.Minute).Format(http.TimeFormat))
			}
		}
	}
	b.WriteString("</Blobs><NextMarker/></EnumerationResults>")
	return b.String()
}

// document is a manifest or a proof.
func (h *hall) document(name string) string {
	if i := strings.Index(name, ".proof-"); i >= 0 {
		blob := name[:i] + ".bacpac"
		d, slot, err := bacvault.ParseBlobName(blob)
		if err != nil {
			return ""
		}
		p := bacvault.Proof{Schema: bacvault.ProofSchema, Database: d, Slot: slot, Blob: blob, Passed: true, At: slot.Time().Add(4 * time.Hour), RestoreSec: 90, Tables: 20}
		n := &bacvault.NegativeDrill{Tried: 20, Detected: 20}
		for range 20 {
			n.Cases = append(n.Cases, bacvault.NegativeCase{Damage: "flipped-byte", Where: strings.Repeat("x", 100), Detected: true, Detail: strings.Repeat("y", 200)})
		}
		p.Negative = n
		b, _ := json.Marshal(p)
		return string(b)
	}
	blob := bacvault.ArchiveName(name)
	d, slot, err := bacvault.ParseBlobName(blob)
	if err != nil {
		return ""
	}
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: d, Slot: slot, Blob: bacvault.Blob{Name: blob, Size: 1000000, SHA256: strings.Repeat("a", 64)},
		Consistency: bacvault.ConsistencyCopy, ProtectedTo: slot.Time().AddDate(1, 0, 0), Request: bacvault.RequestOrigin{ID: "r", Attempt: 1},
	}
	for i := range 20 {
		m.Tables = append(m.Tables, bacvault.TableRows{Table: bacvault.Table{Schema: "dbo", Name: fmt.Sprint("table", i)}, Source: 10, Archive: 10, Verdict: bacvault.VerdictOK})
	}
	b, _ := m.Encode()
	return string(b)
}

// peakHeap samples the heap until stop, which gives the largest that it saw over where it began.
func peakHeap() (stop func() uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	began, peak, done, gone := m.HeapAlloc, m.HeapAlloc, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			case <-done:
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-gone
		return peak - began
	}
}

// A look at the backups of a year of a thousand databases lists by prefix, once for each database, holds the heap small, and
// the next look reads no manifest and no proof again.
func TestALookAtAThousandDatabases(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h := &hall{databases: thousand, days: 365, last: now.Truncate(24 * time.Hour).Add(2 * time.Hour), state: map[string][]byte{}, lists: map[string]int{}, orphan: "db0007"}
	var names []string
	for i := range h.databases {
		names = append(names, h.database(i).Name)
	}
	env := append([]string{"BACKUP_SCHEDULE=0 0 2 * * *"}, settings...)
	for i, s := range env {
		if strings.HasPrefix(s, "SQL_DATABASE_NAME=") {
			env[i] = "SQL_DATABASE_NAME=" + strings.Join(names, ",")
		}
	}
	c, err := config.Load(env)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{cfg: c, opts: Options{Version: "1.0", Now: func() time.Time { return now }}}
	if a.vault, err = vault.New(vault.Config{ContainerURL: "https://v.example/c", Credential: anyToken{}, Transport: h}); err != nil {
		t.Fatal(err)
	}
	if a.state, err = state.New(state.Config{ContainerURL: "https://s.example/c", Credential: anyToken{}, Transport: h}); err != nil {
		t.Fatal(err)
	}
	if a.nightly, err = schedule(c.BackupSchedule); err != nil {
		t.Fatal(err)
	}
	var told []string
	w := a.watch()
	w.Unprotected = func(context.Context) ([]bacvault.Database, error) { return nil, nil }
	w.Observe = func(context.Context) (bacvault.Posture, error) {
		return bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: 400}, nil
	}
	w.DeadLetters = func(context.Context) ([]watch.DeadLetter, error) { return nil, nil }
	w.Copies = func(context.Context) ([]bacvault.Database, []time.Time, error) { return nil, nil, nil }
	w.Publish = func(_ context.Context, e bacvault.EventType, _, subject string, _ bacvault.EventData) error {
		told = append(told, string(e)+" "+subject)
		return nil
	}
	w.Limits.ProbeAge = 0

	stop, began := peakHeap(), time.Now()
	s, err := w.Look(t.Context())
	took, peak := time.Since(began), stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d databases of %d backups: %s, heap at most %d MiB over where it began, snapshot %d KiB, %d reads",
		h.databases, h.days, took.Round(time.Millisecond), peak>>20, len(h.state["watch/snapshot"])>>10, h.gets.Load())
	for i := range h.databases {
		if n := h.lists[h.database(i).Prefix()]; n < 1 || n > 2 {
			t.Fatalf("%d listing calls for %s, at most 2 are allowed", n, h.database(i))
		}
	}
	for prefix, n := range h.lists {
		if n > 2 {
			t.Errorf("%d listing calls for %q", n, prefix)
		}
	}
	if most := uint64(100 << 20); peak > most {
		t.Errorf("the heap grew by %d MiB", peak>>20)
	}
	if len(s.Databases) != h.databases || len(s.Databases[30].Slots) != 30 || s.Databases[30].NewestProof == nil || s.Databases[7].Orphans != 1 {
		t.Errorf("%d databases, the 30th: %+v", len(s.Databases), s.Databases[30])
	}
	// The first database missed the last night, and the seventh's archive of it has no manifest; nothing else is wrong.
	want := "bacvault.backup.overdue.v1 srv/db0000, bacvault.backup.overdue.v1 srv/db0007, bacvault.finding.raised.v1 " + h.database(7).BlobName(bacvault.SlotAt(h.last))
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("told %s, want %s", got, want)
	}

	h.gets.Store(0)
	now, told = now.Add(15*time.Minute), nil
	clear(h.lists)
	began = time.Now()
	if _, err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("the next look: %s", time.Since(began).Round(time.Millisecond))
	if n := h.gets.Load(); n != 0 || len(told) != 0 || h.lists[h.database(3).Prefix()] != 1 {
		t.Errorf("the next look read %d manifests and proofs again and told %v", n, told)
	}
}
