package bacpacfile

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What makes a package no bacpac at all; importers tell these apart in what they print.
var (
	// ErrCorrupted is a file that cannot be read as a zip, or an entry of it.
	ErrCorrupted = errors.New("file contains corrupted data")
	// ErrOriginMissing is a package without Origin.xml, as an export that died while writing leaves it.
	ErrOriginMissing = errors.New("'Origin.xml' is missing from the dacpac package")
	// ErrChecksum is a model.xml that is not the one whose SHA-256 Origin.xml holds.
	ErrChecksum = errors.New("the calculated checksum for model.xml differs from the saved checksum")
)

// Decode reads a whole bacpac: its model and every row of every table. The parts of a table are read in the order of their
// names. A column type without a value form is an error as soon as its table has a data part.
func Decode(r io.ReaderAt, size int64) (*File, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("open the bacpac: %w: %w", ErrCorrupted, err)
	}
	parts := map[string]*zip.File{}
	for _, f := range archive.File {
		if _, twice := parts[f.Name]; twice {
			return nil, fmt.Errorf("open the bacpac: two parts are named %s: %w", f.Name, ErrCorrupted)
		}
		parts[f.Name] = f
	}
	if parts["Origin.xml"] == nil {
		return nil, ErrOriginMissing
	}
	model, err := readModel(parts)
	if err != nil {
		return nil, err
	}
	file := &File{Model: model}
	if file.DatabaseName, err = readName(parts); err != nil {
		return nil, err
	}
	dataParts, err := readRelationships(parts)
	if err != nil {
		return nil, err
	}
	for _, table := range model.Tables {
		key := [2]string{table.Schema, table.Name}
		data := TableData{Table: table}
		for _, part := range dataParts[key] {
			if data.Rows, err = readRows(data.Rows, table, parts[part]); err != nil {
				return nil, fmt.Errorf("table %s: part %s: %w", quoteName(table.Schema, table.Name), part, err)
			}
		}
		delete(dataParts, key)
		file.Tables = append(file.Tables, data)
	}
	for key := range dataParts {
		return nil, fmt.Errorf("_rels/.rels has data of table %s, which model.xml does not know", quoteName(key[0], key[1]))
	}
	return file, nil
}

func readModel(parts map[string]*zip.File) (Model, error) {
	raw, err := readPart(parts["model.xml"], "model.xml")
	if err != nil {
		return Model{}, err
	}
	var origin struct {
		Checksums []struct {
			URI   string `xml:"Uri,attr"`
			Value string `xml:",chardata"`
		} `xml:"Checksums>Checksum"`
	}
	if err := readXML(parts["Origin.xml"], "Origin.xml", &origin); err != nil {
		return Model{}, err
	}
	for _, c := range origin.Checksums {
		if c.URI == "/model.xml" && strings.TrimSpace(c.Value) == checksum(raw) {
			return ParseModel(raw)
		}
	}
	return Model{}, ErrChecksum
}

// checksum is what Origin.xml holds for model.xml: upper-case hex SHA-256 of its exact bytes.
func checksum(model []byte) string {
	sum := sha256.Sum256(model)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func readName(parts map[string]*zip.File) (string, error) {
	var metadata struct{ Name string }
	err := readXML(parts["DacMetadata.xml"], "DacMetadata.xml", &metadata)
	return metadata.Name, err
}

// readRelationships gives the data parts of each (schema, table), sorted by name. Only .rels says which table a part belongs
// to: a folder's name is escaped, and a table's name may hold dots.
func readRelationships(parts map[string]*zip.File) (map[[2]string][]string, error) {
	var rels struct {
		Relationships []struct {
			Type   string `xml:"Type,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if parts["_rels/.rels"] != nil { // a bacpac without rows has none
		if err := readXML(parts["_rels/.rels"], "_rels/.rels", &rels); err != nil {
			return nil, err
		}
	}
	owner := map[string][2]string{}
	for _, r := range rels.Relationships {
		part := strings.TrimPrefix(r.Target, "/")
		key := owner[part]
		switch kind, name, _ := strings.Cut(r.Type, "="); kind {
		case "schema":
			key[0] = name
		case "table":
			key[1] = name
		default:
			return nil, fmt.Errorf("_rels/.rels: relationship type %q is not known", r.Type)
		}
		owner[part] = key
	}
	for name := range parts {
		if _, owned := owner[name]; strings.HasPrefix(name, "Data/") && !owned {
			return nil, fmt.Errorf("_rels/.rels does not say to which table part %s belongs", name)
		}
	}
	byTable := map[[2]string][]string{}
	for part, key := range owner {
		if parts[part] == nil {
			return nil, fmt.Errorf("part %s, which _rels/.rels names, is missing", part)
		}
		byTable[key] = append(byTable[key], part)
	}
	for _, list := range byTable {
		slices.Sort(list)
	}
	return byTable, nil
}

func readRows(rows [][]any, table Table, part *zip.File) ([][]any, error) {
	b, err := readPart(part, part.Name)
	if err != nil {
		return nil, err
	}
	if len(table.Columns) == 0 {
		return nil, errors.New("the table has no stored column but has data")
	}
	layouts, err := layoutsOf(table)
	if err != nil {
		return nil, err
	}
	for len(b) > 0 {
		row := make([]any, len(layouts))
		for i, c := range table.Columns {
			payload, rest, null, err := layouts[i].take(b, c.Nullable)
			if err == nil && !null {
				row[i], err = valueOf(c, payload)
			}
			if err != nil {
				return nil, fmt.Errorf("row %d, column %s (%s): %w", len(rows)+1, c.Name, c.Type, err)
			}
			b = rest
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func layoutsOf(table Table) ([]layout, error) {
	layouts := make([]layout, len(table.Columns))
	for i, c := range table.Columns {
		var err error
		if layouts[i], err = layoutOf(c); err != nil {
			return nil, fmt.Errorf("table %s, column %s: %w", quoteName(table.Schema, table.Name), c.Name, err)
		}
	}
	return layouts, nil
}

func readXML(part *zip.File, name string, into any) error {
	raw, err := readPart(part, name)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal([]byte(strings.TrimPrefix(string(raw), "\xef\xbb\xbf")), into); err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	return nil
}

func readPart(part *zip.File, name string) ([]byte, error) {
	if part == nil {
		return nil, fmt.Errorf("part %s is missing", name)
	}
	r, err := part.Open()
	if err != nil {
		return nil, fmt.Errorf("open part %s: %w: %w", name, ErrCorrupted, err)
	}
	b, err := io.ReadAll(r) // checks the CRC at its end
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read part %s: %w: %w", name, ErrCorrupted, err)
	}
	return b, nil
}

// quoteName is a two-part name as T-SQL and the tool's output write it.
func quoteName(schema, name string) string {
	quote := func(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }
	return quote(schema) + "." + quote(name)
}
