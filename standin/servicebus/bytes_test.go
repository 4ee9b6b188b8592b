package servicebus_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

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
