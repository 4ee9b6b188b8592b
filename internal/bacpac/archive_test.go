package bacpac_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
)

// file is a part of an archive that a test writes. The functions may lie.
type file struct {
	name       string
	data       []byte
	stored     bool
	raw        []byte // compressed bytes, in place of those of data
	was        []byte // what raw is the compressed form of, if it is no lie
	size       int64  // declared, where it is not len(data)
	crc        uint32 // declared, where it is not that of data
	flags      uint16
	method     uint16 // where it is neither stored nor deflate
	descriptor int    // bytes: 12, 16, 20 or 24
	gap        string // bytes that belong to no part, before this one
	offset     int64  // added to the header's offset in the directory
	extra      string // of the local header
	zip64      bool   // mask the sizes and put them in zip64 fields
	local, dir func(header []byte)
}

// mask says that a size stands in the zip64 field.
const mask = 0xffffffff

// zipped writes an archive as sqlpackage does: sizes in the local headers, no descriptors.
func zipped(t testing.TB, files ...file) []byte {
	t.Helper()
	var out, dir []byte
	for _, f := range files {
		raw, method := f.raw, uint16(8)
		switch {
		case f.stored:
			raw, method = f.data, 0
		case raw == nil, f.was != nil && !bytes.Equal(f.was, f.data):
			raw = deflated(t, f.data)
		}
		if f.method != 0 {
			method = f.method
		}
		size, crc := uint32(len(f.data)), crc32.ChecksumIEEE(f.data)
		if f.size != 0 {
			size = uint32(f.size)
		}
		if f.crc != 0 {
			crc = f.crc
		}
		out = append(out, f.gap...)
		offset := uint32(int64(len(out)) + f.offset)
		lcrc, lsize, lraw := crc, size, uint32(len(raw))
		if f.descriptor > 0 {
			lcrc, lsize, lraw = 0, 0, 0
			f.flags |= 8
		}
		var dirExtra []byte
		dsize, draw, doffset := size, uint32(len(raw)), offset
		if f.zip64 {
			f.extra = string(appendUint64(appendUint16(nil, 1, 16), uint64(lsize), uint64(lraw)))
			dirExtra = appendUint64(appendUint16(nil, 1, 24), uint64(size), uint64(len(raw)), uint64(offset))
			lsize, lraw, dsize, draw, doffset = mask, mask, mask, mask, mask
		}
		h := binary.LittleEndian.AppendUint32(nil, 0x04034b50)
		h = appendUint16(h, 20, f.flags, method, 0, 0)
		h = appendUint32(h, lcrc, lraw, lsize)
		h = appendUint16(h, uint16(len(f.name)), uint16(len(f.extra)))
		h = append(append(h, f.name...), f.extra...)
		if f.local != nil {
			f.local(h)
		}
		out = append(append(out, h...), raw...)
		if f.descriptor == 16 || f.descriptor == 24 {
			out = appendUint32(out, 0x08074b50)
		}
		switch {
		case f.descriptor >= 20:
			out = appendUint32(out, crc, uint32(len(raw)), 0, size, 0)
		case f.descriptor > 0:
			out = appendUint32(out, crc, uint32(len(raw)), size)
		}
		dir = appendUint32(dir, 0x02014b50)
		dir = appendUint16(dir, 45, 20, f.flags, method, 0, 0)
		dir = appendUint32(dir, crc, draw, dsize)
		dir = appendUint16(dir, uint16(len(f.name)), uint16(len(dirExtra)), 0, 0, 0)
		dir = appendUint32(dir, 0, doffset)
		dir = append(append(dir, f.name...), dirExtra...)
		if f.dir != nil {
			f.dir(dir[len(dir)-46-len(f.name)-len(dirExtra):])
		}
	}
	at := uint32(len(out))
	out = append(out, dir...)
	out = appendUint32(out, 0x06054b50)
	out = appendUint16(out, 0, 0, uint16(len(files)), uint16(len(files)))
	out = appendUint32(out, uint32(len(dir)), at)
	return appendUint16(out, 0)
}

// zip64End replaces the end of an archive by a zip64 one.
func zip64End(b []byte) []byte {
	end := b[len(b)-22:]
	n, size, offset := uint64(binary.LittleEndian.Uint16(end[10:])), uint64(binary.LittleEndian.Uint32(end[12:])), uint64(binary.LittleEndian.Uint32(end[16:]))
	out := bytes.Clone(b[:len(b)-22])
	at := uint64(len(out))
	out = appendUint32(out, 0x06064b50)
	out = appendUint64(out, 44)
	out = appendUint16(out, 45, 45)
	out = appendUint32(out, 0, 0)
	out = appendUint64(out, n, n, size, offset)
	out = appendUint32(out, 0x07064b50, 0)
	out = appendUint64(out, at)
	out = appendUint32(out, 1, 0x06054b50)
	out = appendUint16(out, 0, 0, 0xffff, 0xffff)
	out = appendUint32(out, 0xffffffff, 0xffffffff)
	return appendUint16(out, 0)
}

func appendUint16(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func appendUint32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func appendUint64(b []byte, vs ...uint64) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func deflated(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unzipped takes an archive apart with the standard library.
func unzipped(t testing.TB, b []byte) []file {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
		rr, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(rr)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{name: f.Name, data: data, stored: f.Method == zip.Store, raw: raw, was: data})
	}
	return files
}

// find gives the file of a name.
func find(t testing.TB, files []file, name string) *file {
	t.Helper()
	for i := range files {
		if files[i].name == name {
			return &files[i]
		}
	}
	t.Fatalf("no file %s", name)
	return nil
}
