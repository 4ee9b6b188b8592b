package sqlpackage_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/sqlpackage"
)

// pids collects the process ids that the fake tool and its children print.
type pids struct{ all []int }

func (p *pids) report(l sqlpackage.Line) {
	if s, ok := strings.CutPrefix(l.Text, "pid "); ok {
		n, _ := strconv.Atoi(s)
		p.all = append(p.all, n)
	}
}

// checkGone fails for every one of the processes that still runs.
func (p *pids) checkGone(t *testing.T, want int) {
	t.Helper()
	if len(p.all) != want {
		t.Errorf("heard of %d processes, want %d", len(p.all), want)
	}
	for _, pid := range p.all {
		if !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

func wantFailure(t *testing.T, err error, code bacvault.Code, class bacvault.Class) *bacvault.Failure {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a failure %s", err, code)
	}
	if f.Code != code || f.Class != class {
		t.Fatalf("failure is %s (%s), want %s (%s): %s", f.Code, f.Class, code, class, f.Detail)
	}
	return f
}

const exportOutput = `Connecting to database 'Orders' on server 'srv.database.windows.net,1433'.
Extracting schema
*** A project which specifies SQL Server 2022 as the target platform may experience compatibility issues.
Processing Export.
Processing Table '[dbo].[Agent]'.
Processing Table '[dbo].[odd]]name.with'quote]'.
Processing Table '[dbo].[Agent]'.
Successfully exported database and saved it to file '/x.bacpac'.
Time elapsed 0:00:07.69`

func TestExportTellsTablesAndWarnings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var named []string
	r, err := tool("print", dir, sqlpackage.Config{}, envOut+"="+exportOutput).Export(t.Context(), exportSpec(dir, func(l sqlpackage.Line) {
		if l.Table != nil {
			named = append(named, fmt.Sprintf("%d %s", l.Tables, l.Table))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bacvault.Table{{Schema: "dbo", Name: "Agent"}, {Schema: "dbo", Name: "odd]name.with'quote"}}, r.Tables); diff != "" {
		t.Error("tables (-want +got):\n" + diff)
	}
	if diff := cmp.Diff([]string{"1 dbo.Agent", "2 dbo.odd]name.with'quote", "2 dbo.Agent"}, named); diff != "" {
		t.Error("reported (-want +got):\n" + diff)
	}
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "*** A project") {
		t.Errorf("warnings are %q", r.Warnings)
	}
	if got := r.Tail[len(r.Tail)-1]; got != "Time elapsed 0:00:07.69" {
		t.Errorf("the last line, which has no newline, is %q", got)
	}
	if r.Elapsed <= 0 {
		t.Error("no time elapsed")
	}
}

func TestStallEndsTheTool(t *testing.T) {
	for name, c := range map[string]struct {
		mode string
		code bacvault.Code
		run  func(ctx context.Context, tl *sqlpackage.Tool, dir string) error
	}{
		"export": {"hang", bacvault.CodeExportStalled, func(ctx context.Context, tl *sqlpackage.Tool, dir string) error {
			_, err := tl.Export(ctx, exportSpec(dir, nil))
			return err
		}},
		"import": {"hang", bacvault.CodeImportStalled, func(ctx context.Context, tl *sqlpackage.Tool, dir string) error {
			_, err := tl.Import(ctx, importSpec(dir))
			return err
		}},
		"export that ignores SIGTERM": {"stubborn", bacvault.CodeExportStalled, func(ctx context.Context, tl *sqlpackage.Tool, dir string) error {
			var p pids
			_, err := tl.Export(ctx, exportSpec(dir, p.report))
			if len(p.all) != 1 || !gone(p.all[0]) {
				return fmt.Errorf("processes %v are left", p.all)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			err := c.run(t.Context(), tool(c.mode, dir, sqlpackage.Config{Stall: 400 * time.Millisecond, Grace: 200 * time.Millisecond}), dir)
			wantFailure(t, err, c.code, bacvault.Retry)
		})
	}
}

func TestSignsOfLifeKeepTheToolRunning(t *testing.T) {
	for _, mode := range []string{"cpu", "grow"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := tool(mode, dir, sqlpackage.Config{Stall: 1500 * time.Millisecond}).Export(t.Context(), exportSpec(dir, nil)); err != nil {
				t.Fatalf("the tool was at work and was ended: %v", err)
			}
		})
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	for name, c := range map[string]struct {
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		check func(*testing.T, error)
	}{
		"deadline": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 500*time.Millisecond)
			},
			func(t *testing.T, err error) {
				wantFailure(t, err, bacvault.CodeExportDeadline, bacvault.Terminal)
			},
		},
		"deadline passed before the start": {
			func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 0) },
			func(t *testing.T, err error) {
				wantFailure(t, err, bacvault.CodeExportDeadline, bacvault.Terminal)
			},
		},
		"cancel": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(400*time.Millisecond, func() { cancel(errors.New("lease lost")) })
				return ctx, func() { cancel(nil) }
			},
			func(t *testing.T, err error) {
				if err == nil || !strings.Contains(err.Error(), "lease lost") {
					t.Fatalf("error is %v", err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := c.ctx(t.Context())
			defer cancel()
			dir := t.TempDir()
			_, err := tool("hang", dir, sqlpackage.Config{}).Export(ctx, exportSpec(dir, nil))
			c.check(t, err)
		})
	}
}

func TestTokenThatStaysExpiredEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var p pids
	began := time.Now()
	_, err := tool("expired", dir, sqlpackage.Config{}).Export(t.Context(), exportSpec(dir, p.report))
	wantFailure(t, err, bacvault.CodeExportFailed, bacvault.Retry)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	p.checkGone(t, 1)
}

func TestGrandchildDiesWithTheTool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var p pids
	if _, err := tool("child", dir, sqlpackage.Config{}).Export(t.Context(), exportSpec(dir, p.report)); err != nil {
		t.Fatal(err)
	}
	p.checkGone(t, 2)
}

// Every process of the group is asked to end before any is killed.
func TestWholeGroupIsAskedToEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	asked := false
	_, err := tool("boss", dir, sqlpackage.Config{Stall: 500 * time.Millisecond, Grace: 500 * time.Millisecond}).Export(t.Context(), exportSpec(dir, func(l sqlpackage.Line) {
		asked = asked || l.Text == "asked to end"
	}))
	wantFailure(t, err, bacvault.CodeExportStalled, bacvault.Retry)
	if !asked {
		t.Error("the tool's child got no SIGTERM")
	}
}

func TestPipesHeldOutsideTheGroupDoNotHangUs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var p pids
	began := time.Now()
	_, err := tool("child-outside", dir, sqlpackage.Config{}).Export(t.Context(), exportSpec(dir, p.report))
	took := time.Since(began)
	if len(p.all) != 2 {
		t.Fatalf("heard of processes %v, want 2", p.all)
	}
	// Out of our reach by design: a process that leaves the group on purpose.
	if killErr := syscall.Kill(p.all[1], syscall.SIGKILL); killErr != nil {
		t.Error(killErr)
	}
	if err != nil || took > 15*time.Second {
		t.Errorf("took %s, error %v", took, err)
	}
}

func TestClosedPipesAreNoEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := tool("close", dir, sqlpackage.Config{}, envExit+"=3").Export(t.Context(), exportSpec(dir, nil)); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the exit code after the pipes' end is lost: %v", err)
	}
}

// Not in parallel: it takes the CPU that the tests of time need.
func TestFloodIsBounded(t *testing.T) {
	dir := t.TempDir()
	longest, lines := 0, 0
	r, err := tool("flood", dir, sqlpackage.Config{MaxOutput: 8 << 10}).Export(t.Context(), exportSpec(dir, func(l sqlpackage.Line) {
		longest, lines = max(longest, len(l.Text)), lines+1
	}))
	if err != nil {
		t.Fatal(err)
	}
	if longest != 4<<10 || lines != 20_002 {
		t.Errorf("longest line has %d bytes of %d lines, want 4096 of 20002", longest, lines)
	}
	if got := r.Tail[len(r.Tail)-1]; got != "line 19999" {
		t.Errorf("last line is %q", got)
	}
}

// A handler that the host kills with SIGKILL, as the Functions host does, leaves no sqlpackage behind.
func TestToolDiesWithTheHandler(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := exec.Command(self)
	h.Env = []string{envMode + "=handler", envOwner + "=" + strconv.Itoa(os.Getpid()), "TMPDIR=" + t.TempDir()}
	out, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if s, ok := strings.CutPrefix(lines.Text(), "tool pid "); ok {
			pid, _ = strconv.Atoi(s)
		}
	}
	if pid == 0 || !alive(pid) {
		t.Errorf("the tool (pid %d) does not run under the handler", pid)
	}
	if err := h.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = h.Wait() // "signal: killed"
	if pid != 0 && !gone(pid) {
		t.Errorf("the tool (pid %d) outlived the handler", pid)
	}
}
