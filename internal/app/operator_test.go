package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func TestHandlerIsItsManagedIdentityAlone(t *testing.T) {
	for name, o := range map[string]Options{"no endpoint": {}, "an endpoint": {Environ: []string{"IDENTITY_ENDPOINT=http://127.0.0.1:1/t"}}} {
		cred, err := credential("client", o)
		if _, ok := cred.(*azidentity.ManagedIdentityCredential); err != nil || !ok {
			t.Errorf("%s: %T, %v", name, cred, err)
		}
	}
}

func TestOperatorIsWhoeverTheMachineIsSignedInAs(t *testing.T) {
	for name, c := range map[string]struct {
		client  string
		environ []string
		want    string
	}{
		"a laptop":           {"client", nil, "*azidentity.DefaultAzureCredential"},
		"an empty endpoint":  {"client", []string{"IDENTITY_ENDPOINT="}, "*azidentity.DefaultAzureCredential"},
		"no identity named":  {"", []string{"IDENTITY_ENDPOINT=http://127.0.0.1:1/t"}, "*azidentity.DefaultAzureCredential"},
		"beside an identity": {"client", []string{"IDENTITY_ENDPOINT=http://127.0.0.1:1/t"}, "*azidentity.ChainedTokenCredential"},
	} {
		cred, err := credential(c.client, Options{Operator: true, Environ: c.environ})
		if got := fmt.Sprintf("%T", cred); err != nil || got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestOperatorTriesTheManagedIdentityFirst speaks App Service's protocol, which azidentity reads from the environment.
func TestOperatorTriesTheManagedIdentityFirst(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("client_id")
		fmt.Fprintf(w, `{"access_token":"t","expires_on":"%d","resource":"r","token_type":"Bearer"}`, time.Now().Add(time.Hour).Unix())
	}))
	defer srv.Close()
	t.Setenv("IDENTITY_ENDPOINT", srv.URL)
	t.Setenv("IDENTITY_HEADER", "h")
	cred, err := credential("client-of-test", Options{Operator: true, Environ: []string{"IDENTITY_ENDPOINT=" + srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://database.windows.net/.default"}})
	if err != nil || got.Token != "t" || asked != "client-of-test" {
		t.Errorf("asked for %q: %v", asked, err)
	}
}

func TestHereRefusesAContainerWithASignature(t *testing.T) {
	for _, from := range []string{"https://st.blob.core.windows.net/v?sig=topsecret", "https://st.blob.core.windows.net", "ftp://st/v"} {
		_, err := NewHere(HereConfig{Container: from, TargetName: "s", TargetAddress: "127.0.0.1:1433"})
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", from, err)
		}
	}
}
