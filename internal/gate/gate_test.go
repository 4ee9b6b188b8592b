package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

// token is a credential whose token names the audience that it was asked for.
type token struct{}

func (token) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: strings.Join(o.Scopes, " "), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// planes answers for both planes of Azure.
type planes struct {
	// properties is the management plane's answer; data are the data plane's headers.
	properties map[string]any
	data       map[string]string
	// managementStatus and dataStatus, if not 0, refuse.
	managementStatus, dataStatus int
	writes                       atomic.Int32
	managementToken              atomic.Value
}

const managementPath = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/acct/blobServices/default/containers/vault"

func (p *planes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.writes.Add(1)
	}
	w.Header().Set("x-ms-retry-after-ms", "1")
	switch r.URL.Path {
	case managementPath:
		p.managementToken.Store(r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		if p.managementStatus != 0 {
			w.WriteHeader(p.managementStatus)
			fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"no"}}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "vault", "properties": p.properties})
	case "/acct/vault":
		if p.dataStatus != 0 {
			w.Header().Set("x-ms-error-code", "AuthorizationPermissionMismatch")
			w.WriteHeader(p.dataStatus)
			return
		}
		for k, v := range p.data {
			w.Header().Set(k, v)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

var now = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)

func open(t *testing.T, p *planes, change func(*gate.Config)) *gate.Gate {
	t.Helper()
	srv := httptest.NewTLSServer(p)
	t.Cleanup(srv.Close)
	cfg := gate.Config{
		ManagementEndpoint: srv.URL, ManagementAudience: "https://management.test", SubscriptionID: "sub", ResourceGroup: "rg", Account: "acct", Container: "vault",
		ContainerURL: srv.URL + "/acct/vault", Credential: token{}, Transport: srv.Client(), Now: func() time.Time { return now },
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

// timePolicy is the management plane's form of a time-based policy.
func timePolicy(state string, days int, more map[string]any) map[string]any {
	props := map[string]any{"state": state, "immutabilityPeriodSinceCreationInDays": days}
	for k, v := range more {
		props[k] = v
	}
	return map[string]any{"etag": `"8d"`, "properties": props}
}

func flags(policy, hold, version string) map[string]string {
	out := map[string]string{"x-ms-has-immutability-policy": policy, "x-ms-has-legal-hold": hold}
	if version != "" {
		out["x-ms-immutable-storage-with-versioning-enabled"] = version
	}
	return out
}

func TestObserveReadsBothPlanes(t *testing.T) {
	for _, c := range []struct {
		name       string
		properties map[string]any
		data       map[string]string
		want       bacvault.Posture
	}{
		{"locked", map[string]any{"hasImmutabilityPolicy": true, "immutabilityPolicy": timePolicy("Locked", 365, nil)}, flags("true", "false", "false"),
			bacvault.Posture{Scope: "container", State: "Locked", PeriodDays: 365, PolicyETag: `"8d"`, ExtensionsLeft: 5, DataPlaneHasPolicy: true}},
		{"unlocked with append flags", map[string]any{"immutabilityPolicy": timePolicy("Unlocked", 7, map[string]any{"allowProtectedAppendWrites": true, "allowProtectedAppendWritesAll": true})}, flags("true", "false", ""),
			bacvault.Posture{Scope: "container", State: "Unlocked", PeriodDays: 7, PolicyETag: `"8d"`, DataPlaneHasPolicy: true, ProtectedAppend: true, ProtectedAppendAll: true}},
		{"nothing", map[string]any{"hasImmutabilityPolicy": false}, flags("false", "false", "false"),
			bacvault.Posture{Scope: "container", State: "None"}},
		{"nothing, as an empty policy", map[string]any{"immutabilityPolicy": timePolicy("Unlocked", 0, nil)}, flags("false", "false", "false"),
			bacvault.Posture{Scope: "container", State: "None"}},
		{"a legal hold", map[string]any{"legalHold": map[string]any{"hasLegalHold": true, "tags": []any{map[string]any{"tag": "case1"}}}}, flags("false", "true", "false"),
			bacvault.Posture{Scope: "container", State: "None", LegalHold: true, LegalHoldTags: []string{"case1"}, DataPlaneHasLegalHold: true}},
		{"version-level", map[string]any{"immutableStorageWithVersioning": map[string]any{"enabled": true}, "immutabilityPolicy": timePolicy("Locked", 30, nil)}, flags("true", "false", "true"),
			bacvault.Posture{Scope: "version", State: "Locked", PeriodDays: 30, PolicyETag: `"8d"`, DataPlaneHasPolicy: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &planes{properties: c.properties, data: c.data}
			got, err := open(t, p, nil).Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.want.ObservedAt = now
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("posture (-want +got):\n%s", diff)
			}
			if p.writes.Load() != 0 || p.managementToken.Load() != "Bearer https://management.test/.default" {
				t.Errorf("%d writes, token %v", p.writes.Load(), p.managementToken.Load())
			}
		})
	}
}

func TestObserveRefusesToGuess(t *testing.T) {
	locked := map[string]any{"immutabilityPolicy": timePolicy("Locked", 365, nil)}
	for _, c := range []struct {
		name  string
		p     *planes
		code  bacvault.Code
		words []string
	}{
		{"management sees a policy, data does not", &planes{properties: locked, data: flags("false", "false", "false")},
			bacvault.CodeGateDisagrees, []string{"immutability policy: management plane true, data plane false"}},
		{"data sees a policy, management does not", &planes{properties: map[string]any{}, data: flags("true", "false", "false")},
			bacvault.CodeGateDisagrees, []string{"management plane false, data plane true"}},
		{"the hold differs", &planes{properties: locked, data: flags("true", "true", "false")}, bacvault.CodeGateDisagrees, []string{"legal hold"}},
		{"the level differs", &planes{properties: locked, data: flags("true", "false", "true")}, bacvault.CodeGateDisagrees, []string{"version-level"}},
		{"management denied", &planes{managementStatus: 403, data: flags("true", "false", "false")},
			bacvault.CodeGateUnread, []string{"management plane", "lacks Microsoft.Storage/storageAccounts/blobServices/containers/read"}},
		{"data denied", &planes{properties: locked, dataStatus: 403},
			bacvault.CodeGateUnread, []string{"data plane", "lacks Microsoft.Storage/storageAccounts/blobServices/containers/read"}},
		{"management down", &planes{managementStatus: 503, data: flags("true", "false", "false")}, bacvault.CodeGateUnread, []string{"503"}},
		{"no such container", &planes{properties: locked, dataStatus: 404}, bacvault.CodeGateUnread, []string{"no such container"}},
		{"the policy is not shown", &planes{properties: map[string]any{"hasImmutabilityPolicy": true}, data: flags("true", "false", "false")},
			bacvault.CodeGateUnread, []string{"does not show it", "immutabilityPolicies/read"}},
		{"no state", &planes{properties: map[string]any{"immutabilityPolicy": map[string]any{"properties": map[string]any{}}}, data: flags("true", "false", "false")},
			bacvault.CodeGateUnread, []string{"no state"}},
		{"migrating", &planes{properties: map[string]any{"immutableStorageWithVersioning": map[string]any{"enabled": true, "migrationState": "InProgress"}}, data: flags("true", "false", "true")},
			bacvault.CodeGateUnread, []string{"migrated"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(t, c.p, nil).Observe(t.Context())
			var f *bacvault.Failure
			if !errors.As(err, &f) || f.Code != c.code {
				t.Fatalf("%v, want %s", err, c.code)
			}
			for _, w := range c.words {
				if !strings.Contains(f.Detail, w) {
					t.Errorf("detail %q does not say %q", f.Detail, w)
				}
			}
		})
	}
}

func TestObserveWithoutAManagementPlaneClaimsNothing(t *testing.T) {
	for flag, want := range map[string]string{"true": gate.StateUnknown, "false": gate.StateNone} {
		p := &planes{managementStatus: 500, data: flags(flag, "false", "")}
		g := open(t, p, func(c *gate.Config) { c.NoManagementPlane, c.SubscriptionID, c.ResourceGroup = true, "", "" })
		got, err := g.Observe(t.Context())
		if err != nil || got.State != want || got.PeriodDays != 0 {
			t.Errorf("%s: %+v, %v", flag, got, err)
		}
		if _, f := gate.Judge(got, gate.Requirement{}, now); f == nil {
			t.Errorf("%s: it passed the gate", flag)
		}
	}
}

func TestObserveKeepsTheCauseOfACancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(bacvault.Fail(bacvault.CodeLeaseLost, "gone"))
	_, err := open(t, &planes{}, nil).Observe(ctx)
	var f *bacvault.Failure
	if !errors.As(err, &f) || f.Code != bacvault.CodeLeaseLost {
		t.Errorf("%v", err)
	}
}

func TestNewRefusesToJudgeOneContainerForAnother(t *testing.T) {
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{"https://acct.blob.core.windows.net/vault", true},
		{"https://127.0.0.1:1/acct/vault/", true},
		{"https://acct.blob.core.windows.net/other", false},
		{"https://other.blob.core.windows.net/vault", false},
		{"https://127.0.0.1:1/other/vault", false},
		{"http://acct.blob.core.windows.net/vault", false},
		{"https://acct.blob.core.windows.net/vault?sig=x", false},
	} {
		_, err := gate.New(gate.Config{SubscriptionID: "s", ResourceGroup: "r", Account: "acct", Container: "vault", ContainerURL: c.url, Credential: token{}})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.url, err)
		}
	}
	_, err := gate.New(gate.Config{Account: "acct", Container: "vault", ContainerURL: "https://acct.blob.core.windows.net/vault", Credential: token{}})
	if err == nil {
		t.Error("no resource group was accepted")
	}
}
