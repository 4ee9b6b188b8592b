package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) promoteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "promote", Short: "Put a restored database in the place of the live one, or undo that", Args: c.noSuchCommand, RunE: askHelp, SuggestionsMinimumDistance: 2,
		Long: "The live database is renamed aside and kept, the restored one takes its name, and gets its objective and retention. It runs in\n" +
			"this process with your own rights; with --queue the restore app does it. A broken promotion goes on with apply, or back with undo.",
		Example: "  bacvault promote plan --database DToSDB\n  bacvault promote apply --database DToSDB --reason CHG0012345\n  bacvault promote undo --database DToSDB",
	}
	cmd.AddCommand(
		c.promotion(bacvault.PromotePlan, "Show the steps; changes nothing"),
		c.promotion(bacvault.PromoteApply, "Rename the live database aside and the restored one in"),
		c.promotion(bacvault.PromoteUndo, "Give the former live database its name back"),
	)
	return cmd
}

// promoting is what was asked for on the command line.
type promoting struct {
	asked
	server, restored, objective string
	force, yes, queue           bool
}

func (c *cli) promotion(action bacvault.PromoteAction, short string) *cobra.Command {
	var p promoting
	cmd := &cobra.Command{
		Use: string(action) + " --database NAME", Short: short, Args: cobra.NoArgs,
		Long:    short + ".\nExit 0: as the action asks, and nothing is left to do; 4: steps are left; 5: refused, nothing was changed.",
		Example: fmt.Sprintf("  bacvault promote %s --database DToSDB --restored DToSDB_RESTORE", action),
		RunE: c.does(func(ctx context.Context, _ []string) error {
			if p.force && p.reason == "" {
				return usageError("--force needs --reason: who forces a promotion says why")
			}
			if action != bacvault.PromotePlan && !p.yes && !c.inTTY {
				return nobodyToAsk
			}
			r := bacvault.RestoreRequest{
				Kind: bacvault.KindPromote, Action: action, Envelope: p.envelope(), Database: p.source(p.server), TargetDatabase: p.restored,
				ServiceObjective: p.objective, Force: p.force,
			}
			var show watched
			defer show.end()
			return c.showing(ctx, show.take, func(a operator) error { return c.promote(ctx, a, r, p, &show) })
		}),
	}
	p.flags(cmd, "the live database, by the name that applications use")
	f := cmd.Flags()
	f.StringVar(&p.server, "server", "", "its server, where the app has several")
	f.StringVar(&p.restored, "restored", "", "the restored database; <database>_RESTORE when absent")
	f.StringVar(&p.objective, "objective", "", "service objective that it is to have; the live one's when absent")
	f.BoolVar(&p.force, "force", false, "go on without a passed reconciliation; needs --reason")
	f.BoolVar(&p.queue, "queue", false, "send it to the restore app instead of doing it here")
	if action != bacvault.PromotePlan {
		f.BoolVar(&p.yes, "yes", false, "do not ask; every check is made all the same")
	}
	return cmd
}

func (c *cli) promote(ctx context.Context, a operator, r bacvault.RestoreRequest, p promoting, show *watched) error {
	if r.Action != bacvault.PromotePlan && !p.yes {
		if err := c.confirm(ctx, a, r, p.queue); err != nil {
			return err
		}
	}
	if p.queue {
		sent, err := a.RequestRestore(ctx, r)
		if err != nil {
			return err
		}
		return c.printSent(sent, bacvault.RestoreQueue, sent.Envelope, sent.Database)
	}
	show.begin(c)
	done, err := a.Promote(ctx, r)
	show.end()
	if len(done.Steps) > 0 || err == nil { // a promotion that broke off has steps that were done
		if perr := c.print(done, func(w io.Writer) { printPromotion(w, done, err == nil) }); perr != nil {
			return perr
		}
	}
	if err == nil && r.Action != bacvault.PromotePlan && !done.Complete {
		return verdict{exitPartial, "steps are left: the same command goes on where this one stopped"}
	}
	return err
}

// confirm shows what would be done, and takes nothing but the database's name for a yes.
func (c *cli) confirm(ctx context.Context, a operator, r bacvault.RestoreRequest, queued bool) error {
	if r.Action == bacvault.PromoteApply && !queued {
		plan := r
		plan.Action = bacvault.PromotePlan
		p, err := a.Promote(ctx, plan)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.stderr, 0, 4, 2, ' ', 0)
		printSteps(w, p)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return c.ask(ctx, fmt.Sprintf("This will %s the promotion of %s. Type the database's name to go on: ", r.Action, r.Name), r.Name)
}

func printSteps(w io.Writer, p bacvault.Promotion) {
	fmt.Fprintf(w, "live %s, restored %s, the former live one kept as %s, on %s\n\n", p.Live, p.Restored, p.Old, p.Server)
	fmt.Fprintln(w, "STEP\tNOW\tWANTED\tDONE")
	for _, s := range p.Steps {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Step, s.Now, s.Want, yes(s.Done))
	}
	fmt.Fprintln(w)
	if p.Forced != "" {
		fmt.Fprintln(w, "forced:", p.Forced)
	}
	listed(w, "finding", p.Findings)
}

func printPromotion(w io.Writer, p bacvault.Promotion, ok bool) {
	printSteps(w, p)
	fmt.Fprintln(w, "next:", nextStep(p, ok))
}

func nextStep(p bacvault.Promotion, ok bool) string {
	switch {
	case !ok:
		return "read the failure, then the same command goes on, or bacvault promote undo goes back"
	case p.Action == bacvault.PromotePlan && p.Complete:
		return "nothing: it is done already"
	case p.Action == bacvault.PromotePlan:
		return "bacvault promote apply, with the same flags"
	case p.Complete && p.Action == bacvault.PromoteApply:
		return "let the applications reconnect and look; " + p.Old + " stays until you drop it, and bacvault promote undo goes back"
	case p.Complete:
		return "let the applications reconnect and look"
	}
	return "the same command again, until no step is left"
}
