package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The night's requests come first; what is merely in order is looked at afterwards and never fails the timer.
func TestTheNightIsQueuedBeforeTheHousekeeping(t *testing.T) {
	a := fakeRuns(nil)
	h, out := newHandler(a)
	if code, _ := post(t, h, "nightly", golden(t, "timer.json")); code != 200 {
		t.Fatalf("answered %d", code)
	}
	kinds := []string{}
	for _, c := range a.calls {
		kinds = append(kinds, strings.Fields(c)[0])
	}
	if want := []string{"queue", "unprotected", "clean"}; !slices.Equal(kinds, want) {
		t.Errorf("calls %v, want %v", kinds, want)
	}
	for _, word := range []string{"srv/forgotten", "nobody backs it up", "db_bacvault_copy_20261101020000"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("the log does not say %q:\n%s", word, out)
		}
	}
	for _, kind := range []string{"unprotected", "clean copies"} {
		a.failAt, a.err = kind, errors.New("no server")
		if code, _ := post(t, h, "nightly", golden(t, "timer.json")); code != 200 {
			t.Errorf("a failed %s answers %d", kind, code)
		}
	}
}
