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
	promoterFile := fs.String("promoter-env-file", ".build/promoter.env", "where the settings of whoever promotes are written")
	if err := fs.Parse(args); err != nil {
		return err
	}
	d := &demo{out: out, start: time.Now()}
	s, closeAll, err := bringUp(ctx, *root, *azurite, stack.Options{
		Databases: map[string]string{database: *bacpac}, PolicyDays: 365, HTTPListen: *listen, Rights: seeing,
		Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup},
		Log:      func(format string, args ...any) { d.say("%-7s  %s", "stand-in", fmt.Sprintf(format, args...)) },
	}, d.line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	d.stack = s
	for file, client := range map[string]string{*envFile: roles.Operator, *promoterFile: roles.Promoter} {
		if err := writeEnv(file, s.Settings(client)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(file)) }()
	}
	if d.all, err = s.Watch(ctx, "all"); err != nil {
		return err
	}
	go d.showEvents(ctx)
	d.usage(*envFile, *promoterFile)
	<-ctx.Done()
	d.say("stopping")
	return nil
}

// seeing lets the promoter promote, and the operator see what it asked for: the vault, the state, the policy, the server's
// databases, the dead letters and the events.
func seeing(t roles.Table) roles.Table {
	vault, state := roles.DefaultPlaces().VaultAccount+"*", roles.DefaultPlaces().StateAccount+"*" // the store numbers its accounts
	for _, action := range []string{roles.BlobRead, roles.ContainerRead, roles.PolicyRead} {
		t = t.With(roles.Operator, action, vault)
	}
	for _, from := range []string{"queues/backup-requests", "queues/restore-requests", "topics/backup-events/subscriptions/*"} {
		t = t.With(roles.Operator, roles.BusReceive, from)
	}
	return rights(t).With(roles.Operator, roles.BlobRead, state).With(roles.Operator, roles.SQLLogin, "server")
}

// usage says what to type.
func (d *demo) usage(operator, promoter string) {
	s := d.stack
	fmt.Fprintf(d.out, `
bacvault runs against a local Azure; Ctrl-C ends all of it. The watch looks every 15 minutes.
  status page   http://%[1]s/api/status
  JSON          curl http://%[1]s/api/status?format=json
  timers        curl -X POST -H 'Content-Type: application/json' -d '{}' http://%[1]s/admin/functions/nightly     (or watch)

As an operator, in a shell of its own:
  set -a; . %[2]s; set +a
  .build/bacvault backup --database %[4]s --reason "try it" --wait
  .build/bacvault restore --database %[4]s --plan
  .build/bacvault restore --database %[4]s --wait
  .build/bacvault drill --database %[4]s --wait
  .build/bacvault status
  .build/bacvault list
  .build/bacvault policy check
  .build/bacvault dead-letters list
  .build/bacvault events --subscription failures

As whoever may promote, in another shell:
  set -a; . %[3]s; set +a
  .build/bacvault promote plan --database %[4]s
  .build/bacvault promote apply --database %[4]s --reason "try it"
  .build/bacvault promote undo --database %[4]s --reason "try it"

As if everything but the vault were lost:
  .build/bacvault restore --here --from %[5]s/%[6]s --database %[7]s/%[4]s \
    --target-server %[8]s --target %[4]s_HERE --identity %[9]s --sqlpackage '%[10]s'

`, s.Backup.Addr(), operator, promoter, database, s.Blob.URL(s.Places.VaultAccount), s.Places.VaultContainer, stack.ServerName, s.SQL.Addr(),
		roles.Restore, s.Settings(roles.Operator)["BACVAULT_SQLPACKAGE"])
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
