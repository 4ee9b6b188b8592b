package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) deadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dead-letters", Short: "Requests that were put aside: list them, or send them again", Args: c.noSuchCommand, RunE: askHelp, SuggestionsMinimumDistance: 2,
		Long:    "A request is put aside when its attempts are used up, when it was not understood, or when its run died each time.",
		Example: "  bacvault dead-letters list\n  bacvault dead-letters requeue --id b-1",
	}
	cmd.AddCommand(c.deadLettersList(), c.deadLettersRequeue())
	return cmd
}

// queues reads --queue; absent it is both.
func queues(name string) ([]string, error) {
	all := app.Queues()
	if name == "" {
		return all, nil
	}
	if !slices.Contains(all, name) {
		return nil, usageError(fmt.Sprintf("--queue %q is not %s", name, strings.Join(all, " or ")))
	}
	return []string{name}, nil
}

const queueFlag = bacvault.BackupQueue + " or " + bacvault.RestoreQueue + "; both when absent"

func (c *cli) deadLettersList() *cobra.Command {
	var queue string
	cmd := &cobra.Command{
		Use: "list", Short: "What was put aside, and why; changes nothing", Args: cobra.NoArgs,
		Long:    "Peeks, and takes nothing. Needs the right to receive from the queue. Exit 0 also where there is none; 4: a queue could not be read\nwhole.",
		Example: "  bacvault dead-letters list --queue backup-requests",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			qs, err := queues(queue)
			if err != nil {
				return err
			}
			return c.with(ctx, func(a operator) error {
				l := a.DeadLetters(ctx, qs)
				if err := c.print(l, func(w io.Writer) { printDeadLetters(w, l) }); err != nil {
					return err
				}
				switch {
				case ctx.Err() != nil:
					return context.Cause(ctx)
				case len(l.Unread) > 0:
					return verdict{exitPartial, "not read: " + strings.Join(l.Unread, "; ")}
				case l.More:
					return verdict{exitPartial, "there are more than are shown"}
				}
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&queue, "queue", "", queueFlag)
	must(cmd.RegisterFlagCompletionFunc("queue", cobra.FixedCompletions(app.Queues(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func printDeadLetters(w io.Writer, l app.DeadLetters) {
	fmt.Fprintln(w, "AGE\tQUEUE\tDATABASE\tREQUEST\tATTEMPT\tREASON\tDESCRIPTION")
	for _, d := range l.DeadLetters {
		request, attempt, of := d.Request, fmt.Sprint(d.Attempt), d.Database.String()
		if !d.Understood {
			request, attempt = d.MessageID+" (no request)", "-"
		}
		if d.Name == "" {
			of = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.At.Sub(d.Enqueued).Round(time.Second), d.Queue, of, request, attempt, d.Reason, strings.Join(strings.Fields(d.Description), " "))
	}
	for _, u := range l.Unread {
		fmt.Fprintln(w, "not read:", u)
	}
}

func (c *cli) deadLettersRequeue() *cobra.Command {
	var queue string
	var ids []string
	var all, confirmed bool
	cmd := &cobra.Command{
		Use: "requeue (--id ID | --all)", Short: "Send requests again that were put aside, then take them off", Args: cobra.NoArgs,
		Long: "Each is sent with its attempt number counted on, so that its outcome is an event of its own. It is sent before it is taken off: broken\n" +
			"off in between it is there twice, and the second run finds the work done. What is no request is refused and stays: it could\n" +
			"only be refused again. Needs the right to receive from the queue and to send to it.\n" +
			"Exit 6: no dead letter has this id; 7: somebody else has them locked; 4: some were refused or are left.",
		Example: "  bacvault dead-letters requeue --id b-1\n  bacvault dead-letters requeue --queue backup-requests --all --yes",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			qs, err := queues(queue)
			switch {
			case err != nil:
				return err
			case !all && len(ids) == 0:
				return usageError("say which: --id ID, or --all")
			case !confirmed && !c.inTTY:
				return nobodyToAsk
			}
			return c.with(ctx, func(a operator) error { return c.requeue(ctx, a, qs, ids, confirmed) })
		}),
	}
	cmd.Flags().StringVar(&queue, "queue", "", queueFlag)
	must(cmd.RegisterFlagCompletionFunc("queue", cobra.FixedCompletions(app.Queues(), cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().StringSliceVar(&ids, "id", nil, "the request's id, or the message's; may be said more than once")
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	cmd.Flags().BoolVar(&confirmed, "yes", false, "do not ask")
	cmd.MarkFlagsMutuallyExclusive("id", "all")
	return cmd
}

func (c *cli) requeue(ctx context.Context, a operator, queues, ids []string, confirmed bool) error {
	if !confirmed {
		what := "all dead letters of " + strings.Join(queues, " and ")
		if len(ids) > 0 {
			what = strings.Join(ids, ", ")
		}
		if err := c.ask(ctx, "This sends "+what+" again. Type requeue to go on: ", "requeue"); err != nil {
			return err
		}
	}
	r, err := a.Requeue(ctx, queues, ids)
	if len(r.Sent)+len(r.Refused) > 0 || err == nil { // one that broke off has sent some
		if perr := c.print(r, func(w io.Writer) { printRequeued(w, r) }); perr != nil {
			return perr
		}
	}
	if err != nil {
		return err
	}
	var missing []string
	for _, id := range ids {
		is := func(d app.DeadLetter) bool { return d.MessageID == id || d.Request == id }
		if !slices.ContainsFunc(r.Sent, is) && !slices.ContainsFunc(r.Refused, func(d app.RefusedLetter) bool { return is(d.DeadLetter) }) {
			missing = append(missing, id)
		}
	}
	switch {
	case r.Left > 0 && len(r.Sent) == 0:
		return verdict{exitBusy, locked(r.Left)}
	case r.Left > 0:
		return verdict{exitPartial, locked(r.Left)}
	case len(missing) > 0 && len(r.Sent) == 0 && len(r.Refused) == 0:
		return verdict{exitNotFound, "no dead letter has the id " + strings.Join(missing, ", ")}
	case len(missing) > 0:
		return verdict{exitPartial, "no dead letter has the id " + strings.Join(missing, ", ")}
	case len(r.Refused) > 0:
		return verdict{exitPartial, fmt.Sprintf("%d are no requests and stay where they are", len(r.Refused))}
	}
	return nil
}

func locked(n int) string {
	return fmt.Sprintf("%d are locked by somebody else, or by a requeue that was broken off; their locks lapse within 5 minutes", n)
}

func printRequeued(w io.Writer, r app.Requeued) {
	for _, d := range r.Sent {
		fmt.Fprintf(w, "sent again:\t%s for %s in %s, as attempt %d\n", d.Request, d.Database, d.Queue, d.Attempt+1)
	}
	for _, d := range r.Refused {
		fmt.Fprintf(w, "refused:\t%s in %s: %s\n", d.MessageID, d.Queue, d.Why)
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "left:\t%s\n", locked(r.Left))
	}
	if len(r.Sent)+len(r.Refused)+r.Left == 0 {
		fmt.Fprintln(w, "nothing was sent")
	}
}
