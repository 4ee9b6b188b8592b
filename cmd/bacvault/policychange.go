package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
)

// changing is what was asked for on the command line.
type changing struct {
	app.PolicyWish
	plan, yes bool
}

func (c *cli) policyLockCommand() *cobra.Command {
	w := changing{PolicyWish: app.PolicyWish{Action: app.PolicyLock}}
	cmd := &cobra.Command{
		Use: "lock", Short: "Lock the vault's policy. It can never be undone", Args: cobra.NoArgs,
		Long: "Changes the state of the container's policy from Unlocked to Locked, and nothing else. Nobody can take that back.\n" +
			"It shows a plan first and takes nothing but the container's name and the number of days for a yes: the name alone is what other\n" +
			"commands ask for, and fingers know it. A script says --yes, and --days for the period that it means.\n" +
			"Refused are a policy that is shorter than BACVAULT_MIN_RETENTION_DAYS, and one that allows appends: neither can be mended later.\n" +
			"Exit 0: locked, or it was locked already; 4: sent, but not read back as locked, or the plan lacks what could not be read;\n" +
			"5: refused, or the right is missing; 7: somebody changed the policy after the plan; 8: no answer, and it is as before.",
		Example: "  bacvault policy lock --plan\n  bacvault policy lock\n  bacvault policy lock --days 365 --yes",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			switch {
			case w.Days < 0:
				return usageError("--days must be positive")
			case w.Force && w.Reason == "":
				return usageError("--force needs --reason: who forces a lock says why")
			case w.yes && !w.plan && w.Days == 0:
				return usageError("--yes needs --days: whoever is not asked says how long it is to be")
			}
			return c.policyChange(ctx, w)
		}),
	}
	w.flags(cmd, "the period that the policy must have; a lock does not change it")
	cmd.Flags().BoolVar(&w.Force, "force", false, "lock a policy that allows appends; needs --reason")
	cmd.Flags().StringVar(&w.Reason, "reason", "", "why it is forced; stands in the report")
	return cmd
}

func (c *cli) policyExtendCommand() *cobra.Command {
	w := changing{PolicyWish: app.PolicyWish{Action: app.PolicyExtend}}
	cmd := &cobra.Command{
		Use: "extend --days N", Short: "Give the vault's locked policy a longer period. It can never be undone", Args: cobra.NoArgs,
		Long: "Changes the period of the container's locked policy, for the backups that lie there too, and nothing else. Azure takes five extensions\n" +
			"in a policy's life. An unlocked policy is refused: its period is simply set, with Terraform or az.\n" +
			"It shows a plan first and takes nothing but the container's name and the number of days for a yes; a script says --yes.\n" +
			"Exit 0: it has the period; 4: sent, but not read back so, or the plan lacks what could not be read; 5: refused, or the right is\n" +
			"missing; 7: somebody changed the policy after the plan; 8: no answer, and it is as before.",
		Example: "  bacvault policy extend --days 730 --plan\n  bacvault policy extend --days 730",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			if w.Days < 1 {
				return usageError("--days N says how long the period is to be")
			}
			return c.policyChange(ctx, w)
		}),
	}
	w.flags(cmd, "the new period, counted from each blob's creation; more than it is now")
	return cmd
}

func (w *changing) flags(cmd *cobra.Command, days string) {
	f := cmd.Flags()
	f.IntVar(&w.Days, "days", 0, days)
	f.BoolVar(&w.plan, "plan", false, "only say what would be done")
	f.BoolVar(&w.yes, "yes", false, "do not ask; every check is made all the same")
}

func (c *cli) policyChange(ctx context.Context, w changing) error {
	return c.with(ctx, func(a operator) error {
		ch, err := a.PlanPolicyChange(ctx, w.PolicyWish)
		if err != nil {
			return err
		}
		if w.plan {
			if err := c.print(ch, func(o io.Writer) { printPolicyChange(o, ch) }); err != nil {
				return err
			}
			if len(ch.Unread) > 0 {
				return verdict{exitPartial, "part of what it would mean could not be read"}
			}
			return nil
		}
		if ch.Outcome == app.PolicyPlanned {
			if !w.yes && !c.inTTY {
				return nobodyToAsk
			}
			if err := c.confirmPolicy(ctx, a, ch, w.yes); err != nil {
				return err
			}
			if ch, err = a.ChangePolicy(ctx, ch); err != nil {
				return err
			}
		}
		if err := c.print(ch, func(o io.Writer) { printPolicyChange(o, ch) }); err != nil {
			return err
		}
		if ch.Outcome == app.PolicyDone || ch.Outcome == app.PolicyAlready {
			return nil
		}
		return verdict{exitPartial, "it was sent, and the policy was not read back as it was wanted: it may have been done"}
	})
}

// confirmPolicy shows the plan, to whoever says --yes as well: it is what the log of a pipeline keeps.
func (c *cli) confirmPolicy(ctx context.Context, a operator, ch app.PolicyChange, confirmed bool) error {
	w := tabwriter.NewWriter(c.stderr, 0, 4, 2, ' ', 0)
	printPolicyPlan(w, ch)
	if err := w.Flush(); err != nil {
		return err
	}
	if confirmed {
		return nil
	}
	_, container := a.Vault()
	word := fmt.Sprintf("%s %d", container, ch.Days)
	does := "locks the policy for ever"
	if ch.Action == app.PolicyExtend {
		does = "extends the policy for ever"
	}
	return c.ask(ctx, fmt.Sprintf("This %s. Type the container's name and the number of days to go on: ", does), word)
}

func printPolicyChange(w io.Writer, ch app.PolicyChange) {
	printPolicyPlan(w, ch)
	fmt.Fprintf(w, "outcome:\t%s\n", ch.Outcome)
	fmt.Fprintf(w, "next:\t%s\n", ch.Next)
}

// printPolicyPlan leaves out how it ended: whoever is asked has not decided yet.
func printPolicyPlan(w io.Writer, ch app.PolicyChange) {
	p, b := ch.Before, ch.Backups
	fmt.Fprintf(w, "vault:\t%s\n", ch.Vault)
	fmt.Fprintf(w, "before:\t%s, %d days, scope %s, ETag %s\n", p.State, p.PeriodDays, p.Scope, p.PolicyETag)
	switch {
	case ch.After != nil:
		fmt.Fprintf(w, "now:\t%s, %d days, read back\n", ch.After.State, ch.After.PeriodDays)
	case ch.Outcome == app.PolicyPlanned:
		fmt.Fprintf(w, "then:\tLocked, %d days\n", ch.Days)
	}
	fmt.Fprintf(w, "append writes:\t%s\n", appended(ch))
	fmt.Fprintf(w, "legal hold:\t%s\n", yes(p.LegalHold))
	fmt.Fprintf(w, "extensions:\t%d left after this\n", ch.ExtensionsAfter)
	unsure := ""
	if len(ch.Unread) > 0 {
		unsure = "not all could be read; "
	}
	fmt.Fprintf(w, "backups there:\t%s%d, %s; %d no longer protected\n", unsure, b.Count, mib(b.Bytes), b.Ended)
	ends(w, "first to end", b.First)
	ends(w, "last to end", b.Last)
	listed(w, "for ever", ch.Forever)
	listed(w, "not done", ch.Untouched)
	listed(w, "note", ch.Notes)
	if ch.Forced != "" {
		fmt.Fprintf(w, "forced:\t%s\n", ch.Forced)
	}
	listed(w, "not read", ch.Unread)
}

func appended(ch app.PolicyChange) string {
	switch {
	case ch.Before.ProtectedAppendAll:
		return "allowed to append and block blobs"
	case ch.Before.ProtectedAppend:
		return "allowed to append blobs"
	}
	return "none allowed"
}

func ends(w io.Writer, what string, e *app.BackupEnd) {
	switch {
	case e == nil:
	case e.Now.Equal(e.Then):
		fmt.Fprintf(w, "%s:\t%s: %s\n", what, e.Now.Format(time.RFC3339), e.Blob)
	default:
		fmt.Fprintf(w, "%s:\t%s, after this %s: %s\n", what, e.Now.Format(time.RFC3339), e.Then.Format(time.RFC3339), e.Blob)
	}
}
