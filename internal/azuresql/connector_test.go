package azuresql_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// The prelogin option ENCRYPTION and its values (MS-TDS 2.2.6.5).
const (
	encryptOn     = 1
	encryptNotSup = 2
)

// packet frames a TDS message in one packet (MS-TDS 2.2.3.1).
func packet(kind byte, payload []byte) []byte {
	h := []byte{kind, 1, 0, 0, 0, 0, 1, 0}
	binary.BigEndian.PutUint16(h[2:], uint16(8+len(payload)))
	return append(h, payload...)
}

func readPacket(c net.Conn) ([]byte, error) {
	var h [8]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(h[2:])-8)
	_, err := io.ReadFull(c, b)
	return b, err
}

// prelogin answers the client's first message.
func prelogin(c net.Conn, encryption byte) error {
	if _, err := readPacket(c); err != nil {
		return err
	}
	// VERSION at 11, 6 bytes; ENCRYPTION at 17, 1 byte; end.
	_, err := c.Write(packet(4, []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 12, 0, 0, 0, 0, 0, encryption}))
	return err
}

// tunnel carries TLS records inside TDS packets, as the handshake does.
type tunnel struct {
	net.Conn
	rest []byte
}

func (t *tunnel) Read(b []byte) (int, error) {
	if len(t.rest) == 0 {
		p, err := readPacket(t.Conn)
		if err != nil {
			return 0, err
		}
		t.rest = p
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

func (t *tunnel) Write(b []byte) (int, error) {
	if _, err := t.Conn.Write(packet(18, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// listen serves each connection by serve and gives the address.
func listen(t *testing.T, serve func(net.Conn) error) (address string, served *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = &atomic.Int32{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Add(1)
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_ = serve(c) // how the client ends it is what the test looks at
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String(), served
}

func silent(c net.Conn) error { _, err := io.Copy(io.Discard, c); return err }

func unencrypted(c net.Conn) error {
	if err := prelogin(c, encryptNotSup); err != nil {
		return err
	}
	return silent(c)
}

// selfSigned completes a handshake with a certificate that nobody vouches for.
func selfSigned(t *testing.T) func(net.Conn) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: tls.VersionTLS12}
	return func(c net.Conn) error {
		if err := prelogin(c, encryptOn); err != nil {
			return err
		}
		if err := tls.Server(&tunnel{Conn: c}, cfg).Handshake(); err != nil {
			return err
		}
		return silent(c)
	}
}

// A token goes only to a server that is verified, and a server that says nothing holds nobody up.
func TestConnectIsVerifiedAndBounded(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn) error
		tries int32
		says  string
	}{
		"silent":      {silent, 2, "deadline exceeded"},
		"unencrypted": {unencrypted, 2, "does not support encryption"},
		"self-signed": {selfSigned(t), 1, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, served := listen(t, c.serve)
			var tokens atomic.Int32
			s, err := azuresql.New(azuresql.Config{
				Address: address, ConnectTimeout: 500 * time.Millisecond, Attempts: 2, RetryFirst: time.Millisecond,
				Token: func(context.Context) (string, error) { tokens.Add(1); return "secret", nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, _, err = s.Exists(t.Context(), "Orders")
			f := wantFailure(t, err, bacvault.CodeSQLUnreachable, bacvault.Retry)
			if !strings.Contains(f.Detail, c.says) {
				t.Errorf("failure does not say %q: %s", c.says, f.Detail)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if n := served.Load(); n != c.tries {
				t.Errorf("connected %d times, want %d", n, c.tries)
			}
			if tokens.Load() != 0 {
				t.Error("the token was fetched for a server that is not verified")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCancelEndsAConnectThatHangs(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, silent)
	s, err := azuresql.New(azuresql.Config{Address: address, Token: func(context.Context) (string, error) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = s.Databases(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
		t.Errorf("error %v after %s", err, time.Since(began))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := azuresql.New(azuresql.Config{Address: address, Attempts: 2, RetryFirst: time.Millisecond, Token: func(context.Context) (string, error) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Databases(t.Context())
	wantFailure(t, err, bacvault.CodeSQLUnreachable, bacvault.Retry)
}

func TestNewChecks(t *testing.T) {
	token := func(context.Context) (string, error) { return "", nil }
	for _, address := range []string{"", ":1433", "srv:0", "srv:x", "srv:99999", `srv\instance`, "srv/db?encrypt=disable", "user@srv", "a b"} {
		if _, err := azuresql.New(azuresql.Config{Address: address, Token: token}); err == nil {
			t.Errorf("address %q was accepted", address)
		}
	}
	for _, address := range []string{"srv.database.windows.net", "127.0.0.1:14330", "[::1]:1433"} {
		if _, err := azuresql.New(azuresql.Config{Address: address, Token: token}); err != nil {
			t.Errorf("address %q: %v", address, err)
		}
	}
	if _, err := azuresql.New(azuresql.Config{Address: "srv"}); err == nil {
		t.Error("no token source was accepted")
	}
}
