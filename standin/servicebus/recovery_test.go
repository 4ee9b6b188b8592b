package servicebus_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// The lock belongs to its token: when the connection that received is gone, anybody with the token renews and settles.
func TestSettleByTokenAfterTheConnectionIsGone(t *testing.T) {
	settle := map[string]func(*bus, *azservicebus.Receiver, *azservicebus.ReceivedMessage) error{
		"complete": func(b *bus, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
			return r.CompleteMessage(b.ctx, m, nil)
		},
		"abandon": func(b *bus, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
			return r.AbandonMessage(b.ctx, m, nil)
		},
		"dead-letter": func(b *bus, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
			return r.DeadLetterMessage(b.ctx, m, nil)
		},
		"defer": func(b *bus, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
			return r.DeferMessage(b.ctx, m, nil)
		},
	}
	after := map[string]counts{"complete": {}, "abandon": {Active: 1}, "dead-letter": {DeadLettered: 1}, "defer": {}}
	for name, do := range settle {
		t.Run(name, func(t *testing.T) {
			b := plainBus(t)
			b.send("requests", &azservicebus.Message{Body: []byte("x")})
			m := b.receive(b.receiver("requests"))
			b.DropConnections()
			b.wantCounts("requests", counts{Locked: 1})
			b.clock.Advance(20 * time.Second)
			b.client = b.newClient(quickRetry())
			r := b.receiver("requests")
			check(t, r.RenewMessageLock(b.ctx, byToken(m), nil))
			b.clock.Advance(20 * time.Second)
			check(t, do(b, r, byToken(m)))
			b.wantCounts("requests", after[name])
			wantCode(t, do(b, r, byToken(m)), azservicebus.CodeLockLost)
		})
	}
}

// The rule for a long job: renew first, which mends the links under the client's own retry options, then settle by token.
func TestRenewMendsTheLinksOfTheSameReceiver(t *testing.T) {
	b := plainBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	r := b.receiver("requests")
	m := b.receive(r)
	b.DropConnections()
	from := time.Now()
	check(t, r.RenewMessageLock(b.ctx, m, nil))
	check(t, r.CompleteMessage(b.ctx, byToken(m), nil))
	if d := time.Since(from); d > 3*time.Second {
		t.Fatalf("took %s", d)
	}
	b.wantCounts("requests", counts{})
}

func TestForcedDetach(t *testing.T) {
	b := plainBus(t)
	sender, r := b.sender("requests"), b.receiver("requests")
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("1")}, nil))
	m := b.receive(r)
	b.DetachLinks("amqp:link:detach-forced")
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("2")}, nil))
	check(t, r.RenewMessageLock(b.ctx, m, nil))
	check(t, r.CompleteMessage(b.ctx, byToken(m), nil))
	if got := b.receive(r); string(got.Body) != "2" {
		t.Fatalf("received %q", got.Body)
	}
}

// A receive that waits while the connection is cut goes on with the next message.
func TestReceiveGoesOnAfterACut(t *testing.T) {
	b := plainBus(t)
	r := b.receiver("requests")
	b.receiveNothing(r) // the link is there
	got := make(chan *azservicebus.ReceivedMessage, 1)
	go func() {
		defer close(got)
		for b.ctx.Err() == nil {
			if ms, _ := r.ReceiveMessages(b.ctx, 1, nil); len(ms) == 1 {
				got <- ms[0]
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	b.DropConnections()
	b.send("requests", &azservicebus.Message{Body: []byte("after")})
	if m := <-got; m == nil || string(m.Body) != "after" {
		t.Fatalf("received %v", m)
	}
}

// A message is handed to one receiver, and the receivers of a queue take turns.
func TestReceiversTakeTurns(t *testing.T) {
	b := plainBus(t)
	first, second := b.receiver("requests"), b.receiver("requests")
	for range 2 {
		b.send("requests", &azservicebus.Message{Body: []byte("x")})
	}
	one, two := b.receive(first), b.receive(second)
	if *one.SequenceNumber == *two.SequenceNumber {
		t.Fatalf("both got message %d", *one.SequenceNumber)
	}
	b.wantCounts("requests", counts{Locked: 2})
}

// Credit of a connection that is gone draws no messages, which would then be locked for nobody.
func TestDeadReceiverTakesNoMessages(t *testing.T) {
	b := plainBus(t)
	for range 3 {
		b.receiveNothing(b.receiver("requests")) // leaves its credit
	}
	b.DropConnections()
	b.client = b.newClient(quickRetry())
	for range 4 {
		b.send("requests", &azservicebus.Message{Body: []byte("x")})
	}
	b.wantCounts("requests", counts{Active: 4})
	b.DetachLinks("amqp:link:detach-forced")
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	b.wantCounts("requests", counts{Active: 5})
}
