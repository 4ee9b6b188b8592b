package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// restoring is what was asked for on the command line.
type restoring struct {
	asked
	which
	patience
	local
	server, target, objective, edition string
	maxSizeGB                          int
	plan                               bool
}

func (c *cli) restoreCommand() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use: "restore --database NAME", Short: "Bring a backup back as a new database: queued, planned, or here",
		Long: "Sends one message to the queue restore-requests. Without --wait, exit 0 says that it is queued, not that it went well.\n" +
			"With --wait it ends when the restored database is reconciled. --plan says what would be done, and changes nothing.\n" +
			"A restore never writes into a database that exists.\n\n" +
			"--here restores in this process. It needs the vault and a server, and nothing else of bacvault: no app, no Service Bus, no\n" +
			"state container, no settings. There is no lease then: a second run onto the same name is refused because the name exists.\n" +
			"Exit 0 only once rows restored = rows in the archive = rows at the source. What a failed run created is dropped.",
		Example: "  bacvault restore --database DToSDB --target DToSDB_check --objective S9 --reason CHG0012345 --wait\n" +
			"  bacvault restore --database DToSDB --backup latest-proven --plan\n" +
			"  bacvault restore --here --from https://stvault.blob.core.windows.net/sql-backups --database sqlsvr-x/DToSDB \\\n" +
			"    --target-server sqlsvr-new --target DToSDB --objective S9 --sqlpackage ./sqlpackage/sqlpackage",
		Args: cobra.NoArgs,
	}
	r.asked.flags(cmd, "the protected database; with --here SERVER/NAME, as the vault has it")
	r.which.flags(cmd)
	r.patience.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.server, "server", "", "the database's server, where the app has several")
	f.StringVar(&r.target, "target", "", "the new database; <database>_RESTORE when absent")
	f.StringVar(&r.objective, "objective", "", "its service objective, such as S9")
	f.StringVar(&r.edition, "edition", "", "its edition, such as Standard")
	f.IntVar(&r.maxSizeGB, "max-size-gb", 0, "its maximum size")
	f.BoolVar(&r.plan, "plan", false, "only say what would be done")
	r.local.flags(cmd, c)
	cmd.MarkFlagsMutuallyExclusive("plan", "wait")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return r.local.check(cmd) }
	cmd.RunE = c.does(func(ctx context.Context, _ []string) error {
		req := bacvault.RestoreRequest{
			Kind: bacvault.KindRestore, Envelope: r.envelope(), Database: r.source(r.server), TargetDatabase: r.target,
			ServiceObjective: r.objective, Edition: r.edition, MaxSizeGB: r.maxSizeGB,
		}
		if err := r.which.into(&req); err != nil {
			return err
		}
		if r.here {
			return c.restoreHere(ctx, r, req)
		}
		return c.with(ctx, func(a operator) error {
			if r.plan {
				p, err := a.PlanRestore(ctx, req)
				return c.printRestorePlan(p, err)
			}
			return c.restore(ctx, a, req, r.patience)
		})
	})
	return cmd
}

func (c *cli) restore(ctx context.Context, a operator, r bacvault.RestoreRequest, p patience) error {
	began := time.Now().Add(-skew)
	sent, err := a.RequestRestore(ctx, r)
	if err != nil {
		return err
	}
	if !p.wait {
		return c.printSent(sent, bacvault.RestoreQueue, sent.Envelope, sent.Database)
	}
	c.say("queued restore %s of %s", sent.ID, sent.Database)
	var res *app.RestoreResult
	err = c.await(ctx, p, awaited{string(sent.Kind), sent.Database, sent.ID, began}, a, func(ctx context.Context) (_ bool, err error) {
		res, err = a.Restored(ctx, sent)
		return res != nil, err
	})
	if err != nil {
		return c.unseen(err, sent, bacvault.RestoreQueue, sent.Envelope, sent.Database)
	}
	return c.printRestored(*res)
}

func (c *cli) printRestored(res app.RestoreResult) error {
	return c.print(res, func(w io.Writer) {
		fmt.Fprintf(w, "%s restored as %s from %s\n\n", res.Source, res.Target, res.Blob.Name)
		fmt.Fprintln(w, "TABLE\tSOURCE\tARCHIVE\tRESTORED")
		count := func(n *int64) string {
			if n == nil {
				return "-"
			}
			return fmt.Sprint(*n)
		}
		for _, t := range res.Tables {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Table, count(t.Source), count(t.Archive), count(t.Restored))
		}
		fmt.Fprintln(w)
		for _, o := range res.Objects {
			fmt.Fprintf(w, "%s:\t%d in the archive, %d restored\n", o.Kind, o.Archive, o.Restored)
		}
		if res.Unmanifested {
			fmt.Fprintln(w, "finding:\tthe file has no manifest: its rows were compared with the archive only")
		}
		listed(w, "finding", res.Findings)
	})
}

func (c *cli) printRestorePlan(p app.RestorePlan, err error) error {
	if err != nil {
		return err
	}
	if err := c.print(p, func(w io.Writer) { printRestorePlan(w, p) }); err != nil {
		return err
	}
	switch {
	case len(p.Obstacles) > 0:
		return verdict{exitRefused, "it would be refused: " + strings.Join(p.Obstacles, "; ")}
	case len(p.Unread) > 0:
		return verdict{exitPartial, "part of the plan could not be looked at"}
	}
	return nil
}

func printRestorePlan(w io.Writer, p app.RestorePlan) {
	slot := "no slot"
	if p.Slot != nil {
		slot = p.Slot.String()
	}
	fmt.Fprintf(w, "backup:\t%s of %s\n", slot, p.Database)
	fmt.Fprintf(w, "blob:\t%s, %s\n", p.Blob.Name, mib(p.Blob.Size))
	switch {
	case p.Proven != nil:
		fmt.Fprintf(w, "proven:\tyes, restored by a drill at %s\n", p.Proven.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(w, "proven:\tno drill of this backup has passed\n")
	}
	if p.Consistency != "" {
		fmt.Fprintf(w, "consistency:\t%s\n", p.Consistency)
	}
	free := "not known"
	if p.TargetFree != nil {
		free = yes(*p.TargetFree)
	}
	fmt.Fprintf(w, "target:\t%s, name is free: %s\n", p.Target, free)
	fmt.Fprintf(w, "objective:\t%s\n", objective(p))
	fmt.Fprintf(w, "disk:\t%s needed", mib(p.DiskNeed))
	if p.DiskFree != nil {
		fmt.Fprintf(w, ", %s free", mib(*p.DiskFree))
	}
	fmt.Fprintln(w)
	listed(w, "degraded", p.Degraded)
	listed(w, "note", p.Notes)
	listed(w, "not read", p.Unread)
	listed(w, "obstacle", p.Obstacles)
}

// objective says what the new database gets, and what the source had.
func objective(p app.RestorePlan) string {
	out := "the server's default; say --objective"
	if p.ServiceObjective != "" {
		out = p.ServiceObjective
	}
	if p.Edition != "" {
		out += ", edition " + p.Edition
	}
	if p.MaxSizeGB > 0 {
		out += fmt.Sprintf(", at most %d GB", p.MaxSizeGB)
	}
	if s := p.Source; s != nil && s.ServiceObjective != "" {
		out += fmt.Sprintf(" (the source had %s", s.ServiceObjective)
		if s.MaxSizeBytes > 0 {
			out += fmt.Sprintf(", at most %d GB", s.MaxSizeBytes>>30)
		}
		out += ")"
	}
	return out
}
