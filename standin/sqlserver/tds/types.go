package tds

import "fmt"

// Type is a T-SQL type by its lower-case name. Length is in characters for nchar and nvarchar, else in bytes; -1 means
// (max).
type Type struct {
	Name             string
	Length           int
	Precision, Scale int
}

// Column is a column of a result.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
	Identity bool
	ReadOnly bool // rowversion, expressions
}

// Type ids, [MS-TDS] 2.2.5.4. Only the nullable forms are sent; the driver takes them for NOT NULL columns as well.
const (
	idNull            = 0x1F
	idGUID            = 0x24
	idIntN            = 0x26
	idDate            = 0x28
	idTime            = 0x29
	idDateTime2       = 0x2A
	idDateTimeOffset  = 0x2B
	idInt1            = 0x30
	idBit             = 0x32
	idInt2            = 0x34
	idInt4            = 0x38
	idSmallDateTime   = 0x3A
	idReal            = 0x3B
	idMoney           = 0x3C
	idDateTime        = 0x3D
	idFloat           = 0x3E
	idDecimalN        = 0x6A
	idNumericN        = 0x6C
	idBitN            = 0x68
	idFloatN          = 0x6D
	idMoneyN          = 0x6E
	idDateTimeN       = 0x6F
	idSmallMoney      = 0x7A
	idInt8            = 0x7F
	idVarBinary       = 0xA5
	idVarChar         = 0xA7
	idBinary          = 0xAD
	idChar            = 0xAF
	idNVarChar        = 0xE7
	idNChar           = 0xEF
	idXML             = 0xF1
	lengthMax         = 0xFFFF
	plpNull           = 1<<64 - 1
	plpUnknown        = 1<<64 - 2
	sizeOfGUID        = 16
	maxDatetimeOffset = 14 * 60 // minutes
)

// wireType is a TYPE_INFO.
type wireType struct {
	id               byte
	size             int // the length or the maximum
	precision, scale int
}

// Check refuses a type that has no form on this wire.
func (t Type) Check() error {
	_, err := t.wire()
	return err
}

func (t Type) wire() (wireType, error) {
	fixed := func(id byte, size int) (wireType, error) { return wireType{id: id, size: size}, nil }
	long := func(id byte, unit int) (wireType, error) {
		switch n := t.Length * unit; {
		case t.Length == -1:
			return wireType{id: id, size: lengthMax}, nil
		case n < 1 || n > 8000:
			return wireType{}, fmt.Errorf("%s of length %d has no form on the wire", t.Name, t.Length)
		default:
			return wireType{id: id, size: n}, nil
		}
	}
	switch t.Name {
	case "tinyint":
		return fixed(idIntN, 1)
	case "smallint":
		return fixed(idIntN, 2)
	case "int":
		return fixed(idIntN, 4)
	case "bigint":
		return fixed(idIntN, 8)
	case "bit":
		return fixed(idBitN, 1)
	case "real":
		return fixed(idFloatN, 4)
	case "float":
		return fixed(idFloatN, 8)
	case "money":
		return fixed(idMoneyN, 8)
	case "smallmoney":
		return fixed(idMoneyN, 4)
	case "datetime":
		return fixed(idDateTimeN, 8)
	case "smalldatetime":
		return fixed(idDateTimeN, 4)
	case "uniqueidentifier":
		return fixed(idGUID, sizeOfGUID)
	case "date":
		return fixed(idDate, 3)
	case "time", "datetime2", "datetimeoffset", "decimal", "numeric":
		return t.scaledWire()
	case "varchar":
		return long(idVarChar, 1)
	case "char":
		return long(idChar, 1)
	case "nvarchar":
		return long(idNVarChar, 2)
	case "nchar":
		return long(idNChar, 2)
	case "varbinary":
		return long(idVarBinary, 1)
	case "binary":
		return long(idBinary, 1)
	case "xml":
		return fixed(idXML, lengthMax)
	}
	return wireType{}, fmt.Errorf("type %q has no form on the wire", t.Name)
}

func (t Type) scaledWire() (wireType, error) {
	w := wireType{scale: t.Scale, precision: t.Precision}
	switch t.Name {
	case "decimal", "numeric":
		w.id = map[string]byte{"decimal": idDecimalN, "numeric": idNumericN}[t.Name]
		w.size = decimalSize(t.Precision)
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return w, fmt.Errorf("%s(%d,%d) is no type", t.Name, t.Precision, t.Scale)
		}
		return w, nil
	case "time":
		w.id, w.size = idTime, timeSize(t.Scale)
	case "datetime2":
		w.id, w.size = idDateTime2, timeSize(t.Scale)+3
	case "datetimeoffset":
		w.id, w.size = idDateTimeOffset, timeSize(t.Scale)+5
	}
	if t.Scale < 0 || t.Scale > 7 {
		return w, fmt.Errorf("%s(%d) is no type", t.Name, t.Scale)
	}
	return w, nil
}

// decimalSize is the sign byte and the magnitude, by precision.
func decimalSize(precision int) int {
	switch {
	case precision <= 9:
		return 5
	case precision <= 19:
		return 9
	case precision <= 28:
		return 13
	}
	return 17
}

// timeSize is the length of a time of day in units of 10^-scale seconds.
func timeSize(scale int) int {
	switch {
	case scale <= 2:
		return 3
	case scale <= 4:
		return 4
	}
	return 5
}

// info is the TYPE_INFO of a type that Check has passed.
func (t Type) info() []byte {
	w, _ := t.wire()
	switch w.id {
	case idDate:
		return []byte{w.id}
	case idTime, idDateTime2, idDateTimeOffset:
		return []byte{w.id, byte(w.scale)}
	case idDecimalN, idNumericN:
		return []byte{w.id, byte(w.size), byte(w.precision), byte(w.scale)}
	case idXML:
		return []byte{w.id, 0}
	case idVarBinary, idBinary:
		return le16([]byte{w.id}, uint16(w.size))
	case idVarChar, idChar, idNVarChar, idNChar:
		return append(le16([]byte{w.id}, uint16(w.size)), collation[:]...)
	}
	return []byte{w.id, byte(w.size)}
}
