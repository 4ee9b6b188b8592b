// Command bacvault is the operator's command line: it looks, asks, checks and restores; it never deletes a backup.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes, for scripts. docs/exit-codes.md says the same; what it does not name is a failure.
const (
	exitOK          = 0
	exitFault       = 1 // something failed: the words on stderr say what
	exitUsage       = 2
	exitBad         = 3   // what was looked at is not good: an archive, a manifest, a status, a plan
	exitPartial     = 4   // part of it could not be read, or its end not seen: neither good nor bad
	exitRefused     = 5   // it must not be done as things stand; nothing was changed
	exitNotFound    = 6   // the backup, the database or the blob is not there
	exitBusy        = 7   // somebody else is at work on it
	exitUnreachable = 8   // a passing fault of a service or the network: try again
	exitVerify      = 9   // rows or bytes are not what they must be
	exitCancelled   = 130 // Ctrl-C, or SIGTERM
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first Ctrl-C cleans up; the second ends the process at once.
	context.AfterFunc(ctx, func() {
		fmt.Fprintln(os.Stderr, "bacvault: ending, and cleaning up what was begun; once more ends at once and leaves it")
		stop()
	})
	code := run(ctx, newCLI(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	os.Exit(code)
}

// run does one command line and gives the exit code.
func run(ctx context.Context, c *cli) int {
	root := c.root()
	root.SetArgs(c.args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !c.started {
		fmt.Fprintf(c.stderr, "bacvault: %v\n\n%s\nSee also: %s --help\n", err, cmd.UsageString(), cmd.CommandPath())
		return exitUsage
	}
	return exitCode(ctx, err, c.stderr)
}
