package servicebus_test

import (
	"context"
	"fmt"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/servicebus"
)

// ledger is what the clients of the stress test know of each message.
type ledger struct {
	mu      sync.Mutex
	settled map[string]time.Time // when the broker confirmed it
	unsure  map[string]bool      // a settlement brought no answer: it may have taken effect
	back    []string             // came again after it was settled
}

// received tells a message that was locked again after its settlement from a copy that lay in a client's buffer meanwhile.
func (l *ledger) received(m *azservicebus.ReceivedMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.settled[m.MessageID]; ok && m.LockedUntil.Add(-stressLock).After(at) {
		l.back = append(l.back, m.MessageID)
	}
}

func (l *ledger) outcome(id string, final bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unsure[id] = true
	} else if final {
		l.settled[id] = time.Now()
	}
}

const stressLock = 500 * time.Millisecond

// Competing clients settle at random while connections are cut: no message is lost, and none that was settled comes again.
func TestStress(t *testing.T) {
	t.Parallel()
	const messages, workers = 300, 3
	b := plainBus(t, func(c *servicebus.Config) {
		c.Log = nil
		c.Entities.Queues = append(c.Entities.Queues, servicebus.Queue{Name: "stress", LockDuration: stressLock, MaxDeliveryCount: 1000, DuplicateWindow: time.Hour})
	})
	l := &ledger{settled: map[string]time.Time{}, unsure: map[string]bool{}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var sending, working sync.WaitGroup
	var cuts atomic.Int32
	for w := range workers {
		b.client = b.newClient(azservicebus.RetryOptions{MaxRetries: 20, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 100 * time.Millisecond})
		s, r := b.sender("stress"), b.receiver("stress")
		sending.Go(func() {
			for i := w; i < messages; i += workers {
				m := &azservicebus.Message{MessageID: ptr(fmt.Sprint(i)), Body: make([]byte, rand.Intn(3000))}
				if err := send(ctx, s, m); err != nil {
					t.Errorf("send %d: %v", i, err)
				}
			}
		})
		working.Go(func() { work(ctx, r, l) })
	}
	working.Go(func() {
		for ; ctx.Err() == nil; cuts.Add(1) {
			time.Sleep(100 * time.Millisecond)
			b.DropConnections()
		}
	})
	sending.Wait()
	for b.counts("stress").Active+b.counts("stress").Locked > 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	drained := ctx.Err() == nil
	cancel()
	working.Wait()
	if left := b.counts("stress"); !drained {
		t.Fatalf("not drained: %+v", left)
	}
	if cuts.Load() < 5 {
		t.Errorf("only %d cuts: this was no stress", cuts.Load())
	}
	t.Logf("%d messages, %d cuts, %d settlements without an answer", messages, cuts.Load(), len(l.unsure))
	for i := range messages {
		if id := fmt.Sprint(i); l.settled[id].IsZero() && !l.unsure[id] {
			t.Errorf("message %s is lost", id)
		}
	}
	if len(l.back) > 0 {
		t.Errorf("came again after a confirmed settlement: %v", l.back)
	}
}

// send tries until it succeeds; duplicate detection makes that safe. azservicebus itself gives up at once when one of its
// links mends the connection while another is between its claim and its attach: that one then attaches on a connection that
// knows no claim of it, and the refusal (unauthorized) is one that the client does not retry.
func send(ctx context.Context, s *azservicebus.Sender, m *azservicebus.Message) error {
	for {
		err := s.SendMessage(ctx, m, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// work receives and settles until ctx ends.
func work(ctx context.Context, r *azservicebus.Receiver, l *ledger) {
	for ctx.Err() == nil {
		ms, _ := r.ReceiveMessages(ctx, 1+rand.Intn(20), nil) // what came is locked, with an error or without
		for _, m := range ms {
			l.received(m)
		}
		for _, m := range ms {
			settling, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			var err error
			final := true
			switch n := rand.Intn(10); {
			case n < 7:
				err = r.CompleteMessage(settling, m, nil)
			case n < 9:
				final, err = false, r.AbandonMessage(settling, m, nil)
			default:
				err = r.DeadLetterMessage(settling, m, nil)
			}
			cancel()
			l.outcome(m.MessageID, final, err)
			if err != nil {
				break // the link is gone; the locks of the rest run out
			}
		}
	}
}
