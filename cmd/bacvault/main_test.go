package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestUsageErrorsAreTwoAndSayHow(t *testing.T) {
	for _, args := range [][]string{
		{}, {"bakup"}, {"verify"}, {"verify", "x.bacpac"}, {"verify", "--offline"}, {"verify", "--offline", "a", "b", "c"}, {"verify", "--offline", "a", "-o", "xml"},
		{"verify", "--online", "a"}, {"status", "x"}, {"status", "-o", "xml"}, {"backup"}, {"backup", "--database", ""[:0], "x"}, {"backup", "--database", "db", "--slot", "noon"},
		{"request"}, {"request", "backup"}, {"request", "--database", "db"}, {"request", "backup", "restore", "--database", "db"},
		{"restore"}, {"restore", "--database", "db", "--at", "noon"}, {"restore", "--database", "db", "--slot", "noon"},
		{"restore", "--database", "db", "--blob", "b", "--file", "f"}, {"restore", "--database", "db", "--plan", "--wait"},
		{"drill"}, {"policy"}, {"policy", "extend"}, {"dead-letters"}, {"show"}, {"events", "x"}, {"doctor", "x"}, {"promote"}, {"promote", "do"}, {"promote", "plan"}, {"plan", "--instances", "0"}, {"plan", "--window", "-1h"}, {"version", "x"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			f := &fake{}
			got := enter(t, f, nil, args...)
			if got.code != exitUsage || got.out != "" || !strings.HasPrefix(got.words, "bacvault: ") || len(f.backups)+len(f.restores) > 0 {
				t.Errorf("exit %d, stdout %q, stderr %q", got.code, got.out, got.words)
			}
		})
	}
}

func TestNearestCommandIsNamed(t *testing.T) {
	for args, near := range map[string]string{"restor": "restore", "promote aply": "apply", "statsu": "status"} {
		if got := enter(t, &fake{}, nil, strings.Fields(args)...); got.code != exitUsage || !strings.Contains(got.words, "the nearest is "+near) {
			t.Errorf("%s: %s", args, got.words)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range []string{"help", "-h", "--help"} {
		got := enter(t, nil, nil, args)
		if missing := lacks(got.out, "Exit codes:", "bacvault restore --database", "status", "promote"); got.code != exitOK || missing != nil || got.words != "" {
			t.Errorf("%s: exit %d, lacks %v, %q", args, got.code, missing, got.words)
		}
	}
}

func TestEveryCommandHasAnExampleThatParses(t *testing.T) {
	c, _, _ := desk(nil, nil)
	n := 0
	for _, cmd := range c.root().Commands() {
		for _, leaf := range append(cmd.Commands(), cmd) {
			if leaf.Name() == "help" || leaf.Name() == "completion" || leaf.Hidden || strings.Contains(leaf.CommandPath(), "request") {
				continue
			}
			n++
			if leaf.Short == "" || !strings.Contains(leaf.Example, "  "+leaf.CommandPath()) {
				t.Errorf("%s: short %q, example %q", leaf.CommandPath(), leaf.Short, leaf.Example)
			}
			first, _, _ := strings.Cut(strings.ReplaceAll(leaf.Example, "\\\n", ""), "\n")
			d, _, _ := desk(nil, nil)
			found, rest, err := d.root().Find(strings.Fields(first)[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("%s: its example does not parse: %v", leaf.CommandPath(), err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d commands were looked at", n)
	}
}

func TestCompletionScriptsAreThere(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := enter(t, nil, nil, "completion", shell); got.code != exitOK || !strings.Contains(got.out, "bacvault") {
			t.Errorf("%s: exit %d, %.80q, %q", shell, got.code, got.out, got.words)
		}
	}
}

func TestWordsOfAFlagAreCompleted(t *testing.T) {
	for args, want := range map[string]string{
		"doctor --as ": "backup restore both", "dead-letters list --queue ": "backup-requests restore-requests", "list -o ": "text json",
		"verify --backup ": "latest latest-proven oldest random",
	} {
		got := enter(t, nil, nil, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if words := strings.Fields(strings.Split(got.out, "\n:")[0]); got.code != exitOK || strings.Join(words, " ") != want {
			t.Errorf("%s: exit %d, %q", args, got.code, got.out)
		}
	}
}

func TestFaultsInTheSettingsAreListedAllAtOnce(t *testing.T) {
	environ := []string{"SQL_SERVER_NAME=s", "BACVAULT_STAL_TIMEOUT=1h", "BACVAULT_RUN_TIMEOUT=soon", "SQL_PASSWORD=topsecret", "IDENTITY_HEADER=topsecret"}
	for _, args := range [][]string{
		{"status"}, {"plan"}, {"backup", "--database", "db"}, {"restore", "--database", "db"}, {"restore", "--database", "db", "--plan"},
		{"list"}, {"show", "latest", "--database", "db"}, {"verify", "--database", "db"}, {"policy", "check"}, {"policy", "probe"}, {"events"},
		{"dead-letters", "list"}, {"dead-letters", "requeue", "--all", "--yes"}, {"drill", "--database", "db"}, {"promote", "plan", "--database", "db"}, {"request", "backup", "--database", "db"}, {"request", "restore", "--database", "db"},
	} {
		code, out, words := line(t, environ, args...)
		if code != exitFault || out != "" {
			t.Errorf("%v: exit %d, %q", args, code, out)
		}
		if missing := lacks(words, "SQL_DATABASE_NAME", "STORAGE_ACCOUNT_NAME", "BACVAULT_STAL_TIMEOUT is not a setting", "BACVAULT_RUN_TIMEOUT", "ServiceBusConnection"); missing != nil {
			t.Errorf("%v: the words lack %v:\n%s", args, missing, words)
		}
		if strings.Contains(words, "topsecret") {
			t.Errorf("%v: the words hold a secret", args)
		}
	}
}

func TestEveryFailureHasAnExitCode(t *testing.T) {
	table := codes()
	for _, code := range bacvault.Codes() {
		exit, ok := table[code]
		if !ok || exit == exitOK || exit == exitPartial {
			t.Errorf("%s ends in %d (%t): a failure is neither done nor half done", code, exit, ok)
		}
		if f := bacvault.Fail(code, "x"); exitCode(t.Context(), fmt.Errorf("in some stage: %w", f), &strings.Builder{}) != exit {
			t.Errorf("%s: the table is not what is used", code)
		}
		delete(table, code)
	}
	if len(table) > 0 {
		t.Errorf("the table holds codes that are none: %v", table)
	}
}

func TestExitCodesAreThoseOfThePage(t *testing.T) {
	failure := bacvault.Fail(bacvault.CodeTargetExists, "a database x exists")
	failure.Stage, failure.Exists = bacvault.StagePreflight, "the database x was not touched"
	for _, c := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"good", nil, exitOK, ""},
		{"failed", errors.New("away"), exitFault, "bacvault: away"},
		{"no right in Service Bus", fmt.Errorf("send: %w", app.ErrBusDenied), exitRefused, "bacvault: send: " + app.ErrBusDenied.Error()},
		{"no such subscription", fmt.Errorf("peek: %w", app.ErrBusNoEntity), exitNotFound, "bacvault: peek: " + app.ErrBusNoEntity.Error()},
		{"Service Bus is away", fmt.Errorf("peek: %w", app.ErrBusAway), exitUnreachable, "bacvault: peek: " + app.ErrBusAway.Error()},
		{"usage", usageError("which?"), exitUsage, "bacvault: which?"},
		{"not good", fmt.Errorf("status: %w", verdict{exitBad, "overdue"}), exitBad, "bacvault: overdue"},
		{"unread", verdict{exitPartial, "part"}, exitPartial, "bacvault: part"},
		{"a failure", failure, exitRefused, "bacvault: preflight: target.exists: a database x exists\n  now:   the database x was not touched\n  next:  " + failure.Next},
		{"a failure that nobody classed", &bacvault.Failure{Code: "new.code", Detail: "x"}, exitFault, "bacvault: new.code: x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var words strings.Builder
			if got := exitCode(t.Context(), c.err, &words); got != c.code || strings.TrimSpace(words.String()) != c.says {
				t.Errorf("exit %d, %q", got, words.String())
			}
		})
	}
}

func TestInterruptedIsNeverAnythingElse(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{ctx.Err(), bacvault.AsFailure(ctx.Err(), bacvault.StageImport), bacvault.Fail(bacvault.CodeImportFailed, "x"), verdict{exitPartial, "x"}} {
		if got := exitCode(ctx, err, &strings.Builder{}); got != exitCancelled {
			t.Errorf("%v: exit %d", err, got)
		}
	}
	if got := exitCode(ctx, nil, &strings.Builder{}); got != exitOK {
		t.Errorf("what was done before the interrupt: exit %d", got)
	}
}

func TestVersionIsOneLineOrADocument(t *testing.T) {
	got := enter(t, nil, onTerminal, "version")
	doc := decode[map[string]string](t, enter(t, nil, nil, "version").out)
	if got.code != exitOK || got.out != app.BuildVersion()+"\n" || doc["version"] != app.BuildVersion() || doc["go"] == "" {
		t.Errorf("%+v, %v", got, doc)
	}
}
