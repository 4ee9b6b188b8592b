// Package demo is the product's main job, shown and checked: backup, attack, restore, drill, promotion, watch.
package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// database is what the bacpac is loaded as.
const database = "DemoDB"

// patience bounds each wait for an event.
const patience = 60 * time.Second

type demo struct {
	out   io.Writer
	start time.Time
	stack *stack.Stack
	all   *stack.Events

	bacpac   string // the source database
	bacvault string // the command line
	dir      string // an empty folder
}

// Demo runs it once. The error is nil only if all of it held.
func Demo(ctx context.Context, args []string, out io.Writer) (err error) {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	bacpac := fs.String("bacpac", "testdata/bacpacs/adventureworkslt-2025.bacpac", "the source database")
	root := fs.String("app", ".build/app", "the packaged app")
	azurite := fs.String("azurite", "standin/azurite", "folder with Azurite's node_modules")
	bacvault := fs.String("bacvault", ".build/bacvault", "the command line")
	if err := fs.Parse(args); err != nil {
		return err
	}
	d := &demo{out: out, start: time.Now(), bacpac: *bacpac}
	if d.bacvault, err = filepath.Abs(*bacvault); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "bacvault-operator-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	d.say("starting a local Azure: stand-ins of the Functions host, Service Bus, Blob Storage (WORM), ARM, managed identity, SQL Server, sqlpackage")
	s, closeAll, err := bringUp(ctx, *root, *azurite, stack.Options{
		Databases: map[string]string{database: *bacpac}, PolicyDays: 365, Rights: rights,
		Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup, "AzureWebJobs_watch_Disabled": "true"}, // the demo fires it
	}, d.line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	d.stack = s
	d.say("%s is loaded as %s/%s; the vault %s/%s has a locked policy of 365 days", filepath.Base(*bacpac), stack.ServerName, database, s.Places.VaultAccount, s.Places.VaultContainer)
	if d.all, err = s.Watch(ctx, "all"); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.backup, d.attack, d.restore, d.drill, d.promote, d.look} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.say("all of it held")
	return nil
}

// rights gives the promoter what it needs, which no identity has by itself.
func rights(t roles.Table) roles.Table {
	return roles.Promotion(t, roles.Promoter, stack.ServerName)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%7.3fs  %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// line shows one line of an app's log.
func (d *demo) line(app, line string) {
	var l struct {
		Msg, Level, Kind, Stage, Slot, Code, Error, Event, Next, Finding string
		Took                                                             *int64 `json:"took_ms"`
	}
	if json.Unmarshal([]byte(line), &l) != nil {
		d.say("%-7s  %s", app, line)
		return
	}
	switch {
	case l.Msg == "stage begins":
		d.say("%-7s  %-9s begins", app, l.Stage)
	case l.Msg == "stage ended" && l.Took != nil:
		d.say("%-7s  %-9s ended after %d ms", app, l.Stage, *l.Took)
	case l.Event != "":
		d.say("%-7s  published %s", app, l.Event)
	case l.Level == "warning" && l.Finding != "":
		d.say("%-7s  found %s: %s", app, l.Finding, l.Msg)
	case l.Level != "info" || l.Msg == "backups queued":
		d.say("%-7s  %s %s %s %s", app, l.Msg, l.Code, l.Error, l.Next)
	}
}

// backup fires the timer as a host does that was down at the time: the slot is last night's, not now.
func (d *demo) backup(ctx context.Context) error {
	now := d.stack.Clock.Now()
	slot := time.Date(now.Year(), now.Month(), now.Day(), 2, 0, 0, 0, time.UTC)
	if slot.After(now) {
		slot = slot.AddDate(0, 0, -1)
	}
	d.say("firing the timer nightly, past due, for the occurrence %s", slot.Format(time.RFC3339))
	if status, body, err := d.stack.Backup.FireTimer(ctx, "nightly", slot, true); err != nil {
		return fmt.Errorf("the timer's call ended with %d %s: %w", status, body, err)
	}
	ev, err := d.event(ctx, "bacvault.backup.completed.v1", "bacvault.backup.failed.v1")
	if err != nil {
		return err
	}
	if want := slot.Format(time.RFC3339); ev.Data.Slot != want {
		return fmt.Errorf("the backup has slot %s, the timer's occurrence was %s", ev.Data.Slot, want)
	}
	blob, err := d.stack.Blob.Read(ctx, d.stack.Places.VaultAccount, d.stack.Places.VaultContainer, ev.Data.Blob.Name)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(blob)
	if got := hex.EncodeToString(sum[:]); got != ev.Data.Blob.SHA256 {
		return fmt.Errorf("the stored bytes have SHA-256 %s, the event says %s", got, ev.Data.Blob.SHA256)
	}
	return nil
}

// event waits for a good event and shows it; a bad one ends the demo.
func (d *demo) event(ctx context.Context, good, bad string) (stack.Event, error) {
	ev, err := d.await(ctx, good, bad)
	if err != nil {
		return ev, err
	}
	pretty, err := indent(ev.Raw)
	if err != nil {
		return ev, err
	}
	d.say("event received by the subscription \"all\":\n%s", pretty)
	return ev, nil
}

// await waits for a good event; a bad one is an error.
func (d *demo) await(ctx context.Context, good, bad string) (stack.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ev, err := d.all.Wait(ctx, func(e stack.Event) bool { return e.Type == good || e.Type == bad })
	switch {
	case err != nil:
		return ev, fmt.Errorf("wait for %s: %w", good, err)
	case ev.Type == bad && ev.Data.Failure != nil:
		return ev, fmt.Errorf("%s: %s: %s", bad, ev.Data.Failure.Code, ev.Data.Failure.Detail)
	case ev.Type == bad:
		return ev, fmt.Errorf("%s: %s", bad, ev.Raw)
	}
	return ev, nil
}

// restore queues a restore as an operator does, and holds all three counts against each other.
func (d *demo) restore(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{
		"schema": "bacvault.restore-request.v1", "id": "demo-restore", "server": stack.ServerName, "database": database,
		"requestedBy": "the demo", "reason": "to see it come back",
	})
	if err != nil {
		return err
	}
	d.say("queueing a restore: %s", body)
	if err := d.stack.Send(ctx, "restore-requests", "demo-restore", body); err != nil {
		return err
	}
	ev, err := d.event(ctx, "bacvault.restore.completed.v1", "bacvault.restore.failed.v1")
	if err != nil {
		return err
	}
	return d.compare(ev)
}

// bringUp starts a store and a stack in a folder of its own, with this program as sqlpackage's stand-in.
func bringUp(ctx context.Context, root, azurite string, o stack.Options, line func(app, line string)) (*stack.Stack, func() error, error) {
	dir, err := os.MkdirTemp("", "bacvault-local-")
	if err != nil {
		return nil, nil, err
	}
	clean := func() error { return os.RemoveAll(dir) }
	self, err := os.Executable()
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	o.Dir, o.SQLPackage = dir, filepath.Join(dir, "sqlpackage")
	if o.Root, err = filepath.Abs(root); err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	if err := os.Symlink(self, o.SQLPackage); err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	store, err := stack.StartStore(ctx, azurite, 1, nil)
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	o.Store = store
	s, err := stack.Start(ctx, o)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close(), clean())
	}
	s.Backup.OnLine(func(l string) { line("backup", l) })
	s.Restore.OnLine(func(l string) { line("restore", l) })
	return s, func() error { return errors.Join(s.Close(), store.Close(), clean()) }, nil
}

// indent shows an event one field a line, and each table and each stage on one line of its own.
func indent(raw []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "          ", "  "); err != nil {
		return "", err
	}
	return "          " + innerObjects.ReplaceAllStringFunc(b.String(), func(s string) string {
		return spaces.ReplaceAllString(s, " ")
	}), nil
}

var (
	innerObjects = regexp.MustCompile(`(?s)\{\s+"(schema|stage)": [^{}]*\}`)
	spaces       = regexp.MustCompile(`\s+`)
)
