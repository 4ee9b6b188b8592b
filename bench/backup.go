package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/stack"
)

// patience bounds the wait for a backup's event.
const patience = 30 * time.Minute

// backup runs whole backups in a local Azure, and tells how much of each is neither the copy nor the export: by the event's
// stage times, in which the wire and the store are too, and by the CPU of the handler's process, in which they are not.
func (b *bench) backup(ctx context.Context, bytes int64) (rows []row, err error) {
	m, err := b.archive(bytes, parts)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.scratch, "stack-")
	if err != nil {
		return nil, err
	}
	tool, err := b.exporter(dir, m)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(b.app)
	if err != nil {
		return nil, err
	}
	store, err := stack.StartStore(ctx, b.azurite, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s, err := stack.Start(ctx, stack.Options{
		Dir: dir, Root: root, SQLPackage: tool, Store: store, PolicyDays: 365, Databases: map[string]string{"BenchDB": b.source},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := b.grow(s, "BenchDB", m); err != nil {
		return nil, err
	}
	events, err := s.Watch(ctx, "all")
	if err != nil {
		return nil, err
	}
	night := s.Clock.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -b.pairs).Add(2 * time.Hour)
	var own, whole []cost
	for i := range b.pairs {
		o, w, err := oneBackup(ctx, s, events, night.AddDate(0, 0, i), m)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.words, "backup %d of %d: %.2f s, of them %.2f s own, wire and store; the handler's CPU %.2f s\n", i+1, b.pairs, w.Wall, o.Wall, o.CPU)
		own, whole = append(own, o), append(whole, w)
	}
	name, peer := "backup of "+size(bytes)+" of rows: ", fmt.Sprintf("the whole, exported at %g MiB/s", b.pace)
	return []row{
		versus(name+"all but copy and export", "s", peer, 0.05, own, whole, wall),
		versus(name+"the handler's CPU", "s", peer, 0.05, own, whole, cpu),
	}, nil
}

// exporter is a script in sqlpackage's place that hands the archive over, and takes as long as an export of that pace would.
// The stand-in of sqlpackage holds all rows in memory several times.
func (b *bench) exporter(dir string, m made) (string, error) {
	archive, err := filepath.Abs(m.Path)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sqlpackage")
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = /Version ] && echo 170.5.96.0 && exit 0
for a; do case "$a" in /TargetFile:*) cp '%s' "${a#/TargetFile:}" || exit 1;; esac; done
sleep %.1f
echo "STAND-IN: handed over an archive made beforehand"
`, archive, float64(m.Raw>>20)/b.pace)
	return path, os.WriteFile(path, []byte(script), 0o700)
}

// grow gives the database the rows that the archive has, so that the counts agree: the source's own, again and again, one
// copy of each in memory.
func (b *bench) grow(s *stack.Stack, name string, m made) (err error) {
	f, err := os.Open(b.source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := bacpacfile.Decode(f, info.Size())
	if err != nil {
		return err
	}
	for i := range file.Tables {
		t := &file.Tables[i]
		want, once := m.Tables[t.Table.Schema+"."+t.Table.Name], t.Rows
		if len(once) == 0 || want%int64(len(once)) != 0 {
			if want != 0 {
				return fmt.Errorf("%s.%s: %d rows are not the source's %d repeated", t.Table.Schema, t.Table.Name, want, len(once))
			}
			continue
		}
		t.Rows = make([][]any, 0, want)
		for int64(len(t.Rows)) < want {
			t.Rows = append(t.Rows, once...)
		}
	}
	if err := s.SQL.Drop(name); err != nil {
		return err
	}
	return s.SQL.Load(name, file)
}

// oneBackup fires the timer for a night that is past and reads the event's own stage times and rows. whole.CPU is its wall
// time too: the CPU of the handler is held against that.
func oneBackup(ctx context.Context, s *stack.Stack, events *stack.Events, slot time.Time, m made) (own, whole cost, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pid := s.Backup.HandlerPID()
	before, err := processCPU(pid)
	if err != nil {
		return own, whole, err
	}
	start := time.Now()
	if status, body, err := s.Backup.FireTimer(ctx, "nightly", slot, true); err != nil {
		return own, whole, fmt.Errorf("the timer's call ended with %d %s: %w", status, body, err)
	}
	ev, err := events.Wait(ctx, func(e stack.Event) bool {
		return e.Data.Slot == slot.Format(time.RFC3339)
	})
	if err != nil {
		return own, whole, fmt.Errorf("wait for the event of %s: %w", slot.Format(time.RFC3339), err)
	}
	whole.Wall = time.Since(start).Seconds()
	whole.CPU = whole.Wall
	after, err := processCPU(pid)
	if err != nil {
		return own, whole, err
	}
	if s.Backup.HandlerPID() != pid {
		return own, whole, errors.New("the handler was started again meanwhile")
	}
	if ev.Type != "bacvault.backup.completed.v1" {
		return own, whole, fmt.Errorf("the backup ended in %s: %s", ev.Type, ev.Raw)
	}
	own.CPU = after - before
	own.Wall, err = allButCopyAndExport(ev.Raw, whole.Wall, m.Rows)
	return own, whole, err
}

// allButCopyAndExport takes the two stages off. An event that does not name both, or not the archive's rows, is an error.
func allButCopyAndExport(event []byte, whole float64, rows int64) (float64, error) {
	var told struct {
		Data struct {
			Tables []struct{ RowsArchive int64 }
			Stages []struct {
				Stage      string
				Start, End time.Time
			}
		}
	}
	if err := json.Unmarshal(event, &told); err != nil {
		return 0, err
	}
	seen := 0
	for _, st := range told.Data.Stages {
		if st.Stage == "copy" || st.Stage == "export" {
			whole -= st.End.Sub(st.Start).Seconds()
			seen++
		}
	}
	if seen != 2 {
		return 0, fmt.Errorf("the event names %d of the stages copy and export", seen)
	}
	for _, t := range told.Data.Tables {
		rows -= t.RowsArchive
	}
	if rows != 0 {
		return 0, fmt.Errorf("%d rows of the archive were not walked", rows)
	}
	return whole, nil
}
