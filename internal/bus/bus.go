// Package bus is Service Bus as we use it: requests out again as later copies, settlement of the message that a run came
// in, and events.
package bus

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/uuid"
)

// callLimit bounds every single call: the library retries within it, and no settlement may hang a run's end.
const callLimit = time.Minute

// ErrLockLost says that a message is no longer ours to settle. It will be, or was, delivered again, and the run that
// this delivery asked for is done or not; both are safe, for every run re-reads the truth first.
var ErrLockLost = errors.New("the message's lock was lost")

// Config says where the namespace is. Either Namespace with Credential, or the emulator's ConnectionString.
type Config struct {
	Namespace        string // host or host:port
	Credential       azcore.TokenCredential
	ConnectionString string
}

// Bus holds one connection, opened at its first use.
type Bus struct {
	client *azservicebus.Client

	mu        sync.Mutex
	senders   map[string]*azservicebus.Sender
	receivers map[string]*azservicebus.Receiver
}

// New makes a Bus. It does not connect.
func New(c Config) (*Bus, error) {
	opts := &azservicebus.ClientOptions{ApplicationID: "bacvault"}
	if host, _, err := net.SplitHostPort(c.Namespace); err == nil {
		// go-amqp would verify the certificate against "host:port", which none is made out to.
		opts.TLSConfig = &tls.Config{ServerName: host}
	}
	var client *azservicebus.Client
	var err error
	if c.ConnectionString != "" {
		client, err = azservicebus.NewClientFromConnectionString(c.ConnectionString, opts)
	} else {
		client, err = azservicebus.NewClient(c.Namespace, c.Credential, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("service bus: %w", err)
	}
	return &Bus{client: client, senders: map[string]*azservicebus.Sender{}, receivers: map[string]*azservicebus.Receiver{}}, nil
}

// Close ends the connection.
func (b *Bus) Close(ctx context.Context) error { return b.client.Close(ctx) }

// Message is a request on its way to a queue.
type Message struct {
	ID   string // duplicate detection drops a second send of one id
	Body []byte
	At   time.Time // zero: at once
}

// Send puts one message into a queue. A send that is repeated after an ambiguous answer is dropped by duplicate
// detection, so it may be retried.
func (b *Bus) Send(ctx context.Context, queue string, m Message) error {
	return b.send(ctx, queue, m.message())
}

func (m Message) message() *azservicebus.Message {
	out := &azservicebus.Message{MessageID: &m.ID, Body: m.Body, ContentType: to.Ptr("application/json")}
	if !m.At.IsZero() {
		out.ScheduledEnqueueTime = to.Ptr(m.At.UTC())
	}
	return out
}

// SendAll puts messages into a queue in as few batches as they fit, and says how many of them, from the first on, were
// taken. A repeated call is harmless: duplicate detection drops what was taken before.
func (b *Bus) SendAll(ctx context.Context, queue string, ms []Message) (taken int, err error) {
	s, err := b.sender(queue)
	if err != nil {
		return 0, err
	}
	for taken < len(ms) {
		n, err := b.sendBatch(ctx, s, ms[taken:])
		if err != nil {
			return taken, explain(ctx, "send to "+queue, err)
		}
		taken += n
	}
	return taken, nil
}

// sendBatch sends as many of the messages as fit into one batch.
func (b *Bus) sendBatch(ctx context.Context, s *azservicebus.Sender, ms []Message) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	batch, err := s.NewMessageBatch(ctx, nil)
	if err != nil {
		return 0, err
	}
	for n < len(ms) {
		err := batch.AddMessage(ms[n].message(), nil)
		if errors.Is(err, azservicebus.ErrMessageTooLarge) && n > 0 {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("message %s: %w", ms[n].ID, err)
		}
		n++
	}
	return n, s.SendMessageBatch(ctx, batch, nil)
}

// Publish sends an event to the topic: the body is the CloudEvent in structured JSON; type and subject stand in the
// properties too, so that a subscription can filter on them.
func (b *Bus) Publish(ctx context.Context, e bacvault.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return b.send(ctx, bacvault.EventTopic, &azservicebus.Message{
		MessageID: to.Ptr(e.ID), Subject: to.Ptr(string(e.Type)), Body: body, ContentType: to.Ptr("application/cloudevents+json"),
		ApplicationProperties: map[string]any{"cloudEvents_type": string(e.Type), "cloudEvents_subject": e.Subject},
	})
}

func (b *Bus) send(ctx context.Context, entity string, m *azservicebus.Message) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	s, err := b.sender(entity)
	if err != nil {
		return err
	}
	if err := s.SendMessage(ctx, m, nil); err != nil {
		return explain(ctx, "send to "+entity, err)
	}
	return nil
}

// Complete takes the message off its queue.
func (b *Bus) Complete(ctx context.Context, queue, lockToken string) error {
	return b.settle(ctx, queue, lockToken, func(ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
		return r.CompleteMessage(ctx, m, nil)
	})
}

// DeadLetter puts the message aside, with a reason (a failure's code) and a description (its detail).
func (b *Bus) DeadLetter(ctx context.Context, queue, lockToken, reason, description string) error {
	opts := words(reason, description)
	return b.settle(ctx, queue, lockToken, func(ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
		return r.DeadLetterMessage(ctx, m, opts)
	})
}

// longestReason is where the Azure clients that check draw the line for both texts: MaxDeadLetterReasonLength of the .NET
// and the JavaScript library. A longer one would leave the message unsettled until the broker puts it aside wordlessly.
const longestReason = 4096

func words(reason, description string) *azservicebus.DeadLetterOptions {
	return &azservicebus.DeadLetterOptions{Reason: to.Ptr(fit(reason)), ErrorDescription: to.Ptr(fit(description))}
}

// fit cuts a text to Service Bus's limit, between characters.
func fit(s string) string {
	if len(s) <= longestReason {
		return s
	}
	const more = "…"
	return strings.ToValidUTF8(s[:longestReason-len(more)], "") + more
}

// settle renews first: that proves the lock is still ours and mends the links under the client's retry options, which a
// settle call itself ignores.
func (b *Bus) settle(ctx context.Context, queue, lockToken string, do func(context.Context, *azservicebus.Receiver, *azservicebus.ReceivedMessage) error) error {
	token, err := uuid.Parse(lockToken)
	if err != nil {
		return fmt.Errorf("lock token %q: %w", lockToken, err)
	}
	r, err := b.receiver(queue)
	if err != nil {
		return err
	}
	return settleBy(ctx, r, queue, token, do)
}

// settleBy settles on a receiver that never asked for the message.
func settleBy(ctx context.Context, r *azservicebus.Receiver, queue string, token uuid.UUID, do func(context.Context, *azservicebus.Receiver, *azservicebus.ReceivedMessage) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	m := &azservicebus.ReceivedMessage{LockToken: token}
	if err := r.RenewMessageLock(ctx, m, nil); err != nil {
		return lockLost(fmt.Errorf("renew lock on %s: %w", queue, err))
	}
	if err := do(ctx, r, m); err != nil {
		return lockLost(fmt.Errorf("settle on %s: %w", queue, err))
	}
	return nil
}

func lockLost(err error) error {
	var sb *azservicebus.Error
	if errors.As(err, &sb) && sb.Code == azservicebus.CodeLockLost {
		return fmt.Errorf("%w: %w", ErrLockLost, err)
	}
	return err
}

func (b *Bus) sender(entity string) (*azservicebus.Sender, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.senders[entity]; s != nil {
		return s, nil
	}
	s, err := b.client.NewSender(entity, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", entity, err)
	}
	b.senders[entity] = s
	return s, nil
}

// receiver opens a receiver for settling only: it is never asked for a message.
func (b *Bus) receiver(queue string) (*azservicebus.Receiver, error) {
	return b.open(queue, func() (*azservicebus.Receiver, error) { return b.client.NewReceiverForQueue(queue, nil) })
}

// open keeps one receiver for each entity.
func (b *Bus) open(entity string, make func() (*azservicebus.Receiver, error)) (*azservicebus.Receiver, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.receivers[entity]; r != nil {
		return r, nil
	}
	r, err := make()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", entity, err)
	}
	b.receivers[entity] = r
	return r, nil
}
