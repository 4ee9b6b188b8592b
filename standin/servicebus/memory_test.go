package servicebus

import (
	"bytes"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

// A timer outlives the message that it was set for, but must not keep its payload: that once held 205 MB after 60,000
// messages.
func TestSettledMessageLetsItsPayloadGo(t *testing.T) {
	b, err := newBroker(DefaultEntities(), &clock.Clock{})
	if err != nil {
		t.Fatal(err)
	}
	q := b.queues["backup-requests"]
	q.enqueue(&payload{header: fields{nil, nil, uint32(time.Hour / time.Millisecond)}})
	m := q.active.Pop().(*message)
	q.lock(m)
	if len(b.timers.heap) != 2 {
		t.Fatalf("%d timers, want one for the lock and one for the expiry", len(b.timers.heap))
	}
	if err := q.settle(m.lockToken, settlement{outcome: outcomeComplete}); err != nil {
		t.Fatal(err)
	}
	if m.payload != nil || len(q.messages) != 0 || len(q.locks) != 0 {
		t.Fatalf("the message is still held: %+v", m)
	}
}

// Timers at the same moment go in the order in which they were set, and a cancelled one does nothing.
func TestTimersKeepTheirOrder(t *testing.T) {
	var ts timers
	ts.changed = make(chan struct{}, 1)
	var got []int
	now := time.Unix(100, 0)
	for i := range 5 {
		x := ts.at(now, func() { got = append(got, i) })
		if i == 3 {
			x.cancel()
		}
	}
	ts.at(now.Add(-time.Second), func() { got = append(got, 9) })
	ts.at(now.Add(time.Second), func() { t.Error("fired too early") })
	ts.fire(func() time.Time { return now })
	if len(got) != 5 || got[0] != 9 || got[1] != 0 || got[4] != 4 {
		t.Fatalf("order %v", got)
	}
}

// A peer that cuts its messages into many frames uses up the session's window long before the link's credit.
func TestSessionWindowIsRenewedByTransfers(t *testing.T) {
	c := &connection{}
	c.out.kick = make(chan struct{}, 1)
	s := &session{connection: c}
	for range sessionWindow / 2 {
		if len(c.out.buf) > 0 {
			t.Fatal("a flow before half of the window was used")
		}
		s.countTransfer()
	}
	f, err := readFrame(bytes.NewReader(c.out.buf))
	if err != nil || f.code != performFlow || f.fields.uint32(0, 0) != sessionWindow/2 || f.fields.uint32(1, 0) != sessionWindow {
		t.Fatalf("%+v, %v", f, err)
	}
}
