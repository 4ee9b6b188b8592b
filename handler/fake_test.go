package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/watch"
)

const lockToken = "4e773554-f6b7-4ea2-b07d-4c5fd5aba741"

var night = bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))

// fakeApp is the product as a script, with a log of what leaves the handler.
type fakeApp struct {
	calls     []string
	events    []bacvault.Event
	sent      []bus.Message
	queued    []bacvault.Slot
	by        string
	described string

	backup  func(context.Context, bacvault.BackupRequest) (backup.Result, error)
	restore func(context.Context, bacvault.RestoreRequest) (restore.Result, error)
	drill   func(context.Context, bacvault.RestoreRequest) (bacvault.Proof, error)
	promote func(context.Context, bacvault.RestoreRequest) (bacvault.Promotion, error)
	notify  func(bacvault.Event) (bool, error)
	failAt  string // the kind of call that fails
	err     error
}

func (a *fakeApp) call(kind, what string) error {
	a.calls = append(a.calls, strings.TrimSpace(kind+" "+what))
	if kind == a.failAt {
		return a.err
	}
	return nil
}

func (a *fakeApp) Backup(ctx context.Context, req bacvault.BackupRequest) (backup.Result, error) {
	return a.backup(ctx, req)
}

func (a *fakeApp) Restore(ctx context.Context, req bacvault.RestoreRequest) (restore.Result, error) {
	return a.restore(ctx, req)
}

func (a *fakeApp) Drill(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Proof, error) {
	return a.drill(ctx, req)
}

func (a *fakeApp) Promote(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Promotion, error) {
	return a.promote(ctx, req)
}

func (a *fakeApp) QueueBackups(_ context.Context, s bacvault.Slot, by string) ([]bacvault.BackupRequest, error) {
	a.queued, a.by = append(a.queued, s), by
	return []bacvault.BackupRequest{{}, {}}, a.call("queue", s.String())
}

func (a *fakeApp) QueueDrills(_ context.Context, s bacvault.Slot, choice, by string) ([]bacvault.RestoreRequest, error) {
	a.queued, a.by = append(a.queued, s), by
	return []bacvault.RestoreRequest{{}, {}}, a.call("queue", choice+" "+s.String())
}

func (a *fakeApp) Unprotected(context.Context) ([]bacvault.Database, error) {
	return []bacvault.Database{{Server: "srv", Name: "forgotten"}}, a.call("unprotected", "")
}

func (a *fakeApp) ProbeDaily(context.Context) (bool, error) { return true, a.call("probe", "") }

func (a *fakeApp) Look(context.Context) (watch.Snapshot, error) {
	return watch.Snapshot{Databases: make([]watch.Database, 2), Findings: []bacvault.Finding{{ID: "backup.overdue:srv/db", Detail: "too old"}}}, a.call("look", "")
}

func (a *fakeApp) CleanCopies(context.Context) ([]string, error) {
	return []string{"db_bacvault_copy_20261101020000"}, a.call("clean copies", "")
}

func (a *fakeApp) Notify(_ context.Context, e bacvault.Event) (bool, error) {
	return a.notify(e)
}

func (a *fakeApp) Event(t bacvault.EventType, request string, attempt int, subject string, d bacvault.EventData) bacvault.Event {
	return bacvault.NewEvent(t, request, attempt, "/bacvault/srv", subject, night.Time(), d)
}

func (a *fakeApp) Publish(_ context.Context, e bacvault.Event) error {
	a.events = append(a.events, e)
	return a.call("publish", string(e.Type))
}

func (a *fakeApp) Send(_ context.Context, queue string, m bus.Message) error {
	a.sent = append(a.sent, m)
	return a.call("send", queue+" "+m.ID)
}

func (a *fakeApp) Complete(_ context.Context, queue, token string) error {
	return a.call("complete", queue+" "+token)
}

func (a *fakeApp) DeadLetter(_ context.Context, queue, token, reason, description string) error {
	a.described = description
	return a.call("deadletter", queue+" "+token+" "+reason)
}

// model is a status model that shows which form was asked for.
type model struct{ err error }

func (m model) JSON() ([]byte, error) { return []byte(`{"verdict":"ok"}`), m.err }
func (m model) HTML() ([]byte, error) { return []byte("<h1>ok</h1>"), m.err }

func newHandler(a *fakeApp) (*handler, *bytes.Buffer) {
	var out bytes.Buffer
	return &handler{
		app: a, model: func(context.Context) statusModel { return model{} }, log: newLog(&out, "debug"), attempts: 3,
		retryDelay: 5 * time.Minute, runLimit: time.Hour, deferral: time.Minute,
	}, &out
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// delivery is the host's queue payload with this body under our binding's name.
func delivery(t *testing.T, body string) string {
	t.Helper()
	p := golden(t, "queue-binary.json")
	i := strings.Index(p, `"job":"`)
	j := strings.Index(p, `"},"Metadata"`)
	if i < 0 || j < i {
		t.Fatalf("the golden payload is %s", p)
	}
	return p[:i] + `"message":"` + base64.StdEncoding.EncodeToString([]byte(body)) + p[j:]
}

// post sends an invocation as the host does, and fails unless the answer is a JSON object: the host waits for ever on
// anything else.
func post(t *testing.T, h *handler, function, payload string) (int, answer) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/"+function, strings.NewReader(payload))
	r.Header.Set("X-Azure-Functions-InvocationId", "inv-1")
	r.ContentLength = -1 // the host sends chunks
	w := httptest.NewRecorder()
	h.routes().ServeHTTP(w, r)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil || object == nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d with %q of type %q is no answer: %v", w.Code, w.Body, w.Header().Get("Content-Type"), err)
	}
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return w.Code, a
}

func backupBody(extra string) string {
	return fmt.Sprintf(`{"schema":"bacvault.backup-request.v1","id":"r-1","server":"srv","database":"db","slot":"2026-11-24T02:00:00Z"%s}`, extra)
}

func restoreBody(extra string) string {
	return fmt.Sprintf(`{"schema":"bacvault.restore-request.v1","id":"r-1","server":"srv","database":"db"%s}`, extra)
}

// logged reads the log: every line must be a JSON object.
func logged(t *testing.T, out *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("a log line is no JSON: %s", line)
		}
		lines = append(lines, l)
	}
	return lines
}
