// Package tds is the server half of TDS 7.4 (and of 8.0, "strict") as far as go-mssqldb speaks it; what is asked and
// answered over it is its caller's affair.
package tds

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Packet types, [MS-TDS] 2.2.3.1.1.
const (
	packetBatch       = 1
	packetRPC         = 3
	packetReply       = 4
	packetAttention   = 6
	packetBulk        = 7
	packetTransaction = 14
	packetLogin7      = 16
	packetPrelogin    = 18
)

// Packet status bits.
const (
	statusEnd   = 0x01
	statusReset = 0x18 // RESETCONNECTION and RESETCONNECTIONSKIPTRAN
)

const (
	packetHeader  = 8
	packetDefault = 4096 // until the login agrees on another size
	// messageLimit bounds a message that is held whole: a login, a batch, an RPC with a model.xml in it.
	messageLimit = 512 << 20
)

type packet struct {
	kind, status byte
	data         []byte
}

func (p packet) last() bool { return p.status&statusEnd != 0 }

// wire frames packets over a connection whose transport changes once, when TLS is put over it.
type wire struct {
	conn net.Conn // the socket
	r    *bufio.Reader
	w    *bufio.Writer
	size int
	seq  byte
}

func newWire(c net.Conn) *wire {
	w := &wire{conn: c, size: packetDefault}
	w.over(c)
	return w
}

// over moves the framing onto another transport. Nothing may be buffered at that moment: both sides change over between
// a request and its answer.
func (w *wire) over(rw io.ReadWriter) {
	w.r, w.w = bufio.NewReaderSize(rw, 32<<10), bufio.NewWriterSize(rw, 32<<10)
}

func (w *wire) readPacket() (packet, error) {
	var h [packetHeader]byte
	if _, err := io.ReadFull(w.r, h[:]); err != nil {
		return packet{}, err
	}
	n := int(binary.BigEndian.Uint16(h[2:])) - packetHeader
	if n < 0 {
		return packet{}, fmt.Errorf("packet of type %d states a length of %d", h[0], n+packetHeader)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(w.r, data); err != nil {
		return packet{}, fmt.Errorf("read a packet of type %d: %w", h[0], err)
	}
	return packet{h[0], h[1], data}, nil
}

// readMessage reads packets up to the one that ends the message.
func (w *wire) readMessage(want byte) ([]byte, error) {
	var all []byte
	for {
		p, err := w.readPacket()
		if err != nil {
			return nil, err
		}
		if p.kind != want {
			return nil, fmt.Errorf("packet of type %d where %d was due", p.kind, want)
		}
		all = append(all, p.data...)
		if len(all) > messageLimit {
			return nil, errors.New("message too long")
		}
		if p.last() {
			return all, nil
		}
	}
}

// writePacket buffers; flush sends.
func (w *wire) writePacket(kind byte, last bool, data []byte) error {
	w.seq++
	h := [packetHeader]byte{0: kind, 6: w.seq}
	if last {
		h[1] = statusEnd
		w.seq = 0
	}
	binary.BigEndian.PutUint16(h[2:], uint16(packetHeader+len(data)))
	if _, err := w.w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.w.Write(data)
	return err
}

// reply cuts a stream of tokens into packets as it grows. The first error sticks.
type reply struct {
	w   *wire
	buf []byte
	err error
}

// write sends what fills packets and moves the rest to the front once, not once for each packet: a value of many MiB
// would take quadratic time otherwise.
func (r *reply) write(b []byte) {
	r.buf = append(r.buf, b...)
	room, at := r.w.size-packetHeader, 0
	for len(r.buf)-at > room && r.err == nil {
		r.err = r.w.writePacket(packetReply, false, r.buf[at:at+room])
		at += room
	}
	if at > 0 {
		r.buf = append(r.buf[:0], r.buf[at:]...)
	}
}

// end closes the message and sends it.
func (r *reply) end() error { return r.send(true) }

// push sends what there is so far; the message goes on.
func (r *reply) push() error { return r.send(false) }

func (r *reply) send(last bool) error {
	if r.err == nil && (last || len(r.buf) > 0) {
		r.err = r.w.writePacket(packetReply, last, r.buf)
	}
	r.buf = r.buf[:0]
	if r.err == nil {
		r.err = r.w.w.Flush()
	}
	return r.err
}
