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
	defer func() { err = errors.Join(err, closing(ctx, r)) }()
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
	defer func() { err = errors.Join(err, closing(ctx, r), b.letGo(ctx, queue, kept)) }()
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
			if err := b.replace(ctx, r, m, queue, next); err != nil {
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
func (b *Bus) replace(ctx context.Context, r *azservicebus.Receiver, old *azservicebus.ReceivedMessage, queue string, m Message) error {
	if err := b.Send(ctx, queue, m); err != nil {
		return fmt.Errorf("send %s again: %w", old.MessageID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if err := r.CompleteMessage(ctx, old, nil); err != nil {
		return explain(ctx, fmt.Sprintf("%s was sent again as %s, but not taken off", old.MessageID, m.ID), err)
	}
	return nil
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

// letGo gives messages that were only looked at back, so that they need not wait for their locks to lapse. It needs a receiver
// that never asked for a message, and the one that got them closed: that one may have credit left, and what it gave back would
// come to it again at once, and be locked until the lock lapses.
func (b *Bus) letGo(ctx context.Context, queue string, kept []*azservicebus.ReceivedMessage) (err error) {
	if len(kept) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	r, err := b.client.NewReceiverForQueue(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	if err != nil {
		return fmt.Errorf("open the dead letters of %s: %w", queue, err)
	}
	defer func() { err = errors.Join(err, closing(ctx, r)) }()
	for _, m := range kept {
		// By the lock token alone: the link that it came by is gone. Renewing first mends the links, which a settle call does not.
		byToken := &azservicebus.ReceivedMessage{LockToken: m.LockToken}
		rerr := r.RenewMessageLock(ctx, byToken, nil)
		if rerr == nil {
			rerr = r.AbandonMessage(ctx, byToken, nil)
		}
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("let %s go: %w", m.MessageID, lockLost(rerr)))
		}
	}
	return err
}

func closing(ctx context.Context, r *azservicebus.Receiver) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	return r.Close(ctx)
}
