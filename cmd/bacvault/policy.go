package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
)

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "The vault's immutability: check it, try to break it, lock or extend it", Args: c.noSuchCommand, RunE: askHelp, SuggestionsMinimumDistance: 2,
		Long: "Nothing can take a policy away or make it weaker. Locking or extending one is a person's work, with rights for an hour that neither\n" +
			"app has (docs/permissions.md).",
		Example: "  bacvault policy check\n  bacvault policy probe\n  bacvault policy lock --plan",
	}
	cmd.AddCommand(c.policyCheckCommand(), c.policyProbeCommand(), c.policyLockCommand(), c.policyExtendCommand())
	return cmd
}

func (c *cli) policyCheckCommand() *cobra.Command {
	var accept, confirmed bool
	cmd := &cobra.Command{
		Use: "check", Short: "Hold the vault's policy against what is required and against the watch's baseline", Args: cobra.NoArgs,
		Long: "Changes nothing without --accept. With it the present policy becomes the watch's baseline, and a drift from the former one is over;\n" +
			"what the gate refuses can't be accepted.\n" +
			"Exit 3: the gate refuses it, or it is not the baseline's; 4: degraded, or part could not be read; 5: not accepted.",
		Example: "  bacvault policy check -o json\n  bacvault policy check --accept",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			if accept && !confirmed && !c.inTTY {
				return nobodyToAsk
			}
			return c.with(ctx, func(a operator) error { return c.policyCheck(ctx, a, accept, confirmed) })
		}),
	}
	cmd.Flags().BoolVar(&accept, "accept", false, "take the present policy for the watch's baseline")
	cmd.Flags().BoolVar(&confirmed, "yes", false, "do not ask; every check is made all the same")
	return cmd
}

func (c *cli) policyCheck(ctx context.Context, a operator, accept, confirmed bool) error {
	r, err := a.CheckPolicy(ctx)
	if err != nil {
		return err
	}
	if accept {
		if !confirmed {
			for _, d := range r.Drift {
				c.say("%s: the baseline says %s, the vault %s", d.What, d.Baseline, d.Now)
			}
			_, container := a.Vault()
			if err := c.ask(ctx, fmt.Sprintf("This takes the present policy of %s for the baseline. Type the container's name to go on: ", r.Vault), container); err != nil {
				return err
			}
		}
		if r, err = a.AcceptPolicy(ctx); err != nil {
			return err
		}
	}
	if err := c.print(r, func(w io.Writer) { printPolicy(w, r) }); err != nil {
		return err
	}
	switch {
	case r.Missing != nil:
		return verdict{exitBad, "the gate refuses this vault: " + string(r.Missing.Code) + ": " + r.Missing.Detail}
	case len(r.Drift) > 0:
		return verdict{exitBad, "the policy is not what the baseline says"}
	case len(r.Unread) > 0:
		return verdict{exitPartial, "part of it could not be read"}
	case len(r.Degraded) > 0:
		return verdict{exitPartial, "runs pass, but degraded"}
	}
	return nil
}

func printPolicy(w io.Writer, r app.PolicyReport) {
	p := r.Posture
	fmt.Fprintf(w, "vault:\t%s\n", r.Vault)
	fmt.Fprintf(w, "policy:\t%s, %d days, scope %s\n", p.State, p.PeriodDays, p.Scope)
	fmt.Fprintf(w, "required:\tLocked, at least %d days\n", r.Required.MinDays)
	if u := r.Required.AllowUnlockedUntil; u != nil {
		fmt.Fprintf(w, "waiver:\tunlocked is let pass until %s: %s\n", u.Format(time.RFC3339), r.Required.AllowUnlockedReason)
	}
	fmt.Fprintf(w, "legal hold:\t%s\n", yes(p.LegalHold))
	fmt.Fprintf(w, "extensions left:\t%d\n", p.ExtensionsLeft)
	for _, h := range p.History {
		fmt.Fprintf(w, "history:\t%s %s to %d days %s\n", h.At.Format(time.RFC3339), h.Kind, h.Days, h.By)
	}
	if f := r.Missing; f != nil {
		fmt.Fprintf(w, "missing:\t%s: %s\n", f.Code, f.Detail)
		fmt.Fprintf(w, "next:\t%s\n", f.Next)
	}
	listed(w, "degraded", r.Degraded)
	switch {
	case r.Accepted:
		fmt.Fprintf(w, "baseline:\tthis one, from now on\n")
	case r.Baseline == nil:
		fmt.Fprintf(w, "baseline:\tnone yet: the watch takes the first locked policy that it sees\n")
	case len(r.Drift) == 0:
		fmt.Fprintf(w, "baseline:\tthe same, as of %s\n", r.Baseline.ObservedAt.Format(time.RFC3339))
	}
	for _, d := range r.Drift {
		fmt.Fprintf(w, "drift:\t%s was %s, and is %s\n", d.What, d.Baseline, d.Now)
	}
	if e := r.FirstEnd; e != nil {
		fmt.Fprintf(w, "first to end:\tin %d days, at %s: %s\n", e.Days, e.Until.Format(time.RFC3339), e.Blob)
	}
	fmt.Fprintf(w, "no longer protected:\t%d backups\n", r.Ended)
	listed(w, "not read", r.Unread)
}

func (c *cli) policyProbeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "probe", Short: "Try to overwrite and to delete a canary in the vault; both must be refused", Args: cobra.NoArgs,
		Long: "Does with your own rights what the watch does daily with the app's. The canary is a small blob of bacvault's own, laid where there is\n" +
			"none; no backup is ever aimed at. An unprotected canary is overwritten and deleted by this.\n" +
			"Exit 3: the vault took one of them; 4: you lack the right, so that the policy itself was not asked.",
		Example: "  bacvault policy probe",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(a operator) error {
				p, err := a.ProbeNow(ctx)
				if err != nil {
					return err
				}
				if err := c.print(p, func(w io.Writer) { printProbe(w, p) }); err != nil {
					return err
				}
				return probed(p)
			})
		}),
	}
}

// probed judges what the answers prove. A right that is missing protects as well, but it says nothing of the policy.
func probed(p app.ProbeResult) error {
	var unasked string
	for _, t := range p.Tries {
		switch {
		case t.Status < http.StatusMultipleChoices:
			return verdict{exitBad, fmt.Sprintf("the vault took the %s: it is not immutable to who you are", t.What)}
		case t.Status == http.StatusForbidden:
			unasked = t.What
		case !t.Refused:
			return verdict{exitBad, fmt.Sprintf("the %s was answered with %d %s, which is not the policy's refusal", t.What, t.Status, t.Code)}
		}
	}
	if unasked != "" {
		return verdict{exitPartial, "the " + unasked + " was refused for want of a right: the policy itself was not asked"}
	}
	if !p.Passed {
		return verdict{exitBad, "the probe did not pass"}
	}
	return nil
}

func printProbe(w io.Writer, p app.ProbeResult) {
	fmt.Fprintf(w, "canary:\t%s\n", p.Canary)
	for _, t := range p.Tries {
		how := fmt.Sprintf("refused by the policy (%d %s)", t.Status, t.Code)
		switch {
		case t.Status < http.StatusMultipleChoices:
			how = "TAKEN: the store did it"
		case t.Status == http.StatusForbidden:
			how = fmt.Sprintf("refused for want of a right (%d %s); the policy was not asked", t.Status, t.Code)
		case !t.Refused:
			how = fmt.Sprintf("answered with %d %s, which protects nothing", t.Status, t.Code)
		}
		if t.RequestID != "" {
			how += ", request " + t.RequestID
		}
		fmt.Fprintf(w, "%s:\t%s\n", t.What, how)
	}
}
