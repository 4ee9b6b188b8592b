package servicebus_test

import (
	"context"
	"crypto/x509"
	"errors"

	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/tls"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/servicebus"
)

// tlsBus is a namespace as the stack starts it: amqps, tokens of managed identities, rights by client id.
type tlsBus struct {
	*bus
	roots *x509.CertPool
	mu    sync.Mutex
	asked []string
}

const (
	namespace  = "127.0.0.1"
	backupApp  = "backup-app"
	monitoring = "monitoring"
)

func startTLS(t *testing.T) *tlsBus {
	t.Helper()
	server, roots := authority(t, "127.0.0.1", "bacvault.servicebus.windows.net")
	b := &tlsBus{bus: &bus{t: t, clock: &clock.Clock{}}, roots: roots}
	b.Server = start(t, servicebus.Config{
		Entities: testEntities(), TLS: server, Authenticate: authenticate, Clock: b.clock, Log: t.Logf,
		Allow: func(principal, action, scope string) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.asked = append(b.asked, principal+" "+action[strings.LastIndex(action, "messages/"):]+" "+scope)
			switch principal {
			case backupApp:
				return scope == "queues/backup-requests" || scope == "topics/backup-events" && action == servicebus.ActionSend
			case monitoring:
				return action == servicebus.ActionReceive && strings.HasPrefix(scope, "topics/backup-events/subscriptions/")
			}
			return false
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	b.ctx = ctx
	return b
}

func (b *tlsBus) as(principal string) *azservicebus.Client {
	return b.dial(namespace, credential{principal: principal})
}

func (b *tlsBus) dial(fqdn string, cred credential) *azservicebus.Client {
	b.t.Helper()
	c, err := azservicebus.NewClient(fqdn, cred, &azservicebus.ClientOptions{
		CustomEndpoint: b.Addr(), TLSConfig: &tls.Config{RootCAs: b.roots}, RetryOptions: quickRetry(),
	})
	check(b.t, err)
	b.closeLater(c)
	return c
}

// A managed identity's token over amqps carries a message from one client to another, and the other's settlement by lock
// token back.
func TestManagedIdentityOverTLS(t *testing.T) {
	b := startTLS(t)
	if got := b.ConnectionString(); got != "" {
		t.Fatalf("connection string %q where there are no keys", got)
	}
	b.client = b.as(backupApp)
	b.send("backup-requests", &azservicebus.Message{Body: []byte("nightly"), MessageID: ptr("r-1")})
	m := b.receive(b.receiver("backup-requests"))
	b.client = b.as(backupApp)
	other := b.receiver("backup-requests")
	check(t, other.RenewMessageLock(b.ctx, byToken(m), nil))
	check(t, other.CompleteMessage(b.ctx, byToken(m), nil))
	b.wantCounts("backup-requests", counts{})

	b.send("backup-events", &azservicebus.Message{MessageID: ptr("e-1"), ApplicationProperties: map[string]any{"cloudEvents_type": "bacvault.backup.failed.v1"}})
	b.send("backup-events", &azservicebus.Message{MessageID: ptr("e-2"), ApplicationProperties: map[string]any{"cloudEvents_type": "bacvault.backup.completed.v1"}})
	b.client = b.as(monitoring)
	if m := b.receive(b.receiver("backup-events/failures")); m.MessageID != "e-1" {
		t.Fatalf("failures got %s", m.MessageID)
	}
	b.wantCounts("backup-events/Subscriptions/all", counts{Active: 2})
	b.wantCounts("backup-events/Subscriptions/failures", counts{Locked: 1})
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, want := range []string{
		"backup-app messages/send/action queues/backup-requests", "backup-app messages/receive/action queues/backup-requests",
		"backup-app messages/send/action topics/backup-events", "monitoring messages/receive/action topics/backup-events/subscriptions/failures",
	} {
		if !slices.Contains(b.asked, want) {
			t.Errorf("Allow was never asked %q; asked %q", want, b.asked)
		}
	}
}

// Which forms of namespace and endpoint the real client accepts over TLS. go-amqp takes the namespace, port and all, for the
// name that the certificate must hold, so the port has to go to CustomEndpoint.
func TestAddressFormsOverTLS(t *testing.T) {
	b := startTLS(t)
	host, port, _ := strings.Cut(b.Addr(), ":")
	own := func() *tls.Config { return &tls.Config{RootCAs: b.roots} }
	for _, tc := range []struct {
		name, namespace, endpoint string
		tls                       *tls.Config
		works                     bool
	}{
		{"address, endpoint with port", host, b.Addr(), own(), true},
		{"azure name, endpoint with port", "bacvault.servicebus.windows.net", b.Addr(), own(), true},
		{"port in the namespace", b.Addr(), "", own(), false},
		{"port in the namespace, server name set", b.Addr(), "", &tls.Config{RootCAs: b.roots, ServerName: host}, true},
		{"authority unknown", host, b.Addr(), nil, false},
		{"name not in the certificate", "other.servicebus.windows.net", "127.0.0.1:" + port, own(), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := azservicebus.NewClient(tc.namespace, credential{principal: backupApp}, &azservicebus.ClientOptions{
				CustomEndpoint: tc.endpoint, TLSConfig: tc.tls, RetryOptions: azservicebus.RetryOptions{MaxRetries: -1},
			})
			check(t, err)
			b.closeLater(c)
			s, err := c.NewSender("backup-requests", nil)
			check(t, err)
			err = s.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil)
			if (err == nil) != tc.works {
				t.Fatalf("send: %v, want success %v", err, tc.works)
			}
		})
	}
}

// Every refusal names the right that is missing and where.
func TestRefusals(t *testing.T) {
	b := startTLS(t)
	text := func(err error) string {
		if err == nil {
			return "no error"
		}
		return err.Error()
	}
	b.client = b.as(backupApp)
	b.send("backup-requests", &azservicebus.Message{Body: []byte("x")})
	sendAs := func(principal, to string) error {
		s, err := b.as(principal).NewSender(to, nil)
		check(t, err)
		return s.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil)
	}
	receiveAs := func(principal, path string, o *azservicebus.ReceiverOptions) error {
		r, err := newReceiver(b.as(principal), path, o)
		check(t, err)
		_, err = r.ReceiveMessages(b.ctx, 1, nil)
		return err
	}
	dead := &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}
	for _, tc := range []struct {
		name  string
		err   error
		wants []string
	}{
		{"send", sendAs(backupApp, "restore-requests"), []string{servicebus.ActionSend, "queues/restore-requests", backupApp}},
		{"send to a topic", sendAs(monitoring, "backup-events"), []string{servicebus.ActionSend, "topics/backup-events"}},
		{"receive", receiveAs(monitoring, "backup-requests", nil), []string{servicebus.ActionReceive, "queues/backup-requests"}},
		{"receive dead letters", receiveAs(monitoring, "backup-requests", dead), []string{servicebus.ActionReceive, "queues/backup-requests"}},
		{"receive from a subscription", receiveAs(backupApp, "backup-events/all", nil), []string{servicebus.ActionReceive, "topics/backup-events/subscriptions/all"}},
		{"unknown client", sendAs("stranger", "backup-requests"), []string{"401", "InvalidToken"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantCode(t, tc.err, azservicebus.CodeUnauthorizedAccess)
			for _, w := range tc.wants {
				if !strings.Contains(text(tc.err), w) {
					t.Errorf("%q does not name %s", text(tc.err), w)
				}
			}
		})
	}
}

// Rights on $management are asked for operation by operation: who may only send may schedule, but neither peek nor settle.
func TestManagementRights(t *testing.T) {
	b := plainBus(t, func(c *servicebus.Config) {
		c.Authenticate = authenticate
		c.Allow = func(principal, action, scope string) bool {
			return scope == "queues/requests" && strings.Contains(action, principal)
		}
	})
	for operation, right := range map[string]string{
		"peek-message": "receive", "renew-lock": "receive", "update-disposition": "receive", "receive-by-sequence-number": "receive",
		"schedule-message": "send", "cancel-scheduled-message": "send",
	} {
		for _, principal := range []string{"send", "receive"} {
			c := b.dialRaw()
			jwt, err := credential{principal: principal}.GetToken(b.ctx, policy.TokenRequestOptions{Scopes: []string{servicebus.Audience + "/.default"}})
			check(t, err)
			if code, text := b.putToken(c, token{"put-token", "jwt", jwt.Token, "amqp://host/requests", ""}); code != 202 {
				t.Fatalf("put-token: %d %s", code, text)
			}
			code, text := b.manage(c, "requests", "com.microsoft:"+operation, nil)
			if want := principal == right; (code != 401) != want {
				t.Errorf("%s by who may %s: %d %s", operation, principal, code, text)
			}
			if code == 401 && !strings.Contains(text, "messages/"+right+"/action on queues/requests") {
				t.Errorf("%s: %q names no right", operation, text)
			}
		}
	}
}

func TestPutToken(t *testing.T) {
	b := plainBus(t, func(c *servicebus.Config) {
		c.Authenticate = func(string, string) (string, error) { return "client", nil }
	})
	opaque := func(expires time.Duration) token {
		return token{"put-token", "jwt", "opaque", "amqp://host/requests", strconv.FormatInt(time.Now().Add(expires).Unix(), 10)}
	}
	for _, tc := range []struct {
		name   string
		put    token
		change func(*token)
		code   int32
	}{
		{"key", sasToken(), nil, 202},
		{"key for an entity", sasToken(), func(p *token) { p.name = "sb://host/news/Subscriptions/mine/$management" }, 202},
		{"no signature", sasToken(), func(p *token) { p.value = "SharedAccessSignature sr=x&se=1" }, 401},
		{"unknown type", sasToken(), func(p *token) { p.kind = "swt" }, 401},
		{"unknown operation", sasToken(), func(p *token) { p.operation = "get-token" }, 501},
		{"unknown entity", sasToken(), func(p *token) { p.name = "amqp://host/nosuch" }, 404},
		{"opaque token", opaque(time.Hour), nil, 202},
		{"opaque token that has expired", opaque(-time.Hour), nil, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(&tc.put)
			}
			if code, text := b.putToken(b.dialRaw(), tc.put); code != tc.code {
				t.Fatalf("%d %s, want %d", code, text, tc.code)
			}
		})
	}
}

// The links of a token go when it expires in the stack's clock, and a new one is asked for the next time.
func TestExpiredToken(t *testing.T) {
	b := startTLS(t)
	b.client = b.dial(namespace, credential{principal: backupApp, expires: time.Now().Add(10 * time.Minute)})
	sender := b.sender("backup-requests")
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil))
	b.clock.Advance(11 * time.Minute)
	err := sender.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil)
	if err == nil || !strings.Contains(err.Error(), "ExpiredToken") {
		t.Fatalf("send with an expired token: %v", err)
	}
	b.client = b.dial(namespace, credential{principal: backupApp, expires: time.Now().Add(time.Hour)})
	b.send("backup-requests", &azservicebus.Message{Body: []byte("x")})
}

// Keys open nothing where tokens are the rule.
func TestKeysAreRefusedWithoutAnyKey(t *testing.T) {
	b := plainBus(t, func(c *servicebus.Config) { c.AnyKey, c.Authenticate = false, authenticate })
	err := b.sender("requests").SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil)
	wantCode(t, err, azservicebus.CodeUnauthorizedAccess)
}

// A client that puts no token gets no link, and a token for one queue opens no other.
func TestNoLinkWithoutToken(t *testing.T) {
	b := plainBus(t)
	c := b.dialRaw()
	s, err := c.NewSession(b.ctx, nil)
	check(t, err)
	for range 2 {
		_, err = s.NewSender(b.ctx, "requests", nil)
		var amqpErr *amqp.Error
		if !errors.As(err, &amqpErr) || amqpErr.Condition != amqp.ErrCondUnauthorizedAccess {
			t.Fatalf("attach without a token: %v", err)
		}
		other := sasToken()
		other.name = "amqp://host/short"
		if code, text := b.putToken(c, other); code != 202 {
			t.Fatalf("put-token: %d %s", code, text)
		}
	}
	_, err = s.NewSender(b.ctx, "short", nil)
	check(t, err)
}
