// Package sqlserver stands in for an Azure SQL logical server: real TDS, databases that are decoded bacpacs held as rows,
// and answers to a closed list of statements.
package sqlserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

const (
	defaultCopyTime = 200 * time.Millisecond // of a scale, too
	defaultAudience = "https://database.windows.net/"
	defaultName     = "standin"
	master          = "master"
)

// Config is what a stand-in is started with. Only Listen is needed.
type Config struct {
	Listen     string
	TLS        *tls.Config // nil: no encryption; else no client without it
	ServerName string      // the logical server's short name, in error messages

	// Authenticate says whose token it is; audience is Audience.
	Authenticate func(token, audience string) (principal string, err error)
	Audience     string // empty: https://database.windows.net/
	Allow        func(principal, action, scope string) bool

	Clock    *clock.Clock
	Faults   *faults.Plan
	Log      func(format string, args ...any)
	CopyTime time.Duration // how long a copy stays COPYING, by Clock; 0 means 200 ms
	// ScaleTime is how long a change of objective takes, by Clock; 0 means 200 ms.
	ScaleTime time.Duration
}

// Server is a running stand-in. Its methods are back doors: they ask nobody for rights.
type Server struct {
	cfg        Config
	listener   net.Listener
	statements []statement
	cancel     context.CancelFunc
	serving    sync.WaitGroup

	mu        sync.Mutex // guards everything in the databases that changes
	databases map[string]*database
	versions  uint64    // the last rowversion given out
	ids       uint64    // the last id of a database given out
	created   time.Time // the last create_date given out
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.Authenticate == nil {
		cfg.Authenticate = func(string, string) (string, error) { return "", fmt.Errorf("no token is known here") }
	}
	if cfg.Allow == nil {
		cfg.Allow = func(string, string, string) bool { return false }
	}
	if cfg.CopyTime == 0 {
		cfg.CopyTime = defaultCopyTime
	}
	if cfg.ScaleTime == 0 {
		cfg.ScaleTime = defaultCopyTime
	}
	if cfg.Audience == "" {
		cfg.Audience = defaultAudience
	}
	if cfg.ServerName == "" {
		cfg.ServerName = defaultName
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("start the SQL Server stand-in: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, listener: l, statements: statements(), cancel: cancel}
	s.databases = map[string]*database{master: {name: master, created: cfg.Clock.Now(), collation: defaultCollation, compatibility: defaultCompatibility}}
	wire := &tds.Server{Name: cfg.ServerName, TLS: cfg.TLS, Open: s.open, Log: cfg.Log}
	s.serving.Go(func() {
		if err := wire.Serve(ctx, l); err != nil {
			cfg.Log("the SQL Server stand-in ended: %v", err)
		}
	})
	return s, nil
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends all connections and waits for them.
func (s *Server) Close() error {
	s.cancel()
	s.serving.Wait()
	return nil
}

// Load adds a database from a decoded bacpac, online at once. Nobody owns it.
func (s *Server) Load(name string, f *bacpacfile.File) error {
	d := s.newDatabase(name, "")
	if err := d.define(f.Model); err != nil {
		return fmt.Errorf("load database %s: %w", name, err)
	}
	d.tables = nil
	for _, data := range f.Tables {
		if err := checkColumns(data.Table); err != nil {
			return fmt.Errorf("load database %s: %w", name, err)
		}
		d.tables = append(d.tables, &table{Table: data.Table, rows: slices.Clip(data.Rows)})
	}
	return s.add(d)
}

// Databases lists all but master, by name.
func (s *Server) Databases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for _, d := range s.databases {
		if d.name != master {
			names = append(names, d.name)
		}
	}
	slices.SortFunc(names, compareNames)
	return names
}

// add puts a new database under its name.
func (s *Server) add(d *database) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addLocked(d)
}

func (s *Server) addLocked(d *database) error {
	if n := len([]rune(d.name)); n < 1 || n > 128 {
		return errBadName(d.name)
	}
	if _, taken := s.databases[key(d.name)]; taken {
		return errNameTaken(d.name)
	}
	s.databases[key(d.name)] = d
	return nil
}

// key is how names are compared: without regard to case, as the default collation does.
func key(name string) string { return strings.ToLower(name) }

func compareNames(a, b string) int { return strings.Compare(key(a), key(b)) }
