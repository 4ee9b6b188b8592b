// Package azuresql is what we ask a server: databases, copies, rows, rights and health, over TDS with a managed identity's token.
package azuresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// master is where databases are listed, created and dropped.
const master = "master"

// Config is what a Server needs. The zero value of a duration or count takes the default that is named.
type Config struct {
	// Address is host or host:port; the port is 1433 by default.
	Address string
	// Token gives a token for the audience of the cloud that the server is in. It is asked once for each new connection.
	Token func(context.Context) (string, error)
	// ConnectTimeout bounds name lookup, connection, TLS, token and login together; 30 s.
	ConnectTimeout time.Duration
	// QueryTimeout bounds one statement; 2 min.
	QueryTimeout time.Duration
	// CountTimeout bounds the counting of one table; 1 h.
	CountTimeout time.Duration
	// Poll lies between two looks at a database that is being created; 5 s.
	Poll time.Duration
	// Attempts is how often a read is tried in all, RetryFirst the first wait, doubled up to RetryMax; 6, 5 s and 60 s, as
	// Microsoft advises for transient faults.
	Attempts   int
	RetryFirst time.Duration
	RetryMax   time.Duration
	// Connections is how many there may be to one database, and how many tables are counted at once; 4, at least 2.
	Connections int
	// AppName is what the server's views show; bacvault.
	AppName string
	// Trace hears of every statement; nil is nobody.
	Trace Trace
}

// Server is one logical server. It holds a small pool for each database that was asked for.
type Server struct {
	cfg  Config
	open func(database string) (*sql.DB, error)

	mu     sync.Mutex
	pools  map[string]*sql.DB
	closed bool
}

// New checks the configuration; it does not connect yet.
func New(cfg Config) (*Server, error) {
	if cfg.Token == nil {
		return nil, errors.New("azuresql: no token source")
	}
	host, port, err := splitAddress(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("azuresql: %w", err)
	}
	s := newServer(cfg, nil)
	s.open = func(db string) (*sql.DB, error) {
		c, err := newConnector(host, port, db, s.cfg)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(c), nil
	}
	return s, nil
}

func newServer(cfg Config, open func(string) (*sql.DB, error)) *Server {
	for _, d := range []struct {
		v    *time.Duration
		dflt time.Duration
	}{
		{&cfg.ConnectTimeout, 30 * time.Second}, {&cfg.QueryTimeout, 2 * time.Minute}, {&cfg.CountTimeout, time.Hour},
		{&cfg.Poll, 5 * time.Second}, {&cfg.RetryFirst, 5 * time.Second}, {&cfg.RetryMax, time.Minute},
	} {
		if *d.v <= 0 {
			*d.v = d.dflt
		}
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 6
	}
	if cfg.Connections <= 0 {
		cfg.Connections = 4
	}
	cfg.Connections = max(cfg.Connections, 2) // a copy's statement may block one
	if cfg.AppName == "" {
		cfg.AppName = "bacvault"
	}
	return &Server{cfg: cfg, open: open, pools: map[string]*sql.DB{}}
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		host, p = address, "1433"
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, `\/?#@[] `) {
		return "", 0, fmt.Errorf("server address %q is not host or host:port", address)
	}
	return host, uint16(n), nil
}

// pool is the database's pool, opened on first use.
func (s *Server) pool(db string) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("azuresql: server is closed")
	}
	if p := s.pools[db]; p != nil {
		return p, nil
	}
	p, err := s.open(db)
	if err != nil {
		return nil, err
	}
	p.SetMaxOpenConns(s.cfg.Connections)
	p.SetMaxIdleConns(s.cfg.Connections)
	p.SetConnMaxIdleTime(time.Minute) // the gateway cuts idle connections
	s.pools[db] = p
	return p, nil
}

// release closes our own connections to a database, so that they can't stand in the way of its drop.
func (s *Server) release(db string) {
	s.mu.Lock()
	p := s.pools[db]
	delete(s.pools, db)
	s.mu.Unlock()
	if p != nil {
		_ = p.Close() // says only that a connection was broken already
	}
}

// Close closes all connections.
func (s *Server) Close() error {
	s.mu.Lock()
	pools := s.pools
	s.pools, s.closed = nil, true
	s.mu.Unlock()
	var errs []error
	for db, p := range pools {
		if err := p.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close connections to %s: %w", db, err))
		}
	}
	return errors.Join(errs...)
}
