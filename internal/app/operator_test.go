package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/bacvault/bacvault/internal/config"
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

// scopes is a credential that notes what it is asked for.
type scopes []string

func (s *scopes) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	*s = append(*s, o.Scopes...)
	return azcore.AccessToken{}, errors.New("no token here")
}

// Each way to a server asks for a token of the cloud that the servers are in.
func TestSQLTokensAreThoseOfTheCloud(t *testing.T) {
	c, err := config.Load(append(settings, "BACVAULT_SQL_DNS_SUFFIX=database.usgovcloudapi.net", "BACVAULT_SQL_ENDPOINT=127.0.0.1:1", "BACVAULT_RESTORE_SERVER_NAME=other"))
	if err != nil {
		t.Fatal(err)
	}
	var asked scopes
	if _, err := sqlToken(&asked, c.SQLSuffix)(t.Context()); err == nil {
		t.Error("no error")
	}
	if want := "https://database.usgovcloudapi.net/.default"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked for %v, want %s", asked, want)
	}
	if c.Servers["srv"] != "127.0.0.1:1" || c.RestoreAddress != "other.database.usgovcloudapi.net:1433" {
		t.Errorf("%v, %s", c.Servers, c.RestoreAddress)
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
