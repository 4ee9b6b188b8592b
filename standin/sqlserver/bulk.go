package sqlserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

func (s *session) formatOnlyOn(context.Context, call) error {
	s.formatOnly = true
	return nil
}

func (s *session) formatOnlyOff(context.Context, call) error {
	s.formatOnly = false
	return nil
}

// format tells a table's columns and sends no row.
func (s *session) format(_ context.Context, c call) error {
	if !s.formatOnly {
		return errors.New("this statement is known after SET FMTONLY ON only")
	}
	t, _, err := s.lookup(c)
	if err != nil {
		return err
	}
	if !s.may(roles.SQLDataReader) {
		return errObjectDenied("SELECT", t.Schema, t.Name, s.database.name)
	}
	s.formatOnly = false
	return c.out.Columns(wireColumns(t.Table))
}

// insertBulk names the target of the rows that follow as a message of their own.
func (s *session) insertBulk(_ context.Context, c call) error {
	t, _, err := s.lookup(c)
	if err != nil {
		return err
	}
	if !s.server.owns(s.principal, s.database) {
		return errObjectDenied("INSERT", t.Schema, t.Name, s.database.name)
	}
	s.bulk = t
	return nil
}

// Bulk takes all rows or none. The fault "cut" hits after the first row.
func (s *session) Bulk(ctx context.Context, columns []string, next func() ([]any, error)) (int64, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	t := s.bulk
	s.bulk = nil
	if t == nil {
		return 0, errors.New("rows without an INSERT BULK before them")
	}
	places, err := placesOf(t.Table, columns)
	if err != nil {
		return 0, err
	}
	f, planned := s.server.fault(ctx, "sql.bulk", "cut")
	var rows [][]any
	for planned == nil {
		values, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		row, err := s.server.newRow(t.Table, places, values)
		if err != nil {
			return 0, err
		}
		rows = append(rows, row)
		if f.Do == "cut" {
			return 0, tds.ErrCut
		}
	}
	if planned != nil {
		return 0, planned
	}
	if s.transaction {
		s.pending[t] = append(s.pending[t], rows...)
		return int64(len(rows)), nil
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	t.rows = append(t.rows, rows...)
	return int64(len(rows)), nil
}

// placesOf finds each sent column in the table.
func placesOf(t bacpacfile.Table, columns []string) ([]int, error) {
	places := make([]int, len(columns))
	for i, name := range columns {
		places[i] = -1
		for at, c := range t.Columns {
			if strings.EqualFold(c.Name, name) {
				places[i] = at
			}
		}
		if places[i] < 0 {
			return nil, tds.Errorf(207, 16, "Invalid column name '%s'.", name)
		}
	}
	return places, nil
}

func (s *Server) newRow(t bacpacfile.Table, places []int, values []any) ([]any, error) {
	row := make([]any, len(t.Columns))
	for i, at := range places {
		v, err := stored(t.Columns[at], values[i])
		if err != nil {
			return nil, err
		}
		row[at] = v
	}
	for at, c := range t.Columns {
		if row[at] != nil {
			continue
		}
		if c.Type == "rowversion" {
			row[at] = s.nextVersion()
		} else if !c.Nullable {
			return nil, tds.Errorf(515, 16, "Cannot insert the value NULL into column '%s', table '%s.%s'; "+
				"column does not allow nulls. INSERT fails.", c.Name, t.Schema, t.Name)
		}
	}
	return row, nil
}

func (s *Server) nextVersion() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions++
	return binary.BigEndian.AppendUint64(nil, s.versions)
}

// stored brings a value from the wire into the form that bacpacfile.Column describes, padded and bounded as the column
// demands.
func stored(c bacpacfile.Column, v any) (any, error) {
	wrong := fmt.Errorf("a %T is no value of column %s, which is %s", v, c.Name, c.Type)
	ok := true
	switch c.Type {
	case "tinyint", "smallint", "int", "bigint":
		_, ok = v.(int64)
	case "bit":
		_, ok = v.(bool)
	case "real":
		_, ok = v.(float32)
	case "float":
		_, ok = v.(float64)
	case "date", "time", "datetime", "datetime2", "smalldatetime", "datetimeoffset":
		_, ok = v.(time.Time)
	case "uniqueidentifier":
		_, ok = v.([16]byte)
	case "char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml":
		if s, isText := v.(string); isText {
			return storedText(c, s)
		}
		ok = false
	case "decimal", "numeric", "money", "smallmoney":
		_, ok = v.(string)
	default:
		if b, isBytes := v.([]byte); isBytes {
			return storedBytes(c, b)
		}
		ok = false
	}
	if v != nil && !ok {
		return nil, wrong
	}
	return v, nil
}

func errTruncated(c bacpacfile.Column) *tds.Error {
	return tds.Errorf(2628, 16, "String or binary data would be truncated in column '%s'.", c.Name)
}

func storedText(c bacpacfile.Column, s string) (any, error) {
	if c.Length <= 0 || c.Type == "text" || c.Type == "ntext" || c.Type == "xml" {
		return s, nil
	}
	n := len([]rune(s)) // one byte each in code page 1252
	if c.Type[0] == 'n' {
		n = len(utf16.Encode([]rune(s)))
	}
	if n > c.Length {
		return nil, errTruncated(c)
	}
	if c.Type == "char" || c.Type == "nchar" {
		s += strings.Repeat(" ", c.Length-n)
	}
	return s, nil
}

func storedBytes(c bacpacfile.Column, b []byte) (any, error) {
	switch {
	case c.Type == "binary" && len(b) < c.Length:
		b = append(b, make([]byte, c.Length-len(b))...)
	case (c.Type == "binary" || c.Type == "varbinary") && c.Length > 0 && len(b) > c.Length:
		return nil, errTruncated(c)
	}
	return b, nil
}
