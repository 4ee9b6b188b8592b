package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "What is protected, running and overdue; changes nothing",
		Long:    "The same model as the status page. Exit 0: all is well; 3: overdue, or the vault is not locked; 4: part of it could not be read.",
		Example: "  bacvault status\n  bacvault status -o json", Args: cobra.NoArgs,
		RunE: c.does(func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(a operator) error {
				m := a.Status(ctx)
				if err := c.printStatus(m); err != nil {
					return err
				}
				switch m.Verdict() {
				case "ok":
					return nil
				case "unknown":
					return verdict{exitPartial, "part of the status could not be read"}
				}
				return verdict{exitBad, m.Verdict()}
			})
		}),
	}
}

func (c *cli) printStatus(m app.StatusModel) error {
	return c.print(m.Document(), func(w io.Writer) {
		fmt.Fprintf(w, "%s, vault %s\n\n", m.Verdict(), m.Vault)
		fmt.Fprintln(w, "DATABASE\tNEWEST\tAGE\tBACKUPS\tSIZE\tORPHANS")
		for _, d := range m.Databases {
			newest, age := "none", "-"
			if d.Newest != nil {
				newest, age = d.Newest.String(), m.At.Sub(d.Newest.Time()).Round(time.Minute).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\n", d.Database, newest, age, d.Backups, mib(d.Bytes), d.Orphans)
		}
		for _, o := range m.Overdue {
			fmt.Fprintf(w, "overdue: %v\n", o.Database)
		}
		for _, r := range m.Running {
			fmt.Fprintf(w, "running: %s %s of %s, stage %s since %s\n", r.Kind, r.Run, r.Database, r.Stage, r.At.Format(time.RFC3339))
		}
		for _, d := range m.Unprotected {
			fmt.Fprintf(w, "not protected: %s\n", d)
		}
		for _, u := range m.Unread {
			fmt.Fprintln(w, "not read:", u)
		}
	})
}
