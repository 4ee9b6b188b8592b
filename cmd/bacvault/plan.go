package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"time"
)

// plan says how long a night is, from how long the newest backups took.
func plan(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("plan", flag.ContinueOnError)
	instances := fs.Int("instances", 1, "apps that take backups side by side")
	window := fs.Duration("window", 8*time.Hour, "how long the night may be")
	output := fs.String("o", "text", "text or json")
	words, err := parse(fs, args, stderr)
	if err != nil {
		return err
	}
	if len(words) > 0 || *instances < 1 || *window <= 0 || (*output != "text" && *output != "json") {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	a, err := open(environ)
	if err != nil {
		return err
	}
	defer closeApp(ctx, a)
	p, err := a.Plan(ctx, *instances, *window)
	if err != nil {
		return err
	}
	if *output == "json" {
		b, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(b))
	} else {
		for _, t := range p.Longest {
			fmt.Fprintf(stdout, "%12s  %8d MiB  %s\n", t.Took.Round(time.Second), t.Size>>20, t.Database)
		}
		fmt.Fprintf(stdout, "%d databases, %.2f hours in all, %.2f hours a night with %d instances (window %s)\n", p.Databases, p.Total.Hours(), p.Night.Hours(), p.Instances, p.Window)
		for _, w := range p.Warnings {
			fmt.Fprintln(stderr, "warning:", w)
		}
	}
	switch {
	case p.Night > p.Window:
		return verdict{exitBad, "the night does not fit the window"}
	case len(p.Unknown) > 0:
		return verdict{exitPartial, fmt.Sprintf("%d databases have no backup yet", len(p.Unknown))}
	}
	return nil
}
