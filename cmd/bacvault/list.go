package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) listCommand() *cobra.Command {
	var database, server, since string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "Backups in the vault; changes nothing", Args: cobra.NoArgs,
		Long: "Lists what lies in the vault, by database and from the oldest slot on: size, consistency, rows, how its newest drill ended, and until\n" +
			"when it is protected. An archive without a manifest is an orphan, not a backup; nor is a manifest without its archive, a phantom.\n" +
			"Exit 6: nothing lies there; 4: a manifest or proof could not be read.",
		Example: "  bacvault list --database DToSDB --since 30d\n  bacvault list -o json | jq -r '.backups[] | select(.proven == \"failed\") | .blob'",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			f := app.BackupFilter{All: all, Database: bacvault.Database{Server: server}}
			if database != "" {
				f.Database = asked{database: database}.source(server)
			}
			var err error
			if f.Since, err = moment(since, time.Now()); err != nil {
				return err
			}
			return c.with(ctx, func(a operator) error { return c.list(ctx, a, f) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&database, "database", "", "whose; all protected databases when absent")
	f.StringVar(&server, "server", "", "its server, where the app has several; alone, every database of it")
	f.StringVar(&since, "since", "", "no slot older than this: 72h, 30d, a date, or a time (RFC 3339)")
	f.BoolVar(&all, "all", false, "also databases that are no longer protected")
	cmd.MarkFlagsMutuallyExclusive("database", "all")
	return cmd
}

// moment reads how long ago, or when.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError(fmt.Sprintf("--since %q is not 72h, 30d, 2026-11-24 or 2026-11-24T06:00:00Z", text))
}

func (c *cli) list(ctx context.Context, a operator, f app.BackupFilter) error {
	l, err := a.Backups(ctx, f)
	if err != nil {
		return err
	}
	if err := c.print(l, func(w io.Writer) { printBackups(w, l) }); err != nil {
		return err
	}
	switch {
	case len(l.Unread) > 0:
		return verdict{exitPartial, fmt.Sprintf("%d manifests or proofs could not be read", len(l.Unread))}
	case len(l.Backups) == 0:
		return verdict{exitNotFound, "no backup is there"}
	}
	return nil
}

func printBackups(w io.Writer, l app.BackupList) {
	fmt.Fprintln(w, "SLOT\tDATABASE\tSIZE\tROWS\tCONSISTENCY\tPROVEN\tPROTECTED UNTIL\tNOTE")
	for _, b := range l.Backups {
		consistency, rows, until, note := "-", "-", "-", []string{}
		if b.Consistency != "" {
			consistency, rows = string(b.Consistency), strconv.FormatInt(b.Rows, 10)
		}
		if b.ProtectedTo != nil {
			until = b.ProtectedTo.Format(time.DateOnly)
		}
		if b.Orphan {
			note = append(note, "orphan: no manifest, no backup")
		}
		if b.Phantom != "" {
			note = append(note, "phantom: no backup, "+b.Phantom)
		}
		if b.Archived {
			note = append(note, "archive tier")
		}
		note = append(note, b.Degraded...)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Slot, b.Database, mib(b.Size), rows, consistency, b.Proven, until, strings.Join(note, "; "))
	}
	for _, u := range l.Unread {
		fmt.Fprintln(w, "not read:", u)
	}
}
