package servicebus

import (
	"slices"
	"strings"
)

const (
	// maxMessageSize is that of the standard tier.
	maxMessageSize = 262144
	// linkCredit is what a sender gets; it is renewed at half.
	linkCredit = 1000
	// frameOverhead leaves room for a transfer's own fields in a frame.
	frameOverhead = 96
)

// link is one AMQP link, guarded by the broker's lock.
type link struct {
	session            *session
	name               string
	handle             uint32
	fromPeer           bool   // the peer sends on it
	path               string // lower-case path of the entity, $cbs, or a management node
	replyAddress       string // of a link that takes answers to requests
	queue              *queue // set if the peer receives from it
	receivesAndDeletes bool
	credit             uint32
	deliveryCount      uint32
	partial            partialTransfer
	replies            [][]byte // answers that wait for credit
}

func (l *link) isRequestNode() bool {
	return l.path == cbsPath || strings.HasSuffix(l.path, managementSuffix)
}

// Places in attach.
const (
	attachName = iota
	attachHandle
	attachRole
	attachSenderMode
	attachReceiverMode
	attachSource
	attachTarget
	_ // unsettled
	_ // incomplete-unsettled
	attachInitialCount
	attachMaxSize
)

const (
	senderModeSettled = 1
	senderModeMixed   = 2
)

func (s *session) attach(f fields) {
	l := &link{session: s, name: text(f.at(attachName)), handle: f.uint32(attachHandle, 0), fromPeer: !f.flag(attachRole)}
	if s.links[l.handle] != nil || l.handle > maxHandle {
		s.send(performEnd, fields{(&amqpError{condNotAllowed, "the handle is taken or too high"}).encode()}, nil)
		s.end()
		delete(s.connection.sessions, s.channel)
		return
	}
	_, source := describedList(f.at(attachSource))
	_, target := describedList(f.at(attachTarget))
	if l.fromPeer {
		l.path = entityPath(text(target.at(0)))
	} else {
		l.path, l.replyAddress = entityPath(text(source.at(0))), text(target.at(0))
		mode, _ := f.at(attachSenderMode).(uint8)
		l.receivesAndDeletes = mode == senderModeSettled
	}
	// Both settle modes must come back as they were asked for, or go-amqp detaches.
	reply := slices.Clone(f)
	for len(reply) <= attachMaxSize {
		reply = append(reply, nil)
	}
	reply = reply[:attachMaxSize+1]
	reply[attachRole], reply[attachInitialCount], reply[attachMaxSize] = l.fromPeer, nil, uint64(maxMessageSize)
	if reply[attachSenderMode] == nil {
		reply[attachSenderMode] = uint8(senderModeMixed)
	}
	if !l.fromPeer {
		reply[attachInitialCount] = uint32(0)
	}
	s.links[l.handle] = l
	s.answerAttach(l, reply, source)
}

func (s *session) answerAttach(l *link, reply, source fields) {
	err := l.admit(source)
	fate := fate{}
	if err == nil && !l.isRequestNode() {
		fate = s.connection.server.fate(OpAttach)
		err = fate.refusal
	}
	if fate.cut || fate.loseReply { // without credit an attach has no effect that outlives its connection
		s.connection.sever()
		return
	}
	if err != nil {
		// A refusal is an attach without source and target, then a detach that says why.
		reply[attachSource], reply[attachTarget] = nil, nil
		s.send(performAttach, reply, nil)
		l.detach(err)
		return
	}
	s.send(performAttach, reply, nil)
	switch {
	case l.fromPeer:
		l.credit = linkCredit
		l.sendFlow(false)
	case !l.isRequestNode():
		l.queue = s.connection.broker.queues[l.path]
		l.queue.consumers = append(l.queue.consumers, l)
	}
}

// admit says why a link may not attach, or nil.
func (l *link) admit(source fields) *amqpError {
	c := l.session.connection
	if l.path == cbsPath {
		return nil
	}
	entity := entityOf(l.path)
	if _, ok := c.broker.scopeOf(entity); !ok {
		return notFound(entity)
	}
	if filters, _ := source.at(7).(amqpMap); len(filters) > 0 {
		return &amqpError{condNotImplemented, "the stand-in knows no filters on links, and so no sessions of Service Bus"}
	}
	if l.isRequestNode() {
		return c.authenticated(l.path) // rights are asked for operation by operation
	}
	q := c.broker.queues[entity]
	if l.fromPeer {
		if q != nil && !q.sendable {
			return &amqpError{condNotAllowed, "messages cannot be sent to '" + entity + "'; send to its queue or topic"}
		}
		return c.authorize(entity, ActionSend)
	}
	if q == nil {
		return &amqpError{condNotAllowed, "messages cannot be received from the topic '" + entity + "'; receive from a subscription"}
	}
	return c.authorize(entity, ActionReceive)
}

// detach ends the link from our side or answers the peer's detach; closed must be true, or go-amqp waits for more.
func (l *link) detach(err *amqpError) {
	f := fields{l.handle, true}
	if err != nil {
		f = append(f, err.encode())
	}
	l.session.send(performDetach, f, nil)
	l.leave()
}

func (l *link) leave() {
	delete(l.session.links, l.handle)
	if l.queue != nil {
		l.queue.removeConsumer(l)
		l.queue.pump()
	}
}

// sendFlow tells the peer our view of the link. link-credit must be there: go-amqp dereferences it unchecked, and the
// client process would panic.
func (l *link) sendFlow(drain bool) {
	f := append(l.session.flowState(), l.handle, l.deliveryCount, l.credit, nil, drain)
	l.session.send(performFlow, f, nil)
}

func (l *link) flow(f fields) {
	if !l.fromPeer {
		// The credit counts from the deliveries that the peer had seen when it wrote the flow.
		l.credit = 0
		if left := int32(f.uint32(5, 0) + f.uint32(6, 0) - l.deliveryCount); left > 0 {
			l.credit = uint32(left)
		}
		l.resume()
		if f.flag(8) { // drain: use the credit up
			l.deliveryCount += l.credit
			l.credit = 0
			l.sendFlow(true)
			return
		}
	}
	if f.flag(9) {
		l.sendFlow(false)
	}
}

// resume sends what waited for credit or for the session's window.
func (l *link) resume() {
	if l.queue != nil {
		l.queue.pump()
	}
	for len(l.replies) > 0 && l.credit > 0 {
		b := l.replies[0]
		l.replies = l.replies[1:]
		l.deliver(newLockToken(), b, true, nil)
	}
}

// deliver sends one message, cut to the peer's frame size. delivery-id, tag and format must be on the first transfer even of
// an answer that is settled, or go-amqp closes the link.
func (l *link) deliver(tag uuid, b []byte, settled bool, d *delivery) {
	s := l.session
	id := s.nextDelivery
	s.nextDelivery++
	if d != nil {
		s.unsettled[id] = d
	}
	l.credit--
	l.deliveryCount++
	room := s.connection.peerMax - frameOverhead
	for first := true; first || len(b) > 0; first = false {
		n := min(room, len(b))
		s.send(performTransfer, fields{l.handle, id, tag[:], uint32(0), settled, len(b) > n}, b[:n])
		b = b[n:]
		s.nextOutgoing++
		s.remoteWindow--
	}
}
