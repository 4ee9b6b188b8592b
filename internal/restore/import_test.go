package restore_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// pause is the wait between two looks: until the import calls watched.
func (s *side) pause(ctx context.Context) error {
	s.w.mu.Lock()
	s.pauses++
	s.w.mu.Unlock()
	select {
	case <-s.look:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watched lets the run look for its database now, and waits until it has.
func (s *side) watched() {
	s.w.mu.Lock()
	saves := s.saves
	s.w.mu.Unlock()
	s.look <- struct{}{}
	s.looks++
	for range 10_000 {
		s.w.mu.Lock()
		done := s.pauses > s.looks || s.saves > saves
		s.w.mu.Unlock()
		if done {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	panic("the run does not look")
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (s *side) Fingerprint(_ context.Context, _ string, tables []bacvault.Table) (of map[bacvault.Table]string, _ []string, err error) {
	err = s.call("fingerprint", func() error {
		of = map[bacvault.Table]string{}
		for _, t := range tables {
			if p := s.prints[t]; p != "" {
				of[t] = p
			}
		}
		return nil
	})
	return of, nil, err
}

func (s *side) Schema(context.Context, string) (bacvault.Schema, error) {
	return s.schema, s.call("schema", func() error { return nil })
}

// importFile is sqlpackage: it creates the database, then fills it. Two calls, so that it can be killed between.
func (s *side) importFile(_ context.Context, i restore.Import, report func(bacvault.Work)) error {
	report(bacvault.Work{Note: "Importing", Tables: 1})
	s.imported = i
	for _, d := range s.planning {
		s.w.pass(d)
		s.watched()
	}
	err := s.call("create", func() error {
		if d := s.w.databases[i.Database]; d != nil {
			return bacvault.Fail(bacvault.CodeImportNotEmpty, "%s has objects", i.Database)
		}
		s.w.databases[i.Database] = &database{owner: s.req.ID, created: s.w.now, rows: bacvault.Rows{tabA: 1}}
		return nil
	})
	if err != nil {
		return err
	}
	s.watched()
	return s.call("fill", func() error {
		rows := s.restored
		if rows == nil {
			rows = parse(s.w.blobs[db.BlobName(night)])
		}
		s.w.databases[i.Database].rows = maps.Clone(rows)
		return nil
	})
}

func parse(archive string) bacvault.Rows {
	rows := bacvault.Rows{}
	for line := range strings.Lines(strings.TrimSuffix(archive, ".")) {
		var t bacvault.Table
		var n int64
		if _, err := fmt.Sscan(line, &t.Schema, &t.Name, &n); err == nil {
			rows[t] = n
		}
	}
	return rows
}
