package servicebus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"
)

func TestSendReceiveComplete(t *testing.T) {
	b := plainBus(t)
	sender := b.sender("requests")
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{
		Body: []byte(`{"database":"cohort"}`), MessageID: ptr("m-1"), Subject: ptr("backup"), CorrelationID: ptr("run-7"),
		ContentType: ptr("application/json"), ApplicationProperties: map[string]any{"tries": int64(3), "who": "timer"},
	}, nil))
	batch, err := sender.NewMessageBatch(b.ctx, nil)
	check(t, err)
	for i := range 3 {
		check(t, batch.AddMessage(&azservicebus.Message{Body: fmt.Appendf(nil, "batch-%d", i)}, nil))
	}
	check(t, sender.SendMessageBatch(b.ctx, batch, nil))

	r := b.receiver("requests")
	m := b.receive(r)
	type view struct {
		Body, ID, Subject, Correlation, ContentType string
		Properties                                  map[string]any
		Sequence                                    int64
		Delivery                                    uint32
	}
	got := view{string(m.Body), m.MessageID, *m.Subject, *m.CorrelationID, *m.ContentType, m.ApplicationProperties, *m.SequenceNumber, m.DeliveryCount}
	want := view{`{"database":"cohort"}`, "m-1", "backup", "run-7", "application/json", map[string]any{"tries": int64(3), "who": "timer"}, 1, 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if left := m.LockedUntil.Sub(b.clock.Now()); left < 25*time.Second || left > 30*time.Second {
		t.Fatalf("locked for %s, want about 30 s", left)
	}
	check(t, r.CompleteMessage(b.ctx, m, nil))
	for i := range 3 {
		m := b.receive(r)
		if string(m.Body) != fmt.Sprintf("batch-%d", i) || m.MessageID == "" {
			t.Fatalf("message %d: %q, id %q", i, m.Body, m.MessageID)
		}
		check(t, r.CompleteMessage(b.ctx, m, nil))
	}
	b.wantCounts("requests", counts{})
}

func TestBigMessagePassesAndTooBigDoesNot(t *testing.T) {
	b := plainBus(t)
	big := strings.Repeat("x", 200_000)
	b.send("requests", &azservicebus.Message{Body: []byte(big)})
	if m := b.receive(b.receiver("requests")); string(m.Body) != big {
		t.Fatalf("%d bytes came back changed", len(m.Body))
	}
	err := b.sender("requests").SendMessage(b.ctx, &azservicebus.Message{Body: make([]byte, 300_000)}, nil)
	if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		t.Fatalf("300,000 bytes: %v", err)
	}
}

func TestAbandonCountsUpToTheDeadLetterQueue(t *testing.T) {
	b := plainBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("poison")})
	r := b.receiver("requests")
	for i := range uint32(4) {
		m := b.receive(r)
		if m.DeliveryCount != i+1 {
			t.Fatalf("delivery count %d, want %d", m.DeliveryCount, i+1)
		}
		if i > 0 && m.ApplicationProperties["why"] != "busy" {
			t.Fatalf("properties %v", m.ApplicationProperties)
		}
		check(t, r.AbandonMessage(b.ctx, m, &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"why": "busy"}}))
	}
	b.wantCounts("requests", counts{DeadLettered: 1})
	m := b.receive(b.deadLetters("requests"))
	if *m.DeadLetterReason != "MaxDeliveryCountExceeded" || *m.DeadLetterSource != "requests" ||
		*m.DeadLetterErrorDescription != "Message could not be consumed after 4 delivery attempts." {
		t.Fatalf("reason %q, description %q, source %q", *m.DeadLetterReason, *m.DeadLetterErrorDescription, *m.DeadLetterSource)
	}
}

// azservicebus takes the two dead-letter properties for strings without a look, and would panic.
func TestDeadLetterPropertiesStayStrings(t *testing.T) {
	b := plainBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	r := b.receiver("requests")
	check(t, r.AbandonMessage(b.ctx, b.receive(r), &azservicebus.AbandonMessageOptions{
		PropertiesToModify: map[string]any{"DeadLetterReason": 7, "DeadLetterErrorDescription": true, "other": "kept"},
	}))
	if m := b.receive(r); m.DeadLetterReason != nil || m.ApplicationProperties["other"] != "kept" {
		t.Fatalf("properties %v", m.ApplicationProperties)
	}
}

func TestDeadLetterKeepsReasonAndProperties(t *testing.T) {
	for _, way := range []string{"on its link", "by lock token"} {
		t.Run(way, func(t *testing.T) {
			b := plainBus(t)
			b.send("requests", &azservicebus.Message{Body: []byte("bad"), MessageID: ptr("dl-1"), ApplicationProperties: map[string]any{"own": true}})
			r := b.receiver("requests")
			m := b.receive(r)
			if way == "by lock token" {
				m = byToken(m)
			}
			check(t, r.DeadLetterMessage(b.ctx, m, &azservicebus.DeadLetterOptions{
				Reason: ptr("BadRequest"), ErrorDescription: ptr("no database"), PropertiesToModify: map[string]any{"stage": "admit"},
			}))
			dead := b.deadLetters("requests")
			m = b.receive(dead)
			want := map[string]any{"own": true, "stage": "admit", "DeadLetterReason": "BadRequest", "DeadLetterErrorDescription": "no database"}
			if d := cmp.Diff(want, m.ApplicationProperties); d != "" || m.MessageID != "dl-1" {
				t.Fatalf("%s: %s", m.MessageID, d)
			}
			check(t, dead.AbandonMessage(b.ctx, m, nil))
			m = b.receive(dead)
			check(t, dead.CompleteMessage(b.ctx, m, nil))
			b.wantCounts("requests", counts{})
		})
	}
}

func TestRenewalAndLapseOfALock(t *testing.T) {
	b := plainBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("long job")})
	r := b.receiver("requests")
	m := b.receive(r)
	before := *m.LockedUntil
	b.clock.Advance(20 * time.Second)
	check(t, r.RenewMessageLock(b.ctx, m, nil))
	if d := m.LockedUntil.Sub(before).Round(time.Second); d != 20*time.Second {
		t.Fatalf("the lock was moved by %s, want 20 s", d)
	}
	b.clock.Advance(20 * time.Second) // 40 s after the first lock, 20 s after the renewal
	b.wantCounts("requests", counts{Locked: 1})
	b.clock.Advance(11 * time.Second)
	b.wantCounts("requests", counts{Active: 1})
	again := b.receive(r)
	if *again.SequenceNumber != *m.SequenceNumber || again.DeliveryCount != 2 {
		t.Fatalf("sequence %d, delivery %d", *again.SequenceNumber, again.DeliveryCount)
	}
	wantCode(t, r.CompleteMessage(b.ctx, m, nil), azservicebus.CodeLockLost)
	wantCode(t, r.RenewMessageLock(b.ctx, byToken(m), nil), azservicebus.CodeLockLost)
	wantCode(t, r.CompleteMessage(b.ctx, byToken(m), nil), azservicebus.CodeLockLost)
	check(t, r.CompleteMessage(b.ctx, again, nil))
	b.wantCounts("requests", counts{})
}

// Without anybody moving the clock, machine time ends a lock.
func TestLockLapsesInMachineTime(t *testing.T) {
	b := plainBus(t)
	b.send("short", &azservicebus.Message{Body: []byte("x")})
	r := b.receiver("short")
	b.receive(r)
	from := time.Now()
	if m := b.receive(r); m.DeliveryCount != 2 || time.Since(from) > 5*time.Second {
		t.Fatalf("delivery %d after %s", m.DeliveryCount, time.Since(from))
	}
}

func TestDeferAndReceiveDeferred(t *testing.T) {
	b := plainBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("later")})
	r := b.receiver("requests")
	m := b.receive(r)
	check(t, r.DeferMessage(b.ctx, m, nil))
	b.wantCounts("requests", counts{})
	b.receiveNothing(r)
	ms, err := r.ReceiveDeferredMessages(b.ctx, []int64{*m.SequenceNumber}, nil)
	check(t, err)
	if len(ms) != 1 || string(ms[0].Body) != "later" || ms[0].State != azservicebus.MessageStateDeferred {
		t.Fatalf("deferred: %+v", ms)
	}
	check(t, r.AbandonMessage(b.ctx, ms[0], nil)) // stays deferred
	ms, err = r.ReceiveDeferredMessages(b.ctx, []int64{*m.SequenceNumber}, nil)
	check(t, err)
	check(t, r.CompleteMessage(b.ctx, ms[0], nil))
	_, err = r.ReceiveDeferredMessages(b.ctx, []int64{*m.SequenceNumber}, nil)
	wantCode(t, err, azservicebus.CodeNotFound)
}

func TestReceiveAndDelete(t *testing.T) {
	b := plainBus(t)
	for range 3 {
		b.send("requests", &azservicebus.Message{Body: []byte("x")})
	}
	r := b.receiverWith("requests", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	for range 3 {
		b.receive(r)
	}
	b.wantCounts("requests", counts{})
}

// Credit that a receive left behind takes a message that nobody waits for; the client releases it, and that is no delivery.
func TestReleaseDoesNotCountAsDelivery(t *testing.T) {
	b := plainBus(t)
	first := b.receiver("requests")
	_, err := first.PeekMessages(b.ctx, 1, nil) // the link is there
	check(t, err)
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	_, err = first.ReceiveMessages(ctx, 5, nil)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("receive from an empty queue: %v", err)
	}
	b.send("requests", &azservicebus.Message{Body: []byte("late")})
	if m := b.receive(b.receiver("requests")); m.DeliveryCount != 1 {
		t.Fatalf("delivery count %d after a release, want 1", m.DeliveryCount)
	}
}

func TestPeekSeesEveryState(t *testing.T) {
	b := plainBus(t)
	for _, body := range []string{"deferred", "locked", "active"} {
		b.send("requests", &azservicebus.Message{Body: []byte(body)})
	}
	b.send("requests", &azservicebus.Message{Body: []byte("scheduled"), ScheduledEnqueueTime: ptr(time.Now().Add(time.Hour))})
	r := b.receiver("requests")
	check(t, r.DeferMessage(b.ctx, b.receive(r), nil))
	b.receive(r)
	ms, err := r.PeekMessages(b.ctx, 10, nil)
	check(t, err)
	var got []string
	for _, m := range ms {
		got = append(got, fmt.Sprint(string(m.Body), " ", m.State))
	}
	want := []string{"deferred 1", "locked 0", "active 0", "scheduled 2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	b.wantCounts("requests", counts{Active: 1, Scheduled: 1, Locked: 1})
	ms, err = r.PeekMessages(b.ctx, 10, &azservicebus.PeekMessagesOptions{FromSequenceNumber: ptr(int64(1000))})
	if err != nil || len(ms) != 0 {
		t.Fatalf("peek beyond the end: %d, %v", len(ms), err)
	}
}

func TestUnknownEntity(t *testing.T) {
	b := plainBus(t)
	wantCode(t, b.sender("nosuch").SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil), azservicebus.CodeNotFound)
	if _, _, _, _, ok := b.Counts("nosuch"); ok {
		t.Fatal("counts of an unknown queue")
	}
}

func TestAMessageIDOfMoreThan128CharactersIsRefused(t *testing.T) {
	b := plainBus(t)
	s, err := b.client.NewSender("requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	for n, ok := range map[int]bool{128: true, 129: false} {
		id := strings.Repeat("x", n)
		if err := s.SendMessage(b.ctx, &azservicebus.Message{MessageID: &id, Body: []byte("b")}, nil); (err == nil) != ok {
			t.Errorf("%d characters: %v", n, err)
		}
	}
	if active, _, _, _, _ := b.Counts("requests"); active != 1 {
		t.Errorf("%d messages in the queue, want one", active)
	}
}
