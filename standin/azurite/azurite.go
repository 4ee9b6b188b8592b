// Package azurite runs Azurite's blob service, the store behind the WORM gateway, as a child that never outlives its stack.
package azurite

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds the wait for a child that says nothing.
const startLimit = time.Minute

// Config is what a store is started with.
type Config struct {
	// Dir is the folder that holds node_modules: standin/azurite in a checkout.
	Dir string
	// Accounts maps account names to their keys in base64; see NewKey.
	Accounts map[string]string
	Log      func(format string, args ...any)
}

// Process is a running store. What it holds is in memory and gone with it.
type Process struct {
	addr string
	pid  int
	work string
	done chan struct{}
	err  error
}

// NewKey draws an account key.
func NewKey() (string, error) {
	key := make([]byte, 64)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("draw an account key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// Start runs the store on a free loopback port and returns once it listens. The child ends with Close, or with this process
// however that ends; ctx bounds the start only.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find azurite: %w", err)
	}
	script := filepath.Join(dir, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(script); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("azurite is not installed in %s: run npm ci in standin/azurite", dir)
	} else if err != nil {
		return nil, fmt.Errorf("find azurite: %w", err)
	}
	// Azurite writes what it writes into its working folder.
	work, err := os.MkdirTemp("", "bacvault-azurite-")
	if err != nil {
		return nil, fmt.Errorf("make azurite's work folder: %w", err)
	}
	p := &Process{work: work, done: make(chan struct{})}
	cmd := exec.Command("node", "--require", filepath.Join(dir, "keep-garbage.cjs"), script, "--blobHost", "127.0.0.1", "--blobPort", "0",
		"--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+accountList(cfg.Accounts))
	listens := make(chan string, 1)
	out := &lines{log: cfg.Log, listens: listens}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error, 1)
	go p.own(cmd, started)
	if err := <-started; err != nil {
		<-p.done
		return nil, errors.Join(fmt.Errorf("start azurite: %w", err), os.RemoveAll(work))
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case p.addr = <-listens:
		return p, nil
	case <-p.done:
		return nil, errors.Join(fmt.Errorf("azurite ended at once (%w): %s", p.err, out.last()), os.RemoveAll(work))
	case <-limit.C:
		return nil, errors.Join(fmt.Errorf("azurite does not listen after %v: %s", startLimit, out.last()), p.Close())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("start azurite: %w", ctx.Err()), p.Close())
	}
}

// own starts the child and waits for it on one thread that it never gives back: the kernel sends Pdeathsig when the thread
// that forked ends, and Go ends idle threads as it likes.
func (p *Process) own(cmd *exec.Cmd, started chan<- error) {
	defer close(p.done)
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	p.err = cmd.Wait()
}

// Addr is the host and port that the store listens on, in plain HTTP.
func (p *Process) Addr() string { return p.addr }

// Close ends the store and everything it started, and waits. It holds nothing that a gentle end would save.
func (p *Process) Close() error {
	select {
	case <-p.done: // its group's number may be another's by now
	default:
		if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end azurite: %w", err)
		}
		<-p.done
	}
	return os.RemoveAll(p.work)
}

// accountList is the form of AZURITE_ACCOUNTS.
func accountList(accounts map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		list = append(list, name+":"+accounts[name])
	}
	return strings.Join(list, ";")
}

// lines takes the child's output: it finds the address, and keeps the last line for an error.
type lines struct {
	log     func(format string, args ...any)
	listens chan<- string

	mu      sync.Mutex
	part    []byte
	newest  string
	started bool
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.part = rest
		if text := strings.TrimSpace(string(line)); text != "" {
			l.take(text)
		}
	}
}

func (l *lines) take(text string) {
	l.newest = text
	if _, addr, ok := strings.Cut(text, "successfully listens on http://"); ok && !l.started {
		l.started = true
		l.listens <- addr
	}
	if l.log != nil {
		l.log("azurite: %s", text)
	}
}

func (l *lines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}
