// Command acceptance runs once, in an owner's own subscription, what no stand-in can prove: the product's own code against
// Azure's SQL, storage and management plane, on one small database and one container with an unlocked policy of a day.
// docs/acceptance.md is its manual.
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
	"time"
)

// How the program ends.
const (
	exitPassed = 0
	exitFailed = 1 // something failed, was skipped, or a statement was not run
	exitUsage  = 2 // nothing was begun
)

// options is what was typed.
type options struct {
	yes         bool
	server      string
	database    string
	report      string
	leastRights bool
	removal     bool
	longTerm    bool
	versioned   string
	limit       time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitPassed
	}
	if err != nil {
		fmt.Fprintln(stderr, "acceptance:", err)
		return exitUsage
	}
	if !o.yes {
		fmt.Fprint(stdout, plan)
		return exitUsage
	}
	if o.database == "" {
		fmt.Fprintln(stderr, "acceptance: --database names the small database to copy; it is asked for by name so that it is never another one")
		return exitUsage
	}
	if err := writable(o.report); err != nil {
		fmt.Fprintln(stderr, "acceptance: nothing was begun: the report could not be written:", err)
		return exitUsage
	}
	a, err := begin(ctx, o, environ, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "acceptance: nothing was begun:", err)
		return exitUsage
	}
	rep := a.run(ctx)
	if err := rep.write(o.report); err != nil {
		fmt.Fprintln(stderr, "acceptance: the report was not written:", err)
		return exitFailed
	}
	fmt.Fprint(stdout, rep.summary(o.report))
	if !rep.Passed {
		return exitFailed
	}
	return exitPassed
}

func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("acceptance", flag.ContinueOnError)
	f.BoolVar(&o.yes, "yes-create-and-drop", false, "create and drop databases and blobs in your subscription; without it the plan is printed and nothing else")
	f.StringVar(&o.database, "database", "", "the small database to copy; it is read and copied, never changed")
	f.StringVar(&o.server, "server", "", "its logical server, where SQL_SERVER_NAME names several")
	f.StringVar(&o.report, "report", "acceptance-report", "folder that gets acceptance.json and acceptance.md")
	f.BoolVar(&o.leastRights, "least-rights", false, "I run as an identity that has the rights in docs/permissions.md and docs/grants.sql, and no more")
	f.BoolVar(&o.removal, "remove-policy", false, "at the end remove the container's unlocked policy and delete the blobs of this run")
	f.BoolVar(&o.longTerm, "ltr", false, "also put an immutable long-term retention policy on this run's own copy, and an ordinary one over it")
	f.StringVar(&o.versioned, "version-container", "", "a container of the same account with version-level immutability; it is only looked at")
	f.DurationVar(&o.limit, "limit", 4*time.Hour, "how long all of it may take; clean-up comes on top")
	return f
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flags(&o)
	f.SetOutput(stderr)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not expected; every argument is a flag", f.Arg(0))
	}
	return o, nil
}

const plan = `This would, in the subscription that the settings name, as whoever this machine is signed in as:
  1. copy the database that --database names, on its own server, to <name>_accept_<time>, and wait until it is online
  2. count, look at and fingerprint that copy
  3. back the copy up into the vault container: a second copy, sqlpackage export, verify, stage, commit, manifest
  4. try to overwrite, delete and change a small blob of its own there, and write down exactly how the store answers
  5. make and delete an empty container in the same account, to see what "no policy" looks like
  6. drill that backup, restore it, scale the restored database, promote it in place of the copy, and undo that
  7. drop every database that it made, and say what it could not remove

Your own database is read and copied. It is never renamed, scaled or dropped.
Refused: a policy that is locked or longer than one day, a container that holds anything but what such a run left there,
a database of more than 1 GiB, or with a service objective that is not small.

Costs: for about an hour up to three more databases of the size and objective of yours, which Azure charges by the hour; some
MiB in a container for at least a day; some hundred requests. With a database of Basic or S0 that is the smallest class there is.

Nothing was done. To do it:
  go run ./acceptance --yes-create-and-drop --database <name> --report <folder>
`
