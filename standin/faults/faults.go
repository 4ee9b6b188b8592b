// Package faults is a plan of what a stand-in shall do wrong, as data. A planned fault that never fired is the test's
// failure, not its success: ask Unfired at the end.
package faults

import (
	"fmt"
	"sync"
	"time"
)

// Fault is one wrong answer. Which words of Do a stand-in knows, its own page says; it refuses a plan with any other.
type Fault struct {
	// Op is the operation, service first: "blob.commit", "sql.copy", "servicebus.settle".
	Op string
	// Nth is the first call of the operation that it hits, counted from 1; 0 means 1.
	Nth int
	// Times is how many calls in a row it hits; 0 means 1, -1 all from then on.
	Times int
	// Do is what goes wrong: "status", "status-after" (the call took effect), "cut", "stall", …
	Do     string
	Status int
	Code   string
	// Wait is a delay, a Retry-After or the length of a stall, as Do needs it.
	Wait time.Duration
}

// Plan hands out faults call by call. The nil Plan has none.
type Plan struct {
	mu     sync.Mutex
	faults []Fault
	calls  map[string]int
	fired  map[int]int
}

// Add plans faults; Nth counts from the calls that are still to come.
func (p *Plan) Add(fs ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range fs {
		f.Nth = max(f.Nth, 1) + p.calls[f.Op]
		if f.Times == 0 {
			f.Times = 1
		}
		p.faults = append(p.faults, f)
	}
}

// Next counts one call of an operation and says what shall go wrong with it.
func (p *Plan) Next(op string) (Fault, bool) {
	if p == nil {
		return Fault{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls, p.fired = map[string]int{}, map[int]int{}
	}
	p.calls[op]++
	n := p.calls[op]
	for i, f := range p.faults {
		if f.Op == op && n >= f.Nth && (f.Times < 0 || n < f.Nth+f.Times) {
			p.fired[i]++
			return f, true
		}
	}
	return Fault{}, false
}

// Calls is how often an operation was called so far.
func (p *Plan) Calls(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// Unfired lists the planned faults that never hit a call.
func (p *Plan) Unfired() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.faults {
		if p.fired[i] == 0 {
			out = append(out, fmt.Sprintf("%s %s (call %d)", f.Op, f.Do, f.Nth))
		}
	}
	return out
}
