package tds

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"
)

// reader takes a request apart. The first error sticks, and all later reads yield zeros: look at err before acting.
type reader struct {
	r   io.Reader
	err error
	buf [8]byte
}

func (r *reader) fail(format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, a...)
	}
}

func (r *reader) number(size int) uint64 {
	clear(r.buf[:])
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, r.buf[:size])
	}
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(r.buf[:])
}

func (r *reader) u8() byte    { return byte(r.number(1)) }
func (r *reader) u16() uint16 { return uint16(r.number(2)) }
func (r *reader) u32() uint32 { return uint32(r.number(4)) }
func (r *reader) u64() uint64 { return r.number(8) }

// bytes grows with what arrives, not with what is promised.
func (r *reader) bytes(n int) []byte {
	if n <= 32<<10 {
		b := make([]byte, n)
		if r.err == nil {
			_, r.err = io.ReadFull(r.r, b)
		}
		return b
	}
	var b bytes.Buffer
	r.copy(&b, int64(n))
	return b.Bytes()
}

func (r *reader) copy(to *bytes.Buffer, n int64) {
	if r.err == nil {
		_, r.err = io.CopyN(to, r.r, n)
	}
}

func (r *reader) bVarChar() string { return fromUTF16(r.bytes(2 * int(r.u8()))) }

// allHeaders skips the ALL_HEADERS block that batches, RPCs and transaction requests start with.
func (r *reader) allHeaders() {
	if n := int(r.u32()); n >= 4 {
		r.bytes(n - 4)
	} else {
		r.fail("ALL_HEADERS of length %d", n)
	}
}

func (r *reader) typeInfo() wireType {
	w := wireType{id: r.u8()}
	switch w.id {
	case idNull:
	case idInt1, idBit:
		w.size = 1
	case idInt2:
		w.size = 2
	case idInt4, idSmallDateTime, idReal, idSmallMoney:
		w.size = 4
	case idMoney, idDateTime, idFloat, idInt8:
		w.size = 8
	case idDate:
		w.size = 3
	case idTime, idDateTime2, idDateTimeOffset:
		if w.scale = int(r.u8()); w.scale > 7 {
			r.fail("a time of scale %d", w.scale)
		}
	case idGUID, idIntN, idBitN, idFloatN, idMoneyN, idDateTimeN:
		w.size = int(r.u8())
	case idDecimalN, idNumericN:
		w.size, w.precision, w.scale = int(r.u8()), int(r.u8()), int(r.u8())
	case idVarBinary, idBinary:
		w.size = int(r.u16())
	case idVarChar, idChar, idNVarChar, idNChar:
		w.size = int(r.u16())
		r.bytes(len(collation))
	case idXML:
		w.size = lengthMax
		if r.u8() != 0 {
			r.fail("xml with a schema collection is not known here")
		}
	default:
		r.fail("type 0x%02x is not known here", w.id)
	}
	return w
}

// value reads a parameter or a field of a bulk row, in the Go forms of appendValue.
func (r *reader) value(w wireType) any {
	var b []byte
	switch {
	case w.id == idNull:
		return nil
	case w.size == lengthMax && w.id >= idVarBinary:
		if b = r.chunks(); b == nil {
			return nil
		}
	case w.id >= idVarBinary:
		n := r.u16()
		if n == lengthMax {
			return nil
		}
		b = r.bytes(int(n))
	case isFixed(w.id):
		b = r.bytes(w.size)
	default:
		n := r.u8()
		if n == 0 {
			return nil
		}
		b = r.bytes(int(n))
	}
	if r.err != nil {
		return nil
	}
	v, err := w.decode(b)
	if err != nil {
		r.fail("%w", err)
	}
	return v
}

func isFixed(id byte) bool {
	switch id {
	case idInt1, idBit, idInt2, idInt4, idInt8, idReal, idFloat, idMoney, idSmallMoney, idDateTime, idSmallDateTime:
		return true
	}
	return false
}

// chunks reads a (max) value; nil is NULL. The driver sends an unknown total length.
func (r *reader) chunks() []byte {
	if r.u64() == plpNull {
		return nil
	}
	var all bytes.Buffer
	for r.err == nil {
		n := r.u32()
		if n == 0 {
			break
		}
		r.copy(&all, int64(n))
	}
	if all.Len() == 0 {
		return []byte{}
	}
	return all.Bytes()
}

func (w wireType) decode(b []byte) (any, error) {
	switch w.id {
	case idInt8, idIntN, idFloatN, idMoneyN:
		if n := len(b); n != 1 && n != 2 && n != 4 && n != 8 {
			return nil, fmt.Errorf("a number of %d bytes", n)
		}
	}
	switch w.id {
	case idBit, idBitN:
		return b[0] != 0, nil
	case idInt1, idInt2, idInt4, idInt8, idIntN:
		return signed(b), nil
	case idReal, idFloat, idFloatN:
		if len(b) == 4 {
			return math.Float32frombits(uint32(unsigned(b))), nil
		}
		return math.Float64frombits(unsigned(b)), nil
	case idMoney, idSmallMoney, idMoneyN:
		if len(b) == 8 { // high half first
			b = append(append([]byte{}, b[4:]...), b[:4]...)
		}
		return decimalText(big.NewInt(signed(b)), 4), nil
	case idDecimalN, idNumericN:
		return decimalText(magnitude(b), w.scale), nil
	case idDate, idTime, idDateTime2, idDateTimeOffset, idDateTime, idSmallDateTime, idDateTimeN:
		return w.decodeTime(b)
	case idGUID:
		if len(b) != sizeOfGUID {
			return nil, fmt.Errorf("a uniqueidentifier of %d bytes", len(b))
		}
		return [sizeOfGUID]byte(b), nil
	case idVarChar, idChar:
		return fromCodePage(b), nil
	case idNVarChar, idNChar, idXML:
		if len(b)%2 != 0 {
			return nil, fmt.Errorf("UTF-16 text of %d bytes", len(b))
		}
		return fromUTF16(b), nil
	}
	return b, nil
}

func (w wireType) decodeTime(b []byte) (any, error) {
	clock := func(b []byte) time.Duration { return time.Duration(unsigned(b)) * time.Duration(math.Pow10(9-w.scale)) }
	least := map[byte]int{idDate: 3, idTime: 3, idDateTime2: 6, idDateTimeOffset: 8}[w.id]
	n := len(b)
	if n < max(least, 3) {
		return nil, fmt.Errorf("a date or time of %d bytes", n)
	}
	switch w.id {
	case idDate:
		return day0.AddDate(0, 0, int(unsigned(b))), nil
	case idTime:
		return day0.Add(clock(b)), nil
	case idDateTime2:
		return day0.AddDate(0, 0, int(unsigned(b[n-3:]))).Add(clock(b[:n-3])), nil
	case idDateTimeOffset:
		minutes := int(int16(unsigned(b[n-2:])))
		if minutes < -maxDatetimeOffset || minutes > maxDatetimeOffset {
			return nil, fmt.Errorf("an offset of %d minutes", minutes)
		}
		utc := day0.AddDate(0, 0, int(unsigned(b[n-5:n-2]))).Add(clock(b[:n-5]))
		return utc.In(time.FixedZone("", minutes*60)), nil
	}
	if n == 4 { // smalldatetime
		return day1900.AddDate(0, 0, int(unsigned(b[:2]))).Add(time.Duration(unsigned(b[2:])) * time.Minute), nil
	}
	if n != 8 {
		return nil, fmt.Errorf("a datetime of %d bytes", n)
	}
	ticks := unsigned(b[4:])
	hundreds := (ticks%300*1e7 + 150) / 300 // of nanoseconds, rounded
	at := time.Duration(ticks/300)*time.Second + time.Duration(hundreds)*100
	return day1900.AddDate(0, 0, int(signed(b[:4]))).Add(at), nil
}

func unsigned(b []byte) (v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// signed reads a little-endian integer; one byte is a tinyint, which has no sign.
func signed(b []byte) int64 {
	v := unsigned(b)
	if shift := 64 - 8*len(b); len(b) > 1 {
		return int64(v<<shift) >> shift
	}
	return int64(v)
}

// magnitude reads the sign byte and the little-endian rest of a decimal.
func magnitude(b []byte) *big.Int {
	big1 := make([]byte, len(b)-1)
	for i := range big1 {
		big1[len(big1)-1-i] = b[1+i]
	}
	u := new(big.Int).SetBytes(big1)
	if b[0] == 0 {
		u.Neg(u)
	}
	return u
}

func decimalText(u *big.Int, scale int) string {
	s := new(big.Int).Abs(u).String()
	if scale > 0 {
		if len(s) <= scale {
			s = strings.Repeat("0", scale-len(s)+1) + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if u.Sign() < 0 {
		s = "-" + s
	}
	return s
}
