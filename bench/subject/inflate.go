package main

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/errgroup"
)

// inflate is the least that any verifier must do: no CRC, no rows. Parts are shared out as Verify shares them out.
func inflate(in input, stdout io.Writer) error {
	archive, err := zip.NewReader(in, in.size)
	if err != nil {
		return err
	}
	var group errgroup.Group
	var next, bytes atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			input, buf := bufio.NewReaderSize(nil, 128<<10), make([]byte, 256<<10)
			r := flate.NewReader(input)
			for {
				i := int(next.Add(1) - 1)
				if i >= len(archive.File) {
					return nil
				}
				if archive.File[i].Method != zip.Deflate {
					continue
				}
				raw, err := archive.File[i].OpenRaw()
				if err != nil {
					return err
				}
				input.Reset(raw)
				if err := r.(flate.Resetter).Reset(input, nil); err != nil {
					return err
				}
				n, err := drain(r, buf)
				if err != nil {
					return fmt.Errorf("inflate %s: %w", archive.File[i].Name, err)
				}
				bytes.Add(n)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "bytes %d\n", bytes.Load())
	return nil
}

func drain(r io.Reader, buf []byte) (n int64, err error) {
	for {
		m, err := r.Read(buf)
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
