package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) planCommand() *cobra.Command {
	var instances int
	var window time.Duration
	cmd := &cobra.Command{
		Use: "plan", Short: "Hours that a night takes, from recorded durations; changes nothing",
		Long:    "Adds up how long the newest backup of each protected database took. Exit 3: the night does not fit the window; 4: databases\nwithout a backup are not in the sum.",
		Example: "  bacvault plan --instances 2 --window 6h", Args: cobra.NoArgs,
		RunE: c.does(func(ctx context.Context, _ []string) error {
			if instances < 1 || window <= 0 {
				return usageError("--instances and --window must be positive")
			}
			return c.with(ctx, func(a operator) error {
				p, err := a.Plan(ctx, instances, window)
				if err != nil {
					return err
				}
				err = c.print(p, func(w io.Writer) {
					fmt.Fprintln(w, "TOOK\tSIZE\tDATABASE")
					for _, t := range p.Longest {
						fmt.Fprintf(w, "%s\t%s\t%s\n", t.Took.Round(time.Second), mib(t.Size), t.Database)
					}
					fmt.Fprintf(w, "\n%d databases, %.2f hours in all, %.2f hours a night with %d instances (window %s)\n",
						p.Databases, p.Total.Hours(), p.Night.Hours(), p.Instances, p.Window)
				})
				for _, warning := range p.Warnings {
					c.say("warning: %s", warning)
				}
				switch {
				case err != nil:
					return err
				case p.Night > p.Window:
					return verdict{exitBad, "the night does not fit the window"}
				case len(p.Unknown) > 0:
					return verdict{exitPartial, fmt.Sprintf("%d databases have no backup yet", len(p.Unknown))}
				}
				return nil
			})
		}),
	}
	cmd.Flags().IntVar(&instances, "instances", 1, "apps that take backups side by side")
	cmd.Flags().DurationVar(&window, "window", 8*time.Hour, "how long the night may be")
	return cmd
}
