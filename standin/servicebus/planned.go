package servicebus

import "fmt"

// Operations that a fault plan can hit.
const (
	// OpSend is one transfer with a message or a batch, or one schedule-message request.
	OpSend = "servicebus.send"
	// OpSettle is the settlement of one message, on its link or by lock token. Releases do not count.
	OpSettle = "servicebus.settle"
	// OpRenew is one renew-lock request.
	OpRenew = "servicebus.renew"
	// OpAttach is one attach to an entity that would have been granted. Those to $cbs and $management do not count.
	OpAttach = "servicebus.attach"
)

// What a fault can do.
const (
	// DoError refuses the operation with the AMQP condition in Code; nothing takes effect.
	DoError = "error"
	// DoCut cuts the connection; nothing takes effect.
	DoCut = "cut"
	// DoLoseReply lets the operation take effect, then cuts the connection in place of the answer.
	DoLoseReply = "lose-reply"
)

// fate is what the plan has in store for one call. The zero fate is none.
type fate struct {
	refusal   *amqpError
	cut       bool
	loseReply bool
}

// fate asks the plan. A word that the stand-in does not know must not pass for a fault that happened, so it refuses the call
// with a condition that no client retries, and logs.
func (s *Server) fate(op string) fate {
	f, planned := s.cfg.Faults.Next(op)
	switch {
	case !planned:
		return fate{}
	case f.Do == DoCut:
		return fate{cut: true}
	case f.Do == DoLoseReply:
		return fate{loseReply: true}
	case f.Do == DoError && f.Code != "":
		return fate{refusal: &amqpError{f.Code, "planned fault of " + op}}
	}
	text := fmt.Sprintf("the fault plan wants %q with code %q of %s; known are %s (with a code), %s, %s", f.Do, f.Code, op, DoError, DoCut, DoLoseReply)
	s.cfg.Log("service bus: %s", text)
	return fate{refusal: &amqpError{condNotAllowed, text}}
}

// withFate runs an operation under the plan. answer is false if the connection was cut.
func (c *connection) withFate(op string, do func() *amqpError) (err *amqpError, answer bool) {
	f := c.server.fate(op)
	switch {
	case f.cut:
		c.sever()
		return nil, false
	case f.refusal != nil:
		return f.refusal, true
	}
	err = do()
	if f.loseReply {
		c.sever()
		return nil, false
	}
	return err, true
}

func (c *connection) settleWithFaults(q *queue, token uuid, s settlement) (err *amqpError, answer bool) {
	return c.withFate(OpSettle, func() *amqpError { return q.settle(token, s) })
}
