package servicebus

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Entities names what the namespace holds. A zero duration or count takes the service's default.
type Entities struct {
	Queues []Queue
	Topics []Topic
}

// Queue is a queue and its dead-letter queue.
type Queue struct {
	Name                   string
	LockDuration           time.Duration // default 1 min; the service's maximum is 5 min
	MaxDeliveryCount       int           // default 10
	DuplicateWindow        time.Duration // 0: no duplicate detection
	DefaultTimeToLive      time.Duration // 0: messages do not expire unless they say so
	DeadLetterOnExpiration bool
}

// Topic copies each message to every subscription whose filter holds.
type Topic struct {
	Name            string
	DuplicateWindow time.Duration
	Subscriptions   []Subscription
}

// Subscription is a queue behind a topic. With neither filter it takes every message; it may have one of the two.
type Subscription struct {
	Name                   string
	LockDuration           time.Duration
	MaxDeliveryCount       int
	DefaultTimeToLive      time.Duration
	DeadLetterOnExpiration bool
	// SQL is a rule in the subset of the SQL filter syntax that the README lists.
	SQL string
	// Correlation holds application properties that must all be there with just these values.
	Correlation map[string]string
}

const (
	defaultLockDuration     = time.Minute
	maximumLockDuration     = 5 * time.Minute
	defaultMaxDeliveryCount = 10
)

// DefaultEntities is the namespace that bacvault's infrastructure makes.
func DefaultEntities() Entities {
	requests := func(name string) Queue {
		return Queue{Name: name, LockDuration: 5 * time.Minute, MaxDeliveryCount: 5, DuplicateWindow: 10 * time.Minute, DeadLetterOnExpiration: true}
	}
	return Entities{
		Queues: []Queue{requests("backup-requests"), requests("restore-requests")},
		Topics: []Topic{{
			Name:            "backup-events",
			DuplicateWindow: 10 * time.Minute,
			Subscriptions: []Subscription{
				{Name: "all", LockDuration: time.Minute},
				{Name: "failures", LockDuration: time.Minute, SQL: failuresFilter},
				// Where the function notify is off nobody reads this one: without an expiry it would fill the topic.
				{Name: "notify", LockDuration: time.Minute, DefaultTimeToLive: 7 * 24 * time.Hour, SQL: failuresFilter},
			},
		}},
	}
}

// failuresFilter lets those events pass that need a person.
const failuresFilter = `cloudEvents_type IN (
	'bacvault.backup.failed.v1', 'bacvault.backup.overdue.v1', 'bacvault.restore.failed.v1', 'bacvault.drill.failed.v1', 'bacvault.promote.failed.v1',
	'bacvault.finding.raised.v1',
	'bacvault.immutability.drifted.v1', 'bacvault.request.rejected.v1', 'bacvault.request.deadlettered.v1')`

func (e Entities) validate() error {
	var errs []error
	seen := map[string]bool{}
	name := func(kind, n string) {
		key := strings.ToLower(n)
		if n == "" || strings.ContainsAny(n, "/$ ") {
			errs = append(errs, fmt.Errorf("%s name %q is empty or holds a slash, a dollar or a space", kind, n))
		}
		if seen[key] {
			errs = append(errs, fmt.Errorf("%s %q is there twice", kind, n))
		}
		seen[key] = true
	}
	lock := func(n string, d time.Duration) {
		if d < 0 || d > maximumLockDuration {
			errs = append(errs, fmt.Errorf("%s: lock of %s, the service takes at most %s", n, d, maximumLockDuration))
		}
	}
	for _, q := range e.Queues {
		name("queue", q.Name)
		lock(q.Name, q.LockDuration)
	}
	for _, t := range e.Topics {
		name("topic", t.Name)
		subs := map[string]bool{}
		for _, s := range t.Subscriptions {
			lock(t.Name+"/"+s.Name, s.LockDuration)
			if s.Name == "" || subs[strings.ToLower(s.Name)] || strings.ContainsAny(s.Name, "/$ ") {
				errs = append(errs, fmt.Errorf("topic %q: subscription %q is empty, there twice or oddly named", t.Name, s.Name))
			}
			subs[strings.ToLower(s.Name)] = true
		}
	}
	return errors.Join(errs...)
}
