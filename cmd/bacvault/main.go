// Command bacvault is the operator's command line: it looks, asks and checks; it never deletes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes, for scripts. docs/exit-codes.md says the same.
const (
	exitOK      = 0
	exitFault   = 1 // something failed: the words on stderr say what
	exitUsage   = 2
	exitBad     = 3 // what was looked at is not good: an archive, a manifest, a status
	exitPartial = 4 // part of it could not be read: neither good nor bad
)

// verdict is an answer that is not "good", as an exit code.
type verdict struct {
	code int
	why  string
}

func (v verdict) Error() string { return v.why }

var errUsage = errors.New("usage")

const usage = `bacvault looks after immutable backups of Azure SQL databases.

  bacvault verify --offline FILE.bacpac [MANIFEST.json] [-o json]   check an archive, and its manifest against it; changes nothing
  bacvault status [-o json]                                         what is protected, running, overdue; changes nothing
  bacvault plan [--instances N] [--window 8h] [-o json]             hours a night takes, from recorded durations; changes nothing
  bacvault request backup --database NAME [--reason TEXT] [--id ID] queue one backup; the queue gets a message
  bacvault request restore --database NAME [--backup latest|latest-proven] [--blob NAME] [--file OLD.bacpac]
                           [--target NAME] [--objective S9] [--reason TEXT] [--id ID]
                                                                    queue one restore to a new database; the queue gets a message

Exit codes: 0 good, 1 failed, 2 usage, 3 what was looked at is not good, 4 part of it could not be read.
Example: bacvault request restore --database DToSDB --target DToSDB_check --reason "CHG0012345"
Settings come from the environment: docs/settings.md.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// exitCode turns an error into the code, and says what the command has not said itself.
func exitCode(err error, stderr io.Writer) int {
	var v verdict
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage) || errors.Is(err, flag.ErrHelp):
		return exitUsage
	case errors.As(err, &v):
		fmt.Fprintln(stderr, v.why)
		return v.code
	}
	fmt.Fprintln(stderr, err)
	return exitFault
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	switch args[0] {
	case "verify":
		return verify(ctx, args[1:], stdout, stderr)
	case "status":
		return status(ctx, args[1:], environ, stdout, stderr)
	case "plan":
		return plan(ctx, args[1:], environ, stdout, stderr)
	case "request":
		return request(ctx, args[1:], environ, stdout, stderr)
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return nil
	}
	fmt.Fprintf(stderr, "bacvault: %q is not a command\n\n%s", args[0], usage)
	return errUsage
}

// parse reads flags and the words between them, in any order.
func parse(fs *flag.FlagSet, args []string, stderr io.Writer) (words []string, err error) {
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage) }
	for {
		if err := fs.Parse(args); err != nil {
			return nil, errors.Join(errUsage, err)
		}
		if fs.NArg() == 0 {
			return words, nil
		}
		words = append(words, fs.Arg(0))
		args = fs.Args()[1:]
	}
}
