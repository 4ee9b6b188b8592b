package bacpac

import (
	"bufio"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// stream reads the content of one entry after another, with buffers that are kept. It gives io.EOF only once the
// content had exactly the declared size and CRC-32 and used up all of its compressed bytes.
type stream struct {
	src     *source
	section *io.SectionReader
	input   *bufio.Reader
	inflate io.ReadCloser

	e    *entry
	r    io.Reader
	crc  uint32
	read int64
	err  error // the end, once it was reached
}

func newStream(src *source) *stream {
	input := bufio.NewReaderSize(nil, inputBytes)
	return &stream{src: src, input: input, inflate: flate.NewReader(input)}
}

// open turns to the beginning of an entry.
func (s *stream) open(e *entry) error {
	s.section = io.NewSectionReader(s.src, e.data, e.compressed)
	s.e, s.crc, s.read, s.err = e, 0, 0, nil
	if e.method == methodStored {
		s.r = s.section
		return nil
	}
	s.input.Reset(s.section)
	s.r = s.inflate
	return s.inflate.(flate.Resetter).Reset(s.input, nil)
}

// Read implements io.Reader. p must not be empty.
func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.src.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p[:n])
	s.read += int64(n)
	switch {
	case s.read > s.e.size:
		err = broken("part %s: it holds more than the %d bytes that it declares", s.e.name, s.e.size)
	case err == io.EOF:
		err = s.finish()
	case err != nil:
		err = brokenPart(s.e, err)
	}
	s.err = err
	return n, err
}

func (s *stream) finish() error {
	at, err := s.section.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	left := s.e.compressed - at
	if s.e.method == methodDeflate {
		left += int64(s.input.Buffered())
	}
	switch {
	case s.read != s.e.size:
		return broken("part %s: it declares %d bytes but holds %d", s.e.name, s.e.size, s.read)
	case s.crc != s.e.crc:
		return broken("part %s: CRC-32 is %08x, not %08x: its content is damaged", s.e.name, s.crc, s.e.crc)
	case left != 0:
		return broken("part %s: %d bytes follow its compressed data", s.e.name, left)
	}
	return io.EOF
}

// drain reads the rest of the entry, so that its size and CRC are checked. buf is scratch.
func (s *stream) drain(buf []byte) error {
	for {
		if _, err := s.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
