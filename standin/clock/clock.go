// Package clock is the time that all stand-ins of one stack live in: the machine's, moved forward by a test.
package clock

import (
	"sync"
	"time"
)

// Clock is the machine's time plus an offset. The zero Clock is the machine's time.
type Clock struct {
	mu    sync.Mutex
	skew  time.Duration
	moved []func()
}

// Now is the stack's time, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew).UTC()
}

// Advance moves the time forward and wakes whoever waits for it.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.skew += d
	moved := append([]func(){}, c.moved...)
	c.mu.Unlock()
	for _, f := range moved {
		f()
	}
}

// OnAdvance calls f, without holding any lock, after each move.
func (c *Clock) OnAdvance(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = append(c.moved, f)
}
