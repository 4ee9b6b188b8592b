package funchost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	// settleLimit bounds one settlement or renewal call; the client's own retries of them take seconds.
	settleLimit = 30 * time.Second
	// stopLimit bounds a settlement while the host stops: the broker may be gone already.
	stopLimit = 5 * time.Second
	// receivePause is the wait after a receive that failed.
	receivePause = 250 * time.Millisecond
)

// queue is the listener of one Service Bus function, on a queue or a topic's subscription.
type queue struct {
	h        *Host
	f        *function
	receiver *azservicebus.Receiver
	client   busClient
}

// newReceiver opens the queue or the subscription of a trigger.
func newReceiver(c *azservicebus.Client, b binding) (*azservicebus.Receiver, error) {
	if b.TopicName != "" {
		return c.NewReceiverForSubscription(b.TopicName, b.SubscriptionName, nil)
	}
	return c.NewReceiverForQueue(b.QueueName, nil)
}

// newBus makes the host's own Service Bus client for a connection of the app settings.
func (h *Host) newBus(s busSource) (*azservicebus.Client, string, error) {
	opts := &azservicebus.ClientOptions{ApplicationID: "funchost", CustomEndpoint: h.cfg.BusEndpoint, RetryOptions: azservicebus.RetryOptions{
		MaxRetries: h.host.bus.retries, RetryDelay: h.host.bus.delay, MaxRetryDelay: h.host.bus.maxDelay}}
	if s.namespace == "" && s.connectionString != "" {
		c, err := azservicebus.NewClientFromConnectionString(s.connectionString, opts)
		return c, endpointHost(s.connectionString), err
	}
	host := s.namespace
	if name, _, err := net.SplitHostPort(s.namespace); err == nil {
		host = name
	}
	// Without a ServerName go-amqp verifies the certificate against "host:port", which none is made out to.
	opts.TLSConfig = &tls.Config{}
	if h.cfg.BusTLS != nil {
		opts.TLSConfig = h.cfg.BusTLS.Clone()
	}
	if opts.TLSConfig.ServerName == "" {
		opts.TLSConfig.ServerName = host
	}
	cred := h.cfg.Credential
	if cred == nil {
		var err error
		if cred, err = newManagedIdentity(newSettings(h.cfg.Env), s.clientID, opts.TLSConfig); err != nil {
			return nil, "", err
		}
	}
	c, err := azservicebus.NewClient(s.namespace, cred, opts)
	return c, host, err
}

func endpointHost(connectionString string) string {
	for part := range strings.SplitSeq(connectionString, ";") {
		if v, ok := cutPrefixFold(strings.TrimSpace(part), "Endpoint="); ok {
			if u, err := url.Parse(v); err == nil {
				return u.Hostname()
			}
		}
	}
	return ""
}

// run takes messages until ctx ends, one per receive, and returns when all that it took are settled.
func (q *queue) run(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := make(chan struct{}, q.h.host.bus.maxCalls)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		m, err := q.receive(ctx)
		if m == nil {
			<-slots
			if ctx.Err() != nil {
				return
			}
			q.pause(ctx, err)
			continue
		}
		calls.Go(func() {
			defer func() { <-slots }()
			q.handle(ctx, m)
		})
	}
}

// receive takes one message. A cancelled receive can still hand one over; so can one that ends in (nil, nil).
func (q *queue) receive(ctx context.Context) (*azservicebus.ReceivedMessage, error) {
	msgs, err := q.receiver.ReceiveMessages(ctx, 1, nil)
	if len(msgs) == 0 {
		return nil, err
	}
	if ctx.Err() != nil {
		q.abandon(msgs[0].LockToken)
		return nil, ctx.Err()
	}
	return msgs[0], nil
}

func (q *queue) pause(ctx context.Context, err error) {
	if err != nil {
		q.h.logf("queue %s: message processing error (Action=Receive): %v", q.f.trigger.entity(), err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(receivePause):
	}
}

// handle runs the function for one message. taking ends when the listener stops; the run goes on until the host kills the
// handler.
func (q *queue) handle(taking context.Context, m *azservicebus.ReceivedMessage) {
	token := m.LockToken
	sys := q.h.newSys(q.f)
	payload := queuePayload(q.f.trigger.Name, strings.EqualFold(q.f.trigger.DataType, "binary"), m, q.client, sys)
	stopRenewing := q.renew(m)
	_, err := q.h.invoke(q.h.running, q.f, payload)
	stopRenewing()
	if err == nil && q.f.trigger.complete && taking.Err() != nil {
		err = errors.New("the listener stopped while the function ran")
	}
	if err != nil {
		q.h.logf("queue %s: message %s: %v", q.f.trigger.entity(), m.MessageID, err)
		q.abandon(token)
		return
	}
	if q.f.trigger.complete {
		q.settle("Complete", func(ctx context.Context) error {
			return q.receiver.CompleteMessage(ctx, &azservicebus.ReceivedMessage{LockToken: token}, nil)
		})
	}
}

// abandon gives a message back at once. The lock token alone goes over $management, which also works when the link that
// brought the message is gone.
func (q *queue) abandon(token [16]byte) {
	q.settle("Abandon", func(ctx context.Context) error {
		return q.receiver.AbandonMessage(ctx, &azservicebus.ReceivedMessage{LockToken: token}, nil)
	})
}

func (q *queue) settle(action string, call func(context.Context) error) {
	// Settlement must outlive the stop of the host: that is when failed calls are given back.
	limit := settleLimit
	if q.h.taking.Err() != nil {
		limit = stopLimit
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := call(ctx); err != nil {
		q.h.logf("queue %s: message processing error (Action=%s): %v", q.f.trigger.entity(), action, err)
	}
}

// renew keeps the lock for maxAutoLockRenewalDuration from the delivery on; stop waits for a renewal under way.
func (q *queue) renew(m *azservicebus.ReceivedMessage) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	limit := q.h.host.bus.maxRenewal
	until := q.h.sleep.now().Add(limit)
	halfway := func() time.Time {
		now := q.h.sleep.now()
		return now.Add(max(m.LockedUntil.Sub(now)/2, 10*time.Millisecond))
	}
	if m.LockedUntil != nil {
		next := halfway()
		done.Go(func() {
			for limit < 0 || !next.After(until) {
				if q.h.sleep.until(ctx, next) != nil || q.renewOnce(ctx, m) != nil {
					return
				}
				next = halfway()
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
	}
}

func (q *queue) renewOnce(ctx context.Context, m *azservicebus.ReceivedMessage) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	err := q.receiver.RenewMessageLock(ctx, m, nil)
	var bus *azservicebus.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &bus) && bus.Code == azservicebus.CodeLockLost, !q.h.sleep.now().Before(*m.LockedUntil):
		q.h.logf("queue %s: message processing error (Action=RenewLock): %v", q.f.trigger.entity(), err)
		return fmt.Errorf("the lock is lost: %w", err)
	}
	q.h.logf("queue %s: lock renewal, tried again: %v", q.f.trigger.entity(), err)
	return nil
}
