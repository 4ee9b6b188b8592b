package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
)

func (c *cli) doctorCommand() *cobra.Command {
	var as string
	parts := []string{app.AsBackup, app.AsRestore, app.AsBoth}
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check every setting, right and reachability, and say how to put right what is not", Args: cobra.NoArgs,
		Long: "Looks with the rights of whoever runs it: run it as the app's identity to learn what the app may do. --as says whose part is looked\n" +
			"at. It writes one object into the state container and one file into the work folder and removes both; nothing else is changed,\n" +
			"sent or taken. What each check means: docs/doctor.md.\n" +
			"Exit 3: a check failed; 4: one was skipped, for what it needs failed before it or can't be seen.",
		Example: "  bacvault doctor --as backup\n  bacvault doctor -o json | jq '.checks[] | select(.verdict != \"ok\")'",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			if !slices.Contains(parts, as) {
				return usageError(fmt.Sprintf("--as %q is not %s", as, strings.Join(parts, ", ")))
			}
			opened := false
			err := c.with(ctx, func(a operator) error {
				opened = true
				d, err := a.Doctor(ctx, as)
				if err != nil {
					return err
				}
				return c.diagnose(d)
			})
			if err != nil && !opened { // whatever keeps the product from being wired is a setting
				return c.diagnose(app.NoSettings(err, app.BuildVersion(), as, time.Now()))
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&as, "as", c.part(), "whose part: backup, restore or both; in an app, by the functions that are disabled there")
	must(cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(parts, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// part is the app whose settings these are: each has the other's functions disabled.
func (c *cli) part() string {
	off := func(function string) bool {
		return strings.EqualFold(c.setting("AzureWebJobs_"+function+"_Disabled", ""), "true")
	}
	switch {
	case off("restore") && !off("backup"):
		return app.AsBackup
	case off("backup") && !off("restore"):
		return app.AsRestore
	}
	return app.AsBoth
}

func (c *cli) diagnose(d app.Diagnosis) error {
	if err := c.print(d, func(w io.Writer) { printDiagnosis(w, d) }); err != nil {
		return err
	}
	n := map[string]int{}
	for _, r := range d.Checks {
		n[r.Verdict]++
	}
	said := fmt.Sprintf("%d checks: %d ok, %d warnings, %d failed, %d skipped", len(d.Checks), n[app.CheckOK], n[app.CheckWarn], n[app.CheckFail], n[app.CheckSkipped])
	switch {
	case n[app.CheckFail] > 0:
		return verdict{exitBad, said}
	case n[app.CheckSkipped] > 0 || len(d.Checks) == 0:
		return verdict{exitPartial, said}
	}
	c.say("%s", said)
	return nil
}

func printDiagnosis(w io.Writer, d app.Diagnosis) {
	fmt.Fprintln(w, "\tCHECK\tSUBJECT\tFOUND")
	for _, r := range d.Checks {
		mark := r.Verdict
		if mark == app.CheckFail {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", mark, r.Check, r.Subject, strings.Join(strings.Fields(r.Detail), " "))
	}
	fmt.Fprintln(w)
	for _, r := range d.Checks {
		if r.Verdict != app.CheckOK && r.Fix != "" && r.Verdict != app.CheckSkipped {
			fmt.Fprintf(w, "%s %s: %s\n", r.Check, r.Subject, r.Fix)
		}
	}
}
