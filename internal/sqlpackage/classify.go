package sqlpackage

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// exited is what the tool's own end means: nil for exit code 0, which proves nothing else.
func exited(a action, err error, out *output) error {
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: run sqlpackage: %w", a, err)
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	lines, said := faultLines(out), out.all.last(3)
	f := classify(a, lines)
	// A shell or container runtime reports the signal as 128 + 9.
	if (status.Signaled() && status.Signal() == syscall.SIGKILL) || exit.ExitCode() == 128+int(syscall.SIGKILL) {
		f = &bacvault.Failure{Code: bacvault.CodeToolKilled}
	}
	if len(out.notable.lines()) > 0 {
		said = lines
	}
	full := bacvault.Fail(f.Code, "sqlpackage ended with %s: %s", exit.ProcessState, brief(said))
	if f.Class != "" {
		full.Class = f.Class
	}
	if f.Next != "" {
		full.Next = f.Next
	}
	full.Err, full.Exists = err, leftBehind(a)
	return full
}

// classify finds the code and, where they differ from the code's, class and advice.
func classify(a action, lines []string) *bacvault.Failure {
	failed := map[action]bacvault.Code{export: bacvault.CodeExportFailed, imprt: bacvault.CodeImportFailed}[a]
	text := strings.Join(lines, "\n")
	for _, r := range rules {
		if !r.find.MatchString(text) {
			continue
		}
		code := map[action]bacvault.Code{export: r.export, imprt: r.imprt}[a]
		if code == "" {
			code = failed
		}
		return &bacvault.Failure{Code: code, Class: r.class, Next: r.next}
	}
	return &bacvault.Failure{Code: failed}
}

var (
	fatalMark    = regexp.MustCompile(`^\*\*\* (Error |An unexpected failure)|^An unexpected failure|^Unhandled [Ee]xception`)
	progressLine = regexp.MustCompile(`^(Processing |Disabling ind|Enabling ind|Connecting to |Importing |Exporting |Extracting |Time elapsed )`)
)

// faultLines are the lines that say why a run failed: from the first fatal mark on, since a warning or a fault that the tool
// got over may stand before it.
func faultLines(out *output) []string {
	for _, all := range [][]string{out.all.lines(), out.notable.lines()} {
		if i := slices.IndexFunc(all, fatalMark.MatchString); i >= 0 {
			return withoutProgress(all[i:])
		}
	}
	if n := out.notable.lines(); len(n) > 0 {
		return n
	}
	return withoutProgress(out.all.last(tailLines))
}

func withoutProgress(lines []string) (out []string) {
	for _, l := range lines {
		if !progressLine.MatchString(l) {
			out = append(out, l)
		}
		// What follows is the text of a T-SQL script, which may hold any words.
		if strings.Contains(l, "The executed script:") {
			break
		}
	}
	return out
}
