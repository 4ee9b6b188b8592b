package funchost

import (
	"context"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

// sleeper waits in the stack's time: it wakes when a test moves the clock.
type sleeper struct {
	clock *clock.Clock
	mu    sync.Mutex
	moved chan struct{}
}

func newSleeper(c *clock.Clock) *sleeper {
	if c == nil {
		c = &clock.Clock{}
	}
	s := &sleeper{clock: c, moved: make(chan struct{})}
	c.OnAdvance(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.moved)
		s.moved = make(chan struct{})
	})
	return s
}

func (s *sleeper) now() time.Time { return s.clock.Now() }

// until waits for a moment and returns nil, or the context's error.
func (s *sleeper) until(ctx context.Context, t time.Time) error {
	for {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		left := t.Sub(s.now())
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
	}
}
