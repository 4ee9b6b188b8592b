package servicebus

import (
	"container/heap"
	"fmt"
	"time"
)

// outcome is what becomes of a locked message. The words are those of $management's update-disposition; its "defered" is
// spelled so on the wire.
type outcome string

const (
	outcomeComplete   outcome = "completed"
	outcomeAbandon    outcome = "abandoned"
	outcomeDefer      outcome = "defered"
	outcomeDeadLetter outcome = "suspended"
	// outcomeRelease exists on links alone: the client gives back what it never looked at.
	outcomeRelease outcome = "released"
)

// settlement is an outcome with what belongs to it.
type settlement struct {
	outcome     outcome
	properties  amqpMap // to set on the message
	reason      string  // of a dead letter
	description string
}

// lock hands the message to a receiver for the lock duration. The lock belongs to its token and not to a connection:
// whoever knows the token may renew and settle.
func (q *queue) lock(m *message) {
	m.stateBeforeLock = m.state
	m.state, m.lockToken = stateLocked, newLockToken()
	m.lockedUntil = q.broker.now().Add(q.cfg.LockDuration)
	q.locks[m.lockToken] = m
	q.watchLock(m, m.lockToken)
}

func (q *queue) watchLock(m *message, token uuid) {
	q.broker.timers.at(m.lockedUntil, func() {
		if m.state != stateLocked || m.lockToken != token {
			return
		}
		if q.broker.now().Before(m.lockedUntil) { // renewed since
			q.watchLock(m, token)
			return
		}
		q.unlock(m, true)
		q.pump()
	})
}

// locked finds a message by its lock token; nil when the lock is lost.
func (q *queue) locked(token uuid) *message {
	m := q.locks[token]
	if m == nil || !q.broker.now().Before(m.lockedUntil) {
		return nil
	}
	return m
}

func (q *queue) renew(m *message) time.Time {
	m.lockedUntil = q.broker.now().Add(q.cfg.LockDuration)
	return m.lockedUntil
}

// settle applies an outcome to a lock.
func (q *queue) settle(token uuid, s settlement) *amqpError {
	m := q.locked(token)
	if m == nil {
		return lockLost()
	}
	switch s.outcome {
	case outcomeComplete:
		q.drop(m)
	case outcomeAbandon:
		m.change(s.properties)
		q.unlock(m, true)
	case outcomeRelease:
		q.unlock(m, false)
	case outcomeDefer:
		m.change(s.properties)
		q.letGo(m)
		m.state = stateDeferred
	case outcomeDeadLetter:
		m.change(s.properties)
		q.deadLetter(m, s.reason, s.description)
	default:
		return &amqpError{condNotImplemented, "disposition " + string(s.outcome) + " is unknown"}
	}
	q.pump()
	return nil
}

func (q *queue) letGo(m *message) {
	delete(q.locks, m.lockToken)
	m.lockToken, m.lockedUntil = uuid{}, time.Time{}
}

// unlock gives a locked message back. failed says that the delivery counts: an abandon and a lapsed lock do, a release does
// not. The client marks an abandon with delivery-failed false, so that flag says nothing.
func (q *queue) unlock(m *message, failed bool) {
	q.letGo(m)
	if failed && q.deadLetters != nil { // the count of a dead letter stays as it was
		m.deliveries++
	}
	if m.stateBeforeLock == stateDeferred {
		m.state = stateDeferred
		return
	}
	m.state = stateActive
	switch {
	case m.deliveries >= q.cfg.MaxDeliveryCount:
		q.deadLetter(m, "MaxDeliveryCountExceeded", fmt.Sprintf("Message could not be consumed after %d delivery attempts.", m.deliveries))
	case m.expired(q.broker.now()):
		q.expire(m)
	default:
		heap.Push(&q.active, m)
	}
}

// deadLetter moves a message aside. From a dead-letter queue there is no further one, so it goes back into the same.
func (q *queue) deadLetter(m *message, reason, description string) {
	q.remove(m)
	to := q.deadLetters
	if to == nil {
		to = q
	} else {
		m.deadLetterSource = q.path
	}
	m.changed = m.changed.withString(propDeadLetterReason, reason).withString(propDeadLetterDescription, description)
	m.state, m.timeToLive = stateActive, 0
	to.lastSequence = max(to.lastSequence, m.sequence)
	if to.messages[m.sequence] != nil {
		to.lastSequence++
		m.sequence = to.lastSequence
	}
	to.messages[m.sequence] = m
	heap.Push(&to.active, m)
	to.pump()
}
