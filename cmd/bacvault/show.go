package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) showCommand() *cobra.Command {
	var database, server string
	cmd := &cobra.Command{
		Use: "show SLOT|BLOB|latest|latest-proven|oldest", Short: "A backup whole: its manifest and its proofs; changes nothing", Args: cobra.ExactArgs(1),
		Long: "Shows what the manifest says (tables with rows, hashes, stages, the vault's posture, the source) and what each drill of it found. A\n" +
			"slot is RFC 3339 and needs --database; a blob's name says whose it is. Exit 6: it is not there, or has no manifest; 4: a proof\n" +
			"could not be read.",
		Example: "  bacvault show 2026-11-24T02:00:00Z --database DToSDB\n  bacvault show latest --database DToSDB -o json",
		RunE: c.does(func(ctx context.Context, args []string) error {
			r, err := chosen(args[0], asked{database: database}.source(server))
			if err != nil {
				return err
			}
			return c.with(ctx, func(a operator) error { return c.show(ctx, a, r) })
		}),
	}
	cmd.Flags().StringVar(&database, "database", "", "whose; not needed with a blob's name")
	cmd.Flags().StringVar(&server, "server", "", "its server, where the app has several")
	return cmd
}

// chosen reads a slot, a blob's name or a word that chooses.
func chosen(text string, d bacvault.Database) (bacvault.RestoreRequest, error) {
	r := bacvault.RestoreRequest{Kind: bacvault.KindRestore, Database: d}
	if strings.HasSuffix(text, ".bacpac") || bacvault.IsManifest(text) {
		if bacvault.IsManifest(text) {
			text = bacvault.ArchiveName(text)
		}
		of, _, err := bacvault.ParseBlobName(text)
		if err != nil {
			return r, usageError(err.Error())
		}
		if d.Name != "" && (d.Name != of.Name || d.Server != "" && d.Server != of.Server) {
			return r, usageError(fmt.Sprintf("the blob is one of %s, not of --database %s", of, d.Name))
		}
		r.Database, r.Blob = of, text
		return r, nil
	}
	if d.Name == "" {
		return r, usageError("--database is missing: a slot alone does not say whose backup is meant")
	}
	for _, word := range []string{bacvault.ChooseLatest, bacvault.ChooseLatestProven, bacvault.ChooseOldest} {
		if text == word {
			r.Backup = word
			return r, nil
		}
	}
	s, err := bacvault.ParseSlot(text)
	if err != nil {
		return r, usageError(fmt.Sprintf("%q is not a slot such as 2026-11-24T02:00:00Z, a blob's name, latest, latest-proven or oldest", text))
	}
	r.Slot = &s
	return r, nil
}

func (c *cli) show(ctx context.Context, a operator, r bacvault.RestoreRequest) error {
	b, err := a.ShowBackup(ctx, r)
	if err != nil {
		return err
	}
	if err := c.print(b, func(w io.Writer) { printBackup(w, b) }); err != nil {
		return err
	}
	if len(b.Unread) > 0 {
		return verdict{exitPartial, fmt.Sprintf("%d proofs could not be read", len(b.Unread))}
	}
	return nil
}

func printBackup(w io.Writer, b app.Backup) {
	m := b.Manifest
	printManifest(w, m)
	p := m.Posture
	fmt.Fprintf(w, "vault then:\t%s, %d days, scope %s, legal hold %s\n", p.State, p.PeriodDays, p.Scope, yes(p.LegalHold))
	if s := m.Source; s != nil {
		fmt.Fprintf(w, "source:\t%s %s, at most %d GB, collation %s, compatibility level %d\n", s.Edition, s.ServiceObjective, s.MaxSizeBytes>>30, s.Collation, s.CompatibilityLevel)
	}
	fmt.Fprintf(w, "made by:\t%s %s with %s %s\n", m.App.Name, m.App.Version, m.Tool.Name, m.Tool.Version)
	fmt.Fprintf(w, "asked by:\t%s, request %s, attempt %d %s\n", cmp.Or(m.Request.By, "nobody named"), m.Request.ID, m.Request.Attempt, m.Request.Reason)
	fmt.Fprintf(w, "read back:\t%s\n", m.Transfer.ReadBack)
	for _, s := range m.Stages {
		fmt.Fprintf(w, "stage %s:\t%s, from %s\n", s.Stage, s.End.Sub(s.Start).Round(100*time.Millisecond), s.Start.Format(time.RFC3339))
	}
	fmt.Fprintln(w, "\nROWS\tIN THE ARCHIVE\tVERDICT\tTABLE")
	for _, t := range m.Tables {
		archive := fmt.Sprint(t.Archive)
		if t.Archive < 0 {
			archive = "-"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", t.Source, archive, t.Verdict, t.Table)
	}
	fmt.Fprintln(w)
	if len(b.Proofs) == 0 {
		fmt.Fprintln(w, "no drill has restored this backup yet")
	}
	for _, p := range b.Proofs {
		fmt.Fprintf(w, "drill at %s:\n", p.At.UTC().Format(time.RFC3339))
		printProof(w, p)
		if p.Failure != nil {
			fmt.Fprintf(w, "failure:\t%s: %s\n", p.Failure.Code, p.Failure.Detail)
		}
	}
	listed(w, "not read", b.Unread)
}
