// Package blob is the Blob service of a stack: Azurite behind a gateway that adds what Azurite lacks, namely immutability,
// rights by role, checksums of blocks, and planned faults.
package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
)

// Config is what a gateway is started with.
type Config struct {
	// Listen is a loopback address; empty means any free port of 127.0.0.1.
	Listen string
	// TLS is the server's certificate; nil means plain HTTP, which clients with tokens refuse.
	TLS *tls.Config
	// Azurite is the host and port of the store, and Accounts are its accounts with their keys.
	Azurite  string
	Accounts map[string]string
	// Policies is shared with the management plane. Nil means one of the gateway's own.
	Policies *Policies

	Authenticate func(token, audience string) (principal string, err error)
	Allow        func(principal, action, scope string) bool
	Clock        *clock.Clock
	Faults       *faults.Plan
	Log          func(format string, args ...any)

	// What the real service does in these two cases nobody has written down, so a caller must stand both answers.

	// ImmutableBeatsExists answers BlobImmutableDueToPolicy, and not BlobAlreadyExists, to If-None-Match: * over a protected blob.
	ImmutableBeatsExists bool
	// RefuseBlockOnExisting refuses Put Block under the name of a protected blob, and not only the commit.
	RefuseBlockOnExisting bool
}

// Server is a running gateway.
type Server struct {
	cfg        Config
	signatures map[string]string // account SAS by account
	transport  *http.Transport
	ln         net.Listener
	http       *http.Server
	cancel     context.CancelFunc
	served     chan struct{}
	calls      sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	records map[string]record        // by "account/container/blob"
	names   map[string]chan struct{} // one writer a name
}

// Start listens and answers.
func Start(cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.Policies == nil {
		cfg.Policies = NewPolicies(cfg.Clock)
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &Server{cfg: cfg, transport: newTransport(), served: make(chan struct{}),
		records: map[string]record{}, names: map[string]chan struct{}{}}
	var err error
	if s.signatures, err = signatures(cfg.Accounts); err != nil {
		return nil, err
	}
	if s.ln, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen for blob requests: %w", err)
	}
	ln := s.ln
	if cfg.TLS != nil {
		ln = tls.NewListener(ln, cfg.TLS) // no ALPN: Azure Storage speaks HTTP/1.1 only
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(ctx, w, r) }),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(logWriter(cfg.Log), "", 0),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log("blob: %v", err)
		}
	}()
	return s, nil
}

// Addr is the host and port that the gateway listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL is an account's service URL, path style.
func (s *Server) URL(account string) string {
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + s.Addr() + "/" + account
}

// Policies is the state that the management plane shares.
func (s *Server) Policies() *Policies { return s.cfg.Policies }

// Close cuts every call and waits for their end. It leaves Azurite alone.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	<-s.served
	s.calls.Wait()
	s.transport.CloseIdleConnections()
	return err
}

// serve answers one request. ctx is the gateway's life; the request's own context also ends when its client leaves.
func (s *Server) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		return
	}
	defer s.calls.Done()
	c, refusal := parse(r)
	var who string
	if refusal == nil {
		who, refusal = s.authenticate(r)
	}
	mayOverwrite := false
	if refusal == nil {
		mayOverwrite, refusal = s.authorise(c, who)
	}
	if refusal == nil {
		refusal = unknownForms(r)
	}
	if refusal != nil {
		s.refuse(w, r, refusal)
		return
	}
	f, ok := faults.Fault{}, false
	if c.fault != "" {
		f, ok = s.cfg.Faults.Next(c.fault)
	}
	if ok {
		s.cfg.Log("blob: fault %s on %s", f.Do, c.fault)
		if s.failBefore(w, c, f) {
			return
		}
	}
	if refusal := s.do(ctx, w, c, mayOverwrite, f); refusal != nil {
		s.refuse(w, r, refusal)
	}
}

// logWriter takes what net/http itself complains about, such as a client that hung up in the handshake.
type logWriter func(format string, args ...any)

func (f logWriter) Write(b []byte) (int, error) {
	f("blob: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}

// enter counts a call in, unless Close has begun to wait for the last one.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.calls.Add(1)
	}
	return !s.closed
}

// unknownForms refuses what Azurite would get wrong in silence: it stores the frames of a structured message as the blob.
func unknownForms(r *http.Request) *Refusal {
	for _, header := range []string{"x-ms-structured-body", "x-ms-range-get-content-crc64"} {
		if r.Header.Get(header) != "" {
			return &Refusal{501, "NotImplemented", "The stand-in does not know " + header + "."}
		}
	}
	if r.Method == http.MethodPut && r.ContentLength < 0 {
		return &Refusal{411, "MissingContentLengthHeader", "The Content-Length header was not specified."}
	}
	return nil
}

// do carries a call out: judged and forwarded under the blob's name, so that of two commits of one name only one finds it free.
func (s *Server) do(ctx context.Context, w http.ResponseWriter, c call, mayOverwrite bool, f faults.Fault) *Refusal {
	if c.blob != "" && c.effect != none && c.effect != stages {
		release, err := s.hold(c)
		if err != nil {
			return &Refusal{500, "OperationTimedOut", err.Error()}
		}
		defer release()
	}
	if refusal, err := s.judge(ctx, c, mayOverwrite); err != nil {
		return &Refusal{500, "InternalError", err.Error()}
	} else if refusal != nil {
		return refusal
	}
	if c.effect == protects {
		return s.protectVersion(w, c)
	}
	body, refusal := newChecked(c)
	if refusal != nil {
		return refusal
	}
	res, err := s.forward(ctx, c, body)
	if bad := body.refusal.Load(); bad != nil {
		if err == nil {
			_ = res.Body.Close()
		}
		return bad
	}
	if errors.As(err, &refusal) {
		return refusal
	}
	if err != nil {
		// Most often the client died while it sent; then nobody reads this.
		return &Refusal{500, "InternalError", "forward to the store: " + err.Error()}
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		s.remember(c)
	}
	if f.Do == "status-after" {
		return planned(w, f)
	}
	s.decorate(c, res, body)
	s.answer(w, c, res, f)
	return nil
}

// hold waits for a blob's name and returns what lets it go.
func (s *Server) hold(c call) (release func(), err error) {
	s.mu.Lock()
	name, ok := s.names[c.key()]
	if !ok {
		name = make(chan struct{}, 1)
		s.names[c.key()] = name
	}
	s.mu.Unlock()
	release = func() { <-name }
	select {
	case name <- struct{}{}: // also for a client that has just died: its request is whole
		return release, nil
	default:
	}
	select {
	case name <- struct{}{}:
		return release, nil
	case <-c.request.Context().Done():
		return nil, fmt.Errorf("wait for another write of the blob: %w", c.request.Context().Err())
	}
}
