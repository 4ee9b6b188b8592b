package tds

import (
	"fmt"

	"golang.org/x/text/encoding/charmap"
)

// Windows gives the five bytes of code page 1252 that have no character the control character of their number; a real pubs
// holds "M\u0081nchen". The WHATWG table of x/text and the driver's own know no such thing.
func isControl(r rune) bool {
	switch r {
	case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
		return true
	}
	return false
}

// InCodePage is whether a text survives the way through code page 1252 to the driver.
func InCodePage(s string) bool {
	for _, r := range s {
		if _, ok := charmap.Windows1252.EncodeRune(r); !ok || isControl(r) {
			return false
		}
	}
	return true
}

func toCodePage(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := charmap.Windows1252.EncodeRune(r)
		switch {
		case isControl(r):
			c = byte(r)
		case !ok: // a question mark, as the real server sends, would be a silent loss
			return nil, fmt.Errorf("code page 1252 has no %q", r)
		}
		b = append(b, c)
	}
	return b, nil
}

func fromCodePage(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		if r[i] = rune(c); !isControl(r[i]) {
			r[i] = charmap.Windows1252.DecodeByte(c)
		}
	}
	return string(r)
}
