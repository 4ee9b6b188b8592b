package funchost

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// managedIdentity asks the identity endpoint of the app settings (App Service protocol, api-version 2019-08-01). It exists
// because the host's settings are those of the app, not those of this process.
type managedIdentity struct {
	endpoint, header, clientID string
	client                     *http.Client
}

func newManagedIdentity(s settings, clientID string, t *tls.Config) (*managedIdentity, error) {
	m := &managedIdentity{endpoint: s.get("IDENTITY_ENDPOINT"), header: s.get("IDENTITY_HEADER"), clientID: clientID}
	if m.endpoint == "" {
		return nil, errors.New("a Service Bus namespace needs a credential: IDENTITY_ENDPOINT is not set")
	}
	m.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: t.RootCAs}}}
	return m, nil
}

// GetToken implements azcore.TokenCredential.
func (m *managedIdentity) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(opts.Scopes) != 1 {
		return azcore.AccessToken{}, errors.New("managed identity: exactly one scope is needed")
	}
	q := url.Values{"api-version": {"2019-08-01"}, "resource": {strings.TrimSuffix(opts.Scopes[0], "/.default")}}
	if m.clientID != "" {
		q.Set("client_id", m.clientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.endpoint+"?"+q.Encode(), nil)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("X-IDENTITY-HEADER", m.header)
	resp, err := m.client.Do(req)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("ask for a token: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return azcore.AccessToken{}, fmt.Errorf("ask for a token: %s", resp.Status)
	}
	var doc struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_on"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return azcore.AccessToken{}, fmt.Errorf("read the token answer: %w", err)
	}
	seconds, err := strconv.ParseInt(doc.Expires.String(), 10, 64)
	if err != nil || doc.Token == "" {
		return azcore.AccessToken{}, errors.New("the token answer holds no token or no expiry")
	}
	return azcore.AccessToken{Token: doc.Token, ExpiresOn: time.Unix(seconds, 0).UTC()}, nil
}
