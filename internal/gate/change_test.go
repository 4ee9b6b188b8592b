package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

// keeper answers changes of the policy with one answer, and remembers what was asked.
type keeper struct {
	status int // 0 hangs up without an answer
	body   string
	calls  []string // method, path, If-Match, body
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	k.calls = append(k.calls, fmt.Sprintf("%s %s %s %s", r.Method, strings.TrimPrefix(r.URL.Path, managementPath), r.Header.Get("If-Match"), b))
	w.Header().Set("x-ms-retry-after-ms", "1")
	if k.status == 0 {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(k.status)
	fmt.Fprint(w, k.body)
}

func (k *keeper) open(t *testing.T, change func(*gate.Config)) *gate.Gate {
	t.Helper()
	srv := httptest.NewTLSServer(k)
	t.Cleanup(srv.Close)
	cfg := gate.Config{
		ManagementEndpoint: srv.URL, ManagementAudience: "https://management.test", SubscriptionID: "sub", ResourceGroup: "rg", Account: "acct", Container: "vault",
		ContainerURL: srv.URL + "/acct/vault", Credential: token{}, Transport: srv.Client(),
	}
	if change != nil {
		change(&cfg)
	}
	g, err := gate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const etag = `"8d"`

// both are the two changes, and how each looks on the wire.
var both = map[string]struct {
	do   func(g *gate.Gate, ctx context.Context, etag string) error
	wire string
}{
	"lock":   {(*gate.Gate).Lock, `POST /immutabilityPolicies/default/lock "8d" `},
	"extend": {func(g *gate.Gate, ctx context.Context, etag string) error { return g.Extend(ctx, etag, 730) }, `POST /immutabilityPolicies/default/extend "8d" {"properties":{"immutabilityPeriodSinceCreationInDays":730}}`},
}

func TestChangeCarriesTheETagAndIsSentOnce(t *testing.T) {
	for name, c := range both {
		k := &keeper{status: 200, body: `{"properties":{"state":"Locked"}}`}
		if err := c.do(k.open(t, nil), t.Context(), etag); err != nil || len(k.calls) != 1 || k.calls[0] != c.wire {
			t.Errorf("%s: %v, sent %q", name, err, k.calls)
		}
	}
}

// Each status is translated once, and none is tried again.
func TestRefusedChangeSaysWhat(t *testing.T) {
	const said = `{"error":{"code":"ContainerImmutabilityPolicyFailure","message":"Operation not allowed on immutability policy with current state.\nmore"}}`
	for _, c := range []struct {
		status int
		code   bacvault.Code
		words  string
	}{
		{412, bacvault.CodePolicyChanged, "412 ContainerImmutabilityPolicyFailure"},
		{409, bacvault.CodePolicyRefused, "409 ContainerImmutabilityPolicyFailure, Operation not allowed on immutability policy with current state."},
		{400, bacvault.CodePolicyRefused, "400"},
		{404, bacvault.CodeGateNoPolicy, "no such container or policy"},
		{403, bacvault.CodeVaultDenied, "/immutabilityPolicies/%s/action"},
		{401, bacvault.CodeVaultDenied, "/immutabilityPolicies/%s/action"},
		{429, bacvault.CodePolicyFailed, "too busy"},
	} {
		for name, change := range both {
			k := &keeper{status: c.status, body: said}
			err := change.do(k.open(t, nil), t.Context(), etag)
			var f *bacvault.Failure
			words := strings.ReplaceAll(c.words, "%s", name)
			if !errors.As(err, &f) || f.Code != c.code || !strings.Contains(f.Detail, words) || strings.Contains(f.Detail, "\n") || f.Exists == "" || f.Next == "" || len(k.calls) != 1 {
				t.Errorf("%s, %d: sent %d times, %v", name, c.status, len(k.calls), err)
			}
			if errors.Is(err, gate.ErrUnsettled) {
				t.Errorf("%s, %d: a refusal leaves no doubt", name, c.status)
			}
		}
	}
}

func TestLostAnswerIsNeitherDoneNorRefused(t *testing.T) {
	for _, k := range []keeper{{status: 500}, {status: 503}, {status: 504}, {status: 408}, {status: 0}, {status: 200, body: "<html>"}, {status: 202, body: "{}"}, {status: 204}} {
		for name, change := range both {
			one := k
			err := change.do(one.open(t, nil), t.Context(), etag)
			var f *bacvault.Failure
			if !errors.Is(err, gate.ErrUnsettled) || errors.As(err, &f) || len(one.calls) != 1 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %d: sent %d times, %v", name, one.status, len(one.calls), err)
			}
		}
	}
}

func TestNothingIsSentWithoutWhatItNeeds(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	k := &keeper{status: 200, body: "{}"}
	g := k.open(t, nil)
	blind := k.open(t, func(c *gate.Config) { c.NoManagementPlane = true })
	for name, c := range both {
		for why, err := range map[string]error{
			"no ETag": c.do(g, t.Context(), ""), "any ETag": c.do(g, t.Context(), "*"), "no plane": c.do(blind, t.Context(), etag), "cancelled": c.do(g, cancelled, etag),
		} {
			if err == nil || errors.Is(err, gate.ErrUnsettled) {
				t.Errorf("%s, %s: %v", name, why, err)
			}
		}
	}
	for _, days := range []int{-1, 0, gate.MaxDays + 1} {
		if err := g.Extend(t.Context(), etag, days); err == nil {
			t.Errorf("extended to %d days", days)
		}
	}
	if len(k.calls) > 0 {
		t.Errorf("sent %q", k.calls)
	}
}
