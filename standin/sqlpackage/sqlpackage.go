// Package sqlpackage stands in for Microsoft's sqlpackage: the same command line, output lines and exit codes for Export and
// Import, over a real login and real TDS, and the misbehaviour that the real one is known for.
package sqlpackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

// Version is what /Version prints, the release whose behaviour is acted.
const Version = bacpacfile.DefaultProductVersion

const label = "This is bacvault's stand-in for sqlpackage, not Microsoft's tool."

// Exit codes. Microsoft documents 0 and "not 0"; 1 is what is seen.
const (
	exitOK         = 0
	exitFailed     = 1
	exitMisplanned = 2   // a fault plan that the stand-in does not understand
	exitKilled     = 137 // as a shell tells SIGKILL
	exitEnded      = 143 // ended from outside, as a shell tells SIGTERM
)

// Main acts one run of sqlpackage; args are without the program's name. Of the environment it reads IDENTITY_ENDPOINT (through
// getenv; azidentity reads the process's own again) and STANDIN_SQLPACKAGE_FAULTS. It returns the exit code.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	args, err := expandResponseFiles(args)
	if err == nil && wantsVersion(args) {
		fmt.Fprintln(stderr, label)
		fmt.Fprintln(stdout, Version)
		return exitOK
	}
	var o options
	if err == nil {
		o, err = parseArgs(args)
	}
	if err != nil {
		fmt.Fprintf(stderr, "*** %v\n", err)
		return exitFailed
	}
	r := &run{options: o, getenv: getenv, out: stdout, err: stderr, started: time.Now()}
	if r.fault, err = chooseFault(getenv(faultsVariable), o.action); err != nil {
		fmt.Fprintf(stderr, "*** STAND-IN: THE FAULT PLAN IS WRONG, NOTHING WAS RUN: %v\n", err)
		return exitMisplanned
	}
	return r.main(ctx)
}

// run is one action from its first line to "Time elapsed".
type run struct {
	options
	getenv  func(string) string
	out     io.Writer
	err     io.Writer
	diag    io.Writer // the file of /DiagnosticsFile, or nil
	started time.Time
	fault   *chosenFault
}

// ending is an error that is printed line by line and ends the process with its code.
type ending struct {
	code  int
	lines []string
}

func (e *ending) Error() string { return strings.Join(e.lines, "\n") }

func (r *run) main(ctx context.Context) int {
	if r.diagnosticsFile != "" {
		f, err := os.Create(r.diagnosticsFile)
		if err != nil {
			fmt.Fprintf(r.err, "*** %v\n", err)
			return exitFailed
		}
		defer f.Close()
		r.diag = f
	}
	r.say(label)
	act := r.export
	if r.action == importAction {
		act = r.importFile
	}
	err := act(ctx)
	if err != nil && ctx.Err() != nil {
		return exitEnded
	}
	code := exitOK
	if err != nil {
		end := r.endingOf(err)
		for _, line := range end.lines {
			r.complain("%s", line)
		}
		if code = end.code; code == exitKilled || code == exitMisplanned {
			return code // no last words
		}
	}
	// Printed after a failure too.
	t := time.Since(r.started)
	r.say("Time elapsed %d:%02d:%05.2f", int(t.Hours()), int(t.Minutes())%60, (t % time.Minute).Seconds())
	return code
}

// say prints a line of progress, which /Quiet holds back.
func (r *run) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !r.quiet {
		fmt.Fprintln(r.out, line)
	}
	r.diagnose(line)
}

// complain prints a line of error or warning; both begin with "*** " in the real tool.
func (r *run) complain(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(r.err, line)
	r.diagnose(line)
}

func (r *run) diagnose(line string) {
	if r.diag != nil {
		fmt.Fprintf(r.diag, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	}
}

// endingOf words an error as the real tool does: one line beginning with "*** Error exporting database:", then details.
func (r *run) endingOf(err error) *ending {
	var end *ending
	if errors.As(err, &end) {
		return end
	}
	doing, general := "exporting", "Could not extract package from specified database."
	if r.action == importAction {
		doing, general = "importing", "Could not import package."
	}
	head := "*** Error " + doing + " database:"
	var login *loginError
	var script *scriptError
	var server mssql.Error
	switch {
	case errors.As(err, &login) && errors.As(err, &server):
		// The first token says why ("Cannot open database"), the last only that the login failed.
		return &ending{exitFailed, append([]string{head + messages(server)[0]}, messages(server)[1:]...)}
	case errors.As(err, &login):
		return &ending{exitFailed, []string{head + general + " A network-related or instance-specific error occurred while establishing a connection to SQL Server. (" + oneLine(err) + ")"}}
	case errors.As(err, &script) && errors.As(err, &server):
		lines := []string{head + general}
		for _, e := range tokens(server) {
			lines = append(lines, fmt.Sprintf("Error SQL72014: Core Microsoft SqlClient Data Provider: Msg %d, Level %d, State %d, Line %d %s",
				e.Number, e.Class, e.State, e.LineNo, e.Message))
		}
		return &ending{exitFailed, append(lines, "Error SQL72045: Script execution error.  The executed script:", script.text)}
	}
	return &ending{exitFailed, []string{head + general, oneLine(err)}}
}

// tokens are all errors of one answer; Number alone is the last one's.
func tokens(e mssql.Error) []mssql.Error {
	if len(e.All) == 0 {
		return []mssql.Error{e}
	}
	return e.All
}

func messages(e mssql.Error) (out []string) {
	for _, t := range tokens(e) {
		out = append(out, t.Message)
	}
	return out
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// scriptError is an error of the statement text.
type scriptError struct {
	text string
	err  error
}

func (e *scriptError) Error() string { return "run " + e.text + ": " + e.err.Error() }
func (e *scriptError) Unwrap() error { return e.err }
