package funchost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// maxErrors is the error exit that stops the host; exits more than errorGap apart start the count anew.
	maxErrors = 3
	errorGap  = 30 * time.Minute
	// exitRestart is the exit code that asks for a restart and is not counted.
	exitRestart = 200
)

// supervisor keeps one handler running by the host's exit rules.
type supervisor struct {
	start   func() (*process, error)
	limit   time.Duration // for readiness
	now     func() time.Time
	logf    func(format string, args ...any)
	mu      sync.Mutex
	current *process
	ready   chan struct{} // closed while current answers
	errs    []time.Time
}

// run starts the handler and restarts it until ctx ends; then it kills it. A non-nil error stops the host.
func (s *supervisor) run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, err := s.start()
		if err != nil {
			return err
		}
		s.set(p)
		err = p.awaitReady(ctx, s.limit)
		if err != nil {
			p.kill()
		} else {
			s.publish()
			select {
			case <-ctx.Done():
				p.kill()
			case <-p.exited:
			}
		}
		if p.killGroup() {
			s.logf("the handler (pid %d) left children in its group; they are ended here, the real host leaves them", p.pid)
		}
		if p.code == 0 && err == nil && ctx.Err() == nil {
			// Nobody restarts it and the host believes it up: every call from now on is refused.
			s.logf("the handler (pid %d) exited with 0; the host does not restart it", p.pid)
			close(p.noticed)
			<-ctx.Done()
			<-p.drained
			return nil
		}
		s.unpublish()
		close(p.noticed)
		<-p.drained
		if ctx.Err() != nil {
			return nil
		}
		if err := s.judge(p, err); err != nil {
			return err
		}
	}
	return nil
}

// judge decides after an exit whether the host restarts the handler (nil) or stops.
func (s *supervisor) judge(p *process, notReady error) error {
	if p.timedOut.Load() {
		s.logf("restart the handler after functionTimeout")
		return nil
	}
	if notReady == nil && p.code == exitRestart {
		s.logf("the handler asked for a restart (exit code %d)", p.code)
		return nil
	}
	what := fmt.Sprintf("exit code %d", p.code)
	if notReady != nil {
		what = notReady.Error() + ", " + what
	}
	if words := p.lastWords(); words != "" {
		what += ": " + words
	}
	now := s.now()
	if n := len(s.errs); n > 0 && now.Sub(s.errs[n-1]) > errorGap {
		s.errs = nil
	}
	s.errs = append(s.errs, now)
	s.logf("the handler failed (%s), %d of %d", what, len(s.errs), maxErrors)
	if len(s.errs) >= maxErrors {
		return fmt.Errorf("exceeded the handler restart limit of %d: %s", maxErrors, what)
	}
	return nil
}

func (s *supervisor) set(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
}

func (s *supervisor) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ready)
}

func (s *supervisor) unpublish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready:
		s.ready = make(chan struct{})
	default:
	}
}

func (s *supervisor) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.pid
}

var errNotReady = errors.New("the handler did not become ready")

// acquire waits for a handler that answers, as an invocation does during a restart: four times the readiness limit.
func (s *supervisor) acquire(ctx context.Context) (*process, error) {
	limit := time.NewTimer(4 * s.limit)
	defer limit.Stop()
	for {
		s.mu.Lock()
		p, ready := s.current, s.ready
		s.mu.Unlock()
		select {
		case <-ready:
			s.mu.Lock()
			same := s.current == p
			s.mu.Unlock()
			if same {
				return p, nil
			}
		case <-limit.C:
			return nil, errNotReady
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// outputLevel is the host's log level for a line of the handler: stdout is Information; stderr is Error, or Warning if it
// speaks of a warning. With useStdErrorStreamForErrorsOnly off only lines that name an error are one.
func outputLevel(stderr, stderrIsError bool, line string) string {
	lower := strings.ToLower(line)
	switch {
	case !stderr:
		return "Information"
	case strings.Contains(lower, "warn"):
		return "Warning"
	case stderrIsError:
		return "Error"
	}
	for _, word := range []string{"error", "fail", "severe", "unhandled exception"} {
		if strings.Contains(lower, word) {
			return "Error"
		}
	}
	return "Information"
}
