package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/standin/servicebus"
)

// infraEntity is a queue, topic or subscription of entities.json; what does not apply is left out there.
type infraEntity struct {
	LockDuration             string `json:"lock_duration"`
	MaxDeliveryCount         int    `json:"max_delivery_count"`
	DuplicateDetectionWindow string `json:"duplicate_detection_window"`
	DeadLetter               bool   `json:"dead_lettering_on_message_expiration"`
	TimeToLive               string `json:"time_to_live"`
	Rule                     string `json:"rule"`
	ForwardTo                string `json:"forward_to"`
	Name                     string `json:"name"`
}

type infraEntities struct {
	Queues        map[string]infraEntity `json:"queues"`
	Topic         infraEntity            `json:"topic"`
	Subscriptions map[string]infraEntity `json:"subscriptions"`
	AlertQueue    infraEntity            `json:"alert_queue"`
	Rules         map[string]string      `json:"rules"`
}

func readInfraEntities(t *testing.T) (e infraEntities) {
	t.Helper()
	if err := bacvault.DecodeStrict([]byte(page(t, "infra/modules/bus/entities.json")), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// span reads an ISO 8601 duration of one unit.
func span(t *testing.T, s string) time.Duration {
	t.Helper()
	if s == "" {
		return 0
	}
	m := regexp.MustCompile(`^P(?:(\d+)D|T(\d+)([HM]))$`).FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("%q is no duration that this test reads", s)
	}
	unit := map[string]time.Duration{"": 24 * time.Hour, "H": time.Hour, "M": time.Minute}[m[3]]
	var n int
	if _, err := fmt.Sscan(m[1]+m[2], &n); err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * unit
}

// What was tried against the stand-in is what Azure gets. Where the stand-in leaves a time to live out, infra/ may have one.
func TestInfraEntitiesAreThoseOfTheStandin(t *testing.T) {
	atTop(t)
	e, local := readInfraEntities(t), servicebus.DefaultEntities()
	var queues []string
	for _, q := range local.Queues {
		queues = append(queues, q.Name)
		i := e.Queues[q.Name]
		got := servicebus.Queue{
			Name: q.Name, LockDuration: span(t, i.LockDuration), MaxDeliveryCount: i.MaxDeliveryCount, DuplicateWindow: span(t, i.DuplicateDetectionWindow),
			DefaultTimeToLive: span(t, i.TimeToLive), DeadLetterOnExpiration: i.DeadLetter,
		}
		if got != q {
			t.Errorf("queue: infra has %+v, the stand-in %+v", got, q)
		}
	}
	same(t, "queues", slices.Sorted(maps.Keys(e.Queues)), queues)
	if len(local.Topics) != 1 || local.Topics[0].Name != e.Topic.Name || local.Topics[0].DuplicateWindow != span(t, e.Topic.DuplicateDetectionWindow) {
		t.Errorf("topic: infra has %+v, the stand-in %+v", e.Topic, local.Topics)
	}
	var subscriptions []string
	for _, s := range local.Topics[0].Subscriptions {
		subscriptions = append(subscriptions, s.Name)
		i := e.Subscriptions[s.Name]
		deliveries := s.MaxDeliveryCount
		if deliveries == 0 {
			deliveries = 10 // the service's default, and the stand-in's
		}
		rule := e.Rules[i.Rule]
		if rule == "1=1" {
			rule = "" // what the stand-in calls everything
		}
		if span(t, i.LockDuration) != s.LockDuration || i.MaxDeliveryCount != deliveries || i.DeadLetter != s.DeadLetterOnExpiration ||
			s.DefaultTimeToLive != 0 && span(t, i.TimeToLive) != s.DefaultTimeToLive || plain(rule) != plain(s.SQL) {
			t.Errorf("subscription: infra has %+v with %q, the stand-in %+v", i, rule, s)
		}
	}
	// The stand-in does not forward, so the alert's way is infra's alone.
	same(t, "subscriptions", slices.Sorted(maps.Keys(e.Subscriptions)), append(subscriptions, "failures-alert"))
	if a := e.Subscriptions["failures-alert"]; a.Rule != "failures" || a.ForwardTo != e.AlertQueue.Name || e.AlertQueue.TimeToLive == "" {
		t.Errorf("failures-alert %+v does not feed a queue that empties itself: %+v", a, e.AlertQueue)
	}
}

// plain takes the layout out of SQL.
func plain(sql string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(sql), " "), "( ", "(")
}

func TestInfraEntitiesAreThoseOfTheFunctions(t *testing.T) {
	atTop(t)
	e := readInfraEntities(t)
	var queues []string
	n := 0
	for _, f := range functions(t) {
		var doc struct {
			Bindings []struct{ QueueName, TopicName, SubscriptionName string }
		}
		if err := json.Unmarshal([]byte(page(t, filepath.Join("functions", f, "function.json"))), &doc); err != nil {
			t.Fatal(err)
		}
		for _, b := range doc.Bindings {
			if b.QueueName != "" {
				queues = append(queues, b.QueueName)
			}
			if _, ok := e.Subscriptions[b.SubscriptionName]; b.TopicName != "" && (b.TopicName != e.Topic.Name || !ok) {
				t.Errorf("%s reads %s of %s, which infra does not make", f, b.SubscriptionName, b.TopicName)
			} else if ok {
				n++
			}
		}
	}
	slices.Sort(queues)
	same(t, "queues of the functions", queues, slices.Sorted(maps.Keys(e.Queues)))
	if n != 1 {
		t.Errorf("%d functions read a subscription", n)
	}
}

// What the pages say of the bus is what infra/ makes.
func TestInfraEntitiesAreThoseOfThePages(t *testing.T) {
	atTop(t)
	e := readInfraEntities(t)
	events := page(t, "docs/events.md")
	_, after, _ := strings.Cut(events, "`failures` takes what needs a person")
	m := regexp.MustCompile("(?s)```sql\n(.*?)\n```").FindStringSubmatch(after)
	if m == nil || plain(m[1]) != plain(e.Rules["failures"]) {
		t.Errorf("docs/events.md: the rule of failures is %q, infra's %q", m, e.Rules["failures"])
	}
	notify, requests := e.Subscriptions["notify"], e.Queues["backup-requests"]
	for file, sentences := range map[string][]string{
		"docs/events.md": {
			fmt.Sprintf("lock %.0f minute, %d deliveries, time to live %.0f days", span(t, notify.LockDuration).Minutes(), notify.MaxDeliveryCount, span(t, notify.TimeToLive).Hours()/24),
			fmt.Sprintf("duplicate detection (%.0f minutes)", span(t, e.Topic.DuplicateDetectionWindow).Minutes()),
			fmt.Sprintf("after %d deliveries it is dead-lettered", requests.MaxDeliveryCount),
		},
		"docs/requests.md": {fmt.Sprintf("for %.0f minutes", span(t, requests.DuplicateDetectionWindow).Minutes())},
	} {
		text := strings.Join(strings.Fields(page(t, file)), " ")
		for _, s := range sentences {
			if !strings.Contains(text, s) {
				t.Errorf("%s does not say %q, which is what infra makes", file, s)
			}
		}
	}
}
