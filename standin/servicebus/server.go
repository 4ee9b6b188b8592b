// Package servicebus is a small Azure Service Bus that the real client libraries talk to: AMQP 1.0 with queues, a topic with
// filters, locks, settlement by token, dead letters, duplicate detection and schedules, in the stack's clock.
package servicebus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
)

// Audience is the resource that azservicebus asks an Entra token for (its scope is https://servicebus.azure.net//.default).
const Audience = "https://servicebus.azure.net/"

// Actions of Azure's role definitions that the stand-in asks Allow about.
const (
	ActionSend    = "Microsoft.ServiceBus/namespaces/messages/send/action"
	ActionReceive = "Microsoft.ServiceBus/namespaces/messages/receive/action"
)

// Config is what a namespace stands on.
type Config struct {
	Entities Entities
	// TLS makes it amqps; nil is plain AMQP, as the official emulator speaks it.
	TLS *tls.Config
	// Authenticate returns the client id in an Entra token for Audience. nil: every such token is refused. It may be called
	// by several connections at once, and its error goes to the client.
	Authenticate func(token, audience string) (string, error)
	// Allow says whether a principal may do an action on queues/<name>, topics/<name> or
	// topics/<name>/subscriptions/<name>. nil: nobody may do anything. It must be quick and not call back into the server.
	Allow func(principal, action, scope string) bool
	// AnyKey takes every well-formed SAS token for all rights, as an emulator does. Without it SAS tokens are refused, as in
	// a namespace whose local authentication is disabled.
	AnyKey bool
	Clock  *clock.Clock // nil: the machine's time
	Faults *faults.Plan
	Log    func(format string, args ...any)
	Listen string // default 127.0.0.1:0
}

const acceptPause = 10 * time.Millisecond

// Server is a running namespace.
type Server struct {
	cfg      Config
	broker   *broker
	listener net.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu          sync.Mutex
	connections map[*connection]bool
	closed      bool
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	b, err := newBroker(cfg.Entities, cfg.Clock)
	if err != nil {
		return nil, fmt.Errorf("service bus entities: %w", err)
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("service bus: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, broker: b, listener: listener, stop: stop, connections: map[*connection]bool{}}
	cfg.Clock.OnAdvance(b.clockMoved)
	s.running.Go(func() { b.runTimers(ctx) })
	s.running.Go(s.accept)
	return s, nil
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.cfg.Log("service bus: accept: %v", err)
			time.Sleep(acceptPause) // out of file descriptors, most likely
			continue
		}
		c := newConnection(s, nc)
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = nc.Close()
			return
		}
		s.connections[c] = true
		s.mu.Unlock()
		s.running.Go(func() {
			c.serve()
			s.mu.Lock()
			delete(s.connections, c)
			s.mu.Unlock()
		})
	}
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// ConnectionString is what a client of the official emulator takes. It is empty with TLS, where there are no keys.
func (s *Server) ConnectionString() string {
	if s.cfg.TLS != nil {
		return ""
	}
	return "Endpoint=sb://" + s.Addr() + ";SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=U0FTX0tFWV9WQUxVRQ==;UseDevelopmentEmulator=true;"
}

// Close cuts all connections and waits until nothing runs any more.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.listener.Close()
	s.stop()
	s.DropConnections()
	s.running.Wait()
	return err
}

// DropConnections cuts every connection without a word and waits until the server has forgotten them. Locks stay.
func (s *Server) DropConnections() {
	for _, c := range s.open() {
		c.cut()
		<-c.gone
	}
}

// DetachLinks detaches every link with an error condition, such as amqp:link:detach-forced, with which the service detaches
// links that were idle for ten minutes.
func (s *Server) DetachLinks(condition string) {
	open := s.open()
	s.broker.enter()
	defer s.broker.mu.Unlock()
	for _, c := range open {
		for _, ss := range c.sessions {
			for _, l := range ss.links {
				l.detach(&amqpError{condition, "The link was closed by the stand-in."})
			}
		}
	}
}

func (s *Server) open() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*connection
	for c := range s.connections {
		out = append(out, c)
	}
	return out
}

// Counts tells how many messages are in an entity: path is a queue, topic/Subscriptions/name, or a topic, which holds
// scheduled messages alone. ok is false if there is no such entity.
func (s *Server) Counts(path string) (active, scheduled, locked, deadLettered int, ok bool) {
	s.broker.enter()
	defer s.broker.mu.Unlock()
	path = strings.ToLower(path)
	q := s.broker.queues[path]
	if t := s.broker.topics[path]; t != nil {
		q = t.scheduled
	}
	if q == nil {
		return 0, 0, 0, 0, false
	}
	for _, m := range q.messages {
		if m.state == stateScheduled {
			scheduled++
		}
	}
	if q.deadLetters != nil {
		deadLettered = len(q.deadLetters.messages)
	}
	return len(q.active), scheduled, len(q.locks), deadLettered, true
}
