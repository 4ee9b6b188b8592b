package app

import (
	"context"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
)

// progressWriter saves where runs stand, behind their backs: progress is for people, and no run waits for it. A run that lives is
// saved again at every beat, so that one that has died is known by its silence.
type progressWriter struct {
	state *state.State
	in    chan bacvault.Progress
	done  chan struct{}
	stop  context.CancelFunc // ends the write that is under way
	now   func() time.Time
	beat  time.Duration

	mu     sync.Mutex
	closed bool
	live   map[string]bacvault.Progress
}

const (
	// saveLimit bounds one write of progress.
	saveLimit = 20 * time.Second
	// beat lies between two signs of life of a run in a long stage.
	beat = 30 * time.Second
)

func newProgressWriter(s *state.State, now func() time.Time) *progressWriter {
	ctx, stop := context.WithCancel(context.Background())
	w := &progressWriter{
		state: s, in: make(chan bacvault.Progress, 64), done: make(chan struct{}), stop: stop, now: now, beat: beat, live: map[string]bacvault.Progress{},
	}
	go w.write(ctx)
	return w
}

// take drops progress rather than wait: the next stage or beat tells it again. A run that is cleaning up while the handler goes
// down tells it after the close.
func (w *progressWriter) take(p bacvault.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if p.Ended {
		delete(w.live, p.Run)
	} else {
		w.live[p.Run] = p
	}
	if p.Working() { // one of many within a stage: the next beat tells the last of them
		return
	}
	select {
	case w.in <- p:
	default:
	}
}

func (w *progressWriter) write(ctx context.Context) {
	defer close(w.done)
	beats := time.NewTicker(w.beat)
	defer beats.Stop()
	for {
		select {
		case p, more := <-w.in:
			if !more {
				return
			}
			w.save(ctx, p)
		case <-beats.C:
			for _, p := range w.lives() {
				p.At = w.now()
				w.save(ctx, p)
			}
		}
	}
}

// lives is where the runs stand that have not ended.
func (w *progressWriter) lives() (out []bacvault.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.live {
		out = append(out, p)
	}
	return out
}

// save writes or forgets a run. An error costs a line on the status page, which says when it was last told: nothing waits for it.
func (w *progressWriter) save(ctx context.Context, p bacvault.Progress) {
	ctx, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	if p.Ended {
		_ = w.state.EndProgress(ctx, p.Run)
		return
	}
	_ = w.state.SaveProgress(ctx, p)
}

// close saves what was told, as long as the context lives.
func (w *progressWriter) close(ctx context.Context) {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.in)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	w.stop()
	<-w.done
}
