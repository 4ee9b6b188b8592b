package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/notify"
)

// Whatever goes wrong, and whoever prints what: the address does not show.
func TestTheAddressIsNeverShown(t *testing.T) {
	echo := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, text)
		}
	}
	gone := newChat(t)
	gone.Close()
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated"))
	for name, c := range map[string]struct {
		ctx  context.Context
		chat *chat
		bad  func(*notify.Config)
		says string // all the same
	}{
		"an answer that repeats it":   {t.Context(), newChat(t, echo(secret)), nil, "400 Bad Request"},
		"an answer of its last piece": {t.Context(), newChat(t, echo("secretword")), func(c *notify.Config) { c.URL += "?sig=secretword" }, "400 Bad Request"},
		"nobody there":                {t.Context(), gone, nil, "connection refused"},
		"a stop":                      {stopped, newChat(t), nil, "terminated"},
		"an unknown certificate":      {t.Context(), newChat(t), func(c *notify.Config) { c.Transport = http.DefaultTransport }, "certificate"},
		"a fault that holds it": {t.Context(), newChat(t), func(c *notify.Config) {
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("proxy refuses %s", r.URL) })
		}, "left out"},
		"no answer": {t.Context(), newChat(t), func(c *notify.Config) {
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if d, ok := r.Context().Deadline(); !ok || time.Until(d) > 30*time.Second {
					t.Errorf("a try may take until %s", d)
				}
				return nil, context.DeadlineExceeded
			})
		}, "try 4 of at most 4: the webhook did not answer within 30s"},
	} {
		t.Run(name, func(t *testing.T) {
			n := c.chat.notifier(t, func(cfg *notify.Config) {
				if c.bad != nil {
					c.bad(cfg)
				}
			})
			_, err := n.Post(c.ctx, failed("r-1"))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%+v", n), fmt.Sprintf("%#v", n)} {
				if strings.Contains(text, "sEcReT") || strings.Contains(text, "secretword") || strings.Contains(text, "T000") {
					t.Errorf("it shows: %s", text)
				}
			}
		})
	}
	for _, c := range []notify.Config{
		{URL: "http://chat.example/sEcReT", Format: notify.Slack}, {URL: "https://chat.example/sEcReT\x7f", Format: notify.Slack},
		{URL: "https:///sEcReT", Format: notify.Slack}, {URL: "https://chat.example/sEcReT", Format: "irc"},
	} {
		if _, err := notify.New(c); err == nil || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%v", err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
