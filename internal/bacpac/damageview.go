package bacpac

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"html"
	"io"
	"regexp"
	"sort"
)

// view is an archive put together from pieces of another one and a few bytes of its own.
type view struct {
	pieces []piece
	size   int64
}

// piece is n bytes of r from off on, which stand at offset at of the view.
type piece struct {
	at, off, n int64
	r          io.ReaderAt
}

// add puts bytes of r behind what there is.
func (v *view) add(r io.ReaderAt, off, n int64) {
	if last := len(v.pieces) - 1; last >= 0 && v.pieces[last].r == r && v.pieces[last].off+v.pieces[last].n == off {
		v.pieces[last].n += n
	} else if n > 0 {
		v.pieces = append(v.pieces, piece{v.size, off, n, r})
	}
	v.size += n
}

func (v *view) bytes(b []byte) { v.add(bytes.NewReader(b), 0, int64(len(b))) }

func (v *view) copy(format string, args ...any) DamagedCopy {
	return DamagedCopy{ReaderAt: v, Size: v.size, Where: fmt.Sprintf(format, args...)}
}

// ReadAt implements io.ReaderAt.
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	i := sort.Search(len(v.pieces), func(i int) bool { return v.pieces[i].at+v.pieces[i].n > off })
	for ; i < len(v.pieces) && done < len(p); i++ {
		s := v.pieces[i]
		skip := off + int64(done) - s.at
		want := p[done : done+int(min(int64(len(p)-done), s.n-skip))]
		n, err := s.r.ReadAt(want, s.off+skip)
		done += n
		if n < len(want) {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// change is what becomes of one part.
type change struct {
	gone     bool // its bytes are left out
	recorded bool // and yet its record stays in the directory
	// content are the new bytes as they lie in the archive, size and crc those of what they unpack to.
	content  []byte
	deflated bool
	size     int64
	crc      uint32
}

// repack writes the archive anew, with a directory that is right for it but for what a change says.
func (v *victim) repack(changes map[string]change) *view {
	out := &view{}
	var records bytes.Buffer
	n := int64(0)
	for i, e := range v.entries {
		end := v.dir.offset
		if i+1 < len(v.entries) {
			end = v.entries[i+1].header
		}
		c, changed := changes[e.name]
		if c.gone && !c.recorded {
			continue
		}
		from := e.header
		e.header = out.size
		switch {
		case !changed:
			out.add(v.r, from, end-from)
		case !c.gone:
			e.flags &^= flagDescriptor
			e.method, e.size, e.compressed, e.crc = methodStored, c.size, int64(len(c.content)), c.crc
			if c.deflated {
				e.method = methodDeflate
			}
			out.bytes(localHeader(e))
			out.bytes(c.content)
		}
		records.Write(record(e))
		n++
	}
	at := out.size
	out.bytes(records.Bytes())
	out.bytes(archiveEnd(at, out.size-at, n))
	return out
}

// dosDay is 1980-01-01, the first that the format knows.
const dosDay = 0x21

// localHeader is for a changed part, which is small: it never needs zip64.
func localHeader(e entry) []byte {
	b := binary.LittleEndian.AppendUint32(nil, localSignature)
	for _, n := range []uint16{20, e.flags, e.method, 0, dosDay} {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	for _, n := range []uint32{e.crc, uint32(e.compressed), uint32(e.size)} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.name)))
	b = binary.LittleEndian.AppendUint16(b, 0)
	return append(b, e.name...)
}

// record is an entry's record in the directory, with a zip64 field for what does not fit.
func record(e entry) []byte {
	var extra []byte
	short := func(n int64) uint32 {
		if n < mask32 {
			return uint32(n)
		}
		extra = binary.LittleEndian.AppendUint64(extra, uint64(n))
		return mask32
	}
	size, compressed, header := short(e.size), short(e.compressed), short(e.header) // the order of the field
	if len(extra) > 0 {
		id := binary.LittleEndian.AppendUint16(nil, 1)
		extra = append(binary.LittleEndian.AppendUint16(id, uint16(len(extra))), extra...)
	}
	b := binary.LittleEndian.AppendUint32(nil, directorySignature)
	for _, n := range []uint16{45, 45, e.flags, e.method, 0, dosDay} {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	for _, n := range []uint32{e.crc, compressed, size} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, n := range []uint16{uint16(len(e.name)), uint16(len(extra)), 0, 0, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, header)
	return append(append(b, e.name...), extra...)
}

// archiveEnd is what follows the directory.
func archiveEnd(at, size, entries int64) []byte {
	var b []byte
	if entries >= mask16 || size >= mask32 || at >= mask32 {
		b = binary.LittleEndian.AppendUint32(b, end64Signature)
		b = binary.LittleEndian.AppendUint64(b, end64Len-12)
		b = binary.LittleEndian.AppendUint32(b, 45<<16|45)
		b = binary.LittleEndian.AppendUint64(b, 0) // two disk numbers
		for _, n := range []int64{entries, entries, size, at} {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
		}
		b = binary.LittleEndian.AppendUint32(b, locator64Signature)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(at+size))
		b = binary.LittleEndian.AppendUint32(b, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, endSignature)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for range 2 {
		b = binary.LittleEndian.AppendUint16(b, uint16(min(entries, mask16)))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(min(size, mask32)))
	b = binary.LittleEndian.AppendUint32(b, uint32(min(at, mask32)))
	return binary.LittleEndian.AppendUint16(b, 0)
}

var (
	relationshipTag    = regexp.MustCompile(`<Relationship\s[^>]*(?:/>|>\s*</Relationship>)`)
	relationshipTarget = regexp.MustCompile(`\sTarget="/([^"]*)"`)
)

// withoutRelationships takes out those of a part, and says how many there were.
func withoutRelationships(rels []byte, part string) (less []byte, n int) {
	less = relationshipTag.ReplaceAllFunc(rels, func(tag []byte) []byte {
		target := relationshipTarget.FindSubmatch(tag)
		if target == nil || unescape(html.UnescapeString(string(target[1]))) != unescape(part) {
			return tag
		}
		n++
		return nil
	})
	return less, n
}
