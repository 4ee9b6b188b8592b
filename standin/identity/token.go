package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// claims are the ones of Entra's v1.0 access tokens that services look at.
type claims struct {
	jwt.RegisteredClaims
	AppID  string `json:"appid"`
	ObjID  string `json:"oid"`
	Tenant string `json:"tid"`
	Type   string `json:"idtyp"`
}

func (s *Server) issue(client, resource string) (string, error) {
	now := s.cfg.Clock.Now()
	client = strings.ToLower(client)
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:   "https://sts.windows.net/" + s.cfg.Tenant + "/",
			Subject:  client,
			Audience: jwt.ClaimStrings{resource},
			IssuedAt: jwt.NewNumericDate(now),
			// Entra dates a token back, so that a service whose clock is late takes it too.
			NotBefore: jwt.NewNumericDate(now.Add(-5 * time.Minute)),
			ExpiresAt: jwt.NewNumericDate(now.Add(s.cfg.TokenLifetime)),
			ID:        uuid.NewString(),
		},
		AppID: client, ObjID: client, Tenant: s.cfg.Tenant, Type: "app",
	}).SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	s.mu.Lock()
	s.issued = append(s.issued, token)
	s.mu.Unlock()
	return token, nil
}

// Authenticate checks signature, time by the stack's clock, and audience (with or without a trailing slash), and returns
// the client id that the token was given to. Its errors never hold the token.
func (s *Server) Authenticate(token, audience string) (clientID string, err error) {
	var c claims
	_, err = jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key.Public(), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithTimeFunc(s.cfg.Clock.Now),
		jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "", fmt.Errorf("token of %s has expired", c.AppID)
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return "", fmt.Errorf("token of %s is not valid yet", c.AppID)
	case err != nil:
		return "", errors.New("token is malformed or was not issued here")
	}
	for _, aud := range c.Audience {
		if strings.EqualFold(strings.TrimRight(aud, "/"), strings.TrimRight(audience, "/")) {
			return c.AppID, nil
		}
	}
	return "", fmt.Errorf("token of %s is for %s, not for %s", c.AppID, strings.Join(c.Audience, ", "), audience)
}

// Credential is a credential of one client id for stand-ins in the same process, such as the Functions host. It asks for a
// fresh token each time and counts it in Issued.
func (s *Server) Credential(clientID string) azcore.TokenCredential {
	return credential{s, clientID}
}

type credential struct {
	server *Server
	client string
}

func (c credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 {
		return azcore.AccessToken{}, fmt.Errorf("a managed identity's token has one scope, not %d", len(o.Scopes))
	}
	if !c.server.knows(c.client) {
		return azcore.AccessToken{}, fmt.Errorf("no managed identity %q", c.client)
	}
	token, err := c.server.issue(c.client, strings.TrimSuffix(o.Scopes[0], "/.default"))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(c.server.cfg.TokenLifetime).UTC()}, nil
}
