package servicebus

const (
	// sessionWindow is how many transfers we let the peer send ahead, and say that we take.
	sessionWindow = 5000
	maxHandle     = 1023
)

// session is one AMQP session, guarded by the broker's lock. azservicebus makes a fresh one for each claim, one for the link
// to the entity and one for $management.
type session struct {
	connection   *connection
	channel      uint16
	links        map[uint32]*link
	nextIncoming uint32
	sinceFlow    int // transfers since we last renewed the peer's window
	nextOutgoing uint32
	remoteWindow int64 // how many transfers the peer still takes
	nextDelivery uint32
	unsettled    map[uint32]*delivery
}

// delivery is a message that was handed out and waits for its settlement.
type delivery struct {
	queue *queue
	token uuid
}

func (c *connection) begin(f frame) {
	c.sessions[f.channel] = &session{
		connection: c, channel: f.channel, links: map[uint32]*link{}, unsettled: map[uint32]*delivery{},
		nextIncoming: f.fields.uint32(1, 0), remoteWindow: int64(f.fields.uint32(2, 0)),
	}
	c.send(f.channel, performBegin, fields{f.channel, uint32(0), uint32(sessionWindow), uint32(sessionWindow), uint32(maxHandle)}, nil)
}

func (s *session) send(code uint64, f fields, payload []byte) {
	s.connection.send(s.channel, code, f, payload)
}

func (s *session) end() {
	for _, l := range s.links {
		l.leave()
	}
}

func (s *session) windowOpen() bool { return s.remoteWindow > 0 && !s.connection.isCut }

// flowState is the session's part of a flow. next-incoming-id must always be there.
func (s *session) flowState() fields {
	return fields{s.nextIncoming, uint32(sessionWindow), s.nextOutgoing, uint32(sessionWindow)}
}

func (s *session) flow(f fields) {
	inFlight := s.nextOutgoing - f.uint32(0, 0) // modulo 2^32, as sequence numbers are
	s.remoteWindow = int64(f.uint32(1, 0)) - int64(inFlight)
	if f.at(4) == nil {
		if f.flag(9) {
			s.send(performFlow, s.flowState(), nil)
		}
		for _, l := range s.links {
			l.resume()
		}
		return
	}
	if l := s.links[f.uint32(4, 0)]; l != nil {
		l.flow(f)
	}
}

// countTransfer keeps the peer's window open.
func (s *session) countTransfer() {
	s.nextIncoming++
	if s.sinceFlow++; s.sinceFlow >= sessionWindow/2 {
		s.sinceFlow = 0
		s.send(performFlow, s.flowState(), nil)
	}
}

// disposition settles deliveries that we sent.
func (s *session) disposition(f fields) {
	if receiver := f.flag(0); !receiver {
		return // the second half of a settlement in which we are the receiver
	}
	first := f.uint32(1, 0)
	last := f.uint32(2, first)
	if last-first > sessionWindow {
		return // deliveries that can never have been sent
	}
	for id := first; id-first <= last-first; id++ {
		d := s.unsettled[id]
		if d == nil {
			continue
		}
		if known := s.settle(id, d, f.at(4), f.flag(3)); !known {
			continue
		}
		delete(s.unsettled, id)
		if s.connection.isCut {
			return
		}
	}
}

// settle applies one delivery's outcome and answers, unless the peer said that it has settled already. known is false for a
// state that is no outcome, such as received.
func (s *session) settle(id uint32, d *delivery, state any, settled bool) (known bool) {
	want, reply, ok := readOutcome(state)
	if !ok {
		return false
	}
	var err *amqpError
	if want.outcome == outcomeRelease { // the client's own tidying up, not a settlement that anybody plans a fault for
		err = d.queue.settle(d.token, want)
	} else {
		answer := false
		if err, answer = s.connection.settleWithFaults(d.queue, d.token, want); !answer {
			return true
		}
	}
	if err != nil {
		reply = rejected(err)
	}
	if !settled {
		s.send(performDisposition, fields{false, id, nil, true, reply}, nil)
	}
	return true
}

func rejected(err *amqpError) described {
	return described{uint64(outcomeRejected), []any{err.encode()}}
}

// readOutcome turns a delivery state into a settlement, and says which state answers it. azservicebus dead-letters with
// rejected, and defers with modified and undeliverable-here.
func readOutcome(state any) (s settlement, reply described, ok bool) {
	code, f := describedList(state)
	reply = described{code, []any{}}
	switch code {
	case outcomeAccepted:
		return settlement{outcome: outcomeComplete}, reply, true
	case outcomeReleased:
		return settlement{outcome: outcomeRelease}, reply, true
	case outcomeModified:
		properties, _ := f.at(2).(amqpMap)
		what := outcomeAbandon
		if f.flag(1) {
			what = outcomeDefer
		}
		return settlement{outcome: what, properties: properties}, reply, true
	case outcomeRejected:
		_, e := describedList(f.at(0))
		info, _ := e.at(2).(amqpMap)
		return settlement{
			outcome: outcomeDeadLetter, properties: info,
			reason: text(info.get(propDeadLetterReason)), description: text(info.get(propDeadLetterDescription)),
		}, reply, true
	}
	return settlement{}, reply, false
}
