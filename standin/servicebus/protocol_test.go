package servicebus_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// rawConnection is go-amqp without azservicebus, for an order of frames that the client library leaves to chance. It puts a
// token for the whole namespace.
func (b *bus) rawConnection() *amqp.Conn {
	b.t.Helper()
	c, err := amqp.Dial(b.ctx, "amqp://"+b.Addr(), &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	check(b.t, err)
	b.t.Cleanup(func() { _ = c.Close() })
	answer := b.rawRequest(c, "$cbs", &amqp.Message{
		Value:                 "SharedAccessSignature sr=x&sig=x&se=4102444800&skn=any",
		ApplicationProperties: map[string]any{"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": "amqp://host/"},
	})
	if code := answer.ApplicationProperties["status-code"]; code != int32(202) {
		b.t.Fatalf("put-token: %v", code)
	}
	return c
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
	answer := b.rawRequest(b.rawConnection(), "requests/$management", &amqp.Message{
		Value:                 map[string]any{"from-sequence-number": int64(0), "message-count": int32(1)},
		ApplicationProperties: map[string]any{"operation": "com.microsoft:peek-message"},
	})
	if code := answer.ApplicationProperties["statusCode"]; code != int32(204) {
		t.Fatalf("peek in an empty queue: %v", code)
	}
}

// An operation that is not built is refused by its name.
func TestUnknownOperation(t *testing.T) {
	b := plainBus(t)
	answer := b.rawRequest(b.rawConnection(), "requests/$management", &amqp.Message{
		Value: map[string]any{}, ApplicationProperties: map[string]any{"operation": "com.microsoft:get-session-state"},
	})
	if code := answer.ApplicationProperties["statusCode"]; code != int32(501) {
		t.Fatalf("status %v", code)
	}
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

// handshake speaks just enough AMQP by hand to open a connection that asks to hear something every 200 ms.
func handshake(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	write := func(b ...byte) {
		_, err := c.Write(b)
		check(t, err)
	}
	read := func() []byte {
		h := make([]byte, 8)
		_, err := io.ReadFull(c, h)
		check(t, err)
		if bytes.HasPrefix(h, []byte("AMQP")) {
			return h
		}
		rest := make([]byte, int(h[2])<<8+int(h[3])-8)
		_, err = io.ReadFull(c, rest)
		check(t, err)
		return rest
	}
	sasl := append([]byte{0, 0, 0, 8 + 3 + 3 + 11, 2, 1, 0, 0, 0, 0x53, 0x41, 0xc0, 12, 1, 0xa3, 9}, "ANONYMOUS"...)
	open := []byte{0, 0, 0, 8 + 3 + 3 + 8, 2, 0, 0, 0, 0, 0x53, 0x10, 0xc0, 9, 5, 0xa1, 1, 'c', 0x40, 0x40, 0x40, 0x52, 200}
	write('A', 'M', 'Q', 'P', 3, 1, 0, 0)
	read() // header
	read() // mechanisms
	write(sasl...)
	read() // outcome
	write('A', 'M', 'Q', 'P', 0, 1, 0, 0)
	read() // header
	write(open...)
	read() // open
	return c
}

// The client gives a silent connection up, so an idle server sends empty frames.
func TestKeepAlive(t *testing.T) {
	b := plainBus(t)
	c := handshake(t, b.Addr())
	got := make([]byte, 16)
	from := time.Now()
	_, err := io.ReadFull(c, got)
	check(t, err)
	empty := []byte{0, 0, 0, 8, 2, 0, 0, 0}
	if !bytes.Equal(got, append(empty, empty...)) || time.Since(from) > 3*time.Second {
		t.Fatalf("%x after %s", got, time.Since(from))
	}
}

// Bytes that are no AMQP end the one connection and nothing else.
func TestRubbishEndsTheConnection(t *testing.T) {
	b := plainBus(t)
	for name, rubbish := range map[string]string{
		"http":             "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"truncated header": "AM",
		"plain AMQP first": "AMQP\x00\x01\x00\x00",
	} {
		c, err := net.Dial("tcp", b.Addr())
		check(t, err)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = io.WriteString(c, rubbish)
		check(t, err)
		check(t, c.(*net.TCPConn).CloseWrite())
		if _, err := io.ReadAll(c); err != nil && !isReset(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := handshake(t, b.Addr())
	_, err := c.Write([]byte{0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0})
	check(t, err)
	if _, err := io.ReadAll(c); err != nil && !isReset(err) {
		t.Errorf("huge frame: %v", err)
	}
	b.sender("requests")
	b.rawConnection()
}

func isReset(err error) bool {
	_, ok := err.(*net.OpError)
	return ok && !err.(*net.OpError).Timeout()
}
