package sqlpackage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// tailLines is how many last lines a Result holds.
const tailLines = 40

type job struct {
	action   action
	args     []string
	database string
	file     string
	workDir  string
	report   func(Line)
}

// ending is why we ended the tool, or that it ended by itself.
type ending int

const (
	byItself ending = iota
	byStall
	byContext
	byExpiredToken
)

func (t *Tool) run(ctx context.Context, j job) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, t.ended(ctx, j, byContext, nil)
	}
	if err := os.MkdirAll(tempDir(j.workDir), 0o700); err != nil {
		return Result{}, fmt.Errorf("%s: make temp folder: %w", j.action, err)
	}
	began := time.Now()
	out := newOutput(t.cfg.MaxOutput, j.report)
	cmd := exec.Command(t.cfg.Path, j.args...)
	cmd.Dir = j.workDir
	cmd.Env = childEnv(t.cfg.Env(), tempDir(j.workDir))
	cmd.Stdout, cmd.Stderr = out.stream(Stdout), out.stream(Stderr)
	p, err := start(cmd)
	if err != nil {
		return Result{}, startFailure(t.cfg.Path, err)
	}
	why := t.watch(ctx, j, p, out)
	out.flush()
	r := Result{Tables: out.tables, Elapsed: time.Since(began), Tail: out.all.last(tailLines)}
	if why != byItself {
		return r, t.ended(ctx, j, why, out)
	}
	if err := exited(j.action, p.err, out); err != nil {
		return r, err
	}
	for _, l := range out.notable.lines() {
		if strings.HasPrefix(l, "*** ") {
			r.Warnings = append(r.Warnings, l)
		}
	}
	return r, nil
}

// watch waits for the tool's end, and ends it when it must. The process is reaped on return.
func (t *Tool) watch(ctx context.Context, j job, p *process, out *output) ending {
	every := min(max(t.cfg.Stall/20, 20*time.Millisecond), 15*time.Second)
	l := life{group: p.group, file: j.file, tmp: tempDir(j.workDir), printed: out.written, every: every, looked: time.Now()}
	look := time.NewTicker(every)
	defer look.Stop()
	why := byItself
	for why == byItself {
		select {
		case <-p.done:
			return byItself
		case <-ctx.Done():
			why = byContext
		case <-out.expired:
			why = byExpiredToken
		case <-look.C:
			if l.idle(time.Now()) >= t.cfg.Stall {
				why = byStall
			}
		}
	}
	p.end(t.cfg.Grace)
	return why
}

// ended is the failure of a tool that we ended.
func (t *Tool) ended(ctx context.Context, j job, why ending, out *output) error {
	codes := map[action]struct{ stalled, deadline, failed bacvault.Code }{
		export: {bacvault.CodeExportStalled, bacvault.CodeExportDeadline, bacvault.CodeExportFailed},
		imprt:  {bacvault.CodeImportStalled, bacvault.CodeImportDeadline, bacvault.CodeImportFailed},
	}[j.action]
	said := "it was not started"
	if out != nil {
		said = "last lines: " + brief(out.all.last(3))
	}
	var f *bacvault.Failure
	switch {
	case why == byStall:
		f = bacvault.Fail(codes.stalled, "sqlpackage showed no output, growth or CPU time for %s while it worked on %s; %s", t.cfg.Stall, j.database, said)
	case why == byExpiredToken:
		f = bacvault.Fail(codes.failed, "sqlpackage's token for %s expired and it did not get a new one; %s", j.database, said)
		f.Class = bacvault.Retry
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f = bacvault.Fail(codes.deadline, "sqlpackage had not ended its work on %s at the deadline; %s", j.database, said)
		f.Err = ctx.Err()
	default:
		return fmt.Errorf("%s of %s was ended: %w", j.action, j.database, context.Cause(ctx))
	}
	f.Exists = leftBehind(j.action)
	return f
}

// leftBehind says what a run that did not end well leaves; that is the caller's to clean up.
func leftBehind(a action) string {
	if a == export {
		return "at most a partial file in the work folder; nothing was stored"
	}
	return "the target database may exist in part"
}
