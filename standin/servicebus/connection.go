package servicebus

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	handshakeTimeout = 15 * time.Second
	// idleTimeout is what we ask of the peer, which sends something at half of it.
	idleTimeout = 4 * time.Minute
	// defaultQuiet is how long we stay silent at most towards a peer that asks for nothing.
	defaultQuiet = time.Minute
	maxChannel   = 4999
)

// connection is one TCP connection. Its sessions and claims are guarded by the broker's lock.
type connection struct {
	server *Server
	broker *broker
	raw    net.Conn // under TLS, if there is any: closing it never blocks
	net    net.Conn
	reader *bufio.Reader
	out    outbox
	gone   chan struct{} // closed when the connection has left no trace

	severed  sync.Once
	isCut    bool // guarded by the broker's lock
	peerMax  int  // largest frame that the peer takes
	quiet    time.Duration
	sessions map[uint16]*session
	claims   map[string]*claim
	later    []func() // to do once the lock is let go
}

func newConnection(s *Server, raw net.Conn) *connection {
	c := &connection{
		server: s, broker: s.broker, raw: raw, net: raw, gone: make(chan struct{}),
		sessions: map[uint16]*session{}, claims: map[string]*claim{},
	}
	c.out.kick = make(chan struct{}, 1)
	if s.cfg.TLS != nil {
		c.net = tls.Server(raw, s.cfg.TLS)
	}
	c.reader = bufio.NewReaderSize(c.net, maxFrameSize)
	return c
}

// cut ends the connection as a broken network does: without a close, and with all that was not written yet.
func (c *connection) cut() { c.severed.Do(func() { _ = c.raw.Close() }) }

// serve runs the connection to its end.
func (c *connection) serve() {
	defer close(c.gone)
	defer c.cut()
	defer c.forget()
	if err := c.handshake(); err != nil {
		c.server.cfg.Log("service bus: %s: %v", c.raw.RemoteAddr(), err)
		return
	}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { c.out.write(c.net, c.quiet, done) })
	defer writer.Wait()
	defer close(done)
	for {
		_ = c.net.SetReadDeadline(time.Now().Add(idleTimeout))
		f, err := readFrame(c.reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.server.cfg.Log("service bus: %s: %v", c.raw.RemoteAddr(), err)
			}
			return
		}
		if f.code != 0 && c.handle(f) {
			return
		}
	}
}

// forget takes the connection's links off their queues. Locks stay: they belong to whoever knows the token.
func (c *connection) forget() {
	c.broker.enter()
	defer c.broker.mu.Unlock()
	for _, s := range c.sessions {
		s.end()
	}
	for _, cl := range c.claims {
		cl.expiry.cancel()
	}
}

// handshake is SASL, which lets everybody in (rights come by claims), and the exchange of open.
func (c *connection) handshake() error {
	_ = c.net.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := c.protocolHeader(3); err != nil {
		return fmt.Errorf("SASL header: %w", err)
	}
	mechanisms := array{code: 0xb3, elems: []any{symbol("ANONYMOUS"), symbol("MSSBCBS")}}
	if err := c.writeNow(frame{kind: frameSASL, code: saslMechanisms, fields: fields{mechanisms}}); err != nil {
		return err
	}
	f, err := readFrame(c.reader)
	if err != nil || f.code != saslInit {
		return fmt.Errorf("SASL init: frame %#02x, %w", f.code, errors.Join(err, errProtocol))
	}
	code := uint8(0)
	if m := text(f.fields.at(0)); m != "ANONYMOUS" && m != "MSSBCBS" {
		code = 1
	}
	if err := c.writeNow(frame{kind: frameSASL, code: saslOutcome, fields: fields{code}}); err != nil || code != 0 {
		return errors.Join(err, errProtocol)
	}
	if err := c.protocolHeader(0); err != nil {
		return fmt.Errorf("AMQP header: %w", err)
	}
	if f, err = readFrame(c.reader); err != nil || f.code != performOpen {
		return fmt.Errorf("open: frame %#02x, %w", f.code, errors.Join(err, errProtocol))
	}
	c.peerMax = int(min(max(f.fields.uint32(2, maxFrameSize), 512), maxFrameSize))
	c.quiet = defaultQuiet
	if ms := f.fields.uint32(4, 0); ms > 0 {
		c.quiet = max(time.Duration(ms)*time.Millisecond/2, 10*time.Millisecond)
	}
	err = c.writeNow(frame{code: performOpen, fields: fields{
		"bacvault-standin", f.fields.at(1), uint32(maxFrameSize), uint16(maxChannel), uint32(idleTimeout / time.Millisecond),
	}})
	_ = c.net.SetDeadline(time.Time{})
	return err
}

var errProtocol = errors.New("not the protocol that the stand-in speaks")

func (c *connection) protocolHeader(id byte) error {
	var h [8]byte
	if _, err := io.ReadFull(c.reader, h[:]); err != nil {
		return err
	}
	ours := [8]byte{'A', 'M', 'Q', 'P', id, 1, 0, 0}
	if _, err := c.net.Write(ours[:]); err != nil { // also the answer to a header that does not fit
		return err
	}
	if h != ours {
		return fmt.Errorf("%q: %w", h, errProtocol)
	}
	return nil
}

func (c *connection) writeNow(f frame) error {
	_, err := c.net.Write(appendFrame(nil, f))
	return err
}

func (c *connection) send(channel uint16, code uint64, f fields, payload []byte) {
	c.out.add(frame{channel: channel, code: code, fields: f, payload: payload})
}

// handle works on one frame and says whether it was the last.
func (c *connection) handle(f frame) (last bool) {
	c.broker.enter()
	last = c.dispatch(f) || c.isCut
	later := c.later
	c.later = nil
	c.broker.mu.Unlock()
	for _, do := range later {
		do()
	}
	return last
}

func (c *connection) dispatch(f frame) (last bool) {
	if f.kind != frameAMQP {
		return c.fail("a SASL frame after the handshake")
	}
	s := c.sessions[f.channel]
	switch f.code {
	case performBegin:
		if s != nil || f.channel > maxChannel {
			return c.fail("a begin on a channel that is taken or too high")
		}
		c.begin(f)
		return false
	case performClose:
		c.send(0, performClose, nil, nil)
		return true
	}
	if s == nil {
		return c.fail("a frame on a channel without a session")
	}
	switch f.code {
	case performAttach:
		s.attach(f.fields)
	case performFlow:
		s.flow(f.fields)
	case performTransfer:
		s.transfer(f)
	case performDisposition:
		s.disposition(f.fields)
	case performDetach:
		if l := s.links[f.fields.uint32(0, 0)]; l != nil {
			l.detach(nil)
		}
	case performEnd:
		s.end()
		delete(c.sessions, f.channel)
		c.send(f.channel, performEnd, nil, nil)
	default:
		return c.fail(fmt.Sprintf("performative %#02x", f.code))
	}
	return false
}

// fail closes the connection with an error.
func (c *connection) fail(what string) (last bool) {
	c.send(0, performClose, fields{(&amqpError{condFramingError, what}).encode()}, nil)
	return true
}

// sever cuts the connection from inside; no further frame of it is looked at.
func (c *connection) sever() {
	c.isCut = true
	c.cut()
}
