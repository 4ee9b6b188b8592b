package funchost

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hostGrace is how long the host waits for running invocations when it stops.
const hostGrace = 10 * time.Second

// Addr is the address of the HTTP front: /api/<route>, /admin/functions/<name>, /admin/host/ping, /admin/host/drain.
func (h *Host) Addr() string { return h.listener.Addr().String() }

// IndexingErrors are the functions that the host left out, and why.
func (h *Host) IndexingErrors() []error { return h.indexing }

// HandlerPID is the process id of the handler; while it restarts, of the last one.
func (h *Host) HandlerPID() int { return h.sup.pid() }

// KillHandler ends the handler from outside with SIGKILL, as the kernel's memory killer does: the process, not its children.
// The host counts it as an error exit and starts another.
func (h *Host) KillHandler() error {
	h.sup.mu.Lock()
	p := h.sup.current
	h.sup.mu.Unlock()
	if p == nil {
		return errors.New("kill the handler: none was started")
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the handler: %w", err)
	}
	<-p.noticed
	return nil
}

// Done is closed when the host has ended, with all that it started.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err is why the host ended by itself; nil after Close, and while it runs.
func (h *Host) Err() error {
	select {
	case <-h.done:
		return h.err
	default:
		return nil
	}
}

// Drain stops taking messages and firing timers; what runs goes on. There is no way back.
func (h *Host) Drain() {
	h.draining.Store(true)
	h.stopTaking()
}

// Close stops the host: no new work, StopGrace for the running calls, SIGKILL for the handler, then the messages of failed
// calls are given back. The error is Err's.
func (h *Host) Close() error {
	h.shutdown(nil)
	return h.err
}

// fail stops the host from a goroutine that the stop itself waits for. Done tells when it is through.
func (h *Host) fail(err error) { go h.shutdown(err) }

func (h *Host) shutdown(cause error) {
	h.once.Do(func() {
		h.err = cause
		if cause != nil {
			h.logf("the host stops: %v", cause)
		}
		h.spawnMu.Lock()
		h.stopping = true
		h.spawnMu.Unlock()
		h.stopTaking()
		if cause == nil { // with the handler gone for good there is nothing to wait for
			h.awaitInvocations()
		}
		h.kill()
		h.supervising.Wait()
		h.closeFront()
		h.listeners.Wait()
		h.closeBuses()
		close(h.done)
	})
}

// closeFront lets the answers of failed calls out, then closes.
func (h *Host) closeFront() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		_ = h.server.Close() // connections that never sent a request
	}
	_ = h.listener.Close() // closed already, unless the start failed
}

// awaitInvocations gives running calls the host's grace.
func (h *Host) awaitInvocations() {
	grace := h.cfg.StopGrace
	if grace == 0 {
		grace = hostGrace
	}
	for end := time.Now().Add(grace); h.inFlight.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *Host) closeBuses() {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	for _, c := range h.buses {
		if err := c.Close(ctx); err != nil {
			h.logf("close the Service Bus client: %v", err)
		}
	}
}

// spawn runs f as one of the host's own goroutines, unless the host stops.
func (h *Host) spawn(f func()) bool {
	h.spawnMu.Lock()
	defer h.spawnMu.Unlock()
	if h.stopping {
		return false
	}
	h.listeners.Go(f)
	return true
}

func (h *Host) logf(format string, args ...any) {
	if h.cfg.Log != nil {
		h.cfg.Log(format, args...)
	}
}

// OnLine calls f with each line that the handler writes to stdout from now on, in order, from the reading goroutine: a slow f
// holds the handler up.
func (h *Host) OnLine(f func(line string)) {
	h.outMu.Lock()
	defer h.outMu.Unlock()
	h.onLine = append(h.onLine, f)
}

func (h *Host) handlerLine(p *process, stderr bool, line string) {
	if stderr {
		p.keepTail(line)
	}
	h.write(outputLevel(stderr, h.host.stderrIsError, line), "Host.Function.Console", line)
	if stderr {
		return
	}
	h.outMu.Lock()
	callbacks := h.onLine
	h.outMu.Unlock()
	for _, f := range callbacks {
		f(line)
	}
}

// write puts one line into Output: time, level, category, text.
func (h *Host) write(level, category, line string) {
	if h.cfg.Output == nil {
		return
	}
	h.outMu.Lock()
	defer h.outMu.Unlock()
	_, _ = fmt.Fprintf(h.cfg.Output, "%s [%s] %s: %s\n", h.sleep.now().Format("2006-01-02T15:04:05.000Z"), level, category, line)
}
