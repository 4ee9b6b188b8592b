package servicebus

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

// broker holds all entities and all protocol state under one lock. That is far faster than a handful of messages a night
// needs, and leaves no order of locks to get wrong.
type broker struct {
	mu     sync.Mutex
	clock  *clock.Clock
	queues map[string]*queue // by lower-case path, subscriptions and dead-letter queues among them
	topics map[string]*topic
	timers timers
}

func newBroker(e Entities, c *clock.Clock) (*broker, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	b := &broker{clock: c, queues: map[string]*queue{}, topics: map[string]*topic{}}
	b.timers.changed = make(chan struct{}, 1)
	for _, q := range e.Queues {
		main := b.addQueue(q.Name, "queues/"+q.Name, q)
		main.sendable = true
	}
	for _, t := range e.Topics {
		if err := b.addTopic(t); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *broker) addQueue(path, scope string, cfg Queue) *queue {
	if cfg.LockDuration == 0 {
		cfg.LockDuration = defaultLockDuration
	}
	if cfg.MaxDeliveryCount == 0 {
		cfg.MaxDeliveryCount = defaultMaxDeliveryCount
	}
	q := newQueue(b, path, scope, cfg)
	q.duplicates.window = cfg.DuplicateWindow
	dead := cfg
	dead.MaxDeliveryCount, dead.DefaultTimeToLive = math.MaxInt, 0
	q.deadLetters = newQueue(b, path+"/$DeadLetterQueue", scope, dead)
	b.queues[strings.ToLower(path)] = q
	b.queues[strings.ToLower(q.deadLetters.path)] = q.deadLetters
	return q
}

func (b *broker) addTopic(cfg Topic) error {
	t := &topic{path: cfg.Name, scope: "topics/" + cfg.Name}
	t.duplicates.window = cfg.DuplicateWindow
	t.scheduled = newQueue(b, cfg.Name, t.scope, Queue{})
	t.scheduled.topic = t
	for _, s := range cfg.Subscriptions {
		f, err := newFilter(s)
		if err != nil {
			return err
		}
		q := b.addQueue(cfg.Name+"/Subscriptions/"+s.Name, t.scope+"/subscriptions/"+s.Name, Queue{
			LockDuration: s.LockDuration, MaxDeliveryCount: s.MaxDeliveryCount,
			DefaultTimeToLive: s.DefaultTimeToLive, DeadLetterOnExpiration: s.DeadLetterOnExpiration,
		})
		t.subscriptions = append(t.subscriptions, subscription{q, f})
	}
	b.topics[strings.ToLower(cfg.Name)] = t
	return nil
}

// enter takes the lock and brings the entities up to the present, so that nobody sees a lock that has run out.
func (b *broker) enter() {
	b.mu.Lock()
	b.timers.fire(b.clock.Now)
}

func (b *broker) now() time.Time { return b.clock.Now() }

// entityPath brings an address, an audience or a path to the form in which entities are looked up.
func entityPath(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		_, address, _ = strings.Cut(rest, "/") // host and port say nothing here
	}
	return strings.ToLower(strings.Trim(address, "/"))
}

const (
	cbsPath          = "$cbs"
	managementSuffix = "/$management"
)

// entityOf is the entity whose management node a path names, or the path itself.
func entityOf(path string) string { return strings.TrimSuffix(path, managementSuffix) }

// scopeOf is the scope at which rights on a path are given; ok says whether the entity is there.
func (b *broker) scopeOf(path string) (scope string, ok bool) {
	if q := b.queues[path]; q != nil {
		return q.scope, true
	}
	if t := b.topics[path]; t != nil {
		return t.scope, true
	}
	return "", false
}

// send takes one message for a queue or topic whose existence the caller has made sure of.
func (b *broker) send(path string, p *payload) {
	id := p.messageID()
	p.ensureMessageID()
	now := b.now()
	at := p.scheduledFor()
	if t := b.topics[path]; t != nil {
		switch {
		case t.duplicates.seen(id, now):
		case at.After(now):
			t.scheduled.schedule(p, at)
		default:
			t.distribute(p)
		}
		return
	}
	q := b.queues[path]
	switch {
	case q.duplicates.seen(id, now):
	case at.After(now):
		q.schedule(p, at)
	default:
		q.enqueue(p)
		q.pump()
	}
}

// schedule is send for $management, which wants a sequence number back. A duplicate is dropped as any other is; its number
// then belongs to no message.
func (b *broker) schedule(path string, p *payload) int64 {
	q, duplicates := b.queues[path], (*duplicateWindow)(nil)
	if t := b.topics[path]; t != nil {
		q, duplicates = t.scheduled, &t.duplicates
	} else {
		duplicates = &q.duplicates
	}
	id := p.messageID()
	p.ensureMessageID()
	if duplicates.seen(id, b.now()) {
		q.lastSequence++
		return q.lastSequence
	}
	return q.schedule(p, p.scheduledFor())
}
