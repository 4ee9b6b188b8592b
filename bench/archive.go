package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"
)

// window is how far deflate looks back. Rows of a part that is smaller would find themselves again when repeated, and
// compress as no real table does.
const window = 32 << 10

// made is an archive and what is in it.
type made struct {
	Path string `json:"path"`
	Rows int64  `json:"rows"`
	Raw  int64  `json:"raw"` // bytes of all parts, uncompressed
	// Tables has the rows of each table, by its folder in the archive.
	Tables map[string]int64 `json:"tables"`
}

// block is a table's real rows, again and again up to a part's size, deflated.
type block struct {
	folder     string
	raw        []byte // one time
	times      int64
	rows       int64 // in the part
	crc        uint32
	compressed []byte
}

// makeArchive writes a bacpac with everything that source holds, and parts more data parts that together have about size
// bytes. Parts of one table are equal, so that each is compressed once; inflating takes each on its own.
func makeArchive(path, source string, size int64, parts int) (m made, err error) {
	from, err := zip.OpenReader(source)
	if err != nil {
		return m, err
	}
	defer from.Close()
	counts, err := rowsOf(source)
	if err != nil {
		return m, err
	}
	blocks, err := blocksOf(from, counts)
	if err != nil {
		return m, fmt.Errorf("%s: %w", source, err)
	}
	var group errgroup.Group
	group.SetLimit(2)
	for _, b := range blocks {
		group.Go(func() error { return b.fill(size / int64(parts)) })
	}
	if err := group.Wait(); err != nil {
		return m, err
	}
	out, err := os.Create(path)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if m, err = write(out, from, blocks, parts); err != nil {
		return m, err
	}
	m.Path = path
	for folder, n := range counts {
		m.Rows += n
		m.Tables[folder] += n
	}
	return m, nil
}

// blocksOf takes the tables whose rows may be repeated.
func blocksOf(from *zip.ReadCloser, counts map[string]int64) ([]*block, error) {
	part := regexp.MustCompile(`^Data/([^/]+)/TableData-000-00000\.BCP$`)
	var blocks []*block
	for _, f := range from.File {
		m := part.FindStringSubmatch(f.Name)
		if m == nil || f.UncompressedSize64 <= window {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Name, err)
		}
		if counts[m[1]] == 0 {
			return nil, fmt.Errorf("the rows of %s are not known", m[1])
		}
		blocks = append(blocks, &block{folder: m[1], raw: raw, rows: counts[m[1]]})
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("no table has more than %d bytes", window)
	}
	return blocks, nil
}

// rowsOf reads the counts beside a bacpac of testdata.
func rowsOf(source string) (map[string]int64, error) {
	b, err := os.ReadFile(strings.TrimSuffix(source, ".bacpac") + ".rows.json")
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	if err := json.Unmarshal(b, &counts); err != nil {
		return nil, fmt.Errorf("rows of %s: %w", source, err)
	}
	return counts, nil
}

func (b *block) fill(size int64) error {
	b.times = max(1, size/int64(len(b.raw)))
	b.rows *= b.times
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return err
	}
	for range b.times {
		b.crc = crc32.Update(b.crc, crc32.IEEETable, b.raw)
		if _, err := w.Write(b.raw); err != nil {
			return err
		}
	}
	err = w.Close()
	b.compressed = out.Bytes()
	return err
}

// write goes through the zip once. Sizes and CRC are in the local headers, as exports have them.
func write(out io.Writer, from *zip.ReadCloser, blocks []*block, parts int) (made, error) {
	m, archive := made{Tables: map[string]int64{}}, zip.NewWriter(out)
	var rels strings.Builder
	for i := range parts {
		b := blocks[i%len(blocks)]
		name := fmt.Sprintf("Data/%s/TableData-%03d-00000.BCP", b.folder, 1+i)
		raw := uint64(b.times) * uint64(len(b.raw))
		if err := put(archive, name, zip.Deflate, b.compressed, b.crc, raw); err != nil {
			return m, err
		}
		schema, table, _ := strings.Cut(b.folder, ".")
		fmt.Fprintf(&rels, `<Relationship Type="table=%s" Target="/%s" Id="Rt%d" /><Relationship Type="schema=%s" Target="/%s" Id="Rs%d" />`,
			table, name, i, schema, name, i)
		m.Rows, m.Raw = m.Rows+b.rows, m.Raw+int64(raw)
		m.Tables[b.folder] += b.rows
	}
	for _, f := range from.File {
		m.Raw += int64(f.UncompressedSize64)
		if f.Name != "_rels/.rels" {
			if err := archive.Copy(f); err != nil {
				return m, fmt.Errorf("copy %s: %w", f.Name, err)
			}
			continue
		}
		r, err := f.Open()
		if err != nil {
			return m, err
		}
		old, err := io.ReadAll(r)
		if err != nil {
			return m, err
		}
		all := bytes.Replace(old, []byte("</Relationships>"), []byte(rels.String()+"</Relationships>"), 1)
		if err := put(archive, f.Name, zip.Store, all, crc32.ChecksumIEEE(all), uint64(len(all))); err != nil {
			return m, err
		}
	}
	return m, archive.Close()
}

func put(archive *zip.Writer, name string, method uint16, data []byte, crc uint32, raw uint64) error {
	w, err := archive.CreateRaw(&zip.FileHeader{
		Name: name, Method: method, CRC32: crc, CompressedSize64: uint64(len(data)), UncompressedSize64: raw, CreatorVersion: 0x0314, ReaderVersion: 20,
	})
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
