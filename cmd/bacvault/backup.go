package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) backupCommand() *cobra.Command {
	var q asked
	var p patience
	var server, slot string
	cmd := &cobra.Command{
		Use: "backup --database NAME", Short: "Queue one backup; with --wait, see it through",
		Long: "Sends one message to the queue backup-requests. Without --wait, exit 0 says that it is queued, not that it went well: the event\n" +
			"says that. With --wait it ends when the backup's manifest stands in the vault. Exit 4: degraded, or its end could not be seen.",
		Example: "  bacvault backup --database DToSDB --reason \"before CHG0012345\" --wait", Args: cobra.NoArgs,
		RunE: c.does(func(ctx context.Context, _ []string) error {
			r := bacvault.BackupRequest{Envelope: q.envelope(), Database: q.source(server)}
			if slot != "" {
				s, err := bacvault.ParseSlot(slot)
				if err != nil {
					return usageError("--slot: " + err.Error())
				}
				r.Slot = &s
			} else if p.wait {
				s := bacvault.SlotAt(time.Now()) // so that it is known which manifest to wait for
				r.Slot = &s
			}
			return c.with(ctx, func(a operator) error { return c.backup(ctx, a, r, p) })
		}),
	}
	q.flags(cmd, "the protected database")
	p.flags(cmd)
	cmd.Flags().StringVar(&server, "server", "", "its server, where the app has several")
	cmd.Flags().StringVar(&slot, "slot", "", "the moment that the backup stands for (RFC 3339), to repeat a night that failed")
	return cmd
}

func (c *cli) backup(ctx context.Context, a operator, r bacvault.BackupRequest, p patience) error {
	began := time.Now().Add(-skew)
	sent, err := a.RequestBackup(ctx, r)
	if err != nil {
		return err
	}
	if !p.wait {
		return c.printSent(sent, bacvault.BackupQueue, sent.Envelope, sent.Database)
	}
	c.say("queued %s for %s, slot %s", sent.ID, sent.Database, sent.Slot)
	var m bacvault.Manifest
	err = c.await(ctx, p, awaited{app.KindBackup, sent.Database, sent.ID, began}, a, func(ctx context.Context) (ok bool, err error) {
		m, ok, err = a.Manifest(ctx, sent.Database, *sent.Slot)
		return ok, err
	})
	if err != nil {
		return c.unseen(err, sent, bacvault.BackupQueue, sent.Envelope, sent.Database)
	}
	if err := c.print(m, func(w io.Writer) { printManifest(w, m) }); err != nil {
		return err
	}
	if len(m.Degraded) > 0 {
		return verdict{exitPartial, "backed up, but degraded: " + strings.Join(m.Degraded, "; ")}
	}
	return nil
}

// unseen still gives the one result that there is: the request as it was sent.
func (c *cli) unseen(err error, sent any, queue string, e bacvault.Envelope, d bacvault.Database) error {
	if perr := c.printSent(sent, queue, e, d); perr != nil {
		return perr
	}
	return err
}

func printManifest(w io.Writer, m bacvault.Manifest) {
	fmt.Fprintf(w, "backup:\t%s of %s\n", m.Slot, m.Database)
	fmt.Fprintf(w, "blob:\t%s, %s, sha256 %s\n", m.Blob.Name, mib(m.Blob.Size), m.Blob.SHA256)
	fmt.Fprintf(w, "consistency:\t%s\n", m.Consistency)
	fmt.Fprintf(w, "rows:\t%d in %d tables, as in the source\n", m.Rows().Total(), len(m.Tables))
	if !m.ProtectedTo.IsZero() {
		fmt.Fprintf(w, "protected until:\t%s\n", m.ProtectedTo.Format(time.RFC3339))
	}
	listed(w, "degraded", m.Degraded)
}
