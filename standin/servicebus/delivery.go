package servicebus

import "time"

// State of a message. The first three are the numbers of x-opt-message-state.
type messageState int32

const (
	stateActive messageState = iota
	stateDeferred
	stateScheduled
	stateLocked
	stateGone
)

// message is one message in one queue. Subscriptions of a topic share the payload and nothing else.
type message struct {
	payload          *payload
	sequence         int64
	enqueuedSequence int64
	enqueuedAt       time.Time
	timeToLive       time.Duration
	deliveries       int // deliveries that ended without success
	state            messageState
	stateBeforeLock  messageState
	changed          amqpMap // application properties set at a settlement
	deadLetterSource string
	lockToken        uuid
	lockedUntil      time.Time
	heapIndex        int // in the queue's active heap, -1 outside of it
}

// shownState is the state in words of the protocol, which knows no locked one.
func (m *message) shownState() messageState {
	if m.state > stateScheduled {
		return m.stateBeforeLock
	}
	return m.state
}

// expired says whether the time to live is over.
func (m *message) expired(now time.Time) bool {
	return m.timeToLive > 0 && !now.Before(m.enqueuedAt.Add(m.timeToLive))
}

// encode renders the message for a receiver: the sender's sections with a fresh header and the broker's annotations.
// withToken adds the lock token as delivery annotation, where azservicebus looks for it in a deferred message.
//
// azservicebus asserts the types of annotations unchecked: an int in place of a long for x-opt-sequence-number panics the
// client process.
func (m *message) encode(withToken bool) []byte {
	p := m.payload
	b := make([]byte, 0, 256+len(p.propertiesRaw)+len(p.applicationRaw)+len(p.bodyRaw))
	b = encodeSection(b, sectionHeader, m.header())
	if withToken {
		b = encodeSection(b, sectionDeliveryAnnotations, amqpMap{{symbol("x-opt-lock-token"), m.lockToken}})
	}
	b = encodeSection(b, sectionMessageAnnotations, m.annotations())
	b = append(b, p.propertiesRaw...)
	if len(m.changed) > 0 {
		b = encodeSection(b, sectionApplicationProperties, m.application())
	} else {
		b = append(b, p.applicationRaw...)
	}
	return append(b, p.bodyRaw...)
}

func (m *message) header() fields {
	h := fields{true, uint8(4), nil, nil, uint32(m.deliveries)}
	if priority := m.payload.header.at(1); priority != nil {
		h[1] = priority
	}
	if m.timeToLive > 0 {
		h[2] = uint32(m.timeToLive / time.Millisecond)
	}
	return h
}

func (m *message) annotations() amqpMap {
	a := append(make(amqpMap, 0, len(m.payload.annotations)+6), m.payload.annotations...)
	a = a.withSymbol("x-opt-enqueued-time", m.enqueuedAt).
		withSymbol("x-opt-sequence-number", m.sequence).
		withSymbol("x-opt-enqueue-sequence-number", m.enqueuedSequence).
		withSymbol("x-opt-message-state", int32(m.shownState()))
	if !m.lockedUntil.IsZero() {
		a = a.withSymbol("x-opt-locked-until", m.lockedUntil)
	}
	if m.deadLetterSource != "" {
		a = a.withSymbol("x-opt-deadletter-source", m.deadLetterSource)
	}
	return a
}

func (m *message) application() amqpMap {
	a := m.payload.application()
	for _, e := range m.changed {
		a = a.withString(text(e.key), e.value)
	}
	return a
}

// change sets application properties. The two dead-letter properties must be strings: the client asserts that unchecked.
func (m *message) change(properties amqpMap) {
	for _, e := range properties {
		key := text(e.key)
		if key == propDeadLetterReason || key == propDeadLetterDescription {
			continue
		}
		m.changed = m.changed.withString(key, e.value)
	}
}

const (
	propDeadLetterReason      = "DeadLetterReason"
	propDeadLetterDescription = "DeadLetterErrorDescription"
)
