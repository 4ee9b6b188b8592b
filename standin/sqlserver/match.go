package sqlserver

import (
	"regexp"
	"strings"
	"unicode"
)

// match compares a statement with a text of the closed list, white space being one and the same, and returns what stands
// in the text's holes. A hole is a name in brackets, but {objective} and {edition} are words, {size} is "250 GB", and {options}
// and {rest} are what is left. Nothing else counts as equal, not even another case.
func match(pattern, text string) (holes map[string]string, ok bool) {
	holes = map[string]string{}
	text = strings.TrimSpace(text)
	for pattern != "" {
		switch pattern[0] {
		case '{':
			name, rest, _ := strings.Cut(pattern[1:], "}")
			value, left, ok := fill(name, rest, text)
			if !ok {
				return nil, false
			}
			holes[name] = value
			pattern, text = rest, left
		case ' ':
			trimmed := strings.TrimLeftFunc(text, unicode.IsSpace)
			if trimmed == text {
				return nil, false
			}
			pattern, text = pattern[1:], trimmed
		default:
			if text == "" || text[0] != pattern[0] {
				return nil, false
			}
			pattern, text = pattern[1:], text[1:]
		}
	}
	return holes, text == ""
}

var leadingSize = regexp.MustCompile(`^[0-9]+ (MB|GB)`)

// fill takes the value of a hole off the text; after is the pattern behind the hole.
func fill(hole, after, text string) (value, left string, ok bool) {
	switch hole {
	case "objective", "edition":
		n := strings.IndexFunc(text, func(r rune) bool {
			return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		})
		if n < 1 {
			return "", "", false
		}
		return text[:n], text[n:], true
	case "size":
		value = leadingSize.FindString(text)
		return value, text[len(value):], value != ""
	case "options", "rest":
		value, ok = strings.CutSuffix(text, after)
		return value, after, ok
	}
	return unquote(text)
}

// unquote takes one name in brackets off a text; a closing bracket inside is doubled.
func unquote(text string) (name, left string, ok bool) {
	if !strings.HasPrefix(text, "[") {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] == ']' {
			if i+1 == len(text) || text[i+1] != ']' {
				return b.String(), text[i+1:], true
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}
