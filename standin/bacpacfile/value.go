package bacpacfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode/utf16"
)

var le = binary.LittleEndian

// valueOf turns a payload into the value form that Column's comment promises.
func valueOf(c Column, b []byte) (any, error) {
	switch c.Type {
	case "tinyint":
		return int64(b[0]), nil
	case "smallint":
		return int64(int16(le.Uint16(b))), nil
	case "int":
		return int64(int32(le.Uint32(b))), nil
	case "bigint":
		return int64(le.Uint64(b)), nil
	case "bit":
		if b[0] > 1 {
			return nil, fmt.Errorf("bit of value %d", b[0])
		}
		return b[0] == 1, nil
	case "real":
		return math.Float32frombits(le.Uint32(b)), nil
	case "float":
		return math.Float64frombits(le.Uint64(b)), nil
	case "decimal", "numeric":
		return decimalValue(c, b)
	case "smallmoney":
		return decimalText(big.NewInt(int64(int32(le.Uint32(b)))), 4), nil
	case "money": // the high half comes first
		return decimalText(big.NewInt(int64(uint64(le.Uint32(b))<<32|uint64(le.Uint32(b[4:])))), 4), nil
	case "date", "time", "datetime2", "datetimeoffset", "datetime", "smalldatetime":
		return timeValue(c.Type, b)
	case "uniqueidentifier":
		return [16]byte(b), nil
	case "char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml":
		return textValue(b)
	case "binary", "varbinary", "image", "rowversion", "hierarchyid", "geography", "geometry":
		return append([]byte{}, b...), nil
	}
	return nil, fmt.Errorf("the stand-in has no value form for type %s", c.Type)
}

// payloadOf is the reverse of valueOf.
func payloadOf(c Column, v any) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return integerPayload(c, v)
	case bool:
		if c.Type == "bit" {
			if v {
				return []byte{1}, nil
			}
			return []byte{0}, nil
		}
	case float32:
		if c.Type == "real" {
			return le.AppendUint32(nil, math.Float32bits(v)), nil
		}
	case float64:
		if c.Type == "float" {
			return le.AppendUint64(nil, math.Float64bits(v)), nil
		}
	case time.Time:
		return timePayload(c.Type, v)
	case [16]byte:
		if c.Type == "uniqueidentifier" {
			return v[:], nil
		}
	case string:
		return stringPayload(c, v)
	case []byte:
		switch c.Type {
		case "binary", "varbinary", "image", "rowversion", "hierarchyid", "geography", "geometry":
			return v, nil
		}
	}
	return nil, fmt.Errorf("a %T is not the value form of type %s", v, c.Type)
}

func integerPayload(c Column, v int64) ([]byte, error) {
	var min, max int64
	switch c.Type {
	case "tinyint":
		max = math.MaxUint8
	case "smallint":
		min, max = math.MinInt16, math.MaxInt16
	case "int":
		min, max = math.MinInt32, math.MaxInt32
	case "bigint":
		min, max = math.MinInt64, math.MaxInt64
	default:
		return nil, fmt.Errorf("an int64 is not the value form of type %s", c.Type)
	}
	if v < min || v > max {
		return nil, fmt.Errorf("%d does not fit into %s", v, c.Type)
	}
	width := map[string]int{"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}[c.Type]
	return le.AppendUint64(nil, uint64(v))[:width], nil
}

func stringPayload(c Column, s string) ([]byte, error) {
	switch c.Type {
	case "decimal", "numeric":
		return decimalPayload(c, s)
	case "money", "smallmoney":
		return moneyPayload(c, s)
	case "varchar", "nvarchar", "text", "ntext", "xml":
		return textPayload(s), nil
	case "char", "nchar":
		b := textPayload(s)
		for len(b) < 2*c.Length {
			b = append(b, ' ', 0)
		}
		return b, nil
	}
	return nil, fmt.Errorf("a string is not the value form of type %s", c.Type)
}

func textValue(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("UTF-16 text of %d bytes", len(b))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	s := string(utf16.Decode(units))
	// A lone surrogate has no UTF-8 form; passing U+FFFD on would be a silent change of data.
	for i, u := range utf16.Encode([]rune(s)) {
		if u != units[i] {
			return "", fmt.Errorf("lone surrogate %#x", units[i])
		}
	}
	return s, nil
}

func textPayload(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = le.AppendUint16(b, u)
	}
	return b
}

// decimalValue reads precision, scale, sign (1 is plus) and a magnitude of 16 bytes, little endian.
func decimalValue(c Column, b []byte) (string, error) {
	if int(b[0]) != c.Precision || int(b[1]) != c.Scale {
		return "", fmt.Errorf("decimal(%d,%d) in the data, (%d,%d) in the model", b[0], b[1], c.Precision, c.Scale)
	}
	if b[2] > 1 {
		return "", fmt.Errorf("decimal with sign byte %d", b[2])
	}
	magnitude := make([]byte, 16)
	for i, d := range b[3:] {
		magnitude[15-i] = d
	}
	n := new(big.Int).SetBytes(magnitude)
	if b[2] == 0 {
		n.Neg(n)
	}
	return decimalText(n, c.Scale), nil
}

func decimalPayload(c Column, s string) ([]byte, error) {
	n, err := unscaled(s, c.Scale)
	if err != nil {
		return nil, err
	}
	if len(new(big.Int).Abs(n).String()) > c.Precision {
		return nil, fmt.Errorf("%s does not fit into %s(%d,%d)", s, c.Type, c.Precision, c.Scale)
	}
	b := make([]byte, decimalSize)
	b[0], b[1] = byte(c.Precision), byte(c.Scale)
	if n.Sign() >= 0 {
		b[2] = 1
	}
	for i, d := range new(big.Int).Abs(n).FillBytes(make([]byte, 16)) {
		b[3+15-i] = d
	}
	return b, nil
}

func moneyPayload(c Column, s string) ([]byte, error) {
	n, err := unscaled(s, 4)
	if err != nil {
		return nil, err
	}
	if c.Type == "smallmoney" {
		if !n.IsInt64() || int64(int32(n.Int64())) != n.Int64() {
			return nil, fmt.Errorf("%s does not fit into smallmoney", s)
		}
		return le.AppendUint32(nil, uint32(n.Int64())), nil
	}
	if !n.IsInt64() {
		return nil, fmt.Errorf("%s does not fit into money", s)
	}
	v := uint64(n.Int64())
	return le.AppendUint32(le.AppendUint32(nil, uint32(v>>32)), uint32(v)), nil
}

// decimalText is n x 10^-scale with exactly scale digits after the point.
func decimalText(n *big.Int, scale int) string {
	digits := new(big.Int).Abs(n).String()
	for len(digits) <= scale {
		digits = "0" + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// unscaled reads plain decimal text into an integer of 10^-scale; digits beyond the scale are refused, not rounded.
func unscaled(s string, scale int) (*big.Int, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > scale {
		if strings.Trim(fraction[scale:], "0") != "" {
			return nil, fmt.Errorf("%q has more than %d digits after the point", s, scale)
		}
		fraction = fraction[:scale]
	}
	n, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
	if !ok || strings.Contains(s, "_") {
		return nil, errors.New("not a plain decimal text")
	}
	return n, nil
}
