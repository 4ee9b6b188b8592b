package bus

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// Peeked is a message that a subscription of the event topic holds.
type Peeked struct {
	Sequence int64 // of the subscription, counting up
	Enqueued time.Time
	Body     []byte
}

// PeekEvents looks at what a subscription of the event topic holds from a sequence number on, at most limit of it. Nothing is
// locked or taken: the subscription's own reader gets it all the same, and what that reader has taken is not seen here.
func (b *Bus) PeekEvents(ctx context.Context, subscription string, from int64, limit int) (out []Peeked, err error) {
	r, err := b.open(bacvault.EventTopic+"/"+subscription, func() (*azservicebus.Receiver, error) {
		return b.client.NewReceiverForSubscription(bacvault.EventTopic, subscription, nil)
	})
	if err != nil {
		return nil, err
	}
	for len(out) < limit {
		ms, err := peek(ctx, r, from, min(peekSize, limit-len(out)))
		if err != nil {
			return out, explain(ctx, "peek at the subscription "+subscription, err)
		}
		if len(ms) == 0 {
			break
		}
		for _, m := range ms {
			p := Peeked{Body: m.Body}
			if m.SequenceNumber != nil {
				p.Sequence = *m.SequenceNumber
			}
			if m.EnqueuedTime != nil {
				p.Enqueued = m.EnqueuedTime.UTC()
			}
			out, from = append(out, p), p.Sequence+1
		}
	}
	return out, nil
}

// CanSend opens a link to a queue or topic as a sender does, and sends nothing.
func (b *Bus) CanSend(ctx context.Context, entity string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	s, err := b.sender(entity)
	if err != nil {
		return err
	}
	if _, err := s.NewMessageBatch(ctx, nil); err != nil { // the link says how large a batch may be
		return explain(ctx, "open a sender to "+entity, err)
	}
	return nil
}

// CanListen peeks at a queue, which needs the right to receive and takes nothing.
func (b *Bus) CanListen(ctx context.Context, queue string) error {
	r, err := b.receiver(queue)
	if err != nil {
		return err
	}
	if _, err := peek(ctx, r, 0, 1); err != nil {
		return explain(ctx, "peek at "+queue, err)
	}
	return nil
}
