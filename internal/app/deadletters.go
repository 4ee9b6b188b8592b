package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
)

// The forms of what the command line prints of dead letters.
const (
	DeadLettersSchema = "bacvault.dead-letters.v1"
	RequeuedSchema    = "bacvault.requeued.v1"
)

// DeadLetters are the requests that the queues put aside.
type DeadLetters struct {
	Schema      string       `json:"schema"`
	At          time.Time    `json:"at"`
	DeadLetters []DeadLetter `json:"deadLetters"`
	// More says that a queue has more than were read.
	More   bool     `json:"more,omitempty"`
	Unread []string `json:"unread,omitempty"`
}

// DeadLetter is one of them. Not understood is one whose body is no request: it can't be sent again.
type DeadLetter struct {
	Queue     string `json:"queue"`
	MessageID string `json:"messageId"`
	Sequence  int64  `json:"sequence"`
	// Reason is a failure's code where bacvault put it aside, and a word of the broker's elsewhere.
	Reason      string    `json:"reason"`
	Description string    `json:"description,omitempty"`
	Enqueued    time.Time `json:"enqueuedAt"`
	bacvault.Database
	Request    string `json:"request,omitempty"` // its id
	Attempt    int    `json:"attempt,omitempty"`
	Understood bool   `json:"understood"`
}

// Requeued is what became of dead letters that were to be sent again.
type Requeued struct {
	Schema  string          `json:"schema"`
	Sent    []DeadLetter    `json:"sent"` // as they were
	Refused []RefusedLetter `json:"refused,omitempty"`
	// Left counts those that somebody else had locked: another requeue, or one that was broken off minutes ago.
	Left int `json:"left,omitempty"`
}

// RefusedLetter stays where it is.
type RefusedLetter struct {
	DeadLetter
	Why string `json:"why"`
}

// Queues are the queues that requests come by.
func Queues() []string { return []string{bacvault.BackupQueue, bacvault.RestoreQueue} }

// DeadLetters peeks at what queues put aside; nothing is changed. A queue that can't be read is named in the answer.
func (a *App) DeadLetters(ctx context.Context, queues []string) DeadLetters {
	out := DeadLetters{Schema: DeadLettersSchema, At: a.now(), DeadLetters: []DeadLetter{}}
	for _, q := range queues {
		list, err := a.bus.DeadLetters(ctx, q, mostDeadLetters)
		if err != nil {
			out.Unread = append(out.Unread, q+": "+bacvault.AsFailure(err, "").Detail)
		}
		out.More = out.More || len(list) == mostDeadLetters
		for _, d := range list {
			out.DeadLetters = append(out.DeadLetters, letter(d))
		}
	}
	return out
}

func letter(d bus.DeadLetter) DeadLetter {
	out := DeadLetter{
		Queue: d.Queue, MessageID: d.ID, Sequence: d.Sequence, Reason: d.Reason, Description: d.Description, Enqueued: d.Enqueued, Database: databaseOf(d),
	}
	if e, _, err := again(d); err == nil {
		out.Request, out.Attempt, out.Understood = e.ID, e.Attempt-1, true
	}
	return out
}

// Requeue sends dead letters again that ids names, by the request's id or the message's; no ids are all of them. Each gets a
// new attempt number, so that its outcome is an event of its own. What is no request is refused and stays. What was sent
// is told beside an error too.
func (a *App) Requeue(ctx context.Context, queues, ids []string) (Requeued, error) {
	out := Requeued{Schema: RequeuedSchema, Sent: []DeadLetter{}}
	for _, q := range queues {
		done, err := a.bus.Requeue(ctx, q, func(d bus.DeadLetter) bool {
			return len(ids) == 0 || slices.Contains(ids, d.ID) || slices.Contains(ids, letter(d).Request)
		}, func(d bus.DeadLetter) (bus.Message, error) {
			_, m, err := again(d)
			return m, err
		})
		for _, d := range done.Sent {
			out.Sent = append(out.Sent, letter(d))
		}
		for _, r := range done.Refused {
			out.Refused = append(out.Refused, RefusedLetter{letter(r.DeadLetter), bacvault.AsFailure(r.Why, "").Detail})
		}
		out.Left += done.Left
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// again makes the message that a dead letter is sent again as: one attempt later.
func again(d bus.DeadLetter) (bacvault.Envelope, bus.Message, error) {
	delivery := bacvault.Delivery{MessageID: d.ID, Enqueued: d.Enqueued}
	var e bacvault.Envelope
	var body []byte
	var err error
	switch d.Queue {
	case bacvault.BackupQueue:
		var r bacvault.BackupRequest
		if r, err = bacvault.ParseBackupRequest(d.Body, delivery); err == nil {
			r.Attempt++
			e = r.Envelope
			body, err = json.Marshal(r)
		}
	case bacvault.RestoreQueue:
		var r bacvault.RestoreRequest
		if r, err = bacvault.ParseRestoreRequest(d.Body, delivery); err == nil {
			r.Attempt++
			e = r.Envelope
			body, err = json.Marshal(r)
		}
	default:
		err = fmt.Errorf("%s is not a queue of requests", d.Queue)
	}
	return e, bus.Message{ID: e.MessageID(), Body: body}, err
}

// Peeked is a message of the event topic. Event is nil where it is none of ours.
type Peeked struct {
	Sequence int64
	Enqueued time.Time
	Event    *bacvault.Event
	Body     []byte
}

// mostEvents is how many one peek reads.
const mostEvents = 1000

// PeekEvents looks at what a subscription of the event topic holds from a sequence number on, oldest first, and takes nothing.
func (a *App) PeekEvents(ctx context.Context, subscription string, from int64) (out []Peeked, err error) {
	list, err := a.bus.PeekEvents(ctx, subscription, from, mostEvents)
	for _, m := range list {
		p := Peeked{Sequence: m.Sequence, Enqueued: m.Enqueued, Body: m.Body}
		var e bacvault.Event
		if jerr := json.Unmarshal(m.Body, &e); jerr == nil && e.SpecVersion != "" && e.Type != "" {
			p.Event = &e
		}
		out = append(out, p)
	}
	return out, err
}
