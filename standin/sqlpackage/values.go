package sqlpackage

import (
	"fmt"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

// fromDriver turns what go-mssqldb scans into the value form of bacpacfile.
func fromDriver(c bacpacfile.Column, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, string, time.Time:
		return v, nil
	case float64:
		if c.Type == "real" {
			return float32(v), nil
		}
		return v, nil
	case []byte:
		switch c.Type {
		case "decimal", "numeric", "money", "smallmoney":
			return string(v), nil
		case "uniqueidentifier":
			if len(v) != 16 {
				return nil, fmt.Errorf("uniqueidentifier of %d bytes", len(v))
			}
			return [16]byte(v), nil
		}
		return v, nil
	}
	return nil, fmt.Errorf("a %T from the server", v)
}

// toDriver turns a value form into what CopyIn sends exactly.
func toDriver(c bacpacfile.Column, v any) (any, error) {
	switch v := v.(type) {
	case float32:
		return float64(v), nil
	case [16]byte:
		return v[:], nil
	case string:
		switch c.Type {
		case "char", "varchar", "text":
			// CopyIn sends a string's UTF-8 as it is, so that the server would read it as code page 1252.
			return codePage1252(v)
		}
	}
	return v, nil
}

// codePage1252 is the code page of SQL_Latin1_General_CP1 as Windows has it: the five bytes without a character stand for the
// control characters of their number, which is how a real pubs holds "M\u0081nchen".
func codePage1252(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		switch r {
		case 0x81, 0x8d, 0x8f, 0x90, 0x9d:
			b = append(b, byte(r))
			continue
		}
		c, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			return nil, fmt.Errorf("code page 1252 does not hold %q", r)
		}
		b = append(b, c)
	}
	return b, nil
}
