package servicebus_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestDuplicateDetection(t *testing.T) {
	b := plainBus(t)
	for range 3 {
		b.send("backup-requests", &azservicebus.Message{MessageID: ptr("night-1"), Body: []byte("x")})
	}
	b.wantCounts("backup-requests", counts{Active: 1})
	r := b.receiver("backup-requests")
	check(t, r.CompleteMessage(b.ctx, b.receive(r), nil))
	b.clock.Advance(9 * time.Minute)
	b.send("backup-requests", &azservicebus.Message{MessageID: ptr("night-1"), Body: []byte("inside the window, though completed")})
	b.wantCounts("backup-requests", counts{})
	b.clock.Advance(2 * time.Minute)
	b.send("backup-requests", &azservicebus.Message{MessageID: ptr("night-1"), Body: []byte("after")})
	b.wantCounts("backup-requests", counts{Active: 1})

	for range 2 {
		b.send("backup-events", &azservicebus.Message{MessageID: ptr("event-1"), Body: []byte("x")})
	}
	b.wantCounts("backup-events/Subscriptions/all", counts{Active: 1})
}

// A scheduled message counts from when it was sent: its own activation must not be taken for a duplicate, a second one must.
func TestDuplicateDetectionOfScheduledMessages(t *testing.T) {
	b := plainBus(t)
	sender := b.sender("backup-requests")
	in := func(d time.Duration) time.Time { return b.clock.Now().Add(d) }
	for range 2 {
		_, err := sender.ScheduleMessages(b.ctx, []*azservicebus.Message{{MessageID: ptr("retry-1"), Body: []byte("x")}}, in(5*time.Minute), nil)
		check(t, err)
		check(t, sender.SendMessage(b.ctx, &azservicebus.Message{MessageID: ptr("retry-2"), ScheduledEnqueueTime: ptr(in(5 * time.Minute))}, nil))
	}
	b.wantCounts("backup-requests", counts{Scheduled: 2})
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{MessageID: ptr("retry-1"), Body: []byte("at once")}, nil))
	b.clock.Advance(5*time.Minute + time.Second)
	b.wantCounts("backup-requests", counts{Active: 2})
}

func TestSchedule(t *testing.T) {
	b := plainBus(t)
	sender := b.sender("requests")
	due := time.Now().Add(time.Hour)
	check(t, sender.SendMessage(b.ctx, &azservicebus.Message{Body: []byte("by property"), ScheduledEnqueueTime: &due}, nil))
	sequences, err := sender.ScheduleMessages(b.ctx, []*azservicebus.Message{{Body: []byte("cancelled")}, {Body: []byte("by request")}}, due.Add(time.Minute), nil)
	check(t, err)
	check(t, sender.CancelScheduledMessages(b.ctx, sequences[:1], nil))
	wantCode(t, sender.CancelScheduledMessages(b.ctx, sequences[:1], nil), azservicebus.CodeNotFound)
	b.wantCounts("requests", counts{Scheduled: 2})
	r := b.receiver("requests")
	b.receiveNothing(r)
	for i, want := range []string{"by property", "by request"} {
		b.clock.Advance([]time.Duration{time.Hour + time.Second, time.Minute}[i])
		m := b.receive(r)
		if string(m.Body) != want || m.DeliveryCount != 1 || m.EnqueuedTime.Before(due) {
			t.Fatalf("%q, delivery %d, enqueued %s; want %q", m.Body, m.DeliveryCount, m.EnqueuedTime, want)
		}
		check(t, r.CompleteMessage(b.ctx, m, nil))
	}

	_, err = b.sender("backup-events").ScheduleMessages(b.ctx, []*azservicebus.Message{{Body: []byte("event")}}, b.clock.Now().Add(time.Hour), nil)
	check(t, err)
	b.wantCounts("backup-events", counts{Scheduled: 1})
	b.wantCounts("backup-events/subscriptions/all", counts{})
	b.clock.Advance(time.Hour + time.Second)
	b.wantCounts("backup-events", counts{})
	b.wantCounts("backup-events/subscriptions/all", counts{Active: 1})
}

func TestExpiry(t *testing.T) {
	b := plainBus(t)
	b.send("brief", &azservicebus.Message{Body: []byte("to the dead letters")})
	b.send("vanishing", &azservicebus.Message{Body: []byte("gone")})
	b.send("requests", &azservicebus.Message{Body: []byte("its own time"), TimeToLive: ptr(30 * time.Second)})
	b.send("brief", &azservicebus.Message{Body: []byte("shorter than the queue's"), TimeToLive: ptr(time.Second)})
	b.clock.Advance(31 * time.Second)
	b.wantCounts("requests", counts{})
	b.wantCounts("brief", counts{Active: 1, DeadLettered: 1})
	r := b.receiver("brief")
	m := b.receive(r)
	b.clock.Advance(40 * time.Second) // over, but locked
	b.wantCounts("brief", counts{Locked: 1, DeadLettered: 1})
	check(t, r.AbandonMessage(b.ctx, m, nil))
	b.wantCounts("brief", counts{DeadLettered: 2})
	b.wantCounts("vanishing", counts{})
	for range 2 {
		if m := b.receive(b.deadLetters("brief")); *m.DeadLetterReason != "TTLExpiredException" {
			t.Fatalf("reason %q", *m.DeadLetterReason)
		}
	}
}

// Each move of the clock takes effect at its own time, though nobody looks in between.
func TestMovesOfTheClockDoNotRunTogether(t *testing.T) {
	b := plainBus(t)
	due := b.clock.Now().Add(time.Hour)
	b.send("requests", &azservicebus.Message{ScheduledEnqueueTime: &due, TimeToLive: ptr(30 * time.Minute)})
	b.clock.Advance(61 * time.Minute)
	b.clock.Advance(31 * time.Minute)
	b.wantCounts("requests", counts{})
}
