package app

import (
	"context"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
)

// progressWriter saves where runs stand, behind their backs: progress is for people, and no run waits for it.
type progressWriter struct {
	state *state.State
	in    chan bacvault.Progress
	done  chan struct{}
	stop  context.CancelFunc // ends the write that is under way

	mu     sync.Mutex
	closed bool
}

// saveLimit bounds one write of progress.
const saveLimit = 20 * time.Second

func newProgressWriter(s *state.State) *progressWriter {
	ctx, stop := context.WithCancel(context.Background())
	w := &progressWriter{state: s, in: make(chan bacvault.Progress, 64), done: make(chan struct{}), stop: stop}
	go w.write(ctx)
	return w
}

// take drops progress rather than wait: the next stage tells it again. A run that is cleaning up while the handler goes
// down tells it after the close.
func (w *progressWriter) take(p bacvault.Progress) {
	if p.Note != "" && !p.Done && !p.Ended { // a line of sqlpackage's: for the log only
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	select {
	case w.in <- p:
	default:
	}
}

func (w *progressWriter) write(ctx context.Context) {
	defer close(w.done)
	for p := range w.in {
		ctx, cancel := context.WithTimeout(ctx, saveLimit)
		// An error here costs a line on the status page, which says when it was last told: nothing waits for it.
		if p.Ended {
			_ = w.state.EndProgress(ctx, p.Run)
		} else {
			_ = w.state.SaveProgress(ctx, p)
		}
		cancel()
	}
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
