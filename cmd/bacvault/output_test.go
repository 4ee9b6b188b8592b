package main

import (
	"strings"
	"testing"
)

// A program gets its document in one line; a person who asks for it on a terminal can read it.
func TestJSONIsIndentedOnATerminalAlone(t *testing.T) {
	for _, command := range []string{"status", "doctor"} {
		piped, seen := enter(t, &fake{}, nil, command), enter(t, &fake{}, onTerminal, command, "-o", "json")
		if strings.Count(piped.out, "\n") != 1 || !strings.HasSuffix(piped.out, "}\n") {
			t.Errorf("%s, piped: %q", command, piped.out)
		}
		if !strings.HasPrefix(seen.out, "{\n  \"") || !strings.HasSuffix(seen.out, "\n}\n") {
			t.Errorf("%s, on a terminal: %q", command, seen.out)
		}
	}
}
