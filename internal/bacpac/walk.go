package bacpac

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// walker goes through a part row by row and field by field. It keeps no values and allocates nothing for a row.
type walker struct {
	r    io.Reader
	buf  []byte // the window
	size int64  // bytes that the part declares
	read int64  // bytes that came out of r
	rows int64
	// shortDecimals counts decimals that old writers cut to their precision.
	shortDecimals int64
}

// fieldError is a part whose bytes are not rows of its table.
type fieldError struct {
	row    int64 // from 1
	col    int   // index in the table's columns
	offset int64 // in the uncompressed part, of the field
	what   string
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("row %d, column %d, offset %d: %s", e.row, e.col+1, e.offset, e.what)
}

const partEnds = "the part ends inside of this row"

// walk counts the rows of a part, which must end with a whole row. What does not fit ends in a *fieldError; any other
// error comes from r.
func (w *walker) walk(r io.Reader, size int64, fields []field) error {
	w.r, w.size, w.read, w.rows, w.shortDecimals = r, size, 0, 0, 0
	b := w.buf[:0]
	var err error
	for {
		if len(b) == 0 {
			if b, err = w.more(b, 1); err != nil {
				return err
			}
			if len(b) == 0 {
				return nil
			}
		}
		for i := range fields {
			f := &fields[i]
			switch f.op {
			case opSkip:
				if len(b) >= f.width {
					b = b[f.width:]
					continue
				}
				b, err = w.skip(b, f, uint64(f.width))
			case opRaw:
				if len(b) < f.width {
					if b, err = w.need(b, f, f.width); err != nil {
						return err
					}
				}
				if f.check != checkNone {
					if what := f.check.fault(b); what != "" {
						return w.fault(b, f, what)
					}
				}
				b = b[f.width:]
				continue
			case opPrefixed:
				b, err = w.prefixed(b, f)
			case opDecimal:
				b, err = w.decimal(b, f)
			default:
				b, err = w.variable(b, f)
			}
			if err != nil {
				return err
			}
		}
		w.rows++
	}
}

// prefixed takes a fixed value behind its one-byte prefix.
func (w *walker) prefixed(b []byte, f *field) ([]byte, error) {
	var err error
	if len(b) <= f.width {
		if b, err = w.more(b, f.width+1); err != nil {
			return b, err
		}
		if len(b) == 0 {
			return b, w.short(b, f)
		}
	}
	if b[0] == 0xFF && f.nullable {
		return b[1:], nil
	}
	if int(b[0]) != f.width {
		return b, w.badPrefix(b, f, uint64(b[0]), b[0] == 0xFF)
	}
	if len(b) <= f.width {
		return b, w.short(b, f)
	}
	if f.check != checkNone {
		if what := f.check.fault(b[1:]); what != "" {
			return b, w.fault(b, f, what)
		}
	}
	return b[f.width+1:], nil
}

// decimal takes precision, scale, sign and magnitude behind a one-byte prefix.
func (w *walker) decimal(b []byte, f *field) ([]byte, error) {
	var err error
	if len(b) <= f.width {
		if b, err = w.more(b, f.width+1); err != nil {
			return b, err
		}
		if len(b) == 0 {
			return b, w.short(b, f)
		}
	}
	n := int(b[0])
	switch {
	case n == 19:
	case n == 0xFF && f.nullable:
		return b[1:], nil
	case n == 7 || n == 11 || n == 15:
		w.shortDecimals++
	default:
		return b, w.badPrefix(b, f, uint64(n), n == 0xFF)
	}
	if len(b) <= n {
		return b, w.short(b, f)
	}
	if b[1] != f.precision || b[2] != f.scale || b[3] > 1 {
		return b, w.fault(b, f, fmt.Sprintf("decimal(%d,%d) with sign %d, not decimal(%d,%d)", b[1], b[2], b[3], f.precision, f.scale))
	}
	return b[n+1:], nil
}

// variable takes a value behind a length of two, four or eight bytes.
func (w *walker) variable(b []byte, f *field) ([]byte, error) {
	prefix := 2
	switch f.op {
	case opVar4:
		prefix = 4
	case opVar8:
		prefix = 8
	}
	if len(b) < prefix {
		var err error
		if b, err = w.need(b, f, prefix); err != nil {
			return b, err
		}
	}
	var n uint64
	var null bool
	switch f.op {
	case opVar2:
		v := binary.LittleEndian.Uint16(b)
		n, null = uint64(v), v == math.MaxUint16
	case opVar4:
		v := binary.LittleEndian.Uint32(b)
		n, null = uint64(v), v == math.MaxUint32
	default:
		n = binary.LittleEndian.Uint64(b)
		null = n == math.MaxUint64
	}
	if null && f.nullable {
		return b[prefix:], nil
	}
	if null || f.max > 0 && n > f.max || f.exact && n != f.max || f.even && n%2 != 0 {
		return b, w.badPrefix(b, f, n, null)
	}
	if n <= uint64(len(b)-prefix) {
		return b[prefix+int(n):], nil
	}
	if left := w.size - w.read + int64(len(b)-prefix); n > uint64(max(left, 0)) {
		return b, w.fault(b, f, fmt.Sprintf("a length of %d bytes, but the part has only %d left", n, left))
	}
	return w.skip(b[prefix:], f, n)
}

// skip passes n bytes, over as many windows as it takes.
func (w *walker) skip(b []byte, f *field, n uint64) ([]byte, error) {
	at := w.read - int64(len(b))
	for n > uint64(len(b)) {
		n -= uint64(len(b))
		var err error
		if b, err = w.more(b[:0], 1); err != nil {
			return b, err
		}
		if len(b) == 0 {
			return b, w.faultAt(at, f, partEnds)
		}
	}
	return b[n:], nil
}

// more moves b to the window's front and reads until it has n bytes or the part has ended; n is at most the window.
func (w *walker) more(b []byte, n int) ([]byte, error) {
	k := copy(w.buf, b)
	for k < n {
		m, err := w.r.Read(w.buf[k:])
		k += m
		w.read += int64(m)
		if err == io.EOF {
			break
		}
		if err != nil {
			return w.buf[:k], err
		}
	}
	return w.buf[:k], nil
}

// need is more for bytes that must be there.
func (w *walker) need(b []byte, f *field, n int) ([]byte, error) {
	b, err := w.more(b, n)
	if err == nil && len(b) < n {
		err = w.short(b, f)
	}
	return b, err
}

func (w *walker) short(b []byte, f *field) error {
	return w.fault(b, f, partEnds)
}

func (w *walker) badPrefix(b []byte, f *field, n uint64, null bool) error {
	if null {
		return w.fault(b, f, "NULL in a column that is NOT NULL")
	}
	switch {
	case f.op == opPrefixed || f.op == opDecimal:
		return w.fault(b, f, fmt.Sprintf("a prefix of %d, not %d", n, f.width))
	case f.exact && n != f.max:
		return w.fault(b, f, fmt.Sprintf("a length of %d bytes, not %d", n, f.max))
	case f.max > 0 && n > f.max:
		return w.fault(b, f, fmt.Sprintf("a length of %d bytes, more than the declared %d", n, f.max))
	}
	return w.fault(b, f, fmt.Sprintf("a length of %d bytes, which is odd for UTF-16", n))
}

// fault is a *fieldError at the front of b.
func (w *walker) fault(b []byte, f *field, what string) error {
	return w.faultAt(w.read-int64(len(b)), f, what)
}

func (w *walker) faultAt(offset int64, f *field, what string) error {
	return &fieldError{row: w.rows + 1, col: int(f.col), offset: offset, what: what}
}
