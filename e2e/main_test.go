// Package e2e holds black-box tests: the built handler under the stand-in host, in a local Azure.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
)

// stacks is how many local Azures the tests may start; each has storage accounts of its own in one Azurite.
const stacks = 300

// The built programs, and the store that all stacks share.
var (
	appRoot     string
	sqlpackage  string
	bacvaultCLI string
	store       *stack.Store
)

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" { // this is no test run, but a process that a test started
		if err := beInside(os.Environ(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "inside:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "bacvault-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		return 1, err
	}
	store, err = stack.StartStore(context.Background(), "../standin/azurite", stacks, nil)
	if err != nil {
		return 1, err
	}
	defer store.Close()
	return m.Run(), nil
}

// build makes the packaged app, with the race detector in it, and the tool's stand-in.
func build(dir string) error {
	appRoot, sqlpackage, bacvaultCLI = filepath.Join(dir, "app"), filepath.Join(dir, "sqlpackage"), filepath.Join(dir, "bacvault")
	if err := os.CopyFS(appRoot, os.DirFS("../functions")); err != nil {
		return err
	}
	host, err := os.ReadFile("../host.json")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(appRoot, "host.json"), host, 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"build", "-race", "-o", filepath.Join(appRoot, "handler"), "../handler"},
		{"build", "-o", sqlpackage, "../standin"},
		{"build", "-race", "-o", bacvaultCLI, "../cmd/bacvault"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

const (
	pubs   = "../testdata/bacpacs/pubs.bacpac"
	server = stack.ServerName
)

// noTimers: they go by the time of day, and no test does. One that needs a firing asks the host for it, which fires a disabled
// function too.
var noTimers = map[string]string{
	"AzureWebJobs_nightly_Disabled": "true", "AzureWebJobs_watch_Disabled": "true", "AzureWebJobs_drill_Disabled": "true",
}

// azure is a local Azure under test.
type azure struct {
	*stack.Stack
	t      *testing.T
	dir    string
	all    *stack.Events
	heard  int // how many of all news has told
	output *lines
}

// start brings up a local Azure whose vault has a locked policy of 365 days, unless o says otherwise.
func start(t *testing.T, o stack.Options) *azure {
	t.Helper()
	t.Parallel() // each has an Azure of its own
	ctx := t.Context()
	o.Dir, o.Root, o.SQLPackage, o.Store = t.TempDir(), appRoot, sqlpackage, store
	if o.Databases == nil {
		o.Databases = map[string]string{"DB": pubs}
	}
	settings := map[string]string{
		"BACVAULT_LEASE_SECONDS": "15", "BACVAULT_RETRY_DELAY": "1s", "BACVAULT_MAX_ATTEMPTS": "2",
		"STANDIN_SQLPACKAGE_FAULTS": filepath.Join(o.Dir, "sqlpackage-faults.json"),
	}
	maps.Copy(settings, noTimers)
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	out := &lines{}
	o.Output = out
	s, err := stack.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	a := &azure{Stack: s, t: t, dir: o.Dir, output: out}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("end the local Azure: %v", err)
		}
		for _, f := range s.Faults.Unfired() {
			t.Errorf("the planned fault %s never fired", f)
		}
		if t.Failed() {
			t.Logf("the handlers' lines:\n%s", out)
		}
	})
	if a.all, err = s.Watch(ctx, "all"); err != nil {
		t.Fatal(err)
	}
	return a
}

// protected are options with a locked policy.
func protected(o stack.Options) stack.Options {
	o.PolicyDays = 365
	return o
}

// lines collects what the handlers print.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*lines)(nil)

// send queues a request.
func (a *azure) send(queue, messageID string, request map[string]any) {
	a.t.Helper()
	b, err := json.Marshal(request)
	if err != nil {
		a.t.Fatal(err)
	}
	a.sendRaw(queue, messageID, b)
}

func (a *azure) sendRaw(queue, messageID string, body []byte) {
	a.t.Helper()
	if err := a.Send(a.t.Context(), queue, messageID, body); err != nil {
		a.t.Fatal(err)
	}
}

// backupRequest is a request as an operator writes it; extra fields come on top.
func backupRequest(id, database, slot string, extra map[string]any) map[string]any {
	r := map[string]any{"schema": "bacvault.backup-request.v1", "id": id, "server": server, "database": database}
	if slot != "" {
		r["slot"] = slot
	}
	maps.Copy(r, extra)
	return r
}

func restoreRequest(id, database string, extra map[string]any) map[string]any {
	r := map[string]any{"schema": "bacvault.restore-request.v1", "id": id, "server": server, "database": database}
	maps.Copy(r, extra)
	return r
}

// patience bounds each wait.
const patience = 45 * time.Second

// event waits for an event of a type that belongs to a request.
func (a *azure) event(typ, request string) stack.Event {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	ev, err := a.all.Wait(ctx, func(e stack.Event) bool { return e.Type == typ && e.Data.RequestID == request })
	if err != nil {
		var got []string
		for _, e := range a.all.All() {
			got = append(got, e.ID)
		}
		a.t.Fatalf("no %s for request %s (events: %v): %v", typ, request, got, err)
	}
	return ev
}

// types lists the events of a request so far, as type and attempt.
func (a *azure) events(request string) (out []stack.Event) {
	for _, e := range a.all.All() {
		if e.Data.RequestID == request {
			out = append(out, e)
		}
	}
	return out
}

// vault lists the blobs in the vault.
func (a *azure) vault() []string {
	a.t.Helper()
	names, err := a.Blob.Blobs(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer)
	if err != nil {
		a.t.Fatal(err)
	}
	return names
}

// idle waits until a queue holds nothing: neither active, nor locked, nor scheduled.
func (a *azure) idle(queue string) {
	a.t.Helper()
	a.until(queue+" to be empty", func() bool {
		active, scheduled, locked, _, ok := a.Bus.Counts(queue)
		return ok && active+scheduled+locked == 0
	})
}

func (a *azure) until(what string, ok func() bool) {
	a.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			a.t.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// logged waits for a log line of the handlers that has the text: it comes by a pipe, after what it tells of.
func (a *azure) logged(text string) {
	a.t.Helper()
	a.until("the log to have "+text, func() bool { return strings.Contains(a.output.String(), text) })
}

// noLeftovers fails if a copy is left on the server or the tool's process lives on.
func (a *azure) noLeftovers() {
	a.t.Helper()
	for _, d := range a.SQL.Databases() {
		if strings.Contains(d, "_bacvault_") {
			a.t.Errorf("the database %s is left", d)
		}
	}
	if left := a.tools(); len(left) > 0 {
		a.t.Errorf("sqlpackage lives on: %v", left)
	}
}

// tools lists the command lines of live sqlpackage processes of this local Azure.
func (a *azure) tools() (out []string) {
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		a.t.Fatal(err)
	}
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err != nil {
			continue // it has ended
		}
		if line := strings.ReplaceAll(string(b), "\x00", " "); strings.HasPrefix(line, sqlpackage) && strings.Contains(line, a.dir) {
			out = append(out, line)
		}
	}
	return out
}

// misbehave plans what the tool's stand-in does wrong.
func (a *azure) misbehave(faults ...map[string]any) {
	a.t.Helper()
	b, err := json.Marshal(faults)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sqlpackage-faults.json"), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}
