package bacpacfile

import (
	"fmt"
	"time"
)

const (
	secondsPerDay  = 86400
	ticksPerDay    = secondsPerDay * 10_000_000 // of 100 ns
	thirdsPerDay   = secondsPerDay * 300        // datetime counts 1/300 s
	lastDay        = 3652058                    // 9999-12-31, in days from 0001-01-01
	daysTo1900     = 693595
	firstDatetime  = -53690 // 1753-01-01, in days from 1900-01-01
	lastDatetime   = 2958463
	maxOffsetMins  = 840
	unixOfYearOne  = -62135596800
	minutesPerDay  = 1440
	nanosPerTick   = 100
	ticksPerSecond = 10_000_000
)

func timeValue(typ string, b []byte) (time.Time, error) {
	switch typ {
	case "date":
		return instant(dayOf(b), 0)
	case "time":
		return instant(0, tickOf(b))
	case "datetime2":
		return instant(dayOf(b[5:]), tickOf(b))
	case "datetimeoffset": // the moment in UTC, then the offset it is shown with
		offset := int(int16(le.Uint16(b[8:])))
		if offset < -maxOffsetMins || offset > maxOffsetMins {
			return time.Time{}, fmt.Errorf("offset of %d minutes", offset)
		}
		t, err := instant(dayOf(b[5:]), tickOf(b))
		return t.In(time.FixedZone("", offset*60)), err
	case "datetime":
		day, thirds := int64(int32(le.Uint32(b))), int64(le.Uint32(b[4:]))
		if day < firstDatetime || day > lastDatetime || thirds >= thirdsPerDay {
			return time.Time{}, fmt.Errorf("datetime of day %d and %d/300 s", day, thirds)
		}
		return instant(day+daysTo1900, (thirds*ticksPerSecond+150)/300)
	case "smalldatetime":
		minutes := int64(le.Uint16(b[2:]))
		if minutes >= minutesPerDay {
			return time.Time{}, fmt.Errorf("smalldatetime of minute %d", minutes)
		}
		return instant(int64(le.Uint16(b))+daysTo1900, minutes*60*ticksPerSecond)
	}
	return time.Time{}, fmt.Errorf("type %s is no date or time", typ)
}

func timePayload(typ string, t time.Time) ([]byte, error) {
	day, tick := split(t)
	if day < 0 || day > lastDay {
		return nil, fmt.Errorf("%s is outside of the years 1 to 9999", t)
	}
	switch typ {
	case "date":
		return appendDay(nil, day), nil
	case "time":
		return appendTick(nil, tick), nil
	case "datetime2":
		return appendDay(appendTick(nil, tick), day), nil
	case "datetimeoffset":
		_, offset := t.Zone()
		if offset%60 != 0 || offset < -maxOffsetMins*60 || offset > maxOffsetMins*60 {
			return nil, fmt.Errorf("offset of %d seconds", offset)
		}
		return le.AppendUint16(appendDay(appendTick(nil, tick), day), uint16(int16(offset/60))), nil
	case "datetime":
		day, thirds := day-daysTo1900, (tick*300+ticksPerSecond/2)/ticksPerSecond
		if thirds == thirdsPerDay { // rounded up to midnight
			day, thirds = day+1, 0
		}
		if day < firstDatetime || day > lastDatetime {
			return nil, fmt.Errorf("%s is outside of datetime", t)
		}
		return le.AppendUint32(le.AppendUint32(nil, uint32(int32(day))), uint32(thirds)), nil
	case "smalldatetime":
		day -= daysTo1900
		if day < 0 || day > 0xffff || tick%(60*ticksPerSecond) != 0 {
			return nil, fmt.Errorf("%s is no smalldatetime", t)
		}
		return le.AppendUint16(le.AppendUint16(nil, uint16(day)), uint16(tick/(60*ticksPerSecond))), nil
	}
	return nil, fmt.Errorf("a time is not the value form of type %s", typ)
}

// instant is the moment so many days after 0001-01-01 and so many 100 ns after midnight, in UTC.
func instant(day, tick int64) (time.Time, error) {
	if day < 0 || day > lastDay || tick >= ticksPerDay {
		return time.Time{}, fmt.Errorf("day %d and %d x 100 ns", day, tick)
	}
	return time.Unix(unixOfYearOne+day*secondsPerDay+tick/ticksPerSecond, tick%ticksPerSecond*nanosPerTick).UTC(), nil
}

// split is the reverse of instant, for the moment in UTC.
func split(t time.Time) (day, tick int64) {
	seconds := t.Unix() - unixOfYearOne
	day, seconds = seconds/secondsPerDay, seconds%secondsPerDay
	if seconds < 0 {
		return -1, 0
	}
	return day, seconds*ticksPerSecond + int64(t.Nanosecond())/nanosPerTick
}

func dayOf(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }

func tickOf(b []byte) int64 { return int64(le.Uint32(b)) | int64(b[4])<<32 }

func appendDay(b []byte, day int64) []byte { return append(b, byte(day), byte(day>>8), byte(day>>16)) }

func appendTick(b []byte, tick int64) []byte {
	return append(le.AppendUint32(b, uint32(tick)), byte(tick>>32))
}
