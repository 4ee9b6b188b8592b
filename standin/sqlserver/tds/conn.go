package tds

import (
	"context"
	"errors"
	"io"
	"sync"
)

// conn is a connection after its login. One goroutine reads packets all the time, so that an attention is seen while a
// request runs; the other answers requests, one after the other.
type conn struct {
	*wire
	server  *Server
	session Session

	packets     chan packet
	transaction uint64

	// The reader and the end of a request race: whether an attention hits a running request or comes just after it is
	// decided under this one lock.
	mu        sync.Mutex
	cancel    context.CancelFunc // of the running request, else nil
	attention bool               // the running request is to be given up
}

func (c *conn) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	c.packets = make(chan packet, 4)
	failed := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(c.packets)
		failed <- c.read(ctx)
	})
	defer func() { // the reader ends when its socket does
		cancel()
		c.conn.Close()
		reader.Wait()
	}()
	for p := range c.packets {
		if err := c.request(ctx, p); err != nil {
			return err
		}
	}
	return <-failed
}

// read hands packets on until the connection fails, which ends the running request too.
func (c *conn) read(ctx context.Context) error {
	for {
		p, err := c.readPacket()
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.cancel != nil {
				c.cancel()
			}
			return err
		}
		if p.kind == packetAttention && c.interrupt() {
			continue
		}
		select {
		case c.packets <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// interrupt gives the running request up; false if none runs.
func (c *conn) interrupt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		return false
	}
	c.attention = true
	c.cancel()
	return true
}

func (c *conn) begin(cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel, c.attention = cancel, false
}

func (c *conn) end() (attention bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = nil
	return c.attention
}

// request answers the request that starts with a packet. An error ends the connection.
func (c *conn) request(ctx context.Context, first packet) error {
	r := &reply{w: c.wire}
	if first.kind == packetAttention { // it came too late for its request; it is acknowledged all the same
		r.write(done(tokenDone, doneAttention, 0, 0))
		return r.end()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.begin(cancel)
	if first.status&statusReset != 0 {
		c.session.Reset()
		c.transaction = 0
		r.write(envBytes(envReset, nil, nil))
	}
	body := &body{packets: c.packets, data: first.data, last: first.last()}
	out := &Results{reply: r, proc: first.kind == packetRPC}
	err := c.dispatch(ctx, first.kind, body, out)
	if errors.Is(err, ErrCut) {
		c.end()
		return errors.Join(err, r.push())
	}
	_, drainErr := io.Copy(io.Discard, body) // what a refused bulk load still sends
	attention := c.end()
	switch {
	case drainErr != nil:
		return drainErr
	case attention:
		r.write(done(tokenDone, doneAttention, 0, 0))
	case err != nil:
		for _, e := range asErrors(err) {
			r.write(message(tokenError, e, c.server.Name))
		}
		r.write(done(tokenDone, doneError, 0, 0))
	default:
		out.end()
	}
	return r.end()
}

// body is one request's bytes, packet by packet, so that a bulk load is never held whole.
type body struct {
	packets <-chan packet
	data    []byte
	last    bool
}

func (b *body) Read(to []byte) (int, error) {
	for len(b.data) == 0 {
		if b.last {
			return 0, io.EOF
		}
		p, ok := <-b.packets
		if !ok {
			return 0, io.ErrUnexpectedEOF
		}
		b.data, b.last = p.data, p.last()
	}
	n := copy(to, b.data)
	b.data = b.data[n:]
	return n, nil
}

func (b *body) drained() bool { return b.last && len(b.data) == 0 }

// Results takes what a statement yields: at most one set of rows, or a count.
type Results struct {
	reply   *reply
	proc    bool
	columns []Column
	row     []byte
	rows    int64
	counted bool
}

// Columns starts the set of rows.
func (o *Results) Columns(cols []Column) error {
	for _, c := range cols {
		if err := c.Type.Check(); err != nil {
			return err
		}
	}
	o.columns, o.counted = cols, true
	o.reply.write(columns(cols))
	return o.reply.err
}

// Row sends a row; the forms of its values are those of Type.
func (o *Results) Row(values []any) error {
	if len(values) != len(o.columns) {
		return errors.New("a row does not have the columns that were announced")
	}
	b := append(o.row[:0], tokenRow)
	var err error
	for i, c := range o.columns {
		if b, err = c.Type.appendValue(b, values[i]); err != nil {
			return Errorf(50000, 16, "the SQL Server stand-in cannot send column %s: %v", c.Name, err)
		}
	}
	o.row = b
	o.rows++
	o.reply.write(b)
	return o.reply.err
}

// Push sends the rows so far to the client at once.
func (o *Results) Push() error { return o.reply.push() }

// end writes the one DONE. The driver stops reading at the first DONE without "more", so none may come before it is known
// that nothing follows.
func (o *Results) end() {
	status, command := uint16(0), uint16(0)
	if o.counted {
		status = doneCount
	}
	if o.columns != nil {
		command = commandSelect
	}
	if !o.proc {
		o.reply.write(done(tokenDone, status, command, o.rows))
		return
	}
	o.reply.write(done(tokenDoneInProc, status|doneMore, command, o.rows))
	o.reply.write([]byte{tokenReturnStatus, 0, 0, 0, 0})
	o.reply.write(done(tokenDoneProc, 0, 0, 0))
}
