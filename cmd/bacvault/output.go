package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// terminal says whether a person is at the other end. /dev/null is a character device too, so the mode does not tell.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// print gives a result once: as JSON for programs, as text for people.
func (c *cli) print(v any, text func(w io.Writer)) error {
	if c.format == "json" || c.format == "" && !c.outTTY {
		enc := json.NewEncoder(c.stdout)
		if c.outTTY { // a program needs no indenting, which takes longer than all the rest of it
			enc.SetIndent("", "  ")
		}
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("print the result: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// say is for people only.
func (c *cli) say(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
}

// mib is a size for a screen.
func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// listed prints remarks, one a line.
func listed(w io.Writer, what string, all []string) {
	for _, s := range all {
		fmt.Fprintf(w, "%s:\t%s\n", what, s)
	}
}
