package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/bacvault/bacvault/standin/roles"
)

// busClient is a real client under an identity. go-amqp would verify the certificate against "host:port".
func (s *Stack) busClient(client string) (*azservicebus.Client, error) {
	host, _, err := net.SplitHostPort(s.Bus.Addr())
	if err != nil {
		return nil, err
	}
	t := s.PKI.ClientTLS()
	t.ServerName = host
	return azservicebus.NewClient(s.Bus.Addr(), s.Identity.Credential(client), &azservicebus.ClientOptions{TLSConfig: t})
}

// Send queues a request as an operator does.
func (s *Stack) Send(ctx context.Context, queue, messageID string, body []byte) error {
	c, err := s.busClient(roles.Operator)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	sender, err := c.NewSender(queue, nil)
	if err != nil {
		return err
	}
	m := &azservicebus.Message{Body: body}
	if messageID != "" {
		m.MessageID = &messageID
	}
	return sender.SendMessage(ctx, m, nil)
}

// Event is an event as a subscriber sees it.
type Event struct {
	ID      string
	Type    string
	Subject string
	Data    EventData
	Raw     []byte
}

// EventData is what the demo and the tests read of it.
type EventData struct {
	RequestID    string
	AlreadyDone  bool
	Unmanifested bool
	Final        bool
	Slot         string
	Blob         struct{ Name, SHA256 string }
	Target       struct{ Server, Database string }
	Degraded     []string
	Findings     []string
	Tables       []struct {
		Schema, Table                         string
		RowsSource, RowsArchive, RowsRestored *int64
	}
	Failure *struct{ Code, Class, Stage, Detail, Exists, Next string }
	Proof   *Proof
	Finding *Finding
}

// Proof is a drill's result.
type Proof struct {
	Blob, Choice   string
	Passed         bool
	RestoreSeconds float64
	Tables         int
	Rows           int64
	Negative       *struct {
		Tried, Detected int
		Cases           []struct {
			Damage, Where, Code, Detail string
			Detected                    bool
		}
	}
	Findings []string
}

// Finding is what the watch found.
type Finding struct{ ID, Kind, Severity, Subject, Detail, Next string }

// Events collects what a subscription delivers.
type Events struct {
	client *azservicebus.Client
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	all  []Event
	err  error
	more chan struct{}
}

// Watch receives a subscription of the event topic under the alerting identity, until Close.
func (s *Stack) Watch(ctx context.Context, subscription string) (*Events, error) {
	c, err := s.busClient(roles.Alerting)
	if err != nil {
		return nil, err
	}
	r, err := c.NewReceiverForSubscription("backup-events", subscription, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &Events{client: c, cancel: cancel, done: make(chan struct{}), more: make(chan struct{})}
	s.closes = append(s.closes, e.Close)
	go e.receive(ctx, r)
	return e, nil
}

// Close stops receiving.
func (e *Events) Close() error {
	e.cancel()
	<-e.done
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return e.client.Close(ctx)
}

func (e *Events) receive(ctx context.Context, r *azservicebus.Receiver) {
	defer close(e.done)
	for ctx.Err() == nil {
		ms, err := r.ReceiveMessages(ctx, 10, nil)
		for _, m := range ms {
			e.add(parseEvent(m))
			if err := r.CompleteMessage(ctx, m, nil); err != nil {
				e.fail(err)
			}
		}
		if err != nil && ctx.Err() == nil {
			e.fail(err)
			return
		}
	}
}

func parseEvent(m *azservicebus.ReceivedMessage) (Event, error) {
	var ev Event
	if err := json.Unmarshal(m.Body, &ev); err != nil {
		return ev, fmt.Errorf("event %s: %w", m.MessageID, err)
	}
	ev.Raw = m.Body
	if ev.ID != m.MessageID || m.ApplicationProperties["cloudEvents_type"] != ev.Type || m.ApplicationProperties["cloudEvents_subject"] != ev.Subject {
		return ev, fmt.Errorf("event %s: message id or properties do not repeat the event's", ev.ID)
	}
	return ev, nil
}

func (e *Events) add(ev Event, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.err = errors.Join(e.err, err)
	} else {
		e.all = append(e.all, ev)
	}
	close(e.more)
	e.more = make(chan struct{})
}

func (e *Events) fail(err error) { e.add(Event{}, err) }

// All is what came so far.
func (e *Events) All() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// Wait gives the first event that fits, also of those that came before.
func (e *Events) Wait(ctx context.Context, fits func(Event) bool) (Event, error) {
	return e.wait(ctx, fits, func() {})
}

// wait calls fits under the lock, so that it must not call back; again comes before each pass over the events.
func (e *Events) wait(ctx context.Context, fits func(Event) bool, again func()) (Event, error) {
	for {
		again()
		e.mu.Lock()
		i := slices.IndexFunc(e.all, fits)
		more, err := e.more, e.err
		var got Event
		if i >= 0 {
			got = e.all[i]
		}
		e.mu.Unlock()
		switch {
		case i >= 0:
			return got, nil
		case err != nil:
			return Event{}, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("no such event: %w", context.Cause(ctx))
		}
	}
}

// Next gives the event of an index, counted from 0, waiting for it.
func (e *Events) Next(ctx context.Context, index int) (Event, error) {
	n := 0
	return e.wait(ctx, func(Event) bool { n++; return n == index+1 }, func() { n = 0 })
}
