package watch_test

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/go-cmp/cmp"
)

func TestOverdueIsWhatHasNoBackupThatIsNewEnough(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	db := bacvault.Database{Server: "srv", Name: "db"}
	old := func(d time.Duration) *bacvault.Slot { s := bacvault.SlotAt(now.Add(-d)); return &s }
	const limit = 26 * time.Hour
	for _, c := range []struct {
		name   string
		newest *bacvault.Slot
		age    time.Duration
		late   bool
	}{
		{"none at all", nil, 0, true},
		{"this night's", old(10 * time.Hour), 0, false},
		{"just in time", old(limit), 0, false},
		{"a second too old", old(limit + time.Second), limit + time.Second, true},
		{"last week's", old(168 * time.Hour), 168 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []watch.Overdue
			if c.late {
				want = []watch.Overdue{{Database: db, Newest: c.newest, Age: c.age}}
			}
			got := watch.Find([]watch.Newest{{Database: db, Slot: c.newest}}, limit, now)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(bacvault.Slot{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEachDatabaseIsJudgedByItself(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	fresh := bacvault.SlotAt(now.Add(-time.Hour))
	got := watch.Find([]watch.Newest{
		{Database: bacvault.Database{Name: "a"}}, {Database: bacvault.Database{Name: "b"}, Slot: &fresh}, {Database: bacvault.Database{Name: "c"}},
	}, 26*time.Hour, now)
	if len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%+v", got)
	}
	if got := watch.Find(nil, time.Hour, now); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

// A slot may be asked for by hand, so one that lies years ahead must not silence the alarm until then.
func TestSlotThatLiesAheadIsNoBackupOfThisNight(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ahead, skewed := bacvault.SlotAt(now.AddDate(4, 0, 0)), bacvault.SlotAt(now.Add(time.Minute))
	got := watch.Find([]watch.Newest{{Database: bacvault.Database{Name: "a"}, Slot: &ahead}, {Database: bacvault.Database{Name: "b"}, Slot: &skewed}}, 26*time.Hour, now)
	if len(got) != 1 || got[0].Name != "a" || got[0].Newest == nil || got[0].Age != 0 {
		t.Errorf("%+v", got)
	}
}
