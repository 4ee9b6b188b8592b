package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// maxDepth bounds nested values, so that a hostile frame cannot exhaust the stack.
const maxDepth = 64

var errTruncated = errors.New("amqp value is truncated")

// decoder reads AMQP values. The first error sticks: every later read gives a zero value, and the caller looks at err
// once, at the end.
type decoder struct {
	buf   []byte
	pos   int
	depth int
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) more() bool { return d.err == nil && d.pos < len(d.buf) }

// take returns the next n bytes, or nil after an error.
func (d *decoder) take(n uint32) []byte {
	if d.err != nil || uint64(n) > uint64(len(d.buf)-d.pos) {
		d.fail(errTruncated)
		return nil
	}
	p := d.buf[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return p
}

func (d *decoder) uint8() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if p := d.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if p := d.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if p := d.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// size reads the length of a variable-width value, one byte or four.
func (d *decoder) size(small bool) uint32 {
	if small {
		return uint32(d.uint8())
	}
	return d.uint32()
}

func (d *decoder) value() any { return d.body(d.uint8()) }

// body reads the value that follows a constructor.
func (d *decoder) body(code byte) any {
	if d.depth++; d.depth > maxDepth {
		d.fail(errors.New("amqp value is nested too deeply"))
	}
	defer func() { d.depth-- }()
	if d.err != nil {
		return nil
	}
	switch code >> 4 {
	case 0x0, 0x4:
		return d.withoutData(code)
	case 0x5, 0x6, 0x7, 0x8, 0x9:
		return d.fixedWidth(code)
	case 0xa, 0xb:
		return d.variableWidth(code)
	case 0xc, 0xd:
		return d.compound(code)
	case 0xe, 0xf:
		return d.array(code)
	}
	return d.unknown(code)
}

func (d *decoder) unknown(code byte) any {
	d.fail(fmt.Errorf("amqp constructor %#02x is unknown", code))
	return nil
}

func (d *decoder) withoutData(code byte) any {
	switch code {
	case 0x00:
		descriptor := d.value()
		return described{descriptor, d.value()}
	case 0x40:
		return nil
	case 0x41:
		return true
	case 0x42:
		return false
	case 0x43:
		return uint32(0)
	case 0x44:
		return uint64(0)
	case 0x45:
		return []any{}
	}
	return d.unknown(code)
}

func (d *decoder) fixedWidth(code byte) any {
	switch code {
	case 0x50:
		return d.uint8()
	case 0x51:
		return int8(d.uint8())
	case 0x52:
		return uint32(d.uint8())
	case 0x53:
		return uint64(d.uint8())
	case 0x54:
		return int32(int8(d.uint8()))
	case 0x55:
		return int64(int8(d.uint8()))
	case 0x56:
		return d.uint8() != 0
	case 0x60:
		return d.uint16()
	case 0x61:
		return int16(d.uint16())
	case 0x70:
		return d.uint32()
	case 0x71:
		return int32(d.uint32())
	case 0x72:
		return math.Float32frombits(d.uint32())
	case 0x73:
		return char(d.uint32())
	case 0x80:
		return d.uint64()
	case 0x81:
		return int64(d.uint64())
	case 0x82:
		return math.Float64frombits(d.uint64())
	case 0x83:
		return time.UnixMilli(int64(d.uint64())).UTC()
	case 0x98:
		var u uuid
		copy(u[:], d.take(16))
		return u
	}
	return d.unknown(code)
}

func (d *decoder) variableWidth(code byte) any {
	p := d.take(d.size(code>>4 == 0xa))
	switch code & 0x0f {
	case 0x0:
		return append([]byte{}, p...)
	case 0x1:
		return string(p)
	case 0x3:
		return symbol(p)
	}
	return d.unknown(code)
}

// open reads size and count of a compound or array and returns a decoder that sees nothing but its bytes.
func (d *decoder) open(small bool) (inner *decoder, count int) {
	p := d.take(d.size(small))
	inner = &decoder{buf: p, depth: d.depth, err: d.err}
	n := inner.size(small)
	// An element needs a byte at least, so a count above that is a lie that would cost memory.
	if uint64(n) > uint64(len(p)) {
		inner.fail(errTruncated)
		return inner, 0
	}
	return inner, int(n)
}

// finish passes the inner decoder's verdict on.
func (d *decoder) finish(inner *decoder) {
	if inner.err == nil && inner.pos != len(inner.buf) {
		inner.fail(errors.New("amqp compound is longer than its elements"))
	}
	d.err = inner.err
}

func (d *decoder) compound(code byte) any {
	inner, n := d.open(code>>4 == 0xc)
	values := make([]any, 0, min(n, 64))
	for ; n > 0 && inner.err == nil; n-- {
		values = append(values, inner.value())
	}
	d.finish(inner)
	switch code & 0x0f {
	case 0x0:
		return values
	case 0x1:
		if len(values)%2 != 0 {
			d.fail(errors.New("amqp map has a key without a value"))
			return nil
		}
		m := make(amqpMap, 0, len(values)/2)
		for i := 0; i+1 < len(values); i += 2 {
			m = append(m, mapEntry{values[i], values[i+1]})
		}
		return m
	}
	return d.unknown(code)
}

func (d *decoder) array(code byte) any {
	if code != 0xe0 && code != 0xf0 {
		return d.unknown(code)
	}
	inner, n := d.open(code == 0xe0)
	elem := inner.uint8()
	if elem == 0x00 {
		inner.fail(errors.New("amqp array of described values is not supported"))
	}
	a := array{code: widest(elem), elems: make([]any, 0, min(n, 64))}
	for ; n > 0 && inner.err == nil; n-- {
		a.elems = append(a.elems, inner.body(elem))
	}
	d.finish(inner)
	return a
}

// widest is the constructor that the encoder writes for the same type.
func widest(code byte) byte {
	switch code {
	case 0x41, 0x42:
		return 0x56
	case 0x43, 0x52:
		return 0x70
	case 0x44, 0x53:
		return 0x80
	case 0x54:
		return 0x71
	case 0x55:
		return 0x81
	case 0x45, 0xc0:
		return 0xd0
	case 0xa0, 0xa1, 0xa3, 0xc1, 0xe0:
		return code + 0x10
	}
	return code
}
