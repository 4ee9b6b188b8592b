package watch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/go-cmp/cmp"
)

func TestTheJanitorDropsOnlyWhatNobodyCanMiss(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	slot := bacvault.SlotAt(now.AddDate(0, 0, -2))
	old, young := now.Add(-25*time.Hour), now.Add(-23*time.Hour)
	var dropped, held, released []string
	j := watch.Janitor{
		Server: "srv", After: 24 * time.Hour, Now: func() time.Time { return now },
		Databases: func(context.Context) ([]watch.Copy, error) {
			return []watch.Copy{
				{bacvault.CopyName("dead", slot), old},
				{bacvault.CopyName("live", slot), old},
				{bacvault.CopyName("young", slot), young},
				{bacvault.CopyName("stuck", slot), old},
				{"dead", old}, {"dead_bacvault_copy_", old}, {"dead_bacvault_copy_20261345000000", old}, {"_bacvault_copy_20261122120000", old},
				{"dead_bacvault_drill_x", old}, {"DB_RESTORE", old},
				{bacvault.CopyName("last", slot), old},
			}, nil
		},
		Hold: func(_ context.Context, d bacvault.Database) (func(context.Context) error, bool, error) {
			if d.Name == "live" {
				return nil, false, nil
			}
			held = append(held, d.Name)
			return func(context.Context) error { released = append(released, d.Name); return nil }, true, nil
		},
		Drop: func(_ context.Context, name string) error {
			if name == bacvault.CopyName("stuck", slot) {
				return errors.New("busy")
			}
			dropped = append(dropped, name)
			return nil
		},
	}
	said, err := j.Clean(t.Context())
	want := []string{bacvault.CopyName("dead", slot), bacvault.CopyName("last", slot)}
	if d := cmp.Diff(want, dropped); d != "" {
		t.Errorf("dropped: %s", d)
	}
	if d := cmp.Diff(dropped, said); d != "" || err == nil {
		t.Errorf("told: %s, error %v", d, err)
	}
	if d := cmp.Diff(held, released); d != "" || len(held) != 3 {
		t.Errorf("leases held and released: %s", d)
	}
}
