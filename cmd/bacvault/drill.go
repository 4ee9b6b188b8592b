package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) drillCommand() *cobra.Command {
	var q asked
	var p patience
	var choose which
	var server string
	cmd := &cobra.Command{
		Use: "drill --database NAME", Short: "Queue one drill: restore, compare, drop, and write a proof",
		Long: "Sends one message to the queue restore-requests. With --wait it ends when the proof stands in the vault beside the backup:\n" +
			"exit 0 only if the drill passed, 9 if it did not. Exit 4: its end could not be seen.",
		Example: "  bacvault drill --database DToSDB --backup random --wait", Args: cobra.NoArgs,
		RunE: c.does(func(ctx context.Context, _ []string) error {
			r := bacvault.RestoreRequest{Kind: bacvault.KindDrill, Envelope: q.envelope(), Database: q.source(server)}
			if err := choose.into(&r); err != nil {
				return err
			}
			return c.with(ctx, func(a operator) error { return c.drill(ctx, a, r, p) })
		}),
	}
	q.flags(cmd, "the protected database")
	p.flags(cmd)
	choose.flags(cmd)
	cmd.Flags().StringVar(&server, "server", "", "its server, where the app has several")
	return cmd
}

// skew is what the clock of the app may lag behind this machine's.
const skew = 5 * time.Minute

func (c *cli) drill(ctx context.Context, a operator, r bacvault.RestoreRequest, p patience) error {
	began := time.Now().Add(-skew)
	sent, err := a.RequestRestore(ctx, r)
	if err != nil {
		return err
	}
	if !p.wait {
		return c.printSent(sent, bacvault.RestoreQueue, sent.Envelope, sent.Database)
	}
	c.say("queued drill %s of %s", sent.ID, sent.Database)
	var proof *bacvault.Proof
	err = c.await(ctx, p, awaited{string(sent.Kind), sent.Database, sent.ID, began}, a, func(ctx context.Context) (_ bool, err error) {
		proof, err = a.DrillProof(ctx, sent.Database, sent.ID, began)
		return proof != nil, err
	})
	if err != nil {
		return c.unseen(err, sent, bacvault.RestoreQueue, sent.Envelope, sent.Database)
	}
	if err := c.print(proof, func(w io.Writer) { printProof(w, *proof) }); err != nil {
		return err
	}
	if !proof.Passed {
		why := "the drill did not pass"
		if proof.Failure != nil {
			why += ": " + string(proof.Failure.Code) + ": " + proof.Failure.Detail
		}
		return verdict{exitVerify, why}
	}
	return nil
}

func printProof(w io.Writer, p bacvault.Proof) {
	fmt.Fprintf(w, "passed:\t%s\n", yes(p.Passed))
	fmt.Fprintf(w, "backup:\t%s of %s, %s\n", p.Slot, p.Database, p.Blob)
	fmt.Fprintf(w, "restored in:\t%s\n", time.Duration(p.RestoreSec*float64(time.Second)).Round(time.Second))
	fmt.Fprintf(w, "compared:\t%d rows in %d tables\n", p.Rows, p.Tables)
	for _, d := range p.Different {
		fmt.Fprintf(w, "different:\t%s\n", d)
	}
	if n := p.Negative; n != nil {
		fmt.Fprintf(w, "damage detected:\t%d of %d\n", n.Detected, n.Tried)
	}
	listed(w, "finding", p.Findings)
}
