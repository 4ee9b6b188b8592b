package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// request queues a backup or a restore. It only sends the message: how it went is told by the events.
func request(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("request", flag.ContinueOnError)
	database := fs.String("database", "", "the protected database")
	server := fs.String("server", "", "its server, where the app has several")
	id := fs.String("id", "", "the request's id; a new one when absent")
	reason := fs.String("reason", "", "why; stands in manifest and events")
	by := fs.String("by", "bacvault command line", "who asks")
	backup := fs.String("backup", "", "latest or latest-proven")
	blob := fs.String("blob", "", "the backup's blob name")
	file := fs.String("file", "", "an old job's file name (BACKUP_FILE_NAME), without a manifest")
	target := fs.String("target", "", "the new database; <database>_RESTORE when absent")
	objective := fs.String("objective", "", "its service objective")
	words, err := parse(fs, args, stderr)
	if err != nil {
		return err
	}
	if len(words) != 1 || *database == "" {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	a, err := open(environ)
	if err != nil {
		return err
	}
	defer closeApp(ctx, a)
	env := bacvault.Envelope{ID: *id, RequestedBy: *by, Reason: *reason}
	var sent any
	switch words[0] {
	case "backup":
		sent, err = a.RequestBackup(ctx, bacvault.BackupRequest{Envelope: env, Database: bacvault.Database{Server: *server, Name: *database}})
	case "restore":
		sent, err = a.RequestRestore(ctx, bacvault.RestoreRequest{
			Envelope: env, Database: bacvault.Database{Server: *server, Name: *database}, Backup: *backup, Blob: *blob, BackupFileName: *file,
			TargetDatabase: *target, ServiceObjective: *objective,
		})
	default:
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, string(b))
	return nil
}
