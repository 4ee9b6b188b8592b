// Command dockerfile-lint checks the Dockerfile as far as that goes without an engine and without a registry: BuildKit's own
// front end reads it, turns it into a build plan and applies every rule that it has; ShellCheck reads what RUN runs; and rules
// of ours find variables that nobody declares, declarations that nobody uses, and a COPY of what is not there.
//
//	dockerfile-lint FOLDER      the folder holds Dockerfile, .dockerignore and tools/image.pins
//
// It prints one line for each finding and ends 1 if there is one, 2 if it could not look.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// finding is one thing to change. Line 0 is the file as a whole.
type finding struct {
	line int
	rule string
	text string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dockerfile-lint FOLDER")
		os.Exit(2)
	}
	args, err := buildArgs(filepath.Join(os.Args[1], "tools/image.pins"))
	if err == nil {
		var report report
		if report, err = lint(context.Background(), os.Args[1], args); err == nil {
			fmt.Print(report)
			if len(report.findings) > 0 {
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "dockerfile-lint:", err)
	os.Exit(2)
}

// buildArgs is what tools/image gives the build. A pin that nobody has looked up yet is made up in its form: no rule depends on it.
func buildArgs(pins string) (map[string]string, error) {
	text, err := os.ReadFile(pins)
	if err != nil {
		return nil, err
	}
	args := map[string]string{"VERSION": "v0.0.0", "REVISION": strings.Repeat("0", 40), "CREATED": "2000-01-01T00:00:00Z", "SOURCE_DATE_EPOCH": "946684800"}
	n := 0
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		n++
		if value == "" {
			value = strings.Repeat("a", 64)
			if strings.HasSuffix(name, "_DIGEST") {
				value = "sha256:" + value
			}
		}
		args[name] = value
	}
	if n == 0 {
		return nil, fmt.Errorf("%s holds no pin", pins)
	}
	return args, nil
}

// lint applies everything, and takes the Dockerfile at its word where it says which of BuildKit's rules it leaves out.
func lint(ctx context.Context, root string, args map[string]string) (report, error) {
	df, err := readDockerfile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return report{}, err
	}
	found, err := buildkit(ctx, root, args)
	if err != nil {
		return report{}, err
	}
	out := report{waived: map[string]int{}}
	for _, f := range found {
		if slices.Contains(df.skip, f.rule) {
			out.waived[f.rule]++
		} else {
			out.findings = append(out.findings, f)
		}
	}
	for _, rule := range df.skip {
		if out.waived[rule] == 0 {
			out.findings = append(out.findings, finding{1, "StaleSkip", "the Dockerfile leaves out " + rule + ", which finds nothing"})
		}
	}
	out.findings = slices.Concat(out.findings, df.variables(), df.copies(root))
	shell, scripts, err := df.shellcheck(ctx)
	if err != nil {
		return report{}, err
	}
	out.scripts = scripts
	out.findings = append(out.findings, shell...)
	slices.SortStableFunc(out.findings, func(a, b finding) int { return a.line - b.line })
	return out, nil
}

type report struct {
	findings []finding
	waived   map[string]int // rules that the Dockerfile leaves out, and how often each would have spoken
	scripts  int
}

func (r report) String() string {
	var b strings.Builder
	for _, f := range r.findings {
		fmt.Fprintf(&b, "Dockerfile:%d: %s: %s\n", f.line, f.rule, f.text)
	}
	for rule, n := range r.waived {
		fmt.Fprintf(&b, "Dockerfile: %s: left out by the Dockerfile itself, %d times\n", rule, n)
	}
	fmt.Fprintf(&b, "Dockerfile: %d findings by BuildKit's front end with all its rules, ShellCheck on %d RUNs, and our rules of variables and copies. Nothing was built.\n", len(r.findings), r.scripts)
	return b.String()
}
