package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
)

// outcome is how one delivery ends: at most one event, at most one later copy, then the message's own end, in this
// order. Each step may be repeated: duplicate detection drops the repeat.
type outcome struct {
	queue  string
	msg    message
	event  *bacvault.Event
	later  *bus.Message
	reason string // not empty: dead-letter with it
	detail string
}

// settle carries an outcome out. Publishing is part of the run: no event, no settlement.
func (h *handler) settle(ctx context.Context, o outcome) error {
	if o.event != nil {
		if err := h.app.Publish(ctx, *o.event); err != nil {
			return fmt.Errorf("publish %s: %w", o.event.Type, err)
		}
		h.log.published(*o.event)
	}
	if o.later != nil {
		if err := h.app.Send(ctx, o.queue, *o.later); err != nil {
			return fmt.Errorf("schedule the request again: %w", err)
		}
	}
	var err error
	if o.reason != "" {
		err = h.app.DeadLetter(ctx, o.queue, o.msg.LockToken, o.reason, o.detail)
	} else {
		err = h.app.Complete(ctx, o.queue, o.msg.LockToken)
	}
	if errors.Is(err, bus.ErrLockLost) {
		// The message comes again or is being worked on; what it asked for is found done then.
		h.log.lockLost(o.queue, o.msg.MessageID, err)
		return nil
	}
	return err
}

// overrun is why a run's context ends at its limit: classed, for another attempt would take as long.
func (h *handler) overrun(code bacvault.Code) error {
	return bacvault.Fail(code, "the run took longer than %s (BACVAULT_RUN_TIMEOUT)", h.runLimit)
}

// longestID is the longest id of a message that fits into an event's own beside attempt and type, for Service Bus takes 128
// characters in all. Requests have the same limit.
const longestID = 72

// rejected: the request was not understood. It is dead-lettered, for a person must see it.
func (h *handler) rejected(queue string, m message, err error) outcome {
	f := bacvault.AsFailure(err, bacvault.StageAdmit)
	id := m.MessageID
	if id == "" || len(id) > longestID {
		id = m.LockToken // another at each delivery, and so is the count
	}
	data := bacvault.EventData{Failure: f.Data(), Final: true}
	if json.Valid(m.Body) && len(m.Body) <= 4096 {
		data.Request = m.Body
	}
	e := h.app.Event(bacvault.RequestRejected, id, m.Count, queue, data)
	return outcome{queue: queue, msg: m, event: &e, reason: string(f.Code), detail: f.Detail}
}

// waiting: another run is at work on the database or the target. The request comes again when that run's lease would
// have lapsed, and ever less often while it goes on; this is not an attempt.
func (h *handler) waiting(queue string, m message, body []byte, id string, deferrals int) outcome {
	wait := min(time.Duration(deferrals)*h.deferral, longestDeferral)
	return outcome{queue: queue, msg: m, later: &bus.Message{ID: id, Body: body, At: time.Now().Add(wait)}}
}

// longestDeferral is how late a request that waits for another run may notice that it has ended.
const longestDeferral = 10 * time.Minute

// failed turns a failure into the row of the table that its class has.
func (h *handler) failed(queue string, m message, f *bacvault.Failure, attempt int, e bacvault.Event, again bus.Message) outcome {
	o := outcome{queue: queue, msg: m}
	if f.Class == bacvault.Retry && attempt < h.attempts {
		again.At = time.Now().Add(backOff(h.retryDelay, attempt))
		o.later = &again
		return o
	}
	o.event = &e
	if f.Class == bacvault.Retry || f.Class == bacvault.Rejected {
		o.reason, o.detail = string(f.Code), f.Error()
	}
	return o
}

// backOff doubles the wait for each further attempt, up to a day.
func backOff(first time.Duration, attempt int) time.Duration {
	d := first
	for range attempt - 1 {
		if d *= 2; d > 24*time.Hour {
			return 24 * time.Hour
		}
	}
	return d
}

// marshal is for our own documents, which always encode.
func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return b, nil
}
