// Package arm is Azure Resource Manager of a stack: the calls about storage accounts, containers, immutability policies and
// databases that the real management clients make.
package arm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
)

// audiences are the two names of the management plane; tokens for either are taken, as by the real one.
var audiences = []string{"https://management.azure.com", "https://management.core.windows.net"}

// maxBody bounds a request's body; policies are small.
const maxBody = 1 << 20

// Config is what a management plane is started with.
type Config struct {
	// Listen is a loopback address; empty means any free port of 127.0.0.1.
	Listen string
	TLS    *tls.Config
	// Subscription and ResourceGroup are the only ones there are, and Accounts the storage accounts in them.
	Subscription, ResourceGroup string
	Accounts                    []string
	// Policies is shared with the blob gateway.
	Policies *blob.Policies
	// CreateContainer and DeleteContainer do it in the store; nil refuses the call.
	CreateContainer func(ctx context.Context, account, container string, kind blob.Kind) error
	DeleteContainer func(ctx context.Context, account, container string) error
	// MissingPolicyIs404 answers 404 where a container has no policy, and not an unlocked one of 0 days. Which of the two the
	// real one says nobody has written down.
	MissingPolicyIs404 bool
	// Databases is the logical server in the resource group; the zero value is none.
	Databases Databases

	Authenticate func(token, audience string) (principal string, err error)
	Allow        func(principal, action, scope string) bool
	Clock        *clock.Clock
	// Faults knows the operations "arm.account", "arm.container", "arm.policy", "arm.database" (reads), "arm.database.write",
	// "arm.database.delete", "arm.retention" (reads), "arm.retention.write" and "arm.operation": "status" and "status-after"
	// (Status, Code, Wait as Retry-After), "stall" (Wait) and "cut" (the call took effect, and nobody is told). A write also
	// "fail-operation" (the operation ends half-way with Code; of a retention it has no effect), "hang-operation", and a retention "slow-operation" (Wait).
	Faults *faults.Plan
	Log    func(format string, args ...any)
}

// Server is a running management plane.
type Server struct {
	cfg    Config
	ln     net.Listener
	http   *http.Server
	cancel context.CancelFunc
	served chan struct{}
	calls  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	copies map[string]operationOf // the operations on databases, by id
	// retentions are the policies that are no longer a new database's, by the database's identity.
	retentions map[uint64]Retention
	late       map[uint64]lateRetention
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
		cfg.Policies = blob.NewPolicies(cfg.Clock)
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &Server{cfg: cfg, served: make(chan struct{}), copies: map[string]operationOf{}, retentions: map[uint64]Retention{}, late: map[uint64]lateRetention{}}
	var err error
	if s.ln, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen for management requests: %w", err)
	}
	ln := s.ln
	if cfg.TLS != nil {
		ln = tls.NewListener(ln, cfg.TLS)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(logWriter(cfg.Log), "", 0),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log("arm: %v", err)
		}
	}()
	return s, nil
}

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Endpoint is the management plane's URL, as a cloud configuration wants it.
func (s *Server) Endpoint() string {
	if s.cfg.TLS == nil {
		return "http://" + s.Addr()
	}
	return "https://" + s.Addr()
}

// Close cuts every call and waits for their end.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	<-s.served
	s.calls.Wait()
	return err
}

// logWriter takes what net/http itself complains about, such as a client that hung up in the handshake.
type logWriter func(format string, args ...any)

func (f logWriter) Write(b []byte) (int, error) {
	f("arm: %s", strings.TrimSpace(string(b)))
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

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		return
	}
	defer s.calls.Done()
	w.Header().Set("x-ms-request-id", uuid.NewString())
	w.Header().Set("x-ms-correlation-request-id", uuid.NewString())
	status, body, err := s.answer(w, r)
	var refusal *blob.Refusal
	switch {
	case errors.Is(err, errCut):
		s.cut(w)
		return
	case errors.As(err, &refusal):
		s.cfg.Log("arm: %s %s: %d %s", r.Method, r.URL.Path, refusal.Status, refusal.Code)
		w.Header().Set("x-ms-failure-cause", "gateway")
		status = refusal.Status
		body = map[string]any{"error": map[string]string{"code": refusal.Code, "message": refusal.Message}}
	case err != nil:
		s.cfg.Log("arm: %s %s: %v", r.Method, r.URL.Path, err)
		status = http.StatusInternalServerError
		body = map[string]any{"error": map[string]string{"code": "InternalServerError", "message": err.Error()}}
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.cfg.Log("arm: write an answer: %v", err)
	}
}

// answer goes the way that every call goes: who, what, whether they may, and whether it is there.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (int, any, error) {
	who, err := s.authenticate(w, r)
	if err != nil {
		return 0, nil, err
	}
	c, op, err := s.parse(r)
	if err != nil {
		return 0, nil, err
	}
	c.who = who
	if s.cfg.Allow == nil || !s.cfg.Allow(who, op.action, c.scope()) {
		return 0, nil, &blob.Refusal{Status: 403, Code: "AuthorizationFailed", Message: fmt.Sprintf(
			"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. "+
				"If access was recently granted, please refresh your credentials.", who, who, op.action, r.URL.Path)}
	}
	if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		return 0, nil, fmt.Errorf("read the request: %w", err)
	}
	f, planned := s.cfg.Faults.Next(op.fault)
	if planned {
		s.cfg.Log("arm: fault %s on %s", f.Do, op.fault)
		switch {
		case slices.Contains(op.own, f.Do):
			c.fault = f
		case f.Do == "status":
			return 0, nil, failure(w, f)
		case f.Do == "status-after", f.Do == "cut":
		case f.Do == "stall":
			if err := wait(r.Context(), f.Wait); err != nil {
				return 0, nil, fmt.Errorf("stall: %w", err)
			}
		default:
			return 0, nil, &blob.Refusal{Status: 501, Code: "UnknownFault", Message: "The stand-in does not know the fault " + strconv.Quote(f.Do) + "."}
		}
	}
	c.header, c.base = w.Header(), s.Endpoint()
	status, body, err := op.do(s, r.Context(), c)
	if err == nil && planned && f.Do == "status-after" {
		return 0, nil, failure(w, f)
	}
	if err == nil && planned && f.Do == "cut" {
		return 0, nil, errCut
	}
	if tagged, ok := body.(interface{ etag() string }); ok && err == nil {
		w.Header().Set("ETag", tagged.etag())
	}
	return status, body, err
}

func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	err := errors.New("the 'Authorization' header is missing")
	if strings.EqualFold(scheme, "Bearer") {
		err = errors.New("no tokens are known here")
		for _, audience := range audiences {
			if s.cfg.Authenticate == nil {
				break
			}
			var who string
			if who, err = s.cfg.Authenticate(token, audience); err == nil {
				return who, nil
			}
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="The access token is invalid."`)
	return "", &blob.Refusal{Status: 401, Code: "InvalidAuthenticationToken", Message: "The access token is invalid: " + err.Error()}
}

// failure is the error answer of a fault.
func failure(w http.ResponseWriter, f faults.Fault) *blob.Refusal {
	if f.Status == 0 {
		f.Status = http.StatusServiceUnavailable
	}
	if f.Code == "" {
		f.Code = map[int]string{429: "TooManyRequests", 500: "InternalServerError", 503: "ServerTimeout"}[f.Status]
	}
	if f.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.Wait+time.Second-1)/time.Second)))
	}
	return &blob.Refusal{Status: f.Status, Code: f.Code, Message: "Planned fault."}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
