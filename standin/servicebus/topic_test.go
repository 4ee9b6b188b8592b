package servicebus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/servicebus"
)

// The subscription "failures" takes the events that need a person, and only those.
func TestFailuresSubscription(t *testing.T) {
	b := plainBus(t)
	needsPerson := map[string]bool{
		"bacvault.backup.completed.v1": false, "bacvault.restore.completed.v1": false, "bacvault.drill.passed.v1": false,
		"bacvault.backup.failed.v1": true, "bacvault.backup.overdue.v1": true, "bacvault.restore.failed.v1": true,
		"bacvault.drill.failed.v1": true, "bacvault.promote.failed.v1": true, "bacvault.finding.raised.v1": true, "bacvault.immutability.drifted.v1": true, "bacvault.request.rejected.v1": true,
		"bacvault.request.deadlettered.v1": true, "": false, "BACVAULT.BACKUP.FAILED.V1": false,
	}
	want := map[string]bool{}
	for kind, person := range needsPerson {
		properties := map[string]any{"cloudEvents_type": kind}
		if kind == "" {
			properties = nil
		}
		b.send("backup-events", &azservicebus.Message{MessageID: ptr("id of " + kind), ApplicationProperties: properties})
		if person {
			want[kind] = true
		}
	}
	b.wantCounts("backup-events/Subscriptions/all", counts{Active: len(needsPerson)})
	got := map[string]bool{}
	r := b.receiver("backup-events/failures")
	for range len(want) {
		m := b.receive(r)
		got[m.ApplicationProperties["cloudEvents_type"].(string)] = true
		check(t, r.CompleteMessage(b.ctx, m, nil))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	b.wantCounts("backup-events/Subscriptions/failures", counts{})
}

func TestOtherFilters(t *testing.T) {
	b := plainBus(t)
	for _, m := range []*azservicebus.Message{
		{ApplicationProperties: map[string]any{"owner": "me", "kind": "x", "other": 1}},
		{ApplicationProperties: map[string]any{"owner": "me"}},
		{ApplicationProperties: map[string]any{"owner": "me", "kind": int32(7)}},
		{Subject: ptr("urgent"), ApplicationProperties: map[string]any{"tries": int32(3)}},
		{Subject: ptr("urgent"), ApplicationProperties: map[string]any{"tries": "3"}},
		{Subject: ptr("calm"), ApplicationProperties: map[string]any{"tries": int64(3)}},
	} {
		b.send("news", m)
	}
	b.wantCounts("news/subscriptions/mine", counts{Active: 1})
	b.wantCounts("news/subscriptions/labelled", counts{Active: 1})
	b.wantCounts("news/subscriptions/expiring", counts{Active: 6})
}

func TestSubscriptionHasItsOwnDeadLetters(t *testing.T) {
	b := plainBus(t)
	b.send("news", &azservicebus.Message{MessageID: ptr("n-1"), ApplicationProperties: map[string]any{"owner": "me", "kind": "x"}})
	r := b.receiver("news/mine")
	check(t, r.DeadLetterMessage(b.ctx, b.receive(r), nil))
	b.wantCounts("news/subscriptions/mine", counts{DeadLettered: 1})
	b.wantCounts("news/subscriptions/expiring", counts{Active: 1})
	if m := b.receive(b.deadLetters("news/mine")); m.MessageID != "n-1" || *m.DeadLetterSource != "news/Subscriptions/mine" {
		t.Fatalf("%s from %s", m.MessageID, *m.DeadLetterSource)
	}
	b.clock.Advance(61 * time.Second)
	if m := b.receive(b.deadLetters("news/expiring")); *m.DeadLetterReason != "TTLExpiredException" {
		t.Fatalf("reason %s", *m.DeadLetterReason)
	}
}

// A namespace that the stand-in cannot play is refused at start.
func TestStartRefuses(t *testing.T) {
	rule := func(sql string) servicebus.Entities {
		return servicebus.Entities{Topics: []servicebus.Topic{{Name: "t", Subscriptions: []servicebus.Subscription{{Name: "s", SQL: sql}}}}}
	}
	for _, tc := range []struct {
		name     string
		entities servicebus.Entities
		want     string
	}{
		{"like", rule(`a LIKE 'x%'`), "LIKE"},
		{"is null", rule(`a IS NULL`), "IS"},
		{"exists", rule(`EXISTS (a)`), "EXISTS"},
		{"not", rule(`NOT a = 'x'`), "NOT"},
		{"arithmetic", rule(`a + 1 = 2`), `"+"`},
		{"greater", rule(`a > 1`), `">"`},
		{"open text", rule(`a = 'x`), "not closed"},
		{"open list", rule(`a IN ('x'`), "the end"},
		{"nothing after AND", rule(`a = 'x' AND`), "the end"},
		{"two rules", rule(`a = 'x' b = 'y'`), `"b"`},
		{"unknown system property", rule(`sys.EnqueuedTimeUtc = 'x'`), "EnqueuedTimeUtc"},
		{"unknown scope", rule(`mine.a = 'x'`), "mine"},
		{"property on the right", rule(`a = b`), `"b"`},
		{"deep", rule(strings.Repeat("(", 100) + "a = 'x'" + strings.Repeat(")", 100)), "deep"},
		{"long lock", servicebus.Entities{Queues: []servicebus.Queue{{Name: "q", LockDuration: 6 * time.Minute}}}, "5m"},
		{"twice", servicebus.Entities{Queues: []servicebus.Queue{{Name: "q"}, {Name: "Q"}}}, "twice"},
		{"odd name", servicebus.Entities{Queues: []servicebus.Queue{{Name: "a/b"}}}, "slash"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := servicebus.Start(servicebus.Config{Entities: tc.entities})
			if err == nil {
				_ = s.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v does not name %s", err, tc.want)
			}
		})
	}
}
