package bacpac

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The directory is read here and not by archive/zip, which hides where a local header is, skips bytes that belong to no
// entry, and reads directory records for as long as they come. Names of fields follow PKWARE's APPNOTE.TXT 6.3.

const (
	endSignature       = 0x06054b50
	end64Signature     = 0x06064b50
	locator64Signature = 0x07064b50
	directorySignature = 0x02014b50
	localSignature     = 0x04034b50
	dataDescriptor     = 0x08074b50

	endLen       = 22
	end64Len     = 56
	locator64Len = 20
	directoryLen = 46
	localLen     = 30

	methodStored  = 0
	methodDeflate = 8

	flagDescriptor = 0x0008
	// flagsKnown are UTF-8 names, a data descriptor, and the two bits that tell the deflate level.
	flagsKnown = 0x0800 | flagDescriptor | 0x0006

	mask16 = math.MaxUint16
	mask32 = math.MaxUint32
)

// entry is one part as the central directory has it.
type entry struct {
	name             string
	flags, method    uint16
	crc              uint32
	compressed, size int64 // bytes
	header, data     int64 // offsets of the local header and of the data
}

// directory is where the central directory lies.
type directory struct {
	offset, size, entries int64
}

// readArchive reads the central directory and holds every local header against it.
func readArchive(src *source, lim Limits) ([]entry, error) {
	dir, err := findDirectory(src)
	if err != nil {
		return nil, err
	}
	if dir.entries > int64(lim.Entries) {
		return nil, broken("the archive has %d entries, more than the limit of %d", dir.entries, lim.Entries)
	}
	entries := make([]entry, 0, min(dir.entries, dir.size/directoryLen))
	r := bufio.NewReaderSize(io.NewSectionReader(src, dir.offset, dir.size), inputBytes)
	for i := range dir.entries {
		e, err := readRecord(r)
		if err != nil {
			var s *sourceError
			if errors.As(err, &s) {
				return nil, err
			}
			return nil, broken("central directory, entry %d of %d: %v", i+1, dir.entries, err)
		}
		entries = append(entries, e)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, broken("the central directory holds more than the %d entries that the archive's end names", dir.entries)
	}
	if err := checkEntries(entries, lim); err != nil {
		return nil, err
	}
	return entries, checkHeaders(src, entries, dir)
}

// findDirectory reads the end of the archive. Nothing may follow it, no comment either.
func findDirectory(src *source) (directory, error) {
	if src.size < endLen {
		return directory{}, broken("%d bytes are less than the smallest archive", src.size)
	}
	var b [endLen]byte
	at := src.size - endLen
	if err := src.readFull(b[:], at); err != nil {
		return directory{}, err
	}
	if binary.LittleEndian.Uint32(b[:]) != endSignature || binary.LittleEndian.Uint16(b[20:]) != 0 {
		return directory{}, noEnd(src)
	}
	disk, dirDisk := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	here, all := binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:])
	size, offset := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	wide := all == mask16 || size == mask32 || offset == mask32
	oneDisk := func(n uint16) bool { return n == 0 || wide && n == mask16 }
	if !oneDisk(disk) || !oneDisk(dirDisk) || here != all {
		return directory{}, broken("the archive says that it spans several disks")
	}
	dir := directory{offset: int64(offset), size: int64(size), entries: int64(all)}
	if wide {
		return findDirectory64(src, at, dir)
	}
	return dir, checkDirectory(dir, at)
}

// findDirectory64 reads the zip64 end, which stands directly before the locator and that before the end. short is what the
// short end says; where it has no mask the two must agree.
func findDirectory64(src *source, end int64, short directory) (directory, error) {
	at := end - locator64Len - end64Len
	if at < 0 {
		return directory{}, broken("the archive's end points to a zip64 end that is not there")
	}
	var b [end64Len + locator64Len]byte
	if err := src.readFull(b[:], at); err != nil {
		return directory{}, err
	}
	loc := b[end64Len:]
	if binary.LittleEndian.Uint32(loc) != locator64Signature && short.entries == mask16 && short.size != mask32 && short.offset != mask32 {
		return short, checkDirectory(short, end) // exactly 65535 entries
	}
	if binary.LittleEndian.Uint32(loc) != locator64Signature || binary.LittleEndian.Uint64(loc[8:]) != uint64(at) ||
		binary.LittleEndian.Uint32(b[:]) != end64Signature || binary.LittleEndian.Uint64(b[4:]) != end64Len-12 {
		return directory{}, broken("the zip64 end at offset %d is damaged", at)
	}
	here, all := binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
	size, offset := binary.LittleEndian.Uint64(b[40:]), binary.LittleEndian.Uint64(b[48:])
	if binary.LittleEndian.Uint64(b[16:]) != 0 || here != all || binary.LittleEndian.Uint32(loc[4:]) != 0 || binary.LittleEndian.Uint32(loc[16:]) > 1 {
		return directory{}, broken("the archive says that it spans several disks")
	}
	if size > uint64(at) || offset > uint64(at) || all > uint64(at) {
		return directory{}, broken("the zip64 end at offset %d names a directory outside of the archive", at)
	}
	dir := directory{offset: int64(offset), size: int64(size), entries: int64(all)}
	if short.entries != mask16 && short.entries != dir.entries || short.size != mask32 && short.size != dir.size ||
		short.offset != mask32 && short.offset != dir.offset {
		return directory{}, broken("the archive's two ends, zip64 and short, do not agree")
	}
	return dir, checkDirectory(dir, at)
}

func checkDirectory(dir directory, end int64) error {
	switch {
	case dir.offset+dir.size != end:
		return broken("the central directory should end at offset %d, where the archive's end begins, but ends at %d", end, dir.offset+dir.size)
	case dir.entries > dir.size/directoryLen:
		return broken("a central directory of %d bytes cannot hold %d entries", dir.size, dir.entries)
	}
	return nil
}

// noEnd tells a file that was cut from one with something behind its end.
func noEnd(src *source) error {
	tail := make([]byte, min(src.size, endLen+mask16))
	if err := src.readFull(tail, src.size-int64(len(tail))); err != nil {
		return err
	}
	sig := binary.LittleEndian.AppendUint32(nil, endSignature)
	if i := bytes.LastIndex(tail, sig); i >= 0 && len(tail)-i > endLen {
		return broken("%d bytes follow the archive's end: trailing bytes or a comment, which no export writes", len(tail)-i-endLen)
	}
	return broken("the end of the archive is missing: the file was cut short, or it is no bacpac")
}

// readRecord reads one record of the central directory.
func readRecord(r *bufio.Reader) (entry, error) {
	var b [directoryLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return entry{}, err
	}
	if binary.LittleEndian.Uint32(b[:]) != directorySignature {
		return entry{}, errors.New("it does not begin with its signature")
	}
	nameLen, extraLen, commentLen := binary.LittleEndian.Uint16(b[28:]), binary.LittleEndian.Uint16(b[30:]), binary.LittleEndian.Uint16(b[32:])
	if nameLen > maxNameBytes || commentLen != 0 {
		return entry{}, fmt.Errorf("a name of %d bytes or a comment of %d bytes is more than an export writes", nameLen, commentLen)
	}
	rest := make([]byte, int(nameLen)+int(extraLen))
	if _, err := io.ReadFull(r, rest); err != nil {
		return entry{}, err
	}
	e := entry{
		name: string(rest[:nameLen]), flags: binary.LittleEndian.Uint16(b[8:]), method: binary.LittleEndian.Uint16(b[10:]),
		crc: binary.LittleEndian.Uint32(b[16:]),
	}
	wide := []uint64{uint64(binary.LittleEndian.Uint32(b[24:])), uint64(binary.LittleEndian.Uint32(b[20:])), uint64(binary.LittleEndian.Uint32(b[42:]))}
	if err := readZip64(rest[nameLen:], wide, false); err != nil {
		return e, fmt.Errorf("%q: %w", e.name, err)
	}
	if disk := binary.LittleEndian.Uint16(b[34:]); disk != 0 {
		return e, fmt.Errorf("%q says that it is on disk %d", e.name, disk)
	}
	for _, v := range wide {
		if v > math.MaxInt64/4 {
			return e, fmt.Errorf("%q declares %d bytes", e.name, v)
		}
	}
	e.size, e.compressed, e.header = int64(wide[0]), int64(wide[1]), int64(wide[2])
	return e, nil
}

// readZip64 puts the 64-bit values of a zip64 extra field (id 1) in place of those in values that are masked. The
// directory has only the masked ones there, a local header has both sizes. Other extra fields are passed over: the first
// part of real exports has a growth hint (0xA220) of System.IO.Packaging.
func readZip64(extra []byte, values []uint64, local bool) error {
	for len(extra) > 0 {
		if len(extra) < 4 || int(binary.LittleEndian.Uint16(extra[2:])) > len(extra)-4 {
			return errors.New("its extra field is damaged")
		}
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != 1 {
			continue
		}
		for i := range values {
			masked := values[i] == mask32
			if !masked && !local {
				continue
			}
			if len(field) < 8 {
				return errors.New("its zip64 field is too short")
			}
			if masked {
				values[i] = binary.LittleEndian.Uint64(field)
			}
			field = field[8:]
		}
		return nil
	}
	return nil
}
