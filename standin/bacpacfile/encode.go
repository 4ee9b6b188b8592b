package bacpacfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"time"
)

// EncodeOptions say how a bacpac is written, and what shall be wrong with it. Tables are named "schema.table"; naming one that
// the file does not have, or more rows than it has, is an error, so that no planned fault passes unnoticed.
type EncodeOptions struct {
	// Now is the start of the export, in Origin.xml and in the zip; zero is the machine's time.
	Now time.Time
	// ProductVersion stands in Origin.xml; empty is DefaultProductVersion.
	ProductVersion string
	// Compression is a word of sqlpackage's CompressionOption; empty is Normal.
	Compression string
	// Framework writes the entries in the order of the .NET Framework writer instead of .NET's (Linux).
	Framework bool

	// OmitOrigin leaves Origin.xml out, as an export that failed while serialising does.
	OmitOrigin bool
	// ModelOnly ends the zip after its first three entries, as an export killed for memory does.
	ModelOnly bool
	// DropRowsOf leaves the last rows of a table out; Origin.xml's total agrees with what is left.
	DropRowsOf map[string]int64
	// DropTable leaves all data of a table and its relationships out; Origin.xml's total agrees with what is left.
	DropTable string
	// LosePart leaves the data part of a table out, but not its relationships.
	LosePart string
	// WrongTotal is added to Origin.xml's total.
	WrongTotal int64
	// TruncateTo cuts the file after so many bytes; 0 is uncut.
	TruncateTo int64
}

// DefaultProductVersion is the version that the stand-in acts.
const DefaultProductVersion = "170.5.96.0"

// Encode writes a bacpac as sqlpackage does: the model's own bytes, one data part for each table with rows, no data
// descriptors. Rows must have the value forms of Column.
func Encode(w io.Writer, f *File, o EncodeOptions) error {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.ProductVersion == "" {
		o.ProductVersion = DefaultProductVersion
	}
	data, err := dataParts(f, o)
	if err != nil {
		return err
	}
	entries, err := entriesOf(f, data, o)
	if err != nil {
		return err
	}
	if o.TruncateTo == 0 {
		return writeZip(w, entries, o)
	}
	var whole bytes.Buffer
	if err := writeZip(&whole, entries, o); err != nil {
		return err
	}
	if int64(whole.Len()) <= o.TruncateTo {
		return fmt.Errorf("truncate to %d bytes: the bacpac has only %d", o.TruncateTo, whole.Len())
	}
	_, err = w.Write(whole.Bytes()[:o.TruncateTo])
	return err
}

// dataPart is a table with rows: its part and how many rows are in it.
type dataPart struct {
	schema, table string
	name          string // in the zip
	rows          int64
	bytes         []byte
	lost          bool
}

func dataParts(f *File, o EncodeOptions) ([]dataPart, error) {
	unmet := map[string]bool{}
	for name := range o.DropRowsOf {
		unmet[name] = true
	}
	for _, name := range []string{o.DropTable, o.LosePart} {
		if name != "" {
			unmet[name] = true
		}
	}
	var parts []dataPart
	for _, t := range f.Tables {
		name := t.Table.Schema + "." + t.Table.Name
		rows, drop := t.Rows, o.DropRowsOf[name]
		if drop > int64(len(rows)) {
			return nil, fmt.Errorf("drop %d rows of %s: it has %d", drop, name, len(rows))
		}
		rows = rows[:int64(len(rows))-drop]
		if len(t.Rows) > 0 {
			delete(unmet, name)
		}
		if len(rows) == 0 || name == o.DropTable {
			continue
		}
		b, err := appendRows(t.Table, rows)
		if err != nil {
			return nil, err
		}
		parts = append(parts, dataPart{
			schema: t.Table.Schema, table: t.Table.Name, rows: int64(len(rows)), bytes: b, lost: name == o.LosePart,
			name: "Data/" + url.PathEscape(name) + "/TableData-000-00000.BCP",
		})
	}
	for name := range unmet {
		return nil, fmt.Errorf("a fault is planned for table %s, which has no rows here", name)
	}
	return parts, nil
}

func appendRows(table Table, rows [][]any) (b []byte, err error) {
	layouts, err := layoutsOf(table)
	if err != nil {
		return nil, err
	}
	for n, row := range rows {
		if len(row) != len(layouts) {
			return nil, fmt.Errorf("table %s, row %d: %d values for %d columns", quoteName(table.Schema, table.Name), n+1, len(row), len(layouts))
		}
		for i, c := range table.Columns {
			var payload []byte
			if row[i] != nil {
				payload, err = payloadOf(c, row[i])
			}
			if err == nil {
				b, err = layouts[i].append(b, payload, row[i] == nil, c.Nullable)
			}
			if err != nil {
				return nil, fmt.Errorf("table %s, row %d, column %s (%s): %w", quoteName(table.Schema, table.Name), n+1, c.Name, c.Type, err)
			}
		}
	}
	return b, nil
}

// entry is one part of the package as it goes into the zip.
type entry struct {
	name   string
	bytes  []byte
	stored bool
}

func entriesOf(f *File, data []dataPart, o EncodeOptions) ([]entry, error) {
	types := entry{name: "[Content_Types].xml", bytes: contentTypes(len(data) > 0)}
	metadata, err := dacMetadata(f.DatabaseName)
	if err != nil {
		return nil, err
	}
	entries := []entry{{name: "model.xml", bytes: f.Model.XML}, {name: "DacMetadata.xml", bytes: metadata}}
	if o.ModelOnly {
		return append(entries, types), nil
	}
	if o.Framework {
		entries = append(entries, types)
	}
	for _, p := range data {
		if !p.lost {
			entries = append(entries, entry{name: p.name, bytes: p.bytes})
		}
	}
	origin, err := originXML(f, data, o)
	if err != nil {
		return nil, err
	}
	last := []entry{{name: "Origin.xml", bytes: origin, stored: o.Framework}}
	if o.OmitOrigin {
		last = nil
	}
	if len(data) > 0 {
		rels, err := relationships(data)
		if err != nil {
			return nil, err
		}
		part := entry{name: "_rels/.rels", bytes: rels, stored: true}
		if o.Framework {
			last = append([]entry{part}, last...)
		} else {
			last = append(last, part)
		}
	}
	if !o.Framework {
		types.stored = true
		last = append(last, types)
	}
	return append(entries, last...), nil
}

// writeZip writes raw entries with their CRC and sizes in the local header, because archive/zip would else set flag 8 and add
// data descriptors, which DacFx's packages do not have.
func writeZip(w io.Writer, entries []entry, o EncodeOptions) error {
	level, ok := map[string]int{"": 6, "Normal": 6, "Maximum": 9, "Fast": 3, "SuperFast": 1, "NotCompressed": 0}[o.Compression]
	if !ok {
		return fmt.Errorf("compression %q is not known", o.Compression)
	}
	archive := zip.NewWriter(w)
	for _, e := range entries {
		raw, method := e.bytes, zip.Store
		if !e.stored && level > 0 {
			var err error
			if raw, err = deflate(e.bytes, level); err != nil {
				return fmt.Errorf("deflate %s: %w", e.name, err)
			}
			method = zip.Deflate
		}
		header := &zip.FileHeader{
			Name: e.name, Method: method, CRC32: crc32.ChecksumIEEE(e.bytes),
			CompressedSize64: uint64(len(raw)), UncompressedSize64: uint64(len(e.bytes)),
			CreatorVersion: 0x0314, ReaderVersion: 20, // as .NET on Unix writes them
			// Modified would add an extra field, which the real writers do not.
			ModifiedDate: dosDate(o.Now), ModifiedTime: dosTime(o.Now), //lint:ignore SA1019 see above
		}
		if o.Framework {
			header.CreatorVersion = 0x002d
		}
		part, err := archive.CreateRaw(header)
		if err == nil {
			_, err = part.Write(raw)
		}
		if err != nil {
			return fmt.Errorf("write part %s: %w", e.name, err)
		}
	}
	return archive.Close()
}

func deflate(b []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func dosDate(t time.Time) uint16 {
	return uint16(t.Day() + int(t.Month())<<5 + (t.Year()-1980)<<9)
}

func dosTime(t time.Time) uint16 {
	return uint16(t.Second()/2 + t.Minute()<<5 + t.Hour()<<11)
}
