package bacpac

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/flate"
)

// loseRow writes a part anew without its last row: every size and checksum is right, and the rows are those of its table.
// Only a count can tell.
func (v *victim) loseRow(ctx context.Context) (DamagedCopy, error) {
	in := newStream(&source{ctx, v.r, v.size})
	p, rows, last, err := v.partWithRows(in)
	switch {
	case err != nil:
		return DamagedCopy{}, err
	case p == nil && len(v.small) > 0:
		return unmade("the smallest counted part has %d bytes, more than the %d that are held in memory", v.small[0].e.size, maxDamagedPart)
	case p == nil:
		return unmade("the archive has no row that is counted")
	}
	if err := in.open(&p.e); err != nil {
		return DamagedCopy{}, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return DamagedCopy{}, err
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(io.MultiWriter(w, sum), in, last); err != nil {
		return DamagedCopy{}, err
	}
	if err := w.Close(); err != nil {
		return DamagedCopy{}, err
	}
	c := change{deflated: true, content: b.Bytes(), size: last, crc: sum.Sum32()}
	return v.repack(map[string]change{p.e.name: c}).
		copy("row %d, the last of part %s, of table %s", rows, p.e.name, p.table), nil
}

// partWithRows finds a small part that keeps rows when it loses its last one, for no export writes an empty part; failing
// that the smallest.
func (v *victim) partWithRows(in *stream) (found *countedPart, rows, last int64, err error) {
	for i := range v.small {
		p := &v.small[i]
		if p.e.size > maxDamagedPart {
			break
		}
		if err := in.open(&p.e); err != nil {
			return nil, 0, 0, err
		}
		n, at, err := lastRow(bufio.NewReaderSize(in, inputBytes), p.fields)
		if err != nil {
			return nil, 0, 0, err
		}
		if found == nil || n > 1 {
			found, rows, last = p, n, at
		}
		if n > 1 {
			break
		}
	}
	return found, rows, last, nil
}

// lastRow counts the rows of a sound part and finds the offset of the last one. It steps over values with its own few lines,
// so that a walk that is wrong does not choose its own damage.
func lastRow(r *bufio.Reader, fields []field) (rows, last int64, err error) {
	at := int64(0)
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return rows, last, nil
		} else if err != nil {
			return 0, 0, err
		}
		last = at
		for i := range fields {
			n, err := stepOver(r, &fields[i])
			if err != nil {
				return 0, 0, err
			}
			at += n
		}
		rows++
	}
}

// stepOver passes one value and gives the bytes that it took.
func stepOver(r *bufio.Reader, f *field) (int64, error) {
	prefix := 0
	switch f.op {
	case opPrefixed, opDecimal:
		prefix = 1
	case opVar2:
		prefix = 2
	case opVar4:
		prefix = 4
	case opVar8:
		prefix = 8
	}
	n := uint64(f.width)
	if prefix > 0 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:prefix]); err != nil {
			return 0, err
		}
		n = binary.LittleEndian.Uint64(b[:])
		if n == math.MaxUint64>>(64-8*prefix) {
			n = 0 // NULL
		}
	}
	if n > maxDamagedPart {
		return 0, broken("a value of %d bytes in a part of less", n)
	}
	skipped, err := r.Discard(int(n))
	return int64(prefix + skipped), err
}
