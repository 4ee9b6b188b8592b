package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// quiet is how long a run may say nothing where nobody watches it live.
const quiet = time.Minute

// progress shows where a run stands: one living line on a terminal, else a line at each stage's end and one a minute.
type progress struct {
	c     *cli
	began time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu    sync.Mutex
	stage bacvault.Stage
	since time.Time
	note  string
	done  string // how much of the stage
	heard time.Time
	said  time.Time
}

// watch begins to show; the caller ends it with close.
func (c *cli) watch() *progress {
	now := time.Now()
	p := &progress{c: c, began: now, said: now, stop: make(chan struct{})}
	p.ended.Go(p.tick)
	return p
}

func (p *progress) tick() {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-every.C:
			p.mu.Lock()
			if p.stage != "" && (p.c.errTTY || now.Sub(p.said) >= quiet) {
				p.line(now)
			}
			p.mu.Unlock()
		}
	}
}

// line says the present stage; what was heard last tells slow from dead.
func (p *progress) line(now time.Time) {
	text := fmt.Sprintf("%s %s%s", p.stage, now.Sub(p.since).Round(time.Second), p.done)
	if p.note != "" {
		text += fmt.Sprintf(": %s (%s ago)", p.note, now.Sub(p.heard).Round(time.Second))
	}
	p.said = now
	if p.c.errTTY {
		const screen = 110 // a longer line would wrap and stay
		if r := []rune(text); len(r) > screen {
			text = string(r[:screen-1]) + "…"
		}
		fmt.Fprintf(p.c.stderr, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.c.stderr, text)
}

// take is the run's Report.
func (p *progress) take(x bacvault.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case x.Ended:
		return
	case x.Done:
		p.clear()
		text := fmt.Sprintf("%s done in %s", x.Stage, x.Elapsed.Round(100*time.Millisecond))
		if x.Note != "" {
			text = fmt.Sprintf("%s ended after %s: %s", x.Stage, x.Elapsed.Round(100*time.Millisecond), x.Note)
		}
		fmt.Fprintln(p.c.stderr, text)
		p.stage, p.note, p.done, p.said = "", "", "", now
	case x.Stage != p.stage:
		p.stage, p.since, p.note, p.done = x.Stage, now, "", amount(x)
	default:
		if x.Note != "" {
			p.note, p.heard = x.Note, now
		}
		if a := amount(x); a != "" {
			p.done = a
		}
	}
}

// amount is how much of a stage is done, as far as it is known.
func amount(x bacvault.Progress) (out string) {
	if x.Tables > 0 {
		out += fmt.Sprintf(", %d", x.Tables)
		if x.TablesTotal > 0 {
			out += fmt.Sprintf(" of %d", x.TablesTotal)
		}
		out += " tables"
	}
	if x.Bytes > 0 {
		out += ", " + mib(x.Bytes)
		if x.BytesTotal > 0 {
			out += " of " + mib(x.BytesTotal)
		}
	}
	if x.Rate > 0 {
		out += ", " + mib(int64(x.Rate)) + "/s"
	}
	return out
}

// look shows what was read of a run of somebody else's, who tells of each stage only where it begins and ends.
func (p *progress) look(x bacvault.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done = amount(x); x.Stage == p.stage {
		return
	}
	p.clear()
	p.stage, p.since, p.note, p.said = x.Stage, x.At, "", time.Now()
	fmt.Fprintf(p.c.stderr, "run %s: %s\n", x.Run, x.Stage)
}

func (p *progress) clear() {
	if p.c.errTTY {
		fmt.Fprint(p.c.stderr, "\r\x1b[K")
	}
}

func (p *progress) close() {
	close(p.stop)
	p.ended.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// watched is progress that is shown from a certain moment on: a question must not be written over.
type watched struct {
	mu   sync.Mutex
	show *progress
}

func (w *watched) begin(c *cli) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.show = c.watch()
}

func (w *watched) take(x bacvault.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.show != nil {
		w.show.take(x)
	}
}

func (w *watched) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.show != nil {
		w.show.close()
		w.show = nil
	}
}
