package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/config"
)

// closeLimit bounds the good-bye to Service Bus.
const closeLimit = 5 * time.Second

func open(environ []string) (*app.App, error) {
	c, err := config.Load(environ)
	if err != nil {
		return nil, err
	}
	return app.New(c, app.Options{Version: "cli", Environ: environ})
}

func closeApp(ctx context.Context, a *app.App) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	_ = a.Close(ctx) // everything was answered; what is left is a connection that ends with the process
}

// status shows the same model as the status page.
func status(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("status", flag.ContinueOnError)
	output := fs.String("o", "text", "text or json")
	words, err := parse(fs, args, stderr)
	if err != nil {
		return err
	}
	if len(words) > 0 || (*output != "text" && *output != "json") {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	a, err := open(environ)
	if err != nil {
		return err
	}
	defer closeApp(ctx, a)
	m := a.Status(ctx)
	if *output == "json" {
		b, err := m.JSON()
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(b))
	} else {
		fmt.Fprintf(stdout, "%s  vault %s\n", m.Verdict(), m.Vault)
		for _, d := range m.Databases {
			newest := "no backup"
			if d.Newest != nil {
				newest = d.Newest.String()
			}
			fmt.Fprintf(stdout, "%-40s  %-20s  %d backups, %d MiB, %d orphans\n", d.Database, newest, d.Backups, d.Bytes>>20, d.Orphans)
		}
		for _, r := range m.Running {
			fmt.Fprintf(stdout, "running: %s %s of %s, stage %s since %s\n", r.Kind, r.Run, r.Database, r.Stage, r.At.Format(time.RFC3339))
		}
		for _, d := range m.Unprotected {
			fmt.Fprintf(stdout, "not protected: %s\n", d)
		}
		for _, u := range m.Unread {
			fmt.Fprintln(stdout, "not read:", u)
		}
	}
	switch m.Verdict() {
	case "ok":
		return nil
	case "unknown":
		return verdict{exitPartial, "part of the status could not be read"}
	}
	return verdict{exitBad, m.Verdict()}
}
