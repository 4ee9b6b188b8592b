package servicebus

import (
	"container/heap"
	"context"
	"time"
)

// timer is something that happens at a moment of the stack's clock: a lock ends, a schedule is due, a message or a token
// expires.
type timer struct {
	at    time.Time
	order uint64 // of two at the same moment the earlier made goes first
	do    func()
}

// cancel makes the timer do nothing and lets go of what it holds.
func (t *timer) cancel() {
	if t != nil {
		t.do = nil
	}
}

// timers is guarded by the broker's lock.
type timers struct {
	heap    timerHeap
	made    uint64
	changed chan struct{} // tells the loop that it may be sleeping too long
}

func (ts *timers) at(at time.Time, do func()) *timer {
	ts.made++
	t := &timer{at: at, order: ts.made, do: do}
	heap.Push(&ts.heap, t)
	if ts.heap[0] == t {
		ts.wake()
	}
	return t
}

func (ts *timers) wake() {
	select {
	case ts.changed <- struct{}{}:
	default:
	}
}

// fire runs all that is due. What it runs may set timers that are due as well.
func (ts *timers) fire(now func() time.Time) {
	if len(ts.heap) == 0 {
		return
	}
	for present := now(); len(ts.heap) > 0 && !ts.heap[0].at.After(present); {
		if t := heap.Pop(&ts.heap).(*timer); t.do != nil {
			t.do()
		}
	}
}

// longestSleep bounds a wait that nothing else ends.
const longestSleep = time.Hour

// runTimers fires timers as machine time passes, until ctx ends.
func (b *broker) runTimers(ctx context.Context) {
	for {
		b.enter()
		wait := longestSleep
		if len(b.timers.heap) > 0 {
			wait = min(wait, max(b.timers.heap[0].at.Sub(b.now()), 0))
		}
		b.mu.Unlock()
		sleep := time.NewTimer(wait)
		select {
		case <-sleep.C:
		case <-b.timers.changed:
		case <-ctx.Done():
			sleep.Stop()
			return
		}
		sleep.Stop()
	}
}

// clockMoved fires what a jump of the clock made due before it returns, so that a test sees the effect at once.
func (b *broker) clockMoved() {
	b.enter()
	b.mu.Unlock()
	b.timers.wake()
}

type timerHeap []*timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}
func (h *timerHeap) Push(x any) { *h = append(*h, x.(*timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
