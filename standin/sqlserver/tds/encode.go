package tds

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

var (
	day0    = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	day1900 = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
)

// appendValue appends a value of a row in the form that its type has on the wire. The Go forms, nil for NULL:
//
//	integers int64; bit bool; real float32; float float64; decimal, numeric, money, smallmoney plain decimal text
//	dates and times time.Time; uniqueidentifier [16]byte in wire order; characters and xml string; binary []byte
func (t Type) appendValue(b []byte, v any) ([]byte, error) {
	w, err := t.wire()
	if err != nil {
		return b, err
	}
	if v == nil {
		switch {
		case w.size == lengthMax:
			return le64(b, plpNull), nil
		case w.id >= idVarBinary:
			return le16(b, lengthMax), nil
		}
		return append(b, 0), nil
	}
	switch x := v.(type) {
	case int64:
		return t.appendInt(b, w, x)
	case bool:
		if w.id == idBitN {
			return append(b, 1, map[bool]byte{true: 1}[x]), nil
		}
	case float32:
		if w.id == idFloatN && w.size == 4 {
			return le32(append(b, 4), math.Float32bits(x)), nil
		}
	case float64:
		if w.id == idFloatN && w.size == 8 {
			return le64(append(b, 8), math.Float64bits(x)), nil
		}
	case string:
		return t.appendText(b, w, x)
	case time.Time:
		return t.appendTime(b, w, x)
	case [sizeOfGUID]byte:
		if w.id == idGUID {
			return append(append(b, sizeOfGUID), x[:]...), nil
		}
	case []byte:
		if w.id == idVarBinary || w.id == idBinary {
			return appendLong(b, w, x)
		}
	}
	return b, fmt.Errorf("a %T is no value of type %s", v, t.Name)
}

func (t Type) appendInt(b []byte, w wireType, v int64) ([]byte, error) {
	bits := 8 * w.size
	low, high := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	if w.size == 1 { // tinyint has no sign
		low, high = 0, 255
	}
	if w.id != idIntN || v < low || v > high {
		return b, fmt.Errorf("%d is no value of type %s", v, t.Name)
	}
	b = append(b, byte(w.size))
	for i := range w.size {
		b = append(b, byte(v>>(8*i)))
	}
	return b, nil
}

func (t Type) appendText(b []byte, w wireType, s string) ([]byte, error) {
	switch w.id {
	case idVarChar, idChar:
		raw, err := toCodePage(s)
		if err != nil {
			return b, err
		}
		return appendLong(b, w, raw)
	case idNVarChar, idNChar, idXML:
		return appendLong(b, w, utf16le(s))
	case idMoneyN:
		u, err := unscaled(s, 4)
		if err != nil || !u.IsInt64() || (w.size == 4 && u.Int64() != int64(int32(u.Int64()))) {
			return b, fmt.Errorf("%q is no value of type %s", s, t.Name)
		}
		if w.size == 4 {
			return le32(append(b, 4), uint32(u.Int64())), nil
		}
		return le32(le32(append(b, 8), uint32(u.Int64()>>32)), uint32(u.Int64())), nil // high half first
	case idDecimalN, idNumericN:
		u, err := unscaled(s, w.scale)
		if err != nil || len(new(big.Int).Abs(u).String()) > w.precision {
			return b, fmt.Errorf("%q is no value of type %s(%d,%d)", s, t.Name, t.Precision, t.Scale)
		}
		sign := byte(1)
		if u.Sign() < 0 {
			sign = 0
		}
		magnitude := u.FillBytes(make([]byte, w.size-1))
		b = append(b, byte(w.size), sign)
		for i := len(magnitude) - 1; i >= 0; i-- {
			b = append(b, magnitude[i])
		}
		return b, nil
	}
	return b, fmt.Errorf("a text is no value of type %s", t.Name)
}

// unscaled reads plain decimal text as an integer of 10^-scale. More digits than that are refused: rounding would hide a
// decoding fault.
func unscaled(s string, scale int) (*big.Int, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > scale || strings.Trim(s, "+-.") == "" || strings.Contains(s, "_") {
		return nil, fmt.Errorf("%q does not fit %d decimal places", s, scale)
	}
	u, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
	if !ok {
		return nil, fmt.Errorf("%q is no decimal number", s)
	}
	return u, nil
}

func (t Type) appendTime(b []byte, w wireType, v time.Time) ([]byte, error) {
	_, offset := v.Zone()
	u := v.UTC()
	days := days(u, day0)
	if days < 0 || days >= 3652059 {
		return b, fmt.Errorf("%v is no value of type %s", v, t.Name)
	}
	b = append(b, byte(w.size))
	switch w.id {
	case idDate:
		return le24(b, days), nil
	case idTime:
		return appendClock(b, u, w.scale), nil
	case idDateTime2:
		return le24(appendClock(b, u, w.scale), days), nil
	case idDateTimeOffset: // stored in UTC, the offset beside it
		return le16(le24(appendClock(b, u, w.scale), days), uint16(offset/60)), nil
	case idDateTimeN:
		return t.appendOldTime(b, w, u)
	}
	return b, fmt.Errorf("a time is no value of type %s", t.Name)
}

// appendOldTime writes datetime (days and 1/300 s) and smalldatetime (days and minutes).
func (t Type) appendOldTime(b []byte, w wireType, u time.Time) ([]byte, error) {
	days := days(u, day1900)
	if w.size == 4 {
		if days < 0 || days > math.MaxUint16 {
			return b, fmt.Errorf("%v is no value of type %s", u, t.Name)
		}
		return le16(le16(b, uint16(days)), uint16(u.Hour()*60+u.Minute())), nil
	}
	ticks := (sinceMidnight(u).Nanoseconds()*3 + 5e6) / 1e7
	if ticks == 86400*300 { // rounding went past midnight
		days, ticks = days+1, 0
	}
	return le32(le32(b, uint32(int32(days))), uint32(ticks)), nil
}

func days(t, from time.Time) int {
	y, m, d := t.Date()
	return int((time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() - from.Unix()) / 86400)
}

func sinceMidnight(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second +
		time.Duration(t.Nanosecond())
}

func appendClock(b []byte, t time.Time, scale int) []byte {
	v := int64(sinceMidnight(t)) / int64(math.Pow10(9-scale))
	for i := range timeSize(scale) {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

func le24(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

// appendLong writes bytes with a 2-byte length, or as one chunk of a (max) value.
func appendLong(b []byte, w wireType, data []byte) ([]byte, error) {
	if w.size == lengthMax {
		b = le64(b, uint64(len(data)))
		if len(data) > 0 {
			b = append(le32(b, uint32(len(data))), data...)
		}
		return le32(b, 0), nil
	}
	if len(data) > w.size { // the client would read past its buffer
		return b, fmt.Errorf("a value of %d bytes does not fit a column of %d", len(data), w.size)
	}
	return append(le16(b, uint16(len(data))), data...), nil
}
