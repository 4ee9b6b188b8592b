package bacpac

import (
	"encoding/binary"
	"fmt"
)

// The ranges of SQL Server's types, in the units of their stored form.
const (
	maxDay          = 3652059      // days since 0001-01-01: the first after 9999-12-31
	maxTime         = 864000000000 // 100 ns in a day
	minDateTimeDay  = -53690       // days since 1900-01-01: 1753-01-01
	maxDateTimeDay  = 2958463      // 9999-12-31
	maxDateTimeTick = 25920000     // 1/300 s in a day
	maxMinute       = 1440         // minutes in a day
	maxOffset       = 840          // minutes of a time zone, both ways
)

// fault says what is wrong with a fixed value at the front of b; empty is right.
func (c check) fault(b []byte) string {
	switch c {
	case checkBit:
		if b[0] > 1 {
			return fmt.Sprintf("bit %d", b[0])
		}
	case checkDate:
		return faultDate(b)
	case checkTime:
		return faultTime(b)
	case checkDateTime2, checkDateTimeOffset:
		if what := faultTime(b); what != "" {
			return what
		}
		if what := faultDate(b[5:]); what != "" || c == checkDateTime2 {
			return what
		}
		if m := int16(binary.LittleEndian.Uint16(b[8:])); m < -maxOffset || m > maxOffset {
			return fmt.Sprintf("a time zone of %d minutes", m)
		}
	case checkDateTime:
		day, tick := int32(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
		if day < minDateTimeDay || day > maxDateTimeDay || tick >= maxDateTimeTick {
			return fmt.Sprintf("datetime of day %d and tick %d", day, tick)
		}
	case checkSmallDateTime:
		if m := binary.LittleEndian.Uint16(b[2:]); m >= maxMinute {
			return fmt.Sprintf("smalldatetime of minute %d", m)
		}
	}
	return ""
}

func faultDate(b []byte) string {
	if d := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16; d >= maxDay {
		return fmt.Sprintf("date of day %d", d)
	}
	return ""
}

func faultTime(b []byte) string {
	if t := uint64(binary.LittleEndian.Uint32(b)) | uint64(b[4])<<32; t >= maxTime {
		return fmt.Sprintf("time of %d units of 100 ns", t)
	}
	return ""
}
