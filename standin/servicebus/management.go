package servicebus

import (
	"fmt"
	"strings"
)

// manage answers a request on an entity's management node ("Request-response operations" of the Service Bus AMQP guide).
func (c *connection) manage(path string, p *payload) answer {
	b, entity := c.broker, entityOf(path)
	operation := strings.TrimPrefix(text(p.application().get("operation")), "com.microsoft:")
	action := ActionReceive
	if operation == "schedule-message" || operation == "cancel-scheduled-message" {
		action = ActionSend
	}
	if err := c.authorize(path, action); err != nil {
		return refuse(err)
	}
	q := b.queues[entity]
	if t := b.topics[entity]; t != nil {
		q = t.scheduled
	}
	request, _ := p.value().(amqpMap)
	switch operation {
	case "renew-lock":
		return c.renewLocks(q, request)
	case "update-disposition":
		return c.updateDisposition(q, request)
	case "peek-message":
		return peekMessages(q, request)
	case "receive-by-sequence-number":
		return receiveDeferred(q, request)
	case "schedule-message":
		return c.scheduleMessages(entity, request)
	case "cancel-scheduled-message":
		return cancelScheduled(q, request)
	}
	return refused(condNotImplemented, "the stand-in does not know the operation "+operation)
}

// renewLocks answers with an array: azservicebus takes no list for the expirations.
func (c *connection) renewLocks(q *queue, request amqpMap) answer {
	expirations := array{code: 0x83}
	err, answered := c.withFate(OpRenew, func() *amqpError {
		var held []*message
		for _, token := range elements[uuid](request.get("lock-tokens")) {
			m := q.locked(token)
			if m == nil {
				return lockLost()
			}
			held = append(held, m)
		}
		for _, m := range held {
			expirations.elems = append(expirations.elems, q.renew(m))
		}
		return nil
	})
	if err != nil || !answered {
		return answer{err: err, lost: !answered}
	}
	return success(amqpMap{{"expirations", expirations}})
}

// updateDisposition settles by lock token, whichever connection the message went to and whether that still lives or not.
func (c *connection) updateDisposition(q *queue, request amqpMap) answer {
	properties, _ := request.get("properties-to-modify").(amqpMap)
	s := settlement{
		outcome: outcome(text(request.get("disposition-status"))), properties: properties,
		reason: text(request.get("deadletter-reason")), description: text(request.get("deadletter-description")),
	}
	tokens := elements[uuid](request.get("lock-tokens"))
	if len(tokens) == 0 {
		return refused(condDecodeError, "update-disposition without lock-tokens")
	}
	if s.outcome == outcomeRelease {
		return refused(condNotImplemented, "a message cannot be released by its lock token")
	}
	for _, token := range tokens {
		err, answered := c.settleWithFaults(q, token, s)
		if err != nil || !answered {
			return answer{err: err, lost: !answered}
		}
	}
	return success(nil)
}

// peekOverhead leaves room for what an answer holds beside each message.
const peekOverhead = 256

func peekMessages(q *queue, request amqpMap) answer {
	from, _ := request.get("from-sequence-number").(int64)
	count, _ := request.get("message-count").(int32)
	found, size := []any{}, 0
	for _, m := range q.peek(from, int(count)) {
		// An answer is a message too: what does not fit beside the others comes with the next peek.
		b := m.encode(false)
		if size += len(b) + peekOverhead; len(found) > 0 && size > maxMessageSize {
			break
		}
		found = append(found, amqpMap{{"message", b}})
	}
	if len(found) == 0 {
		return answer{code: 204}
	}
	return success(amqpMap{{"messages", found}})
}

func receiveDeferred(q *queue, request amqpMap) answer {
	mode, ok := request.get("receiver-settle-mode").(uint32)
	peekLock := !ok || mode == 1
	var wanted []*message
	for _, sequence := range elements[int64](request.get("sequence-numbers")) {
		m := q.messages[sequence]
		if m == nil || m.state != stateDeferred {
			return refused(condNotFound, fmt.Sprintf("Failed to lock one or more specified messages. MessageNotFound: %d", sequence))
		}
		wanted = append(wanted, m)
	}
	found := []any{}
	for _, m := range wanted {
		if m.state != stateDeferred {
			continue // asked for twice
		}
		if !peekLock {
			found = append(found, amqpMap{{"message", m.encode(false)}})
			q.drop(m)
			continue
		}
		q.lock(m)
		found = append(found, amqpMap{{"message", m.encode(true)}, {"lock-token", m.lockToken}})
	}
	if len(found) == 0 {
		return answer{code: 204}
	}
	return success(amqpMap{{"messages", found}})
}

// scheduleMessages answers with an array of long; a list would not do, as for renewLocks.
func (c *connection) scheduleMessages(entity string, request amqpMap) answer {
	if q := c.broker.queues[entity]; q != nil && !q.sendable {
		return refused(condNotAllowed, "messages cannot be scheduled for '"+entity+"'")
	}
	var batch []*payload
	for _, entry := range elements[amqpMap](request.get("messages")) {
		raw, _ := entry.get("message").([]byte)
		p, err := parsePayload(raw, false)
		if err != nil {
			return refused(condDecodeError, err.Error())
		}
		batch = append(batch, p)
	}
	sequences := array{code: 0x81}
	err, answered := c.withFate(OpSend, func() *amqpError {
		for _, p := range batch {
			sequences.elems = append(sequences.elems, c.broker.schedule(entity, p))
		}
		return nil
	})
	if err != nil || !answered {
		return answer{err: err, lost: !answered}
	}
	return success(amqpMap{{"sequence-numbers", sequences}})
}

func cancelScheduled(q *queue, request amqpMap) answer {
	for _, sequence := range elements[int64](request.get("sequence-numbers")) {
		if !q.cancelScheduled(sequence) {
			return refused(condNotFound, fmt.Sprintf("The scheduled message %d could not be found.", sequence))
		}
	}
	return success(nil)
}
