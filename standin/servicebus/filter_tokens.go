package servicebus

import (
	"fmt"
	"strings"
)

type sqlKind int

const (
	sqlEnd sqlKind = iota
	sqlName
	sqlQuotedName
	sqlText
	sqlNumber
	sqlSign
)

type sqlToken struct {
	kind sqlKind
	text string
}

// sqlTokens cuts a rule into tokens and ends them with sqlEnd.
func sqlTokens(rule string) ([]sqlToken, error) {
	var out []sqlToken
	for rest := strings.TrimLeft(rule, " \t\r\n"); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		t, n, err := sqlTokenAt(rest)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		rest = rest[n:]
	}
	return append(out, sqlToken{kind: sqlEnd, text: "the end"}), nil
}

func sqlTokenAt(s string) (sqlToken, int, error) {
	switch c := s[0]; {
	case c == '\'':
		return sqlQuoted(s, '\'', sqlText)
	case c == '"':
		return sqlQuoted(s, '"', sqlQuotedName)
	case c == '[':
		return sqlQuoted(s, ']', sqlQuotedName)
	case strings.HasPrefix(s, "<>"), strings.HasPrefix(s, "!="):
		return sqlToken{sqlSign, s[:2]}, 2, nil
	case strings.IndexByte("=(),.", c) >= 0:
		return sqlToken{sqlSign, s[:1]}, 1, nil
	case isLetter(c):
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
			n++
		}
		return sqlToken{sqlName, s[:n]}, n, nil
	case isDigit(c), c == '-' && len(s) > 1 && isDigit(s[1]):
		n := 1
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return sqlToken{sqlNumber, s[:n]}, n, nil
	}
	return sqlToken{}, 0, fmt.Errorf("%q is not supported", s[:1])
}

// sqlQuoted reads a quoted text or name; a doubled quote stands for one.
func sqlQuoted(s string, quote byte, kind sqlKind) (sqlToken, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			b.WriteByte(quote)
			continue
		}
		return sqlToken{kind, b.String()}, i + 1, nil
	}
	return sqlToken{}, 0, fmt.Errorf("%c is not closed", quote)
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
