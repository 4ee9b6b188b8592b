package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/notify"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

const secret = "/services/T000/B000/sEcReTsEcReT"

// chat is a webhook that answers as told, then with 200.
type chat struct {
	*httptest.Server
	mu      sync.Mutex
	answers []func(http.ResponseWriter, *http.Request)
	bodies  []string
	waits   []time.Duration
}

func newChat(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) *chat {
	c := &chat{answers: answers}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != secret || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s, %s, %v", r.Method, r.URL, r.Header.Get("Content-Type"), err)
		}
		c.mu.Lock()
		c.bodies = append(c.bodies, string(b))
		answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }
		if len(c.answers) > 0 {
			answer, c.answers = c.answers[0], c.answers[1:]
		}
		c.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chat) notifier(t *testing.T, change ...func(*notify.Config)) *notify.Notifier {
	t.Helper()
	cfg := notify.Config{URL: c.URL + secret, Format: notify.Slack, Transport: c.Client().Transport, Wait: func(_ context.Context, d time.Duration) error {
		c.waits = append(c.waits, d)
		return nil
	}}
	for _, f := range change {
		f(&cfg)
	}
	n, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "no_service\n")
	}
}

func failed(id string) bacvault.Event {
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	return bacvault.NewEvent(bacvault.BackupFailed, id, 1, "/bacvault/v/c", "sqlsvr-x/DToSDB", slot.Time(), bacvault.EventData{
		Server: "sqlsvr-x", Database: "DToSDB", Slot: &slot, Final: true, Request: []byte(`{"schema":"x"}`),
		Failure: bacvault.Fail(bacvault.CodeGateUnlocked, "the immutability policy (365 days) is not locked").Data(),
	})
}

func finding(t bacvault.EventType) bacvault.Event {
	return bacvault.NewEvent(t, "watch-1", 1, "/bacvault/v/c", "v/c", time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC), bacvault.EventData{
		Finding: &bacvault.Finding{
			ID: "immutability.drifted:v/c", Kind: bacvault.FoundDrift, Severity: bacvault.Alarm, Subject: "v/c", Detail: "the policy's period changed",
			Next: "Ask who changed it.", Before: "365 days, locked", After: "30 days, unlocked",
		},
	})
}

// hostile is an event whose texts try to be more than texts.
func hostile() bacvault.Event {
	e := failed("hostile")
	e.Subject = "srv/<!channel> & <https://evil.example|click>"
	e.Data.Database = "[click](https://evil.example)"
	e.Data.Failure.Detail = "one\ntwo\u202egnorw\x00 " + strings.Repeat("é<&", 2000)
	e.Data.Failure.Exists = "\xff{{DATE(2026-11-24T02:00:00Z)}}"
	return e
}

func TestMessagesAreThoseOfTheGoldenFiles(t *testing.T) {
	for name, e := range map[string]bacvault.Event{"failed": failed("r-1"), "drifted": finding(bacvault.ImmutabilityDrifted), "hostile": hostile()} {
		for _, format := range []string{notify.Slack, notify.Teams} {
			t.Run(name+" in "+format, func(t *testing.T) {
				c := newChat(t)
				n := c.notifier(t, func(cfg *notify.Config) {
					cfg.Format, cfg.StatusURL = format, "https://func-x.azurewebsites.net/api/status?a=b&c=|"
				})
				if posted, err := n.Post(t.Context(), e); err != nil || !posted || len(c.bodies) != 1 {
					t.Fatalf("posted %t, %d bodies, %v", posted, len(c.bodies), err)
				}
				var got bytes.Buffer
				if err := json.Indent(&got, []byte(c.bodies[0]), "", "  "); err != nil {
					t.Fatal(err)
				}
				if got.Len() > 28<<10 || len(c.bodies[0]) > 20<<10 {
					t.Errorf("the message has %d bytes", len(c.bodies[0]))
				}
				file := filepath.Join("testdata", name+"."+format+".json")
				if *update {
					if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got.String()); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// Every type has words of its own; one of a later version is told by its name.
func TestEveryTypeHasWords(t *testing.T) {
	said := map[string]bool{}
	types := eventTypes(t)
	for _, typ := range append(types, "bacvault.other.v2") {
		c := newChat(t)
		e := failed("r-1")
		e.Type = typ
		if _, err := c.notifier(t).Post(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var m struct{ Text string }
		if err := json.Unmarshal([]byte(c.bodies[0]), &m); err != nil {
			t.Fatal(err)
		}
		verdict, _, _ := strings.Cut(m.Text, "\n")
		if said[verdict] || !strings.Contains(verdict, e.Subject) || strings.Contains(verdict, "bacvault.") != strings.HasSuffix(string(typ), ".v2") {
			t.Errorf("%s is told as %q", typ, verdict)
		}
		said[verdict] = true
	}
	if len(types) < 14 {
		t.Errorf("only %d types", len(types))
	}
}

func TestWhatFailsIsTriedAgainAsTheWebhookAsks(t *testing.T) {
	soon := time.Now().Add(40 * time.Second).UTC().Format(http.TimeFormat)
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter, *http.Request)
		posts   int
		waits   []time.Duration
		err     string
	}{
		{"at once", nil, 1, nil, ""},
		{"after two faults", []func(http.ResponseWriter, *http.Request){status(503), cut}, 3, []time.Duration{1e9, 2e9}, ""},
		{"as long as asked", []func(http.ResponseWriter, *http.Request){status(429, "Retry-After", "30")}, 2, []time.Duration{30e9}, ""},
		{"until the date", []func(http.ResponseWriter, *http.Request){status(503, "Retry-After", soon)}, 2, []time.Duration{39e9}, ""},
		{"asked for too long", []func(http.ResponseWriter, *http.Request){status(429, "Retry-After", "3600")}, 1, nil, "429 Too Many Requests: no_service"},
		{"never", []func(http.ResponseWriter, *http.Request){status(500), status(502), status(503), status(504)}, 4, []time.Duration{1e9, 2e9, 4e9}, "try 4 of at most 4: the webhook answered 504"},
		{"for good", []func(http.ResponseWriter, *http.Request){status(404)}, 1, nil, "404 Not Found: no_service"},
		{"elsewhere", []func(http.ResponseWriter, *http.Request){status(307, "Location", secret)}, 1, nil, "307 Temporary Redirect; redirects are not followed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chat := newChat(t, c.answers...)
			posted, err := chat.notifier(t).Post(t.Context(), failed("r-1"))
			if posted != (c.err == "") || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("posted %t, %v", posted, err)
			}
			near := cmp.Comparer(func(a, b time.Duration) bool {
				return (a-b).Abs() < 5*time.Second && (a < 10e9) == (b < 10e9) && (a >= 10e9 || a == b)
			})
			if d := cmp.Diff(c.waits, chat.waits, near); d != "" || len(chat.bodies) != c.posts {
				t.Errorf("%d posts, want %d; waits %s", len(chat.bodies), c.posts, d)
			}
		})
	}
}

func TestAnEventIsPostedOnce(t *testing.T) {
	chat := newChat(t, status(400))
	n := chat.notifier(t)
	if posted, err := n.Post(t.Context(), failed("r-1")); posted || err == nil {
		t.Errorf("posted %t, %v", posted, err)
	}
	for _, want := range []bool{true, false, false} { // what was refused is not remembered
		if posted, err := n.Post(t.Context(), failed("r-1")); posted != want || err != nil {
			t.Errorf("posted %t, want %t, %v", posted, want, err)
		}
	}
	for i := range 1000 {
		if posted, err := n.Post(t.Context(), failed(fmt.Sprint("other-", i))); !posted || err != nil {
			t.Fatalf("posted %t, %v", posted, err)
		}
	}
	if posted, err := n.Post(t.Context(), failed("r-1")); !posted || err != nil {
		t.Errorf("an event is remembered for ever: %v", err)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("terminated")
	chat := newChat(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel(stop)
	})
	begin := time.Now()
	_, err := chat.notifier(t, func(c *notify.Config) { c.Wait = nil }).Post(ctx, failed("r-1"))
	if err == nil || time.Since(begin) > 900*time.Millisecond || len(chat.bodies) != 1 {
		t.Errorf("%v after %s, %d posts", err, time.Since(begin), len(chat.bodies))
	}
}
