package watch_test

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/go-cmp/cmp"
)

func TestTheScheduleIsTheHosts(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	from := at("2026-11-27T01:59:59Z") // a Friday
	for text, want := range map[string][]time.Time{
		"0 0 2 * * *":   {at("2026-11-27T02:00:00Z"), at("2026-11-28T02:00:00Z"), at("2026-11-29T02:00:00Z")},
		"0 2 * * *":     {at("2026-11-27T02:00:00Z"), at("2026-11-28T02:00:00Z"), at("2026-11-29T02:00:00Z")},
		"0 30 1 * * 6":  {at("2026-11-28T01:30:00Z")},
		"30 0 2 28 * *": {at("2026-11-28T02:00:30Z")},
	} {
		s, err := watch.ParseSchedule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, s.Between(from, at("2026-11-29T12:00:00Z"))); d != "" {
			t.Errorf("%q: %s", text, d)
		}
		if got := s.Next(from.In(time.FixedZone("east", 3600))); !got.Equal(want[0]) {
			t.Errorf("%q: next %s", text, got)
		}
	}
	for _, text := range []string{"", "nightly", "0 0 2 * *  * *", "0 0 2 1 * 1", "0 0 25 * * *", "1.00:00:00"} {
		if _, err := watch.ParseSchedule(text); err == nil {
			t.Errorf("%q is taken for a schedule", text)
		}
	}
	s, err := watch.ParseSchedule("* * * * * *")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Between(from, from.AddDate(0, 0, 30))); n != 1000 {
		t.Errorf("%d occurrences of every second", n)
	}
}
