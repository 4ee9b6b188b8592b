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
	done  sync.WaitGroup
	once  sync.Once
}

// saveLimit bounds one write of progress.
const saveLimit = 20 * time.Second

func newProgressWriter(s *state.State) *progressWriter {
	w := &progressWriter{state: s, in: make(chan bacvault.Progress, 64)}
	w.done.Add(1)
	go w.write()
	return w
}

// take drops progress rather than wait: the next stage tells it again.
func (w *progressWriter) take(p bacvault.Progress) {
	if p.Note != "" && !p.Done && !p.Ended { // a line of sqlpackage's: for the log only
		return
	}
	select {
	case w.in <- p:
	default:
	}
}

func (w *progressWriter) write() {
	defer w.done.Done()
	for p := range w.in {
		ctx, cancel := context.WithTimeout(context.Background(), saveLimit)
		// An error here costs a line on the status page, which says when it was last told: nothing waits for it.
		if p.Ended {
			_ = w.state.EndProgress(ctx, p.Run)
		} else {
			_ = w.state.SaveProgress(ctx, p)
		}
		cancel()
	}
}

func (w *progressWriter) close() {
	w.once.Do(func() { close(w.in) })
	w.done.Wait()
}
