package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/watch"
)

// The Functions protocol never leaves this file. It is that of host version 4: one POST /<function> for each
// invocation, {"Data":{…},"Metadata":{…}}, every plain string in it encoded twice
// (https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers).

// maxInvocation bounds a request body: a Service Bus message of the premium tier is 100 MB, ours are a few hundred bytes.
const maxInvocation = 4 << 20

// application is what the functions ask of the wired product.
type application interface {
	Backup(ctx context.Context, req bacvault.BackupRequest) (backup.Result, error)
	Restore(ctx context.Context, req bacvault.RestoreRequest) (restore.Result, error)
	Drill(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Proof, error)
	Promote(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Promotion, error)
	QueueBackups(ctx context.Context, s bacvault.Slot, by string) ([]bacvault.BackupRequest, error)
	QueueDrills(ctx context.Context, s bacvault.Slot, choice, by string) ([]bacvault.RestoreRequest, error)
	Unprotected(ctx context.Context) ([]bacvault.Database, error)
	ProbeDaily(ctx context.Context) (probed bool, err error)
	Look(ctx context.Context) (watch.Snapshot, error)
	CleanCopies(ctx context.Context) (dropped []string, err error)
	Notify(ctx context.Context, e bacvault.Event) (posted bool, err error)
	Event(t bacvault.EventType, request string, attempt int, subject string, d bacvault.EventData) bacvault.Event
	Publish(ctx context.Context, e bacvault.Event) error
	Send(ctx context.Context, queue string, m bus.Message) error
	Complete(ctx context.Context, queue, lockToken string) error
	DeadLetter(ctx context.Context, queue, lockToken, reason, description string) error
}

// statusModel is the read model in its two forms.
type statusModel interface {
	JSON() ([]byte, error)
	HTML() ([]byte, error)
}

// handler answers the host.
type handler struct {
	app        application
	model      func(context.Context) statusModel
	log        *logger
	attempts   int
	retryDelay time.Duration
	runLimit   time.Duration
	deferral   time.Duration // how long a request waits for another run's lease
}

// functions is the route table. A test holds it against functions/ both ways.
func (h *handler) functions() map[string]func(context.Context, invocation) (answer, error) {
	return map[string]func(context.Context, invocation) (answer, error){
		"nightly": h.nightlyBackup,
		"backup":  h.backup,
		"restore": h.restore,
		"drill":   h.drill,
		"status":  h.status,
		"watch":   h.watch,
		"notify":  h.notify,
	}
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	for name, f := range h.functions() {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, name, f) })
	}
	// The host asks GET / until anything answers.
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, answer{}) })
	return mux
}

// answer is the response contract. An empty body or null would leave the invocation hanging until functionTimeout, so
// every answer is an object.
type answer struct {
	Outputs     map[string]any `json:"Outputs,omitempty"`
	Logs        []string       `json:"Logs,omitempty"`
	ReturnValue any            `json:"ReturnValue,omitempty"`
}

func writeJSON(w http.ResponseWriter, code int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(a); err != nil {
		return // the host is gone; it takes the message back by itself
	}
}

// serve runs one invocation. 200 says that the message is settled or that the call is answered; 500 makes the host
// abandon the message, so that it comes again.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, name string, f func(context.Context, invocation) (answer, error)) {
	id := r.Header.Get("X-Azure-Functions-InvocationId")
	defer func() {
		if p := recover(); p != nil {
			h.log.panicked(name, id, p, debug.Stack())
			writeJSON(w, http.StatusInternalServerError, answer{})
		}
	}()
	var inv invocation
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInvocation)).Decode(&inv); err != nil {
		h.log.failed(name, id, fmt.Errorf("read the invocation: %w", err))
		writeJSON(w, http.StatusBadRequest, answer{})
		return
	}
	a, err := f(r.Context(), inv)
	if err != nil {
		h.log.failed(name, id, err)
		writeJSON(w, http.StatusInternalServerError, answer{})
		return
	}
	writeJSON(w, http.StatusOK, a)
}

// invocation is what the host sends.
type invocation struct {
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

// message is a Service Bus message as the host hands it over.
type message struct {
	bacvault.Delivery
	LockToken string
	Body      []byte
}

// message reads the binary body and the broker's properties.
func (inv invocation) message() (m message, err error) {
	if err := json.Unmarshal(inv.Data["message"], &m.Body); err != nil {
		return m, fmt.Errorf("the message's body is not base64 (is dataType binary in function.json?): %w", err)
	}
	m.MessageID, err = inv.text("MessageId")
	if err != nil {
		return m, err
	}
	if m.LockToken, err = inv.text("LockToken"); err != nil {
		return m, err
	}
	if m.LockToken == "" {
		return m, errors.New("the host sent no LockToken: the message can't be settled")
	}
	count, err := inv.text("DeliveryCount")
	if err != nil {
		return m, err
	}
	if m.Count, err = strconv.Atoi(count); err != nil {
		return m, fmt.Errorf("DeliveryCount: %w", err)
	}
	enqueued, err := inv.text("EnqueuedTime")
	if err != nil {
		return m, err
	}
	if m.Enqueued, err = time.Parse(time.RFC3339, enqueued); err != nil {
		return m, fmt.Errorf("EnqueuedTime: %w", err)
	}
	return m, nil
}

// text reads a metadata value that may be encoded once or twice.
func (inv invocation) text(key string) (string, error) {
	raw, ok := inv.Metadata[key]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("metadata %s is not a string: %w", key, err)
	}
	if strings.HasPrefix(s, `"`) {
		var inner string
		if err := json.Unmarshal([]byte(s), &inner); err == nil {
			return inner, nil
		}
	}
	return s, nil
}

// firing is a timer's call.
type firing struct {
	Slot    bacvault.Slot
	AdHoc   bool
	PastDue bool
}

// manualLead is how far ahead the next occurrence lies when a person starts the function: a timer's own firing names
// the occurrence that is due.
const manualLead = time.Minute

// firing tells a schedule's firing from a manual run. The schedule's occurrence is the slot, so that a late, repeated
// or past-due firing has the same one.
func (inv invocation) firing() (f firing, err error) {
	var t struct {
		ScheduleStatus *struct{ Next time.Time }
		IsPastDue      bool
	}
	if err := json.Unmarshal(inv.Data["timer"], &t); err != nil {
		return f, fmt.Errorf("the timer's payload: %w", err)
	}
	var sys struct{ UtcNow time.Time }
	if err := json.Unmarshal(inv.Metadata["sys"], &sys); err != nil {
		return f, fmt.Errorf("metadata sys: %w", err)
	}
	f.PastDue = t.IsPastDue
	if t.ScheduleStatus == nil || t.ScheduleStatus.Next.IsZero() || t.ScheduleStatus.Next.Sub(sys.UtcNow) > manualLead {
		f.Slot, f.AdHoc = bacvault.SlotAt(sys.UtcNow), true
		return f, nil
	}
	f.Slot = bacvault.SlotAt(t.ScheduleStatus.Next)
	return f, nil
}

// request is the caller's HTTP request.
type request struct {
	URL     string `json:"Url"`
	Headers map[string][]string
}

func (inv invocation) request() (r request, err error) {
	err = json.Unmarshal(inv.Data["req"], &r)
	return r, err
}

// httpAnswer is the http output. statusCode is the only name that the host reads for the status.
func httpAnswer(code int, contentType string, body []byte) answer {
	return answer{Outputs: map[string]any{"res": map[string]any{
		"statusCode": code, "headers": map[string]string{"Content-Type": contentType, "Cache-Control": "no-store"}, "body": string(body),
	}}}
}
