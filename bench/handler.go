package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// settle is how long the handler is left alone before its memory is read.
const settle = 3 * time.Second

// handler measures the built handler in a local Azure: from the start of its process to its first answer, and at rest. It is
// started here, as the host would, because the host asks only every 25 ms.
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
		c, err := b.life(ctx, s.Settings(roles.Backup))
		if err != nil {
			return nil, err
		}
		ready, idle = append(ready, cost{Wall: 1000 * c.Wall}), append(idle, c)
	}
	return []row{
		within("handler: from start to its first answer", "ms", 50, ready, wall),
		within("handler: idle memory", "MiB", 40, idle, peak),
	}, nil
}

// life starts the handler once, waits for its answer, leaves it alone, reads its memory and ends it.
func (b *bench) life(ctx context.Context, settings map[string]string) (c cost, err error) {
	root, err := filepath.Abs(b.app)
	if err != nil {
		return c, err
	}
	port, err := freePort()
	if err != nil {
		return c, err
	}
	cmd := exec.Command(filepath.Join(root, "handler"))
	cmd.Dir, cmd.Env = root, []string{"FUNCTIONS_CUSTOMHANDLER_PORT=" + port, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + b.scratch}
	for k, v := range settings {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return c, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed, and says so
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out.String())
		}
	}()
	if err := answered(ctx, "http://127.0.0.1:"+port+"/"); err != nil {
		return c, err
	}
	c.Wall = time.Since(start).Seconds()
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return c, ctx.Err()
	}
	c.Peak, err = resident(cmd.Process.Pid)
	return c, err
}

// answered asks every millisecond until something answers.
func answered(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for limit := time.Now().Add(10 * time.Second); ; {
		res, err := client.Get(url)
		if err == nil {
			return res.Body.Close()
		}
		if time.Now().After(limit) {
			return fmt.Errorf("the handler does not answer: %w", err)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
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
