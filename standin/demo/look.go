package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// forgotten is a database that somebody makes and nobody protects.
const forgotten = "Forgotten"

// look fires the watch twice: it finds the database that nobody protects, and nothing else; then it finds that all is well.
func (d *demo) look(ctx context.Context) error {
	d.say("somebody makes a database %s and protects it with nothing; firing the timer watch", forgotten)
	if err := d.stack.SQL.LoadFile(forgotten, d.bacpac); err != nil {
		return err
	}
	if err := d.fireWatch(ctx); err != nil {
		return err
	}
	raised, err := d.await(ctx, "bacvault.finding.raised.v1", "bacvault.immutability.drifted.v1")
	if err != nil {
		return err
	}
	s, code, err := d.status(ctx)
	if err != nil {
		return err
	}
	d.showFindings(s)
	id := "database.unprotected:" + stack.ServerName + "/" + forgotten
	if len(s.Findings) != 1 || s.Findings[0].ID != id || raised.Data.Finding == nil || raised.Data.Finding.ID != id || code != 3 {
		return fmt.Errorf("the watch was to find %s and nothing else; status ended with %d: %+v", id, code, s.Findings)
	}
	if s.Probe == nil || !s.Probe.Passed {
		return fmt.Errorf("the tamper probe did not pass: %+v", s.Probe)
	}
	d.say("the watch found it, told it, and found nothing else; its tamper probe was refused as it must be")

	if err := d.stack.SQL.Drop(forgotten); err != nil {
		return err
	}
	d.say("%s is dropped; firing the timer watch again", forgotten)
	if err := d.fireWatch(ctx); err != nil {
		return err
	}
	if _, err := d.await(ctx, "bacvault.finding.cleared.v1", "bacvault.immutability.drifted.v1"); err != nil {
		return err
	}
	out, code, err := d.cli(ctx, "the backup app", roles.Backup, "status", "-o", "text")
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	fmt.Fprintf(d.out, "\n  status: %s\n\n", line)
	if code != 0 {
		return fmt.Errorf("status ended with %d:\n%s", code, out)
	}
	return nil
}

func (d *demo) fireWatch(ctx context.Context) error {
	if status, body, err := d.stack.Backup.FireTimer(ctx, "watch", d.stack.Clock.Now(), false); err != nil {
		return fmt.Errorf("the timer's call ended with %d %s: %w", status, body, err)
	}
	return nil
}

// status is the part of the command line's JSON that the demo reads.
type status struct {
	Verdict  string
	Findings []stack.Finding
	Probe    *struct{ Passed bool }
}

func (d *demo) status(ctx context.Context) (s status, code int, err error) {
	out, code, err := d.cli(ctx, "the backup app", roles.Backup, "status", "-o", "json")
	if err != nil {
		return s, code, err
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, code, fmt.Errorf("status printed %q: %w", out, err)
	}
	return s, code, nil
}

func (d *demo) showFindings(s status) {
	fmt.Fprintf(d.out, "\n  verdict: %s\n", s.Verdict)
	for _, f := range s.Findings {
		fmt.Fprintf(d.out, "  %-8s %s: %s\n           next: %s\n", f.Severity, f.Kind, f.Detail, f.Next)
	}
	fmt.Fprintln(d.out)
}
