package sqlpackage

import (
	"regexp"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// parseTable reads the progress line "Processing Table '[schema].[table]'.", in which a closing bracket in a name is doubled.
func parseTable(line string) (bacvault.Table, bool) {
	s, ok := strings.CutPrefix(line, "Processing Table '")
	if !ok {
		return bacvault.Table{}, false
	}
	if s, ok = strings.CutSuffix(s, "'."); !ok {
		return bacvault.Table{}, false
	}
	schema, s, ok := bracketed(s)
	if !ok || !strings.HasPrefix(s, ".") {
		return bacvault.Table{}, false
	}
	name, s, ok := bracketed(s[1:])
	return bacvault.Table{Schema: schema, Name: name}, ok && s == ""
}

// bracketed reads one [name] off the front.
func bracketed(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, "[") {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == ']' {
			if i+1 == len(s) || s[i+1] != ']' {
				return b.String(), s[i+1:], true
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", s, false
}

var secrets = []struct {
	mark string // without one of these characters there is nothing to find; a flood of lines is scrubbed too
	find *regexp.Regexp
	put  string
}{
	// A JSON web token, whole or cut off: its first part is base64url of `{"`.
	{"J", regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)*`), "***"},
	{"rR", regexp.MustCompile(`(?i)\b(bearer)\s+\S+`), "$1 ***"},
	{"=:", regexp.MustCompile(`(?i)\b([a-z_-]*(?:password|pwd|access_?token|secret|accountkey|identity_header))(\s*[=:]\s*)("[^"]*"?|'[^']*'?|[^;\s]+)`), "$1$2***"},
	{"?&", regexp.MustCompile(`(?i)([?&]sig=)[^&\s]+`), "$1***"},
}

// scrub takes out what looks like a secret. None should be there: sqlpackage is given none, but it prints what it likes.
func scrub(s string) string {
	for _, x := range secrets {
		if strings.ContainsAny(s, x.mark) {
			s = x.find.ReplaceAllString(s, x.put)
		}
	}
	return s
}

// brief is a few lines as one, for an error.
func brief(lines []string) string {
	const most, width = 4, 300
	var out []string
	for _, l := range lines {
		if len(out) == most {
			out = append(out, "…")
			break
		}
		if r := []rune(l); len(r) > width {
			l = string(r[:width]) + "…"
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return "no output"
	}
	return strings.Join(out, " | ")
}
