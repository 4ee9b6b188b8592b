// Package identity is App Service's managed identity endpoint on loopback, and the judge of the tokens that it gave out.
package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
)

// apiVersion is the one that azidentity's App Service source sends.
const apiVersion = "2019-08-01"

// Config is what an endpoint is started with.
type Config struct {
	// Listen is a loopback address; empty means any free port of 127.0.0.1.
	Listen string
	// Clients are the client ids that have an identity here. A request for any other gets the 400 of App Service.
	Clients []string
	// Tenant is the tid claim; empty means a fixed one.
	Tenant string
	// TokenLifetime is how long a token is good by Clock; 0 means an hour. Clients keep a token by the machine's time, so a
	// test that moves Clock further than this while they run must set more.
	TokenLifetime time.Duration
	Clock         *clock.Clock
	// Faults knows the operation "identity.token": "status" (Status, Wait as Retry-After) and "stall" (Wait).
	Faults *faults.Plan
	Log    func(format string, args ...any)
}

// Server is a running endpoint.
type Server struct {
	cfg    Config
	key    *ecdsa.PrivateKey
	header string
	ln     net.Listener
	http   *http.Server
	done   chan struct{}

	mu     sync.Mutex
	issued []string
}

// Start listens and answers.
func Start(cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.TokenLifetime == 0 {
		cfg.TokenLifetime = time.Hour
	}
	if cfg.Tenant == "" {
		cfg.Tenant = "b0000000-0000-4000-8000-0000000000ff"
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &Server{cfg: cfg, done: make(chan struct{})}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("generate the signing key: %w", err)
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("draw the identity header: %w", err)
	}
	s.header = strings.ToUpper(hex.EncodeToString(secret))
	if s.ln, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen for token requests: %w", err)
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 30 * time.Second}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log("identity: %v", err)
		}
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Endpoint is the value of IDENTITY_ENDPOINT.
func (s *Server) Endpoint() string { return "http://" + s.Addr() + "/msi/token" }

// Header is the value of IDENTITY_HEADER: a secret, as in App Service.
func (s *Server) Header() string { return s.header }

// Close stops the server and waits for it. Calls that are still stalled are cut.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// Issued lists every token that was given out, so that a test can look for them where no token may be.
func (s *Server) Issued() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	resource, client := q.Get("resource"), q.Get("client_id")
	switch {
	case r.URL.Path != "/msi/token":
		refuse(w, http.StatusNotFound, "the stand-in answers on /msi/token only")
		return
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "token requests are GET requests")
		return
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("X-IDENTITY-HEADER")), []byte(s.header)) != 1:
		// The header is App Service's guard against request forgery; its exact refusal is not documented.
		refuse(w, http.StatusUnauthorized, "X-IDENTITY-HEADER is missing or wrong")
		return
	case q.Get("api-version") != apiVersion:
		refuse(w, http.StatusBadRequest, "the stand-in knows api-version "+apiVersion+" only")
		return
	case resource == "":
		refuse(w, http.StatusBadRequest, "resource is missing")
		return
	}
	if !s.misbehave(r.Context(), w) {
		return
	}
	// No identity is system-assigned here, so a request without client_id meets the same refusal.
	if !s.knows(client) {
		s.cfg.Log("identity: refused unknown client %q", client)
		refuse(w, http.StatusBadRequest, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
		return
	}
	token, err := s.issue(client, resource)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.cfg.Log("identity: token for %s on %s", client, resource)
	// expires_on is what the client caches by. It lives in the machine's time, also where Clock was moved.
	answer(w, http.StatusOK, map[string]string{
		"access_token": token,
		"client_id":    client,
		"expires_on":   strconv.FormatInt(time.Now().Add(s.cfg.TokenLifetime).Unix(), 10),
		"not_before":   strconv.FormatInt(time.Now().Add(-5*time.Minute).Unix(), 10),
		"resource":     resource,
		"token_type":   "Bearer",
	})
}

// misbehave applies a planned fault and says whether the call goes on.
func (s *Server) misbehave(ctx context.Context, w http.ResponseWriter) bool {
	f, ok := s.cfg.Faults.Next("identity.token")
	if !ok {
		return true
	}
	s.cfg.Log("identity: fault %s", f.Do)
	switch f.Do {
	case "status":
		if f.Wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.Wait.Round(time.Second).Seconds())))
		}
		refuse(w, f.Status, "planned fault")
		return false
	case "stall":
		select {
		case <-time.After(f.Wait):
			return true
		case <-ctx.Done():
			return false
		}
	default:
		refuse(w, http.StatusInternalServerError, "identity does not know the fault "+strconv.Quote(f.Do))
		return false
	}
}

func (s *Server) knows(client string) bool {
	return client != "" && slices.ContainsFunc(s.cfg.Clients, func(c string) bool { return strings.EqualFold(c, client) })
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"statusCode": status, "message": message})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The only error left is a client that went away.
	_ = json.NewEncoder(w).Encode(body)
}
