package servicebus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// rawConnection is go-amqp without azservicebus, for what the client library does not do or leaves to chance. It puts a key for
// the whole namespace.
func (b *bus) rawConnection() *amqp.Conn {
	b.t.Helper()
	c := b.dialRaw()
	if code, text := b.putToken(c, sasToken()); code != 202 {
		b.t.Fatalf("put-token: %d %s", code, text)
	}
	return c
}

func (b *bus) dialRaw() *amqp.Conn {
	b.t.Helper()
	c, err := amqp.Dial(b.ctx, "amqp://"+b.Addr(), &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	check(b.t, err)
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// token is a put-token request.
type token struct{ operation, kind, value, name, expiration string }

func sasToken() token {
	return token{"put-token", "servicebus.windows.net:sastoken", "SharedAccessSignature sr=x&sig=x&se=4102444800&skn=any", "amqp://host/", ""}
}

func (b *bus) putToken(c *amqp.Conn, put token) (code int32, text string) {
	b.t.Helper()
	answer := b.rawRequest(c, "$cbs", &amqp.Message{Value: put.value, ApplicationProperties: map[string]any{
		"operation": put.operation, "type": put.kind, "name": put.name, "expiration": put.expiration,
	}})
	code, _ = answer.ApplicationProperties["status-code"].(int32)
	text, _ = answer.ApplicationProperties["status-description"].(string)
	return code, text
}

// manage asks a management node and returns the status.
func (b *bus) manage(c *amqp.Conn, entity, operation string, body map[string]any) (code int32, text string) {
	b.t.Helper()
	answer := b.rawRequest(c, entity+"/$management", &amqp.Message{Value: body, ApplicationProperties: map[string]any{"operation": operation}})
	code, _ = answer.ApplicationProperties["statusCode"].(int32)
	text, _ = answer.ApplicationProperties["statusDescription"].(string)
	return code, text
}

// rawRequest sends the request while the reply link has no credit yet, and only then gives it some.
func (b *bus) rawRequest(c *amqp.Conn, node string, m *amqp.Message) *amqp.Message {
	b.t.Helper()
	s, err := c.NewSession(b.ctx, nil)
	check(b.t, err)
	sender, err := s.NewSender(b.ctx, node, nil)
	check(b.t, err)
	receiver, err := s.NewReceiver(b.ctx, node, &amqp.ReceiverOptions{
		TargetAddress: "replies", Credit: -1,
		SettlementMode: amqp.ReceiverSettleModeFirst.Ptr(), RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr(),
	})
	check(b.t, err)
	m.Properties = &amqp.MessageProperties{MessageID: "request-1", ReplyTo: ptr("replies")}
	check(b.t, sender.Send(b.ctx, m, nil))
	check(b.t, receiver.IssueCredit(1))
	answer, err := receiver.Receive(b.ctx, nil)
	check(b.t, err)
	if answer.Properties.CorrelationID != "request-1" {
		b.t.Fatalf("correlation %v", answer.Properties.CorrelationID)
	}
	return answer
}

// azservicebus sends the request first and the credit for its answer second; an answer dropped for lack of credit hung every
// call to its deadline, at random.
func TestAnswerWaitsForCredit(t *testing.T) {
	b := plainBus(t)
	body := map[string]any{"from-sequence-number": int64(0), "message-count": int32(1)}
	if code, text := b.manage(b.rawConnection(), "requests", "com.microsoft:peek-message", body); code != 204 {
		t.Fatalf("peek in an empty queue: %d %s", code, text)
	}
}

// Requests that the client library never makes are refused, not half understood.
func TestOddRequests(t *testing.T) {
	b := plainBus(t)
	c := b.rawConnection()
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	held := amqp.UUID(b.receive(b.receiver("requests")).LockToken)
	for _, tc := range []struct {
		name, entity, operation string
		body                    map[string]any
		code                    int32
	}{
		{"unknown operation", "requests", "com.microsoft:get-session-state", nil, 501},
		{"unknown disposition", "requests", "com.microsoft:update-disposition", map[string]any{"lock-tokens": []amqp.UUID{held}, "disposition-status": "eaten"}, 501},
		{"release by token", "requests", "com.microsoft:update-disposition", map[string]any{"lock-tokens": []amqp.UUID{held}, "disposition-status": "released"}, 501},
		{"settle nothing", "requests", "com.microsoft:update-disposition", map[string]any{"disposition-status": "completed"}, 400},
		{"token of another queue", "short", "com.microsoft:update-disposition", map[string]any{"lock-tokens": []amqp.UUID{held}, "disposition-status": "completed"}, 410},
		{"schedule rubbish", "requests", "com.microsoft:schedule-message", map[string]any{"messages": []any{map[string]any{"message": []byte("rubbish")}}}, 400},
		{"schedule dead letters", "requests/$DeadLetterQueue", "com.microsoft:schedule-message", map[string]any{"messages": []any{}}, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if code, text := b.manage(c, tc.entity, tc.operation, tc.body); code != tc.code {
				t.Fatalf("%d %s, want %d", code, text, tc.code)
			}
		})
	}
	b.wantCounts("requests", counts{Locked: 1})
}

func TestRefusedLinks(t *testing.T) {
	b := plainBus(t)
	s, err := b.rawConnection().NewSession(b.ctx, nil)
	check(t, err)
	for _, tc := range []struct {
		name   string
		attach func() error
		want   amqp.ErrCond
	}{
		{"send to dead letters", func() error { _, err := s.NewSender(b.ctx, "requests/$DeadLetterQueue", nil); return err }, amqp.ErrCondNotAllowed},
		{"send to a subscription", func() error { _, err := s.NewSender(b.ctx, "news/Subscriptions/mine", nil); return err }, amqp.ErrCondNotAllowed},
		{"receive from a topic", func() error { _, err := s.NewReceiver(b.ctx, "news", nil); return err }, amqp.ErrCondNotAllowed},
		{"nothing of that name", func() error { _, err := s.NewReceiver(b.ctx, "nosuch", nil); return err }, amqp.ErrCondNotFound},
		{"session of Service Bus", func() error { _, err := b.client.AcceptSessionForQueue(b.ctx, "requests", "s", nil); return err }, amqp.ErrCondNotImplemented},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.attach(); err == nil || !strings.Contains(err.Error(), string(tc.want)) {
				t.Fatalf("%v, want %s", err, tc.want)
			}
		})
	}
}

// The JavaScript client takes its credit back before it returns from a receive; without an answer it would wait in vain.
func TestDrain(t *testing.T) {
	b := plainBus(t)
	s, err := b.rawConnection().NewSession(b.ctx, nil)
	check(t, err)
	r, err := s.NewReceiver(b.ctx, "requests", &amqp.ReceiverOptions{Credit: -1})
	check(t, err)
	check(t, r.IssueCredit(3))
	check(t, r.DrainCredit(b.ctx, nil))
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	b.wantCounts("requests", counts{Active: 1})
	check(t, r.IssueCredit(1))
	_, err = r.Receive(b.ctx, nil)
	check(t, err)
}

func TestTransfersThatAreNoMessages(t *testing.T) {
	b := plainBus(t)
	s, err := b.rawConnection().NewSession(b.ctx, nil)
	check(t, err)
	sender, err := s.NewSender(b.ctx, "requests", nil)
	check(t, err)
	batch := &amqp.Message{Format: 0x80013700, Data: [][]byte{[]byte("no message")}}
	var got *amqp.Error
	if err := sender.Send(b.ctx, batch, nil); !errors.As(err, &got) || got.Condition != amqp.ErrCondDecodeError {
		t.Fatalf("batch of rubbish: %v", err)
	}
	b.wantCounts("requests", counts{})
}

// More messages than a session window hold in both directions: both sides have to renew it.
func TestSessionWindow(t *testing.T) {
	const many = 6_000
	b := plainBus(t)
	c := b.rawConnection()
	s, err := c.NewSession(b.ctx, nil)
	check(t, err)
	sender, err := s.NewSender(b.ctx, "requests", &amqp.SenderOptions{SettlementMode: amqp.SenderSettleModeSettled.Ptr()})
	check(t, err)
	for range many {
		check(t, sender.Send(b.ctx, amqp.NewMessage([]byte("x")), nil))
	}
	receiver, err := s.NewReceiver(b.ctx, "requests", &amqp.ReceiverOptions{
		Credit: many, SettlementMode: amqp.ReceiverSettleModeFirst.Ptr(), RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr(),
	})
	check(t, err)
	for range many {
		_, err := receiver.Receive(b.ctx, nil)
		check(t, err)
	}
	b.wantCounts("requests", counts{})
}
