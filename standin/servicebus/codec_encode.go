package servicebus

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// encode appends a value with its constructor. Compounds and arrays always take the 32-bit form: one form is enough to
// write, both are read.
func encode(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if x {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint32:
		if x < 256 {
			return append(b, 0x52, byte(x))
		}
	case uint64:
		if x < 256 {
			return append(b, 0x53, byte(x))
		}
	case []byte:
		if len(x) < 256 {
			return append(append(b, 0xa0, byte(len(x))), x...)
		}
	case string:
		if len(x) < 256 {
			return append(append(b, 0xa1, byte(len(x))), x...)
		}
	case symbol:
		if len(x) < 256 {
			return append(append(b, 0xa3, byte(len(x))), x...)
		}
	case fields:
		v = []any(x)
	case described:
		return encode(encode(append(b, 0x00), x.descriptor), x.value)
	}
	return encodeBody(append(b, constructor(v)), v)
}

// constructor is the widest constructor of a value's type.
func constructor(v any) byte {
	switch v.(type) {
	case nil:
		return 0x40
	case bool:
		return 0x56
	case uint8:
		return 0x50
	case uint16:
		return 0x60
	case uint32:
		return 0x70
	case uint64:
		return 0x80
	case int8:
		return 0x51
	case int16:
		return 0x61
	case int32:
		return 0x71
	case int64:
		return 0x81
	case float32:
		return 0x72
	case float64:
		return 0x82
	case char:
		return 0x73
	case time.Time:
		return 0x83
	case uuid:
		return 0x98
	case []byte:
		return 0xb0
	case string:
		return 0xb1
	case symbol:
		return 0xb3
	case []any:
		return 0xd0
	case amqpMap:
		return 0xd1
	case array:
		return 0xf0
	}
	// Only values of this package or from the decoder come here, so this is a bug, not bad input.
	panic(fmt.Sprintf("servicebus: no AMQP type for %T", v))
}

// encodeBody appends what follows the widest constructor; this is also the form of an array's elements.
func encodeBody(b []byte, v any) []byte {
	switch x := v.(type) {
	case bool:
		if x {
			return append(b, 1)
		}
		return append(b, 0)
	case uint8:
		return append(b, x)
	case int8:
		return append(b, byte(x))
	case uint16:
		return binary.BigEndian.AppendUint16(b, x)
	case int16:
		return binary.BigEndian.AppendUint16(b, uint16(x))
	case uint32:
		return binary.BigEndian.AppendUint32(b, x)
	case int32:
		return binary.BigEndian.AppendUint32(b, uint32(x))
	case float32:
		return binary.BigEndian.AppendUint32(b, math.Float32bits(x))
	case char:
		return binary.BigEndian.AppendUint32(b, uint32(x))
	case uint64:
		return binary.BigEndian.AppendUint64(b, x)
	case int64:
		return binary.BigEndian.AppendUint64(b, uint64(x))
	case float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(x))
	case time.Time:
		return binary.BigEndian.AppendUint64(b, uint64(x.UnixMilli()))
	case uuid:
		return append(b, x[:]...)
	case []byte:
		return append(binary.BigEndian.AppendUint32(b, uint32(len(x))), x...)
	case string:
		return append(binary.BigEndian.AppendUint32(b, uint32(len(x))), x...)
	case symbol:
		return append(binary.BigEndian.AppendUint32(b, uint32(len(x))), x...)
	case []any:
		return sized(b, len(x), func(b []byte) []byte {
			for _, e := range x {
				b = encode(b, e)
			}
			return b
		})
	case amqpMap:
		return sized(b, 2*len(x), func(b []byte) []byte {
			for _, e := range x {
				b = encode(encode(b, e.key), e.value)
			}
			return b
		})
	case array:
		return sized(b, len(x.elems), func(b []byte) []byte {
			b = append(b, x.code)
			for _, e := range x.elems {
				b = encodeBody(b, e)
			}
			return b
		})
	}
	return b // null has no body
}

// sized writes size and count before what write appends; the size is known only afterwards.
func sized(b []byte, count int, write func([]byte) []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(count))
	b = write(b)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// encodeSection appends a described value whose descriptor is a small number: a message section or a performative.
func encodeSection(b []byte, code uint64, v any) []byte {
	return encode(append(b, 0x00, 0x53, byte(code)), v)
}
