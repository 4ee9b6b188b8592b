package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
)

// The probe comes before the look, and its fault never keeps the look from being made.
func TestTheWatchProbesAndLooks(t *testing.T) {
	for _, c := range []struct {
		failAt string
		err    error
		code   int
		says   string
	}{
		{"", nil, 200, "backup.overdue:srv/db"},
		{"probe", errors.New("no vault"), 200, "the tamper probe could not be made"},
		{"look", errors.New("no state"), 500, "look failed"},
		{"look", fmt.Errorf("taken: %w", app.ErrLooking), 200, ""},
	} {
		a := fakeRuns(nil)
		a.failAt, a.err = c.failAt, c.err
		h, out := newHandler(a)
		if code, _ := post(t, h, "watch", golden(t, "timer.json")); code != c.code {
			t.Errorf("%s: answered %d", c.failAt, code)
		}
		if got := strings.Join(a.calls, ", "); got != "probe, look" {
			t.Errorf("%s: calls %s", c.failAt, got)
		}
		if !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: the log does not say %q: %s", c.failAt, c.says, out)
		}
		logged(t, out)
	}
}
