package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// requestCommand is the older spelling of backup and restore, which scripts may hold.
func (c *cli) requestCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "The older spelling of backup and restore", Hidden: true, Args: c.noSuchCommand, RunE: askHelp, SuggestionsMinimumDistance: 2}
	cmd.AddCommand(c.backupCommand(), c.restoreCommand())
	return cmd
}

// asked is what every request has.
type asked struct{ database, id, reason, by string }

func (q *asked) flags(cmd *cobra.Command, database string) {
	f := cmd.Flags()
	f.StringVar(&q.database, "database", "", database)
	f.StringVar(&q.id, "id", "", "the request's id; a new one when absent")
	f.StringVar(&q.reason, "reason", "", "why; stands in manifest and events")
	f.StringVar(&q.by, "by", "bacvault command line", "who asks")
	must(cmd.MarkFlagRequired("database"))
}

func (q asked) envelope() bacvault.Envelope {
	return bacvault.Envelope{ID: q.id, RequestedBy: q.by, Reason: q.reason}
}

// source reads NAME or SERVER/NAME; a database's own name may hold a slash, a server's may not.
func (q asked) source(server string) bacvault.Database {
	if server != "" {
		return bacvault.Database{Server: server, Name: q.database}
	}
	if s, name, ok := strings.Cut(q.database, "/"); ok {
		return bacvault.Database{Server: s, Name: name}
	}
	return bacvault.Database{Name: q.database}
}

// must is for flags that the same function defined: its error could only be a typing error in this program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// which says which backup; at most one of its fields.
type which struct{ backup, at, slot, blob, file string }

func (w *which) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.backup, "backup", "", strings.Join(bacvault.Choices(), ", ")+"; the latest when nothing is said")
	f.StringVar(&w.at, "at", "", "the newest backup not later than this time (RFC 3339)")
	f.StringVar(&w.slot, "slot", "", "the backup of just this slot (RFC 3339)")
	f.StringVar(&w.blob, "blob", "", "the backup's blob name")
	f.StringVar(&w.file, "file", "", "an old job's file name (BACKUP_FILE_NAME), without a manifest")
	cmd.MarkFlagsMutuallyExclusive("backup", "at", "slot", "blob", "file")
	must(cmd.RegisterFlagCompletionFunc("backup", cobra.FixedCompletions(bacvault.Choices(), cobra.ShellCompDirectiveNoFileComp)))
}

func (w which) into(r *bacvault.RestoreRequest) error {
	r.Backup, r.Blob, r.BackupFileName = w.backup, w.blob, w.file
	if w.at != "" {
		t, err := time.Parse(time.RFC3339, w.at)
		if err != nil {
			return usageError(fmt.Sprintf("--at %q is not an RFC 3339 time such as 2026-11-24T06:00:00Z", w.at))
		}
		r.At = &t
	}
	if w.slot != "" {
		s, err := bacvault.ParseSlot(w.slot)
		if err != nil {
			return usageError("--slot: " + err.Error())
		}
		r.Slot = &s
	}
	return nil
}

// printSent shows a queued request.
func (c *cli) printSent(sent any, queue string, e bacvault.Envelope, d bacvault.Database) error {
	return c.print(sent, func(w io.Writer) {
		fmt.Fprintf(w, "queued:\t%s for %s in %s\n", e.ID, d, queue)
		fmt.Fprintf(w, "next:\tits event tells how it went; bacvault status shows it while it runs\n")
	})
}
