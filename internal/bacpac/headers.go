package bacpac

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// checkEntries looks at what the central directory declares, before a byte of data is read.
func checkEntries(entries []entry, lim Limits) error {
	seen := make(map[string]string, len(entries))
	var total int64
	for i := range entries {
		e := &entries[i]
		if why := badName(e.name); why != "" {
			return broken("entry %q: its name %s", e.name, why)
		}
		// OPC holds part names that differ in the case of letters to be the same (ECMA-376-2, 6.2.2.3), and readers unescape.
		key := strings.ToLower(unescape(e.name))
		if other, ok := seen[key]; ok {
			return broken("entries %q and %q have the same name", other, e.name)
		}
		seen[key] = e.name
		switch {
		case e.flags&^flagsKnown != 0:
			return broken("part %s: flags %#04x (encryption or another feature that no export uses)", e.name, e.flags)
		case e.method != methodStored && e.method != methodDeflate:
			return broken("part %s: compression method %d is neither stored nor deflate", e.name, e.method)
		case e.method == methodStored && e.size != e.compressed:
			return broken("part %s: stored, but %d bytes are said to be %d", e.name, e.compressed, e.size)
		case e.size > smallEntry && e.size/lim.Ratio > e.compressed:
			return broken("part %s: %d bytes out of %d compressed ones are more than the limit of %d to 1", e.name, e.size, e.compressed, lim.Ratio)
		}
		if total += e.size; total > lim.Uncompressed || total < 0 {
			return broken("the archive declares more than the limit of %d uncompressed bytes", lim.Uncompressed)
		}
	}
	return nil
}

// badName says why a name could lead out of the package or mean two things; empty is a good name.
func badName(name string) string {
	plain := unescape(name)
	switch {
	case plain == "":
		return "is empty"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "holds a control character"
	case strings.Contains(name, `\`), strings.HasPrefix(plain, "/"), len(plain) > 1 && plain[1] == ':':
		return "is an absolute path or holds a backslash"
	}
	for segment := range strings.SplitSeq(name, "/") {
		if s := unescape(segment); s == "" || s == "." || s == ".." || strings.HasPrefix(s, "../") || strings.HasSuffix(s, "/..") {
			return "has an empty, '.' or '..' segment"
		}
	}
	return ""
}

// checkHeaders holds every local header against its record in the directory: a reader that goes from front to back must
// see the same archive as one that starts at the directory. Entries must lie end to end from the first byte on.
func checkHeaders(src *source, entries []entry, dir directory) error {
	order := make([]*entry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortFunc(order, func(a, b *entry) int { return cmp.Compare(a.header, b.header) })
	first := dir.offset
	if len(order) > 0 {
		first = order[0].header
	}
	if first != 0 {
		return broken("the archive's first %d bytes belong to no part", first)
	}
	for i, e := range order {
		next := dir.offset
		if i+1 < len(order) {
			next = order[i+1].header
		}
		if err := checkLocal(src, e, next); err != nil {
			return err
		}
	}
	return nil
}

// checkLocal reads one local header, finds the data, and sees that they fill the room up to next.
func checkLocal(src *source, e *entry, next int64) error {
	room := next - e.header
	if room < localLen || e.compressed > room {
		return broken("part %s: %d bytes of data do not fit between offsets %d and %d", e.name, e.compressed, e.header, next)
	}
	var b [localLen]byte
	if err := src.readFull(b[:], e.header); err != nil {
		return err
	}
	nameLen, extraLen := int(binary.LittleEndian.Uint16(b[26:])), int(binary.LittleEndian.Uint16(b[28:]))
	if binary.LittleEndian.Uint32(b[:]) != localSignature || int64(localLen+nameLen+extraLen) > room {
		return broken("part %s: its local header at offset %d is damaged", e.name, e.header)
	}
	rest := make([]byte, nameLen+extraLen)
	if err := src.readFull(rest, e.header+localLen); err != nil {
		return err
	}
	if name := string(rest[:nameLen]); name != e.name {
		return broken("part %s: its local header at offset %d has the name %q", e.name, e.header, name)
	}
	flags, method := binary.LittleEndian.Uint16(b[6:]), binary.LittleEndian.Uint16(b[8:])
	if flags != e.flags || method != e.method {
		return broken("part %s: local header and directory differ in flags (%#04x, %#04x) or method (%d, %d)", e.name, flags, e.flags, method, e.method)
	}
	sizes := []uint64{uint64(binary.LittleEndian.Uint32(b[22:])), uint64(binary.LittleEndian.Uint32(b[18:]))}
	if err := readZip64(rest[nameLen:], sizes, true); err != nil {
		return broken("part %s: local header: %v", e.name, err)
	}
	crc := binary.LittleEndian.Uint32(b[14:])
	later := e.flags&flagDescriptor != 0 && crc == 0 && sizes[0] == 0 && sizes[1] == 0
	if !later && (crc != e.crc || sizes[0] != uint64(e.size) || sizes[1] != uint64(e.compressed)) {
		return broken("part %s: local header and directory differ in CRC (%08x, %08x), size (%d, %d) or compressed size (%d, %d)",
			e.name, crc, e.crc, sizes[0], e.size, sizes[1], e.compressed)
	}
	e.data = e.header + int64(localLen+nameLen+extraLen)
	return checkDescriptor(src, e, next)
}

// checkDescriptor sees that the part's data end at next, or that a data descriptor with the directory's values fills the
// room between. .NET writes one without a signature behind data past 4 GiB, although its other parts have none.
func checkDescriptor(src *source, e *entry, next int64) error {
	end := e.data + e.compressed
	gap := next - end
	switch {
	case gap < 0:
		return broken("part %s: its data reach to offset %d, but the next part or the directory begins at %d", e.name, end, next)
	case e.flags&flagDescriptor == 0 && gap > 0:
		return broken("part %s: the %d bytes at offset %d, behind its data, belong to no part", e.name, gap, end)
	case e.flags&flagDescriptor == 0:
		return nil
	}
	var want []byte
	if gap == 16 || gap == 24 {
		want = binary.LittleEndian.AppendUint32(want, dataDescriptor)
	}
	want = binary.LittleEndian.AppendUint32(want, e.crc)
	if gap == 20 || gap == 24 {
		want = binary.LittleEndian.AppendUint64(want, uint64(e.compressed))
		want = binary.LittleEndian.AppendUint64(want, uint64(e.size))
	} else {
		want = binary.LittleEndian.AppendUint32(want, uint32(e.compressed))
		want = binary.LittleEndian.AppendUint32(want, uint32(e.size))
	}
	got := make([]byte, len(want))
	if gap != int64(len(want)) {
		return broken("part %s: %d bytes behind its data are no data descriptor", e.name, gap)
	}
	if err := src.readFull(got, end); err != nil {
		return err
	}
	if string(got) != string(want) {
		return broken("part %s: data descriptor and directory differ in CRC or size", e.name)
	}
	return nil
}
