package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func failedEvent(t *testing.T) (bacvault.Event, string) {
	t.Helper()
	e := (&fakeApp{}).Event(bacvault.BackupFailed, "r-1", 1, "srv/db", bacvault.EventData{Server: "srv", Database: "db", Final: true})
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, string(b)
}

// The host settles: 200 completes the message, 500 gives it back. Nothing else is called.
func TestNotify(t *testing.T) {
	e, body := failedEvent(t)
	for _, c := range []struct {
		name   string
		body   string
		posted bool
		err    error
		asked  int
		code   int
		says   string
		slow   bool
	}{
		{"posted", body, true, nil, 1, 200, `"msg":"notified"`, false},
		{"posted before", body, false, nil, 1, 200, "not again", false},
		{"no webhook", body, false, fmt.Errorf("notify: %w", app.ErrNoWebhook), 1, 200, "disable the function notify", false},
		{"refused", body, false, errors.New("the webhook answered 404 Not Found"), 1, 500, "404 Not Found", true},
		{"of a later version", strings.Replace(body, `"data":{`, `"new":1,"data":{"newer":2,`, 1), true, nil, 1, 200, "notified", false},
		{"no event", `{"schema":"bacvault.backup-request.v1"}`, true, nil, 0, 500, "no event of ours", false},
		{"no JSON", "hello", true, nil, 0, 500, "no event of ours", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			a := &fakeApp{notify: func(got bacvault.Event) (bool, error) {
				if asked++; got.ID != e.ID || got.Type != e.Type || got.Data.Database != "db" {
					t.Errorf("asked to tell %+v", got)
				}
				return c.posted, c.err
			}}
			h, out := newHandler(a)
			h.retryDelay = 50 * time.Millisecond
			begin := time.Now()
			code, _ := post(t, h, "notify", delivery(t, c.body))
			if code != c.code || asked != c.asked || len(a.calls) != 0 {
				t.Errorf("answered %d, asked %d times, calls %v", code, asked, a.calls)
			}
			if slow := time.Since(begin) >= h.retryDelay; slow != c.slow {
				t.Errorf("it took %s", time.Since(begin))
			}
			if logged(t, out); !strings.Contains(out.String(), c.says) {
				t.Errorf("the log does not say %q: %s", c.says, out)
			}
		})
	}
}
