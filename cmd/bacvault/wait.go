package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// patience is whether, and how long, a command waits for what it asked for.
type patience struct {
	wait    bool
	timeout time.Duration
}

func (p *patience) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.wait, "wait", false, "wait until it is done; needs the right to read the vault and the state container")
	cmd.Flags().DurationVar(&p.timeout, "timeout", 4*time.Hour, "how long --wait waits at most; the run goes on without it")
}

const (
	// grace is how long the traces of a run that has just ended may take to be seen.
	grace = 15 * time.Second
	// lookLimit bounds one look at one place.
	lookLimit = time.Minute
)

// awaited is a request that is waited for: its kind and database as it was sent, and the moment before it was.
type awaited struct {
	kind     string
	database bacvault.Database
	request  string
	began    time.Time
}

// await looks until done says so. It reads what an operator can read: the result in the vault or the state container, and there too the
// progress of the run and why it failed. A failure for good ends the wait with its own exit code; one that is tried again is told.
// Only a run that left no word at all is told as just that.
func (c *cli) await(ctx context.Context, p patience, what awaited, a operator, done func(context.Context) (bool, error)) error {
	request := what.request
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, verdict{exitPartial, fmt.Sprintf(
		"request %s is not seen to be done after %s; it may still run: its event tells how it went", request, p.timeout)})
	defer cancel()
	show := c.watch()
	defer show.close()
	w := &waiting{c: c, operator: a, awaited: what, show: show, limit: lookLimit}
	for {
		end, err := w.look(ctx, done)
		if end || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return endOfWait(ctx, request)
		case <-time.After(c.poll):
		}
	}
}

func endOfWait(ctx context.Context, request string) error {
	if v := (verdict{}); errors.As(context.Cause(ctx), &v) {
		return v
	}
	return fmt.Errorf("no longer waiting for request %s, which stays where it is: %w", request, context.Cause(ctx))
}

type waiting struct {
	c        *cli
	operator operator
	awaited
	show  *progress
	limit time.Duration

	ran   bool      // it was seen at work
	gone  time.Time // since when it is no longer
	blind bool      // that progress can't be read was said
	last  string    // the last thing that went wrong in its run, as far as it was seen
	told  int       // the last attempt whose failure was said
}

func (w *waiting) look(ctx context.Context, done func(context.Context) (bool, error)) (bool, error) {
	// The run and its end are looked at first: one that ends between the looks then has left its result for the last. They lie in one
	// place, which this operator may not reach, and the result in another.
	inState, cancel := context.WithTimeout(ctx, w.limit)
	end, eerr := w.operator.LastEnd(inState, w.kind, w.database, w.request, w.began)
	p, perr := w.operator.Running(inState, w.request)
	cancel()
	inVault, cancel := context.WithTimeout(ctx, w.limit)
	ok, err := done(inVault)
	late := inVault.Err() != nil
	cancel()
	switch {
	case ok:
		return true, nil
	case late:
		return false, nil // the caller says which end it was
	case err != nil:
		f := bacvault.AsFailure(err, "")
		if v := (verdict{}); errors.As(err, &v) {
			return false, v
		}
		if f.Class != bacvault.Retry {
			return false, verdict{exitPartial, fmt.Sprintf("request %s is queued, but its end can't be seen from here (%s); its event tells how it went", w.request, f)}
		}
		return false, nil
	}
	if eerr == nil && end != nil { // what can't be read is told by judge, for both lie in one place
		if end.Final {
			return false, end.Failed()
		}
		w.again(*end)
	}
	return false, w.judge(p, perr)
}

// again says that a run failed and that the next attempt comes by itself.
func (w *waiting) again(e app.End) {
	if e.Attempt <= w.told {
		return
	}
	w.told, w.ran, w.gone, w.last = e.Attempt, false, time.Time{}, ""
	w.c.say("attempt %d failed and is made again: %s", e.Attempt, e.Failed())
}

// judge takes what was seen of the run.
func (w *waiting) judge(p *bacvault.Progress, err error) error {
	switch {
	case err != nil:
		if !w.blind {
			w.blind = true
			w.c.say("its progress can't be read (%v); waiting for its result", bacvault.AsFailure(err, ""))
		}
	case p != nil:
		w.ran, w.gone = true, time.Time{}
		if p.Done && p.Note != "" {
			w.last = ": " + p.Note
		}
		w.show.look(*p)
	case w.ran && w.gone.IsZero():
		w.gone = time.Now()
	case w.ran && time.Since(w.gone) > max(grace, 3*w.c.poll):
		return verdict{exitPartial, fmt.Sprintf("the run of request %s ended and left no result%s. Either it failed for good, or it is tried again later: its event tells", w.request, w.last)}
	}
	return nil
}
