package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// snapshot is what a look left in the state container.
type snapshot struct {
	Findings  []struct{ ID, Kind, Severity, Subject, Detail, Next string }
	Unread    []string
	Probe     *struct{ Passed bool }
	Databases []struct {
		Database string
		Slots    []struct{ Slot, State string }
	}
}

func (a *azure) snapshot() (s snapshot, ok bool) {
	a.t.Helper()
	b, err := a.Blob.Read(a.t.Context(), a.Places.StateAccount, a.Places.StateContainer, "watch/snapshot")
	if err != nil {
		return s, false
	}
	if err := json.Unmarshal(b, &s); err != nil {
		a.t.Fatal(err)
	}
	return s, true
}

// kinds names what the last look found.
func (a *azure) kinds() (out []string) {
	s, _ := a.snapshot()
	for _, f := range s.Findings {
		out = append(out, f.Kind)
	}
	return out
}

// news are the events of the watch that came since it was last asked, as type and kind: that it tells the same thing once
// only is what these tests are about. It waits until the subscription has given out all.
func (a *azure) news() (out []string) {
	a.t.Helper()
	a.until("the events to be received", func() bool {
		active, _, locked, _, ok := a.Bus.Counts("backup-events/subscriptions/all")
		return ok && active+locked == 0
	})
	all := a.all.All()
	for _, e := range all[a.heard:] {
		var f struct {
			Data struct {
				Finding *struct{ Kind, Next, Detail string }
			}
		}
		if err := json.Unmarshal(e.Raw, &f); err != nil {
			a.t.Fatal(err)
		}
		if f.Data.Finding != nil {
			out = append(out, strings.TrimSuffix(strings.TrimPrefix(e.Type, "bacvault."), ".v1")+" "+f.Data.Finding.Kind)
			if f.Data.Finding.Next == "" || f.Data.Finding.Detail == "" {
				a.t.Errorf("the event %s says %+v", e.ID, f.Data.Finding)
			}
		}
	}
	a.heard = len(all)
	slices.Sort(out)
	return out
}

// look fires the watch's timer and gives what it told.
func (a *azure) look() []string {
	a.t.Helper()
	if status, body, err := a.Backup.FireTimer(a.t.Context(), "watch", time.Now(), false); err != nil || status != http.StatusOK {
		a.t.Fatalf("the watch: %d %s, %v", status, body, err)
	}
	return a.news()
}

// told fails unless a look tells just this, and the next one nothing.
func (a *azure) told(look func() []string, when string, want ...string) {
	a.t.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, look()); d != "" {
		a.t.Errorf("%s, the look told: %s", when, d)
	}
	if again := look(); len(again) > 0 {
		a.t.Errorf("%s, the next look told again: %v", when, again)
	}
}

// purge takes the dead letters of a queue away.
func (a *azure) purge(queue string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	r, done := a.deadLetters(ctx, queue)
	defer done()
	ms, err := r.ReceiveMessages(ctx, 10, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, m := range ms {
		if err := r.CompleteMessage(ctx, m, nil); err != nil {
			a.t.Fatal(err)
		}
	}
}
