package servicebus

import (
	"net"
	"sync"
	"time"
)

// outbox collects frames, and one goroutine writes all that has piled up in one go. It keeps writing apart from the
// broker's lock.
type outbox struct {
	mu   sync.Mutex
	buf  []byte
	kick chan struct{}
}

const (
	writeTimeout = 30 * time.Second
	lastWrite    = time.Second
	keptBuffer   = 1 << 20
)

func (o *outbox) add(f frame) {
	o.mu.Lock()
	o.buf = appendFrame(o.buf, f)
	o.mu.Unlock()
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// swap takes what has piled up and leaves spare in its place.
func (o *outbox) swap(spare []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf
	o.buf = spare[:0]
	return b
}

// write runs until done is closed, then writes what is left. The first error closes the connection, which ends its reader.
func (o *outbox) write(nc net.Conn, quiet time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	var spare []byte
	for {
		idle, last := false, false
		select {
		case <-o.kick:
		case <-tick.C:
			idle = true
		case <-done:
			last = true
		}
		b := o.swap(spare)
		if idle && len(b) == 0 {
			b = keepAlive(b)
		}
		if len(b) > 0 {
			limit := writeTimeout
			if last {
				limit = lastWrite
			}
			_ = nc.SetWriteDeadline(time.Now().Add(limit))
			if _, err := nc.Write(b); err != nil {
				_ = nc.Close()
				return
			}
		}
		if last {
			return
		}
		if spare = b; cap(spare) > keptBuffer {
			spare = nil
		}
	}
}
