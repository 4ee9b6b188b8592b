package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
)

// patience bounds the wait for a backup's event.
const patience = 10 * time.Minute

// backup runs whole backups in a local Azure, and tells how much of each is neither the copy nor sqlpackage. The share is
// too high rather than too low: it has the wire and the store in it, which cannot be told from staging, and the stand-in of
// sqlpackage exports faster than the real one does.
func (b *bench) backup(ctx context.Context, bytes int64) (rows []row, err error) {
	m, err := b.archive(bytes, parts)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.scratch, "stack-")
	if err != nil {
		return nil, err
	}
	// The stand-in is the tool when it is called by its name.
	tool, err := filepath.Abs(b.standin)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(b.app)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(dir, "sqlpackage")
	if err := os.Symlink(tool, link); err != nil {
		return nil, err
	}
	store, err := stack.StartStore(ctx, b.azurite, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s, err := stack.Start(ctx, stack.Options{
		Dir: dir, Root: root, SQLPackage: link, Store: store, PolicyDays: 365, Databases: map[string]string{"BenchDB": m.Path},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	events, err := s.Watch(ctx, "all")
	if err != nil {
		return nil, err
	}
	night := s.Clock.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -b.pairs).Add(2 * time.Hour)
	var own, whole []cost
	for i := range b.pairs {
		o, w, err := oneBackup(ctx, s, events, night.AddDate(0, 0, i))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.words, "backup %d of %d: %.2f s, of them %.2f s own, wire and store\n", i+1, b.pairs, w.Wall, o.Wall)
		own, whole = append(own, o), append(whole, w)
	}
	return []row{versus("backup of "+size(bytes)+" of rows: all but copy and export", "s", "the whole, with the stand-in of sqlpackage", 0.05, own, whole, wall)}, nil
}

// oneBackup fires the timer for a night that is past and reads the event's own stage times.
func oneBackup(ctx context.Context, s *stack.Stack, events *stack.Events, slot time.Time) (own, whole cost, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	if status, body, err := s.Backup.FireTimer(ctx, "nightly-backup", slot, true); err != nil {
		return own, whole, fmt.Errorf("the timer's call ended with %d %s: %w", status, body, err)
	}
	ev, err := events.Wait(ctx, func(e stack.Event) bool {
		return e.Data.Slot == slot.Format(time.RFC3339)
	})
	if err != nil {
		return own, whole, fmt.Errorf("wait for the event of %s: %w", slot.Format(time.RFC3339), err)
	}
	whole.Wall = time.Since(start).Seconds()
	if ev.Type != "bacvault.backup.completed.v1" {
		return own, whole, fmt.Errorf("the backup ended in %s: %s", ev.Type, ev.Raw)
	}
	var told struct {
		Data struct {
			Stages []struct {
				Stage      string
				Start, End time.Time
			}
		}
	}
	if err := json.Unmarshal(ev.Raw, &told); err != nil {
		return own, whole, err
	}
	own.Wall = whole.Wall
	seen := 0
	for _, st := range told.Data.Stages {
		if st.Stage == "copy" || st.Stage == "export" {
			own.Wall -= st.End.Sub(st.Start).Seconds()
			seen++
		}
	}
	if seen != 2 {
		return own, whole, fmt.Errorf("the event names %d of the stages copy and export", seen)
	}
	return own, whole, nil
}
