package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
)

// settle is how long the handler is left alone before its memory is read.
const settle = 3 * time.Second

// handler measures the built handler in a local Azure: from the start of its host to its first answer, and at rest.
func (b *bench) handler(ctx context.Context) (rows []row, err error) {
	store, err := stack.StartStore(ctx, b.azurite, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s, err := stack.Start(ctx, stack.Options{
		Dir: b.scratch, Root: b.app, SQLPackage: "/nonexistent", Store: store, PolicyDays: 365, NoApps: true,
		Databases: map[string]string{"DB": filepath.Join(filepath.Dir(b.source), "pubs.bacpac")},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var ready, idle []cost
	for range b.pairs {
		start := time.Now()
		h, err := s.StartBackup(ctx, nil)
		if err != nil {
			return nil, err
		}
		ready = append(ready, cost{Wall: float64(time.Since(start).Microseconds()) / 1000})
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		mib, err := resident(h.HandlerPID())
		if err := errors.Join(err, h.Close()); err != nil {
			return nil, err
		}
		idle = append(idle, cost{Peak: mib})
	}
	return []row{
		within("handler: ready, its host's start included", "ms", 50, ready, wall),
		within("handler: idle memory", "MiB", 40, idle, peak),
	}, nil
}

// resident is a live process's memory in MiB.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(n) / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}
