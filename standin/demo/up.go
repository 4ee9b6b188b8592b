package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// Up leaves the whole stack running until ctx ends.
func Up(ctx context.Context, args []string, out io.Writer) (err error) {
	fs := flag.NewFlagSet("up", flag.ContinueOnError)
	bacpac := fs.String("bacpac", "testdata/bacpacs/adventureworkslt-2025.bacpac", "the source database")
	root := fs.String("app", ".build/app", "the packaged app")
	azurite := fs.String("azurite", "standin/azurite", "folder with Azurite's node_modules")
	listen := fs.String("listen", "127.0.0.1:7071", "address of the Functions host's HTTP front")
	envFile := fs.String("env-file", ".build/operator.env", "where an operator's settings are written")
	if err := fs.Parse(args); err != nil {
		return err
	}
	d := &demo{out: out, start: time.Now()}
	s, closeAll, err := bringUp(ctx, *root, *azurite, stack.Options{
		Databases: map[string]string{database: *bacpac}, PolicyDays: 365, HTTPListen: *listen,
		Log: func(format string, args ...any) { d.say("%-7s  %s", "stand-in", fmt.Sprintf(format, args...)) },
	}, d.line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	d.stack = s
	if err := writeEnv(*envFile, s.Settings(roles.Operator)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(*envFile)) }()
	if d.all, err = s.Watch(ctx, "all"); err != nil {
		return err
	}
	go d.showEvents(ctx)
	fmt.Fprintf(out, `
bacvault runs against a local Azure; Ctrl-C ends all of it.
  status page        http://%[1]s/api/status        JSON: http://%[1]s/api/status?format=json
  fire the timer     curl -X POST -H 'Content-Type: application/json' -d '{}' http://%[1]s/admin/functions/nightly-backup
  queue a backup     (set -a; . %[2]s; .build/bacvault request backup --database %[3]s --reason "try it")
  queue a restore    (set -a; . %[2]s; .build/bacvault request restore --database %[3]s --target %[3]s_TRY)

`, s.Backup.Addr(), *envFile, database)
	<-ctx.Done()
	d.say("stopping")
	return nil
}

// showEvents prints one line an event, until ctx ends.
func (d *demo) showEvents(ctx context.Context) {
	for i := 0; ; i++ {
		e, err := d.all.Next(ctx, i)
		if err != nil {
			return
		}
		d.say("event    %s %s", e.Type, e.ID)
	}
}

// writeEnv writes settings for a shell to read. The file holds the identity endpoint's header, so only its owner reads it.
func writeEnv(path string, env map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if v := env[k]; v != "" {
			fmt.Fprintf(&b, "%s='%s'\n", k, strings.ReplaceAll(v, "'", `'\''`))
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}
