package tds

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Options of a PRELOGIN, [MS-TDS] 2.2.6.5.
const (
	preloginVersion     = 0
	preloginEncryption  = 1
	preloginMARS        = 4
	preloginFedAuth     = 6
	preloginEnd         = 0xFF
	encryptNotSupported = 2
	encryptRequired     = 3
)

const tlsHandshakeRecord = 0x16

// handshake brings the connection to where a LOGIN7 is due.
func (s *Server) handshake(ctx context.Context, w *wire) error {
	first, err := w.r.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == tlsHandshakeRecord { // TDS 8: TLS comes before everything else
		if s.TLS == nil {
			return errors.New("strict encryption is asked for, and there is no certificate")
		}
		cfg := s.TLS.Clone()
		cfg.NextProtos = []string{"tds/8.0"}
		t := tls.Server(&peekedConn{Conn: w.conn, r: w.r}, cfg)
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("strict tls: %w", err)
		}
		w.over(t)
		_, err := s.prelogin(w, encryptNotSupported)
		return err
	}
	if s.TLS == nil {
		_, err := s.prelogin(w, encryptNotSupported)
		return err
	}
	// A logical server of Azure takes no unencrypted session, whatever the client would like.
	asked, err := s.prelogin(w, encryptRequired)
	if err != nil {
		return err
	}
	if asked == encryptNotSupported {
		return errors.New("a client without encryption")
	}
	return startTLS(ctx, w, s.TLS)
}

// prelogin answers PRELOGIN and returns what encryption the client asked for.
func (s *Server) prelogin(w *wire, encryption byte) (asked byte, err error) {
	m, err := w.readMessage(packetPrelogin)
	if err != nil {
		return 0, fmt.Errorf("read prelogin: %w", err)
	}
	options, err := preloginOptions(m)
	if err != nil {
		return 0, err
	}
	asked = encryptNotSupported
	if e := options[preloginEncryption]; len(e) > 0 {
		asked = e[0]
	}
	type option struct {
		id   byte
		data []byte
	}
	answer := []option{
		{preloginVersion, []byte{12, 0, 0x07, 0xD0, 0, 0}},
		{preloginEncryption, []byte{encryption}},
		{preloginMARS, []byte{0}},
	}
	if _, ok := options[preloginFedAuth]; ok {
		answer = append(answer, option{preloginFedAuth, []byte{1}})
	}
	var head, body []byte
	at := 5*len(answer) + 1
	for _, o := range answer {
		head = binary.BigEndian.AppendUint16(append(head, o.id), uint16(at))
		head = binary.BigEndian.AppendUint16(head, uint16(len(o.data)))
		at += len(o.data)
		body = append(body, o.data...)
	}
	r := &reply{w: w}
	r.write(append(append(head, preloginEnd), body...))
	return asked, r.end()
}

func preloginOptions(m []byte) (map[byte][]byte, error) {
	options := map[byte][]byte{}
	for i := 0; i < len(m) && m[i] != preloginEnd; i += 5 {
		if i+5 > len(m) {
			return nil, errors.New("prelogin cut short")
		}
		at, n := int(binary.BigEndian.Uint16(m[i+1:])), int(binary.BigEndian.Uint16(m[i+3:]))
		if at+n > len(m) {
			return nil, fmt.Errorf("prelogin option %d lies outside the message", m[i])
		}
		options[m[i]] = m[at : at+n]
	}
	return options, nil
}

// startTLS makes the handshake inside PRELOGIN packets and puts TLS over the connection. TLS 1.2 is the highest: 1.3 sends
// its tickets after the handshake, when the wrapping is gone, and the login hangs.
func startTLS(ctx context.Context, w *wire, base *tls.Config) error {
	cfg := base.Clone()
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	cfg.SessionTicketsDisabled = true
	wrapped := &preloginConn{Conn: w.conn, w: w}
	t := tls.Server(wrapped, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls inside tds: %w", err)
	}
	wrapped.done = true
	w.over(t)
	return nil
}

// preloginConn carries a TLS handshake inside PRELOGIN packets, then steps aside.
type preloginConn struct {
	net.Conn
	w    *wire
	in   []byte
	done bool
}

func (c *preloginConn) Read(b []byte) (int, error) {
	if c.done {
		return c.Conn.Read(b)
	}
	for len(c.in) == 0 {
		p, err := c.w.readPacket()
		if err != nil {
			return 0, err
		}
		if p.kind != packetPrelogin {
			return 0, fmt.Errorf("packet of type %d inside the TLS handshake", p.kind)
		}
		c.in = p.data
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *preloginConn) Write(b []byte) (int, error) {
	if c.done {
		return c.Conn.Write(b)
	}
	for at := 0; at < len(b); {
		n := min(len(b)-at, packetDefault-packetHeader)
		if err := c.w.writePacket(packetPrelogin, at+n == len(b), b[at:at+n]); err != nil {
			return at, err
		}
		at += n
	}
	return len(b), c.w.w.Flush()
}

// peekedConn gives TLS the bytes that were looked at already.
type peekedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *peekedConn) Read(b []byte) (int, error) { return c.r.Read(b) }
