package funchost

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

func TestManagedIdentityAsksTheAppsEndpoint(t *testing.T) {
	answer := `{"access_token":"tok","expires_on":"4102444800","resource":"r","token_type":"Bearer"}`
	var asked *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		if answer == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer srv.Close()
	s := newSettings(map[string]string{"IDENTITY_ENDPOINT": srv.URL + "/msi/token", "IDENTITY_HEADER": "h"})
	m, err := newManagedIdentity(s, "client-1", &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	opts := policy.TokenRequestOptions{Scopes: []string{"https://servicebus.azure.net//.default"}}
	tok, err := m.GetToken(context.Background(), opts)
	if err != nil || tok.Token != "tok" || !tok.ExpiresOn.Equal(time.Unix(4102444800, 0)) {
		t.Errorf("token %v, %v", tok.ExpiresOn, err)
	}
	q := asked.URL.Query()
	if q.Get("resource") != "https://servicebus.azure.net/" || q.Get("client_id") != "client-1" || q.Get("api-version") != "2019-08-01" || asked.Header.Get("X-IDENTITY-HEADER") != "h" {
		t.Errorf("asked %s with %v", asked.URL, asked.Header)
	}
	for _, c := range []struct{ answer, want string }{{"", "403"}, {"{", "read the token answer"}, {"{}", "no token"}} {
		answer = c.answer
		if _, err := m.GetToken(context.Background(), opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.answer, err, c.want)
		}
	}
	if _, err := newManagedIdentity(settings{}, "", &tls.Config{}); err == nil {
		t.Error("no endpoint is no error")
	}
}
