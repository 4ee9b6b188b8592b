package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

func (c *cli) eventsCommand() *cobra.Command {
	var subscription string
	var follow bool
	cmd := &cobra.Command{
		Use: "events", Short: "What happened: peek at a subscription of the event topic; takes nothing", Args: cobra.NoArgs,
		Long: "Shows what lies in the subscription, oldest first, one line an event: text on a terminal, elsewhere the event's own JSON. Nothing is\n" +
			"taken: whoever reads the subscription gets it all the same, and what that reader has taken already is not seen here. --follow\n" +
			"goes on until Ctrl-C. Needs the right to receive from the subscription. Exit 4: a message is no event of bacvault.",
		Example: "  bacvault events --follow\n  bacvault events --subscription failures | jq -r .type",
		RunE: c.does(func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(a operator) error { return c.events(ctx, a, subscription, follow) })
		}),
	}
	cmd.Flags().StringVar(&subscription, "subscription", "all", "the subscription of the topic "+bacvault.EventTopic)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until Ctrl-C")
	return cmd
}

func (c *cli) events(ctx context.Context, a operator, subscription string, follow bool) error {
	var from int64
	var strange int
	for {
		list, err := a.PeekEvents(ctx, subscription, from)
		for _, p := range list {
			from = p.Sequence + 1
			if p.Event == nil {
				strange++
			}
			if err := c.printEvent(p); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if len(list) > 0 {
			continue // there may be more than one look reads
		}
		if !follow {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.poll):
		}
	}
	if strange > 0 {
		return verdict{exitPartial, fmt.Sprintf("%d messages are no events of bacvault", strange)}
	}
	return nil
}

// printEvent writes one line.
func (c *cli) printEvent(p app.Peeked) error {
	if c.format == "json" || c.format == "" && !c.outTTY {
		var line bytes.Buffer
		if p.Event == nil || json.Compact(&line, p.Body) != nil {
			line.Reset()
			b, err := json.Marshal(map[string]any{"unknown": string(p.Body), "sequence": p.Sequence})
			if err != nil {
				return fmt.Errorf("encode a message: %w", err)
			}
			line.Write(b)
		}
		_, err := fmt.Fprintln(c.stdout, line.String())
		return err
	}
	if p.Event == nil {
		_, err := fmt.Fprintf(c.stdout, "%s  not an event: %.80q\n", p.Enqueued.Format(time.RFC3339), p.Body)
		return err
	}
	_, err := fmt.Fprintf(c.stdout, "%s  %s  %s  %s\n", p.Event.Time.UTC().Format(time.RFC3339), p.Event.Type, p.Event.Subject, gist(p.Event.Data))
	return err
}

// gist is what a person wants to know of an event first.
func gist(d bacvault.EventData) string {
	switch {
	case d.Failure != nil:
		return string(d.Failure.Code) + ": " + d.Failure.Detail
	case d.Finding != nil:
		return string(d.Finding.Kind) + ": " + d.Finding.Detail
	case d.Target != nil:
		return "as " + d.Target.Name + ", request " + d.RequestID
	case d.Slot != nil:
		return "slot " + d.Slot.String() + ", request " + d.RequestID
	}
	return "request " + d.RequestID
}
