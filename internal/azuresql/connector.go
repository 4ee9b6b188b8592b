package azuresql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// connector opens connections that are encrypted and whose server is verified, always.
type connector struct {
	cfg     msdsn.Config
	token   func(context.Context) (string, error)
	timeout time.Duration
	wrap    func(*mssql.Conn) driver.Conn // nil: nobody listens
}

func newConnector(host string, port uint16, db string, c Config) (*connector, error) {
	q := url.Values{}
	q.Set(msdsn.Database, db)
	q.Set(msdsn.Encrypt, "true")
	q.Set(msdsn.TrustServerCertificate, "false")
	q.Set(msdsn.TLSMin, "1.2")
	q.Set(msdsn.AppName, c.AppName)
	// database/sql would send a statement again by itself after a broken connection, CREATE DATABASE too.
	q.Set(msdsn.DisableRetry, "true")
	q.Set(msdsn.EpaEnabled, "false") // else the driver asks the environment
	u := url.URL{Scheme: "sqlserver", Host: net.JoinHostPort(host, strconv.Itoa(int(port))), RawQuery: q.Encode()}
	cfg, err := msdsn.Parse(u.String())
	if err != nil {
		return nil, fmt.Errorf("connection settings for %s: %w", db, err)
	}
	if cfg.Encryption != msdsn.EncryptionRequired || cfg.TrustServerCertificate || cfg.TLSConfig == nil || cfg.TLSConfig.InsecureSkipVerify {
		return nil, errors.New("connection settings would not verify the server")
	}
	cfg.DialTimeout = c.ConnectTimeout
	out := &connector{cfg: cfg, token: c.Token, timeout: c.ConnectTimeout}
	if c.Trace != nil {
		name := namer()
		out.wrap = func(conn *mssql.Conn) driver.Conn { return traced{conn, name, c.Trace} }
	}
	return out, nil
}

// connectError is a connection that did not come about: nothing was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return "connect: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// tokenError is a token that could not be had.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "get a token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// Connect bounds the whole connection. go-mssqldb reads the prelogin answer and does the TLS handshake without looking at
// the context, so a server that accepts and says nothing would hold it for ever: we close the connection under it.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	d := &dialer{}
	inner, err := mssql.NewSecurityTokenConnector(c.cfg, func(ctx context.Context) (string, error) {
		t, err := c.token(ctx)
		if err != nil {
			return "", &tokenError{err}
		}
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	inner.Dialer = d
	stop := context.AfterFunc(ctx, d.abort)
	conn, err := inner.Connect(ctx)
	if !stop() && err == nil {
		err = errors.Join(ctx.Err(), conn.Close())
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		return nil, &connectError{err}
	}
	if inner, ok := conn.(*mssql.Conn); ok && c.wrap != nil {
		return c.wrap(inner), nil
	}
	return conn, nil
}

// Driver is for database/sql.
func (c *connector) Driver() driver.Driver { return &mssql.Driver{} }

// dialer resolves and dials under the context; the driver's own lookup has none. It keeps what it dialled, a redirected
// login's second connection too, so that abort can reach it.
type dialer struct {
	mu      sync.Mutex
	conns   []net.Conn
	aborted bool
}

// DialContext dials a host and port.
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aborted {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns = append(d.conns, conn)
	return conn, nil
}

// HostName makes this a mssql.HostDialer, which gets the host's name instead of an address.
func (d *dialer) HostName() string { return "" }

func (d *dialer) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aborted = true
	for _, c := range d.conns {
		_ = c.Close() // it may be closed already
	}
}
