package servicebus

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Token types of put-token, as azservicebus and @azure/service-bus send them.
const (
	tokenTypeJWT = "jwt"
	tokenTypeSAS = "servicebus.windows.net:sastoken"
)

// claim is what a token proved to a connection for one entity and all below it.
type claim struct {
	principal string
	allRights bool      // a key's, which is not asked about action by action
	expires   time.Time // zero: with the connection
	expiry    *timer
}

// putToken answers a request on $cbs. It runs without the broker's lock, as checking a token may take a while.
func (c *connection) putToken(l *link, p *payload) {
	app := p.application()
	name := entityPath(text(app.get("name")))
	cl, err := c.readToken(text(app.get("operation")), text(app.get("type")), text(p.value()), text(app.get("expiration")))
	c.broker.enter()
	defer c.broker.mu.Unlock()
	entity := entityOf(name)
	if _, ok := c.broker.scopeOf(entity); !ok && err == nil && entity != "" {
		err = notFound(entity)
	}
	if err == nil {
		c.remember(name, cl)
	}
	l.reply(p, answer{code: 202, err: err})
}

func unauthorized(text string) *amqpError { return &amqpError{condUnauthorized, text} }

func (c *connection) readToken(operation, kind, token, expiration string) (*claim, *amqpError) {
	cfg := c.server.cfg
	switch {
	case operation != "put-token":
		return nil, &amqpError{condNotImplemented, "operation " + operation + " is unknown on $cbs"}
	case kind == tokenTypeSAS && !cfg.AnyKey:
		return nil, unauthorized("LocalAuthDisabled: Authorization failed because SAS authentication has been disabled for the namespace.")
	case kind == tokenTypeSAS:
		if !wellFormedSAS(token) {
			return nil, unauthorized("MalformedToken: The token is no shared access signature.")
		}
		return &claim{allRights: true}, nil
	case kind != tokenTypeJWT:
		return nil, unauthorized("UnsupportedTokenType: " + kind)
	case cfg.Authenticate == nil:
		return nil, unauthorized("InvalidToken: The stand-in knows no tokens.")
	}
	principal, err := cfg.Authenticate(token, Audience)
	if err != nil {
		return nil, unauthorized("InvalidToken: " + err.Error())
	}
	cl := &claim{principal: principal, expires: tokenExpiry(token, expiration)}
	if cl.expired(c.broker.now()) {
		return nil, unauthorized("ExpiredToken: The token expired at " + cl.expires.Format(time.RFC3339) + ".")
	}
	return cl, nil
}

// wellFormedSAS asks for the parts of a shared access signature. Which key signed it does not matter to an emulator.
func wellFormedSAS(token string) bool {
	query, ok := strings.CutPrefix(token, "SharedAccessSignature ")
	v, err := url.ParseQuery(query)
	return ok && err == nil && v.Get("sr") != "" && v.Get("sig") != "" && v.Get("se") != ""
}

// tokenExpiry reads exp from the token, which Authenticate has verified, or else takes the client's word.
func tokenExpiry(token, expiration string) time.Time {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		var claims struct {
			Exp float64 `json:"exp"`
		}
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(raw, &claims) == nil && claims.Exp > 0 {
			return time.Unix(int64(claims.Exp), 0).UTC()
		}
	}
	if seconds, err := strconv.ParseInt(expiration, 10, 64); err == nil && seconds > 0 {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Time{}
}

func (cl *claim) expired(now time.Time) bool { return !cl.expires.IsZero() && !now.Before(cl.expires) }

// remember replaces the claim for an entity, and sets the moment when the links that stand on it go.
func (c *connection) remember(name string, cl *claim) {
	if old := c.claims[name]; old != nil {
		old.expiry.cancel()
	}
	c.claims[name] = cl
	if !cl.expires.IsZero() {
		cl.expiry = c.broker.timers.at(cl.expires, c.dropUnclaimed)
	}
}

// dropUnclaimed detaches the links whose token has expired, as the service does.
func (c *connection) dropUnclaimed() {
	for _, s := range c.sessions {
		for _, l := range s.links {
			if l.path == cbsPath {
				continue
			}
			if err := c.authenticated(l.path); err != nil {
				l.detach(err)
			}
		}
	}
}

// claimFor finds the claim that covers a path: one for itself or for something above it.
func (c *connection) claimFor(path string) *claim {
	now := c.broker.now()
	for {
		if cl := c.claims[path]; cl != nil && !cl.expired(now) {
			return cl
		}
		if path == "" {
			return nil
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
}

func (c *connection) authenticated(path string) *amqpError {
	if c.claimFor(path) != nil {
		return nil
	}
	for p := range c.claims {
		if p == "" || path == p || strings.HasPrefix(path, p+"/") {
			return unauthorized("ExpiredToken: The token for '" + path + "' has expired.")
		}
	}
	return unauthorized("Unauthorized access. No token was put for '" + path + "' on this connection.")
}

// authorize asks whether the principal of the connection's claim may do an action on an entity that exists; path is that of
// the entity or of its management node.
func (c *connection) authorize(path, action string) *amqpError {
	if err := c.authenticated(path); err != nil {
		return err
	}
	cl := c.claimFor(path)
	scope, _ := c.broker.scopeOf(entityOf(path))
	if cl.allRights || c.server.cfg.Allow != nil && c.server.cfg.Allow(cl.principal, action, scope) {
		return nil
	}
	word := "Listen"
	if action == ActionSend {
		word = "Send"
	}
	return unauthorized("Unauthorized access. '" + word + "' claim(s) are required to perform this operation. Client '" +
		cl.principal + "' lacks " + action + " on " + scope + ".")
}
