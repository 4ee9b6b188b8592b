package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Descriptors of the performatives, outcomes and the like (OASIS AMQP 1.0, parts 2, 3 and 5).
const (
	performOpen        = 0x10
	performBegin       = 0x11
	performAttach      = 0x12
	performFlow        = 0x13
	performTransfer    = 0x14
	performDisposition = 0x15
	performDetach      = 0x16
	performEnd         = 0x17
	performClose       = 0x18
	describesError     = 0x1d
	outcomeAccepted    = 0x24
	outcomeRejected    = 0x25
	outcomeReleased    = 0x26
	outcomeModified    = 0x27
	saslMechanisms     = 0x40
	saslInit           = 0x41
	saslOutcome        = 0x44
)

const (
	frameAMQP = 0
	frameSASL = 1

	frameHeaderSize = 8
	maxFrameSize    = 65536
)

// frame is one AMQP or SASL frame. An empty frame, which only keeps the connection alive, has code 0.
type frame struct {
	kind    byte
	channel uint16
	code    uint64
	fields  fields
	payload []byte // what follows a transfer: a part of a message
}

func readFrame(r io.Reader) (frame, error) {
	var h [frameHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	size, offset := binary.BigEndian.Uint32(h[:]), uint32(h[4])*4
	if size > maxFrameSize || offset < frameHeaderSize || size < offset {
		return frame{}, fmt.Errorf("frame of %d bytes with data at %d", size, offset)
	}
	f := frame{kind: h[5], channel: binary.BigEndian.Uint16(h[6:])}
	buf := make([]byte, size-frameHeaderSize)
	if _, err := io.ReadFull(r, buf); err != nil {
		return frame{}, fmt.Errorf("read a frame of %d bytes: %w", size, err)
	}
	if buf = buf[offset-frameHeaderSize:]; len(buf) == 0 {
		return f, nil
	}
	d := &decoder{buf: buf}
	performative, ok := d.value().(described)
	if d.err != nil {
		return frame{}, fmt.Errorf("decode a frame: %w", d.err)
	}
	code, _ := performative.descriptor.(uint64)
	list, isList := performative.value.([]any)
	if !ok || !isList || code == 0 {
		return frame{}, errors.New("frame holds no performative")
	}
	f.code, f.fields, f.payload = code, list, buf[d.pos:]
	return f, nil
}

func appendFrame(b []byte, f frame) []byte {
	list := []any(f.fields)
	for len(list) > 0 && list[len(list)-1] == nil {
		list = list[:len(list)-1]
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0, frameHeaderSize/4, f.kind, byte(f.channel>>8), byte(f.channel))
	b = encodeSection(b, f.code, list)
	b = append(b, f.payload...)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// keepAlive is the empty frame. go-amqp gives a connection up after 60 s without a byte.
func keepAlive(b []byte) []byte { return append(b, 0, 0, 0, frameHeaderSize, 2, 0, 0, 0) }

// amqpError is an error as AMQP carries it.
type amqpError struct {
	condition string
	text      string
}

func (e *amqpError) Error() string { return e.condition + ": " + e.text }

func (e *amqpError) encode() described {
	return described{uint64(describesError), []any{symbol(e.condition), e.text}}
}

// Conditions of OASIS AMQP 1.0 and of Service Bus; the client's retry decision hangs on them.
const (
	condDecodeError     = "amqp:decode-error"
	condInternalError   = "amqp:internal-error"
	condNotAllowed      = "amqp:not-allowed"
	condNotFound        = "amqp:not-found"
	condNotImplemented  = "amqp:not-implemented"
	condUnauthorized    = "amqp:unauthorized-access"
	condFramingError    = "amqp:connection:framing-error"
	condMessageTooLarge = "amqp:link:message-size-exceeded"
	condTransferLimit   = "amqp:link:transfer-limit-exceeded"
	condLockLost        = "com.microsoft:message-lock-lost"
	condServerBusy      = "com.microsoft:server-busy"
	condTimeout         = "com.microsoft:timeout"
)

const lockLostText = "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue."

func lockLost() *amqpError { return &amqpError{condLockLost, lockLostText} }

func notFound(path string) *amqpError {
	return &amqpError{condNotFound, "The messaging entity '" + path + "' could not be found."}
}
