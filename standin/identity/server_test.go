package identity_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/uuid"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/identity"
)

const storage = "https://storage.azure.com"

func start(t *testing.T, cfg identity.Config) *identity.Server {
	t.Helper()
	s, err := identity.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// realCredential is azidentity as a Functions app uses it. It caches tokens for the whole process by client id and
// resource, so every test has client ids of its own.
func realCredential(t *testing.T, s *identity.Server, client string) *azidentity.ManagedIdentityCredential {
	t.Helper()
	t.Setenv("IDENTITY_ENDPOINT", s.Endpoint())
	t.Setenv("IDENTITY_HEADER", s.Header())
	opts := &azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(client)}
	opts.Retry.MaxRetries = -1
	cred, err := azidentity.NewManagedIdentityCredential(opts)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func scope(resource string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}}
}

func TestRealCredentialGetsATokenThatAuthenticates(t *testing.T) {
	client := uuid.NewString()
	s := start(t, identity.Config{Clients: []string{client}})
	token, err := realCredential(t, s, client).GetToken(t.Context(), scope(storage))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.ExpiresOn); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the client keeps the token for %v, want an hour", left)
	}
	for _, audience := range []string{storage, storage + "/"} {
		if who, err := s.Authenticate(token.Token, audience); err != nil || who != client {
			t.Errorf("Authenticate for %s = %q, %v", audience, who, err)
		}
	}
	if !slices.Contains(s.Issued(), token.Token) {
		t.Error("the token is not among the issued ones")
	}
}

func TestUnknownClientIsRefusedAsAppServiceDoes(t *testing.T) {
	s := start(t, identity.Config{Clients: []string{uuid.NewString()}})
	_, err := realCredential(t, s, uuid.NewString()).GetToken(t.Context(), scope(storage))
	if err == nil || !strings.Contains(err.Error(), "No User Assigned or Delegated Managed Identity found") {
		t.Fatalf("error %v", err)
	}
	if n := len(s.Issued()); n != 0 {
		t.Errorf("%d tokens were issued", n)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	client := uuid.NewString()
	c := &clock.Clock{}
	s := start(t, identity.Config{Clients: []string{client}, Clock: c, TokenLifetime: 10 * time.Minute})
	other := start(t, identity.Config{Clients: []string{client}})
	get := func(from *identity.Server) string {
		token, err := from.Credential(client).GetToken(t.Context(), scope(storage))
		if err != nil {
			t.Fatal(err)
		}
		return token.Token
	}
	good := get(s)
	if _, err := s.Authenticate(good, storage); err != nil {
		t.Fatal(err)
	}
	refused := func(name, token, audience, want string) {
		t.Helper()
		if who, err := s.Authenticate(token, audience); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want an error with %q", name, who, err, want)
		} else if strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
	refused("another issuer", get(other), storage, "not issued here")
	refused("another audience", good, "https://database.windows.net", "is for "+storage)
	refused("no token", "ey.ey.ey", storage, "malformed")
	c.Advance(11 * time.Minute)
	refused("expired by the stack's clock", good, storage, "has expired")
	if _, err := s.Authenticate(get(s), storage); err != nil {
		t.Errorf("a token issued after the move is refused: %v", err)
	}
}

func TestEndpointRefusesAndFails(t *testing.T) {
	client := uuid.NewString()
	plan := &faults.Plan{}
	s := start(t, identity.Config{Clients: []string{client}, Faults: plan})
	query := url.Values{"api-version": {"2019-08-01"}, "resource": {storage}, "client_id": {client}}
	ask := func(header string, change func(url.Values)) (int, map[string]any) {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		change(q)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint()+"?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-IDENTITY-HEADER", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body
	}
	same := func(url.Values) {}
	for _, c := range []struct {
		name, header string
		change       func(url.Values)
		want         int
	}{
		{"good", s.Header(), same, 200},
		{"wrong header", "nonsense", same, 401},
		{"other api-version", s.Header(), func(q url.Values) { q.Set("api-version", "2017-09-01") }, 400},
		{"no resource", s.Header(), func(q url.Values) { q.Del("resource") }, 400},
		{"no client id", s.Header(), func(q url.Values) { q.Del("client_id") }, 400},
	} {
		if status, body := ask(c.header, c.change); status != c.want {
			t.Errorf("%s: status %d, body %v", c.name, status, body)
		}
	}
	plan.Add(faults.Fault{Op: "identity.token", Do: "status", Status: 503})
	if status, _ := ask(s.Header(), same); status != 503 {
		t.Errorf("planned fault: status %d", status)
	}
	plan.Add(faults.Fault{Op: "identity.token", Do: "stall", Wait: 50 * time.Millisecond})
	began := time.Now()
	if status, _ := ask(s.Header(), same); status != 200 || time.Since(began) < 50*time.Millisecond {
		t.Errorf("planned stall: status %d after %v", status, time.Since(began))
	}
	if left := plan.Unfired(); left != nil {
		t.Error(left)
	}
}

func TestCommandPrintsTheVariables(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := identity.Command(ctx, []string{"--clients", uuid.NewString()}, &out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "IDENTITY_ENDPOINT=http://127.0.0.1:") || !strings.Contains(text, "IDENTITY_HEADER=") {
		t.Errorf("printed %q", text)
	}
	if err := identity.Command(ctx, nil, &out); err == nil {
		t.Error("an endpoint without identities was started")
	}
}
