package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/spf13/cobra"
)

// cli is one command line at work.
type cli struct {
	args, environ  []string
	stdin          io.Reader
	stdout, stderr io.Writer
	// inTTY, outTTY and errTTY say that a person is at the other end.
	inTTY, outTTY, errTTY bool
	// open and openHere wire the product; tests put their own in.
	open     func(environ []string, report bacvault.Report) (operator, error)
	openHere func(app.HereConfig) (here, error)
	// poll lies between two looks at a run of somebody else's.
	poll time.Duration

	format  string // -o
	started bool   // the command line was understood
}

// operator is what the commands ask of the composition.
type operator interface {
	Status(ctx context.Context) app.StatusModel
	Plan(ctx context.Context, instances int, window time.Duration) (app.NightPlan, error)
	RequestBackup(ctx context.Context, r bacvault.BackupRequest) (bacvault.BackupRequest, error)
	RequestRestore(ctx context.Context, r bacvault.RestoreRequest) (bacvault.RestoreRequest, error)
	PlanRestore(ctx context.Context, r bacvault.RestoreRequest) (app.RestorePlan, error)
	Running(ctx context.Context, request string) (*bacvault.Progress, error)
	LastEnd(ctx context.Context, kind string, d bacvault.Database, request string, since time.Time) (*app.End, error)
	Manifest(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error)
	Restored(ctx context.Context, sent bacvault.RestoreRequest) (*app.RestoreResult, error)
	DrillProof(ctx context.Context, d bacvault.Database, request string, since time.Time) (*bacvault.Proof, error)
	Promote(ctx context.Context, r bacvault.RestoreRequest) (bacvault.Promotion, error)
	Backups(ctx context.Context, f app.BackupFilter) (app.BackupList, error)
	ShowBackup(ctx context.Context, r bacvault.RestoreRequest) (app.Backup, error)
	FetchBackup(ctx context.Context, r bacvault.RestoreRequest) (app.Fetched, error)
	Vault() (address, container string)
	CheckPolicy(ctx context.Context) (app.PolicyReport, error)
	AcceptPolicy(ctx context.Context) (app.PolicyReport, error)
	ProbeNow(ctx context.Context) (app.ProbeResult, error)
	PlanPolicyChange(ctx context.Context, w app.PolicyWish) (app.PolicyChange, error)
	ChangePolicy(ctx context.Context, plan app.PolicyChange) (app.PolicyChange, error)
	PeekEvents(ctx context.Context, subscription string, from int64) ([]app.Peeked, error)
	DeadLetters(ctx context.Context, queues []string) app.DeadLetters
	Requeue(ctx context.Context, queues, ids []string) (app.Requeued, error)
	Doctor(ctx context.Context, as string) (app.Diagnosis, error)
	Close(ctx context.Context) error
}

// here is a restore in this process.
type here interface {
	Plan(ctx context.Context, r bacvault.RestoreRequest) (app.RestorePlan, error)
	Restore(ctx context.Context, r bacvault.RestoreRequest) (app.RestoreResult, error)
	Close() error
}

func newCLI(args, environ []string, stdin *os.File, stdout, stderr *os.File) *cli {
	return &cli{
		args: args, environ: environ, stdin: stdin, stdout: stdout, stderr: stderr,
		inTTY: terminal(stdin), outTTY: terminal(stdout), errTTY: terminal(stderr),
		open: openApp, openHere: func(c app.HereConfig) (here, error) { return app.NewHere(c) }, poll: 3 * time.Second,
	}
}

func openApp(environ []string, report bacvault.Report) (operator, error) {
	c, err := config.Load(environ)
	if err != nil {
		return nil, err
	}
	return app.New(c, app.Options{Version: app.BuildVersion(), Environ: environ, Report: report, Operator: true})
}

// closeLimit bounds the good-bye to Service Bus.
const closeLimit = 5 * time.Second

// with opens the product for one command.
func (c *cli) with(ctx context.Context, do func(operator) error) error {
	return c.showing(ctx, nil, do)
}

// showing is for a command that does its work in this process.
func (c *cli) showing(ctx context.Context, report bacvault.Report, do func(operator) error) error {
	a, err := c.open(c.environ, report)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		_ = a.Close(ctx) // everything was answered; what is left is a connection that ends with the process
	}()
	return do(a)
}

// setting is a value of the environment.
func (c *cli) setting(name, otherwise string) string {
	for _, kv := range c.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok && v != "" {
			return v
		}
	}
	return otherwise
}

const about = `bacvault looks after immutable backups of Azure SQL databases.

Results go to stdout, words to stderr. On a terminal results are text; piped, or with -o json, they are JSON.
Settings come from the environment (docs/settings.md); who you are, from the app's managed identity where the platform
offers it, else from what this machine is signed in as (az login). No command deletes a backup: none could.

Exit codes: 0 done, and all of it; 1 failed; 2 usage; 3 looked at, and not good; 4 not all of it could be read or seen;
5 refused; 6 not found; 7 somebody else is at work; 8 unreachable, try again; 9 rows or bytes differ; 130 cancelled.
Any other code is a failure.`

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "bacvault", Short: "Immutable, proven backups of Azure SQL databases", Long: about,
		Example: "  bacvault status\n  bacvault restore --database DToSDB --target DToSDB_check --reason CHG0012345 --wait",
		Version: app.BuildVersion(), SilenceErrors: true, SilenceUsage: true, Args: c.noSuchCommand, RunE: askHelp,
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().StringVarP(&c.format, "output", "o", "", "text or json; text on a terminal and json elsewhere when absent")
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains([]string{"", "text", "table", "json"}, c.format) {
			return usageError(`-o "` + c.format + `" is not text or json`)
		}
		return nil
	}
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.SetIn(c.stdin)
	root.AddCommand(
		c.statusCommand(), c.planCommand(), c.backupCommand(), c.restoreCommand(), c.drillCommand(), c.promoteCommand(),
		c.listCommand(), c.showCommand(), c.verifyCommand(), c.policyCommand(), c.eventsCommand(), c.deadLettersCommand(), c.doctorCommand(),
		c.versionCommand(), c.requestCommand(),
	)
	return root
}

// askHelp is a command that has none of its own work: without a sub-command it is no success.
func askHelp(*cobra.Command, []string) error { return usageError("which command?") }

// noSuchCommand names the nearest command instead of the one that is not there.
func (c *cli) noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError("which command?")
	}
	said := `"` + args[0] + `" is not a command of ` + cmd.CommandPath()
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		said += "; the nearest is " + strings.Join(near, ", ")
	}
	return usageError(said)
}

// does is the work of a command; whatever was wrong before it is a matter of usage.
func (c *cli) does(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c.started = true
		return do(cmd.Context(), args)
	}
}
