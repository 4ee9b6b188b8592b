package azuresql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// settleLooks is how often a database that a sent statement should have made may be missing before it counts as not made.
const settleLooks = 6

// errWaitOver ends a wait that its caller bounded.
var errWaitOver = errors.New("the wait is over")

// Copy makes target a copy of source on the same server and waits, at most for wait, until it is online. An empty
// objective keeps the source's. The statement blocks while the server copies and its end proves nothing either way, so
// the truth is read from master: a lost connection does not stop the copy, and the statement is sent again only where
// the server refused it and the target is not there. When Copy fails after it began, the target may exist: drop it.
func (s *Server) Copy(ctx context.Context, source, target, objective string, wait time.Duration) error {
	if err := errors.Join(checkName(source), checkName(target)); err != nil {
		return err
	}
	stmt := fill(stmtCreateCopy, "{target}", quote(target), "{source}", quote(source))
	if objective != "" {
		if !objectiveForm.MatchString(objective) {
			return bacvault.Fail(bacvault.CodeRequestMalformed, "service objective %q is not letters, digits and _ alone", objective)
		}
		stmt = fill(stmtCreateCopyAs, "{target}", quote(target), "{source}", quote(source), "{objective}", objective)
	}
	w := s.newWatch(ctx, target, wait)
	defer w.cancel()
	what := fmt.Sprintf("copy %s to %s", source, target)
	if _, there, err := s.Exists(w.ctx, target); err != nil {
		return w.ended(what, err)
	} else if there {
		return bacvault.Fail(bacvault.CodeTargetExists, "%s: a database of that name is there", what)
	}
	for attempt := 1; ; attempt++ {
		_, err := w.create(stmt)
		var refused *refusedError
		if !errors.As(err, &refused) || w.ctx.Err() != nil {
			return w.ended(what, err)
		}
		if attempt > 1 && hasNumber(err, numNameTaken) { // by an earlier try that the server said it had refused
			_, err := w.online(nil)
			return w.ended(what, err)
		}
		if !passing(refused.err) || attempt >= s.cfg.Attempts {
			return s.copyFailure(w.ctx, source, failure(w.ctx, what, refused.err))
		}
		if err := s.backoff(w.ctx, attempt, refused.err); err != nil {
			return w.ended(what, err)
		}
		if _, there, err := s.Exists(w.ctx, target); err != nil {
			return w.ended(what, err)
		} else if there {
			_, err := w.online(nil)
			return w.ended(what, err)
		}
	}
}

// copyFailure gives an answer that nobody knows the name of the copy, and tells a source that is not there.
func (s *Server) copyFailure(ctx context.Context, source string, err error) error {
	var f *bacvault.Failure
	if !errors.As(err, &f) || f.Code != bacvault.CodeSQLRefused || f.Class != bacvault.Retry {
		return err
	}
	code := bacvault.CodeCopyFailed
	if hasNumber(f, numCopySource) {
		if _, there, err := s.look(ctx, source); err == nil && !there {
			code = bacvault.CodeSQLNotFound
		}
	}
	g := bacvault.Fail(code, "%s", f.Detail)
	g.Err = f.Err
	return g
}

// WaitOnline waits until a database that somebody creates is there and online, at most for wait.
func (s *Server) WaitOnline(ctx context.Context, db string, wait time.Duration) (Info, error) {
	if err := checkName(db); err != nil {
		return Info{}, err
	}
	w := s.newWatch(ctx, db, wait)
	defer w.cancel()
	info, err := w.online(nil)
	return info, w.ended("wait for "+db, err)
}

// watch follows one database that comes into being.
type watch struct {
	s      *Server
	name   string
	wait   time.Duration
	caller context.Context
	ctx    context.Context // the caller's, ended by errWaitOver after wait
	cancel context.CancelFunc
	state  string // as last seen
}

func (s *Server) newWatch(ctx context.Context, name string, wait time.Duration) *watch {
	w := &watch{s: s, name: name, wait: wait, caller: ctx, state: "not there"}
	w.ctx, w.cancel = context.WithTimeoutCause(ctx, wait, errWaitOver)
	return w
}

// ended gives an error of the watch its name; nil stays nil.
func (w *watch) ended(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case w.caller.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(w.caller))
	case w.ctx.Err() != nil:
		f := bacvault.Fail(bacvault.CodeCopyTimeout, "%s: not online within %s; last seen %s", what, w.wait, w.state)
		f.Exists, f.Err = w.name+" may exist on the server", err
		return f
	}
	return failure(w.ctx, what, err)
}

// refusedError is a statement that did not run: it was never sent, or the server answered with an error.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// create sends the statement once and follows the database until it is online. The statement's goroutine has ended on return.
func (w *watch) create(stmt string) (Info, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	sent := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sent <- w.s.send(ctx, stmt)
	}()
	defer func() { cancel(); <-ended }()
	return w.online(sent)
}

// send runs a statement in master, once. Whatever fails before it is on its way is a refusedError, and so is an answer of
// the server, unless that answer also ended the connection.
func (s *Server) send(ctx context.Context, stmt string) error {
	p, err := s.pool(master)
	if err != nil {
		return &refusedError{err}
	}
	conn, err := p.Conn(ctx)
	if err != nil {
		return &refusedError{err}
	}
	_, err = conn.ExecContext(ctx, stmt)
	closed := conn.Close() // gives it back to the pool; says only that it was broken
	if err != nil && serverErrors(err) != nil && !lost(err) {
		return &refusedError{err}
	}
	if err != nil {
		return errors.Join(err, closed)
	}
	return nil
}

// online polls until the database is online. sent gives the end of the statement that creates it; nil when there is none.
func (w *watch) online(sent <-chan error) (Info, error) {
	var seen, over bool // over: the statement has ended, so the database must show
	var lostErr error
	for missing, confirmed := 0, 0; ; {
		info, there, err := w.s.look(w.ctx, w.name)
		switch {
		case err != nil && (w.ctx.Err() != nil || !passing(err) && !errors.Is(err, context.DeadlineExceeded)):
			return Info{}, err
		case err != nil:
			w.state = "not readable"
		case !there && seen:
			return Info{}, bacvault.Fail(bacvault.CodeCopyFailed, "%s was there and vanished; the server gave the copy up", w.name)
		case !there && over:
			if missing++; missing >= settleLooks {
				f := bacvault.Fail(bacvault.CodeCopyFailed, "%s did not appear after its statement ended (%v)", w.name, lostErr)
				f.Err = lostErr
				return Info{}, f
			}
		case there:
			seen, w.state = true, info.State
			if info.State == "SUSPECT" || info.State == "EMERGENCY" {
				return Info{}, bacvault.Fail(bacvault.CodeCopyFailed, "%s is in state %s", w.name, info.State)
			}
			// A second look where the statement still runs: the copy may be shown before it is begun.
			if info.State == "ONLINE" {
				if confirmed++; sent == nil || confirmed > 1 {
					return info, nil
				}
			} else {
				confirmed = 0
			}
		}
		t := time.NewTimer(w.s.cfg.Poll)
		select {
		case <-w.ctx.Done():
			t.Stop()
			return Info{}, context.Cause(w.ctx)
		case err := <-sent:
			t.Stop()
			var refused *refusedError
			if errors.As(err, &refused) {
				return Info{}, err
			}
			sent, over, lostErr = nil, true, err
		case <-t.C:
		}
	}
}
