package bacpacfile

import (
	"encoding/binary"
	"fmt"
)

// layout is how a column's fields lie in a BCP part: a length prefix of so many bytes (none if 0), then the payload. It is
// neither plain "bcp -n" nor "bcp -N": some types carry a prefix always, some only where the column is nullable, and all
// text is UTF-16LE, varchar too. The rules were measured on the data parts of 60 real bacpacs.
type layout struct {
	prefix int
	width  int // the exact payload width, or -1
	limit  int // the largest payload if width is -1, or -1
}

const (
	unlimited   = -1
	decimalSize = 19 // whatever the precision
)

func layoutOf(c Column) (layout, error) {
	// fixed is a type that has a prefix only for the sake of NULL.
	fixed := func(prefix, width int) layout {
		if !c.Nullable {
			prefix = 0
		}
		return layout{prefix: prefix, width: width}
	}
	variable := func(bytesPerUnit int) layout {
		if c.Length < 0 {
			return layout{prefix: 8, width: -1, limit: unlimited}
		}
		return layout{prefix: 2, width: -1, limit: bytesPerUnit * c.Length}
	}
	switch c.Type {
	case "tinyint":
		return fixed(1, 1), nil
	case "smallint":
		return fixed(1, 2), nil
	case "int", "real", "smallmoney", "smalldatetime":
		return fixed(1, 4), nil
	case "bigint", "float", "money", "datetime", "datetime2":
		return fixed(1, 8), nil
	case "date":
		return fixed(1, 3), nil
	case "time":
		return fixed(1, 5), nil
	case "datetimeoffset":
		return fixed(1, 10), nil
	case "bit":
		return layout{prefix: 1, width: 1}, nil
	case "decimal", "numeric":
		return layout{prefix: 1, width: decimalSize}, nil
	case "uniqueidentifier":
		return layout{prefix: 1, width: 16}, nil
	case "char":
		return fixed(2, 2*c.Length), nil
	case "nchar":
		return layout{prefix: 2, width: 2 * c.Length}, nil
	case "varchar", "nvarchar":
		return variable(2), nil
	case "binary":
		return layout{prefix: 2, width: c.Length}, nil
	case "varbinary":
		return variable(1), nil
	case "rowversion":
		return layout{prefix: 2, width: 8}, nil
	case "text", "ntext", "image":
		return layout{prefix: 4, width: -1, limit: unlimited}, nil
	case "xml", "hierarchyid", "geography", "geometry":
		return layout{prefix: 8, width: -1, limit: unlimited}, nil
	}
	return layout{}, fmt.Errorf("the stand-in has no value form for type %s", c.Type)
}

// take cuts one field off b: its payload (nil for NULL) and what follows.
func (l layout) take(b []byte, nullable bool) (payload, rest []byte, null bool, err error) {
	if l.prefix == 0 {
		if len(b) < l.width {
			return nil, nil, false, fmt.Errorf("the part ends inside a field of %d bytes", l.width)
		}
		return b[:l.width], b[l.width:], false, nil
	}
	if len(b) < l.prefix {
		return nil, nil, false, fmt.Errorf("the part ends inside a length prefix")
	}
	n, isNull := readPrefix(b[:l.prefix])
	b = b[l.prefix:]
	switch {
	case isNull && !nullable:
		return nil, nil, false, fmt.Errorf("NULL in a NOT NULL column")
	case isNull:
		return nil, b, true, nil
	case l.width >= 0 && n != uint64(l.width):
		return nil, nil, false, fmt.Errorf("length prefix %d, want %d", n, l.width)
	case l.width < 0 && l.limit >= 0 && n > uint64(l.limit):
		return nil, nil, false, fmt.Errorf("length prefix %d, at most %d", n, l.limit)
	case n > uint64(len(b)):
		return nil, nil, false, fmt.Errorf("length prefix %d with %d bytes left", n, len(b))
	}
	return b[:n], b[n:], false, nil
}

// readPrefix reads a little-endian length; all bits set is NULL.
func readPrefix(b []byte) (n uint64, null bool) {
	var full [8]byte
	copy(full[:], b)
	n = binary.LittleEndian.Uint64(full[:])
	return n, n == ^uint64(0)>>(64-8*len(b))
}

// append writes one field, the reverse of take.
func (l layout) append(b, payload []byte, null, nullable bool) ([]byte, error) {
	switch {
	case null && !nullable:
		return nil, fmt.Errorf("NULL in a NOT NULL column")
	case null:
		for range l.prefix {
			b = append(b, 0xff)
		}
		return b, nil
	case l.width >= 0 && len(payload) != l.width:
		return nil, fmt.Errorf("%d bytes, want %d", len(payload), l.width)
	case l.width < 0 && l.limit >= 0 && len(payload) > l.limit:
		return nil, fmt.Errorf("%d bytes, at most %d", len(payload), l.limit)
	}
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(payload)))
	return append(append(b, n[:l.prefix]...), payload...), nil
}
