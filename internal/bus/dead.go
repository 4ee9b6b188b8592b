package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// DeadLetter is a message that a queue put aside.
type DeadLetter struct {
	Queue, ID           string
	Sequence            int64 // of the queue; the same for as long as the message lies there
	Reason, Description string
	Enqueued            time.Time
	Body                []byte
}

// peekSize is how many messages one call peeks; the service gives fewer if they are large.
const peekSize = 100

// DeadLetters peeks at what a queue put aside, at most limit of them, without locking or changing anything.
func (b *Bus) DeadLetters(ctx context.Context, queue string, limit int) (out []DeadLetter, err error) {
	r, err := b.client.NewReceiverForQueue(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	if err != nil {
		return nil, fmt.Errorf("open the dead letters of %s: %w", queue, err)
	}
	defer closing(ctx, r)
	var from int64 // an explicit place: the library's own cursor would skip what another look saw
	for len(out) < limit {
		ms, err := peek(ctx, r, from, min(peekSize, limit-len(out)))
		if err != nil {
			return out, explain(ctx, "peek at the dead letters of "+queue, err)
		}
		if len(ms) == 0 {
			break
		}
		for _, m := range ms {
			d := deadLetter(queue, m)
			out, from = append(out, d), d.Sequence+1
		}
	}
	return out, nil
}

func peek(ctx context.Context, r *azservicebus.Receiver, from int64, n int) ([]*azservicebus.ReceivedMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return r.PeekMessages(ctx, n, &azservicebus.PeekMessagesOptions{FromSequenceNumber: &from})
}

func deadLetter(queue string, m *azservicebus.ReceivedMessage) DeadLetter {
	d := DeadLetter{Queue: queue, ID: m.MessageID, Body: m.Body}
	if m.SequenceNumber != nil {
		d.Sequence = *m.SequenceNumber
	}
	if m.DeadLetterReason != nil {
		d.Reason = *m.DeadLetterReason
	}
	if m.DeadLetterErrorDescription != nil {
		d.Description = *m.DeadLetterErrorDescription
	}
	if m.EnqueuedTime != nil {
		d.Enqueued = m.EnqueuedTime.UTC()
	}
	return d
}

// Refused is a dead letter that was not sent again, and why.
type Refused struct {
	DeadLetter
	Why error
}

// Requeued is what became of the dead letters that fitted. Left counts those that somebody else had locked.
type Requeued struct {
	Sent    []DeadLetter
	Refused []Refused
	Left    int
}

// Requeue sends the dead letters that fit into their queue again, under the message that again makes of each, and takes them off the
// dead letters afterwards. A message is sent before it is taken off: broken off in between it is there twice, and the second
// run finds the first one's work done. again may refuse one with an error, which leaves it where it is. What was sent is told
// beside an error too.
func (b *Bus) Requeue(ctx context.Context, queue string, fits func(DeadLetter) bool, again func(DeadLetter) (Message, error)) (out Requeued, err error) {
	// A peek says how many to look for: without it only a long silence tells that there are no more.
	wanted, err := b.count(ctx, queue, fits)
	if err != nil || wanted == 0 {
		return out, err
	}
	r, err := b.client.NewReceiverForQueue(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	if err != nil {
		return out, fmt.Errorf("open the dead letters of %s: %w", queue, err)
	}
	var kept []*azservicebus.ReceivedMessage
	defer func() {
		closing(ctx, r)
		err = errors.Join(err, b.letGo(ctx, queue, kept))
	}()
	for len(out.Sent)+len(out.Refused) < wanted {
		ms, err := receiveSome(ctx, r)
		if err != nil {
			return out, explain(ctx, "receive the dead letters of "+queue, err)
		}
		if len(ms) == 0 {
			out.Left = wanted - len(out.Sent) - len(out.Refused)
			return out, nil
		}
		for i, m := range ms {
			d := deadLetter(queue, m)
			if !fits(d) {
				kept = append(kept, m)
				continue
			}
			next, err := again(d)
			if err != nil {
				kept, out.Refused = append(kept, m), append(out.Refused, Refused{d, err})
				continue
			}
			if err := b.replace(ctx, m, queue, next); err != nil {
				kept = append(kept, ms[i:]...)
				return out, err
			}
			out.Sent = append(out.Sent, d)
		}
	}
	return out, nil
}

// mostCounted bounds a peek at all that was put aside.
const mostCounted = 100_000

func (b *Bus) count(ctx context.Context, queue string, fits func(DeadLetter) bool) (n int, err error) {
	list, err := b.DeadLetters(ctx, queue, mostCounted)
	for _, d := range list {
		if fits(d) {
			n++
		}
	}
	return n, err
}

// replace sends the new message before it takes the old one off.
func (b *Bus) replace(ctx context.Context, old *azservicebus.ReceivedMessage, queue string, m Message) error {
	if err := b.Send(ctx, queue, m); err != nil {
		return fmt.Errorf("send %s again: %w", old.MessageID, err)
	}
	if err := b.takeOff(ctx, queue, old); err != nil {
		return explain(ctx, fmt.Sprintf("%s was sent again as %s, and may still be among the dead letters", old.MessageID, m.ID), err)
	}
	return nil
}

// takeOff completes a dead letter. The library tries a settlement by token again where the answer was lost; as the lock was renewed
// a moment before, one that is gone then says that the first try took effect.
func (b *Bus) takeOff(ctx context.Context, queue string, m *azservicebus.ReceivedMessage) error {
	return b.settleDead(ctx, queue, m, func(ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
		err := lockLost(r.CompleteMessage(ctx, m, nil))
		if errors.Is(err, ErrLockLost) {
			return nil
		}
		return err
	})
}

// settleDead settles a dead letter by its lock token on a receiver that never asked for a message: one that did is gone with its
// connection, and may have credit left.
func (b *Bus) settleDead(ctx context.Context, queue string, m *azservicebus.ReceivedMessage, do func(context.Context, *azservicebus.Receiver, *azservicebus.ReceivedMessage) error) error {
	r, err := b.open(queue+"/dead", func() (*azservicebus.Receiver, error) {
		return b.client.NewReceiverForQueue(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	})
	if err != nil {
		return err
	}
	return settleBy(ctx, r, queue, m.LockToken, do)
}

// emptyAfter is how long a receive waits before it takes the dead letters for empty.
const emptyAfter = 5 * time.Second

func receiveSome(ctx context.Context, r *azservicebus.Receiver) ([]*azservicebus.ReceivedMessage, error) {
	wait, cancel := context.WithTimeout(ctx, emptyAfter)
	defer cancel()
	ms, err := r.ReceiveMessages(wait, peekSize, nil)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	return ms, err
}

// letGo gives messages that were only looked at back, so that they need not wait for their locks to lapse. The receiver that got
// them must be closed: it may have credit left, and what it gave back would come to it again at once, and be locked until the
// lock lapses.
func (b *Bus) letGo(ctx context.Context, queue string, kept []*azservicebus.ReceivedMessage) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	for _, m := range kept {
		if rerr := b.settleDead(ctx, queue, m, func(ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
			return r.AbandonMessage(ctx, m, nil)
		}); rerr != nil {
			err = errors.Join(err, fmt.Errorf("let %s go: %w", m.MessageID, rerr))
		}
	}
	return err
}

// closing lets a link go. Its error only says that the connection was broken already: all that was asked for is answered by then.
func closing(ctx context.Context, r *azservicebus.Receiver) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	_ = r.Close(ctx)
}
