package servicebus

import "fmt"

// batchFormat marks a message whose data sections are messages themselves.
const batchFormat = 0x80013700

// partialTransfer is a message of which more frames are to come.
type partialTransfer struct {
	open     bool
	delivery uint32
	format   uint32
	settled  bool
	raw      []byte
}

// Places in transfer.
const (
	transferHandle   = 0
	transferDelivery = 1
	transferFormat   = 3
	transferSettled  = 4
	transferMore     = 5
	transferAborted  = 9
)

func (s *session) transfer(f frame) {
	s.countTransfer()
	l := s.links[f.fields.uint32(transferHandle, 0)]
	if l == nil || !l.fromPeer {
		return
	}
	if !l.partial.open {
		if l.credit == 0 {
			l.detach(&amqpError{condTransferLimit, "a transfer without credit"})
			return
		}
		l.partial = partialTransfer{open: true, delivery: f.fields.uint32(transferDelivery, 0), format: f.fields.uint32(transferFormat, 0)}
	}
	part := &l.partial
	part.settled = part.settled || f.fields.flag(transferSettled)
	part.raw = append(part.raw, f.payload...)
	switch {
	case f.fields.flag(transferAborted):
		l.partial = partialTransfer{}
	case len(part.raw) > maxMessageSize:
		l.detach(&amqpError{condMessageTooLarge, "The message exceeds the 262144 bytes of the standard tier."})
	case !f.fields.flag(transferMore):
		l.finishTransfer()
	}
}

func (l *link) finishTransfer() {
	done := l.partial
	l.partial = partialTransfer{}
	l.credit--
	l.deliveryCount++
	err, answer := l.accept(done)
	if answer && !done.settled {
		state := described{uint64(outcomeAccepted), []any{}}
		if err != nil {
			state = rejected(err)
		}
		l.session.send(performDisposition, fields{true, done.delivery, nil, true, state}, nil)
	}
	if l.credit < linkCredit/2 && l.session.links[l.handle] == l {
		l.credit = linkCredit
		l.sendFlow(false)
	}
}

// maxMessageID is the service's quota; the condition that it answers with is not documented.
const maxMessageID = 128

// accept takes a whole message: a request, a message for the entity, or a batch of them, which is taken whole or not at all.
// answer is false if a fault keeps the answer back.
func (l *link) accept(t partialTransfer) (err *amqpError, answer bool) {
	isBatch := t.format == batchFormat
	p, parseErr := parsePayload(t.raw, isBatch)
	if parseErr != nil {
		return &amqpError{condDecodeError, parseErr.Error()}, true
	}
	if l.isRequestNode() {
		l.request(p)
		return nil, !l.session.connection.isCut
	}
	batch := []*payload{p}
	if isBatch {
		batch = nil
		for _, raw := range p.data {
			m, parseErr := parsePayload(raw, false)
			if parseErr != nil {
				return &amqpError{condDecodeError, "message of a batch: " + parseErr.Error()}, true
			}
			batch = append(batch, m)
		}
	}
	for _, m := range batch {
		if n := len(m.messageID()); n > maxMessageID {
			return &amqpError{condNotAllowed, fmt.Sprintf("a MessageId has %d characters, at most %d are allowed", n, maxMessageID)}, true
		}
	}
	return l.session.connection.withFate(OpSend, func() *amqpError {
		for _, m := range batch {
			l.session.connection.broker.send(l.path, m)
		}
		return nil
	})
}
