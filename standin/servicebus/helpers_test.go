package servicebus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/servicebus"
)

// testEntities is DefaultEntities and a few more for behaviours that those do not show.
func testEntities() servicebus.Entities {
	e := servicebus.DefaultEntities()
	e.Queues = append(e.Queues,
		servicebus.Queue{Name: "requests", LockDuration: 30 * time.Second, MaxDeliveryCount: 4},
		servicebus.Queue{Name: "short", LockDuration: 200 * time.Millisecond},
		servicebus.Queue{Name: "brief", DefaultTimeToLive: time.Minute, DeadLetterOnExpiration: true},
		servicebus.Queue{Name: "vanishing", DefaultTimeToLive: time.Minute},
	)
	e.Topics = append(e.Topics, servicebus.Topic{Name: "news", Subscriptions: []servicebus.Subscription{
		{Name: "mine", Correlation: map[string]string{"owner": "me", "kind": "x"}},
		{Name: "expiring", DefaultTimeToLive: time.Minute, DeadLetterOnExpiration: true},
		{Name: "labelled", SQL: "sys.Label = 'urgent' AND user.tries = 3"},
	}})
	return e
}

// bus is a namespace in plain mode with one client.
type bus struct {
	*servicebus.Server
	t      *testing.T
	ctx    context.Context
	clock  *clock.Clock
	client *azservicebus.Client
}

func plainBus(t *testing.T, change ...func(*servicebus.Config)) *bus {
	t.Helper()
	b := &bus{t: t, clock: &clock.Clock{}}
	cfg := servicebus.Config{Entities: testEntities(), AnyKey: true, Clock: b.clock, Log: t.Logf}
	for _, f := range change {
		f(&cfg)
	}
	b.Server = start(t, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.client = b.newClient(quickRetry())
	return b
}

func start(t *testing.T, cfg servicebus.Config) *servicebus.Server {
	t.Helper()
	s, err := servicebus.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (b *bus) newClient(retry azservicebus.RetryOptions) *azservicebus.Client {
	b.t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(b.ConnectionString(), &azservicebus.ClientOptions{RetryOptions: retry})
	if err != nil {
		b.t.Fatal(err)
	}
	b.closeLater(c)
	return c
}

func (b *bus) closeLater(c *azservicebus.Client) {
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx) // the connection may be cut already
	})
}

func quickRetry() azservicebus.RetryOptions {
	return azservicebus.RetryOptions{MaxRetries: 3, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 100 * time.Millisecond}
}

func (b *bus) sender(to string) *azservicebus.Sender {
	b.t.Helper()
	s, err := b.client.NewSender(to, nil)
	check(b.t, err)
	return s
}

func (b *bus) send(to string, m *azservicebus.Message) {
	b.t.Helper()
	check(b.t, b.sender(to).SendMessage(b.ctx, m, nil))
}

// receiver takes a queue or topic/subscription.
func (b *bus) receiver(path string) *azservicebus.Receiver { return b.receiverWith(path, nil) }

func (b *bus) deadLetters(path string) *azservicebus.Receiver {
	return b.receiverWith(path, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
}

func (b *bus) receiverWith(path string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	b.t.Helper()
	r, err := newReceiver(b.client, path, o)
	check(b.t, err)
	return r
}

func newReceiver(c *azservicebus.Client, path string, o *azservicebus.ReceiverOptions) (*azservicebus.Receiver, error) {
	if topic, subscription, ok := strings.Cut(path, "/"); ok {
		return c.NewReceiverForSubscription(topic, subscription, o)
	}
	return c.NewReceiverForQueue(path, o)
}

// receive waits for one message.
func (b *bus) receive(r *azservicebus.Receiver) *azservicebus.ReceivedMessage {
	b.t.Helper()
	for b.ctx.Err() == nil { // the client may return nothing after it mended a link
		ms, err := r.ReceiveMessages(b.ctx, 1, nil)
		if err != nil {
			b.t.Fatalf("receive: %v", err)
		}
		if len(ms) == 1 {
			return ms[0]
		}
	}
	b.t.Fatal("receive: no message came")
	return nil
}

// receiveNothing gives a message that should not come the time to come.
func (b *bus) receiveNothing(r *azservicebus.Receiver) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 60*time.Millisecond)
	defer cancel()
	ms, err := r.ReceiveMessages(ctx, 1, nil)
	if len(ms) > 0 {
		b.t.Fatalf("received %q, want nothing", ms[0].Body)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		b.t.Fatalf("receive: %v", err)
	}
}

type counts struct{ Active, Scheduled, Locked, DeadLettered int }

func (b *bus) counts(path string) counts {
	b.t.Helper()
	active, scheduled, locked, dead, ok := b.Counts(path)
	if !ok {
		b.t.Fatalf("no entity %s", path)
	}
	return counts{active, scheduled, locked, dead}
}

func (b *bus) wantCounts(path string, want counts) {
	b.t.Helper()
	if got := b.counts(path); got != want {
		b.t.Fatalf("counts of %s: %+v, want %+v", path, got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code azservicebus.Code) {
	t.Helper()
	var sb *azservicebus.Error
	if !errors.As(err, &sb) || sb.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}

func ptr[T any](v T) *T { return &v }

// byToken is all that another process knows of a message that it did not receive.
func byToken(m *azservicebus.ReceivedMessage) *azservicebus.ReceivedMessage {
	return &azservicebus.ReceivedMessage{LockToken: m.LockToken}
}

// authority makes a CA and a server certificate for names and addresses.
func authority(t *testing.T, names ...string) (server *tls.Config, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// credential hands out tokens as a managed identity does, and refuses a scope that no namespace has.
type credential struct {
	principal string
	expires   time.Time
}

func (c credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != servicebus.Audience+"/.default" {
		return azcore.AccessToken{}, fmt.Errorf("scopes %q", o.Scopes)
	}
	expires := c.expires
	if expires.IsZero() {
		expires = time.Now().Add(time.Hour)
	}
	payload, err := json.Marshal(map[string]any{"appid": c.principal, "aud": servicebus.Audience, "exp": expires.Unix()})
	b64 := base64.RawURLEncoding.EncodeToString
	return azcore.AccessToken{Token: b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".c2ln", ExpiresOn: expires}, err
}

// authenticate reads what credential wrote. Checking signatures is the identity stand-in's business.
func authenticate(token, audience string) (string, error) {
	var claims struct{ Appid, Aud string }
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("not a JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return "", err
	}
	if claims.Aud != audience || claims.Appid == "" || claims.Appid == "stranger" {
		return "", errors.New("unknown client or audience")
	}
	return claims.Appid, nil
}
