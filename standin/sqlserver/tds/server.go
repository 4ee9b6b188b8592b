package tds

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// loginTime bounds everything before the login is answered.
const loginTime = 30 * time.Second

// Server speaks TDS on the connections of one listener.
type Server struct {
	Name string
	TLS  *tls.Config // nil: no encryption; else nothing but encryption
	// Open answers a login: a session, or *Error, Errors or ErrCut.
	Open func(ctx context.Context, l Login) (Session, error)
	Log  func(format string, args ...any)

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Session is one login. Its methods are called one at a time, and each may return *Error, Errors or ErrCut.
type Session interface {
	Database() string
	// Execute answers a batch, or a statement of sp_executesql with its parameters by name (@ and all).
	Execute(ctx context.Context, text string, params map[string]any, out *Results) error
	// Bulk takes the rows of the INSERT BULK that Execute saw last; next ends with io.EOF. The row's slice is used again.
	Bulk(ctx context.Context, columns []string, next func() ([]any, error)) (int64, error)
	Begin() error
	Commit() error
	Rollback() error
	// Reset is the pool handing the connection to another user.
	Reset()
	Close()
}

// Serve accepts until ctx ends or the listener is closed, then ends all connections and waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.conns = map[net.Conn]bool{}
	var all sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { s.closeAll(l) })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			s.closeAll(l)
			all.Wait()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if !s.track(c) {
			continue
		}
		all.Go(func() {
			defer s.untrack(c)
			err := s.serveConn(ctx, c)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				s.logf("connection from %s: %v", c.RemoteAddr(), err)
			}
		})
	}
}

func (s *Server) logf(format string, a ...any) {
	if s.Log != nil {
		s.Log(format, a...)
	}
}

func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) untrack(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Close()
	delete(s.conns, c)
}

func (s *Server) closeAll(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	l.Close()
	for c := range s.conns {
		c.Close()
	}
}

func (s *Server) serveConn(ctx context.Context, c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return err
	}
	w := newWire(c)
	if err := s.handshake(ctx, w); err != nil {
		return err
	}
	session, err := s.login(ctx, w)
	if session == nil {
		return err
	}
	defer session.Close()
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	return (&conn{wire: w, server: s, session: session}).serve(ctx)
}

// login reads LOGIN7 and answers it. No session and no error is a login that was refused.
func (s *Server) login(ctx context.Context, w *wire) (Session, error) {
	m, err := w.readMessage(packetLogin7)
	if err != nil {
		return nil, fmt.Errorf("read login: %w", err)
	}
	l, err := parseLogin(m)
	if err != nil {
		return nil, errors.Join(err, s.refuseLogin(w, err))
	}
	session, err := s.Open(ctx, l)
	if errors.Is(err, ErrCut) {
		return nil, err
	}
	if err != nil {
		return nil, s.refuseLogin(w, err)
	}
	if err := s.acceptLogin(w, l, session.Database()); err != nil {
		session.Close()
		return nil, err
	}
	return session, nil
}
