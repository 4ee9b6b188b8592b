package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestUsageErrorsAreTwoAndSayHow(t *testing.T) {
	for _, args := range [][]string{
		{}, {"backup"}, {"verify"}, {"verify", "x.bacpac"}, {"verify", "--offline"}, {"verify", "--offline", "a", "b", "c"}, {"verify", "--offline", "a", "-o", "xml"},
		{"verify", "--online", "a"}, {"status", "x"}, {"status", "-o", "xml"}, {"request"}, {"request", "backup"}, {"request", "--database", "db"},
		{"request", "backup", "restore", "--database", "db"}, {"verify", "-h"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			code, out, words := cli(t, nil, args...)
			if code != exitUsage || out != "" || !strings.Contains(words, "Exit codes:") {
				t.Errorf("exit %d, stdout %q, stderr %q", code, out, words)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, word := range []string{"help", "-h", "--help"} {
		if code, out, words := cli(t, nil, word); code != exitOK || !strings.Contains(out, "Example: bacvault request restore") || words != "" {
			t.Errorf("%s: exit %d, %q, %q", word, code, out, words)
		}
	}
}

func TestFaultsInTheSettingsAreListedAllAtOnce(t *testing.T) {
	environ := []string{"SQL_SERVER_NAME=s", "BACVAULT_STAL_TIMEOUT=1h", "BACVAULT_RUN_TIMEOUT=soon", "SQL_PASSWORD=topsecret"}
	for _, args := range [][]string{{"status"}, {"request", "backup", "--database", "db"}, {"request", "restore", "--database", "db"}} {
		code, out, words := cli(t, environ, args...)
		if code != exitFault || out != "" {
			t.Errorf("%v: exit %d, %q", args, code, out)
		}
		for _, want := range []string{"SQL_DATABASE_NAME", "STORAGE_ACCOUNT_NAME", "BACVAULT_STAL_TIMEOUT is not a setting", "BACVAULT_RUN_TIMEOUT", "ServiceBusConnection"} {
			if !strings.Contains(words, want) {
				t.Errorf("%v: the words lack %s:\n%s", args, want, words)
			}
		}
		if strings.Contains(words, "topsecret") {
			t.Errorf("%v: the words hold a secret", args)
		}
	}
}

func TestExitCodesAreThoseOfThePage(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"good", nil, exitOK, ""},
		{"failed", errors.New("away"), exitFault, "away"},
		{"usage", fmt.Errorf("%w: x", errUsage), exitUsage, ""},
		{"help", flag.ErrHelp, exitUsage, ""},
		{"not good", fmt.Errorf("status: %w", verdict{exitBad, "overdue"}), exitBad, "overdue"},
		{"unread", verdict{exitPartial, "part"}, exitPartial, "part"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var words strings.Builder
			if got := exitCode(c.err, &words); got != c.code || strings.TrimSpace(words.String()) != c.says {
				t.Errorf("exit %d, %q", got, words.String())
			}
		})
	}
}

func TestFlagsAndWordsMayComeInAnyOrder(t *testing.T) {
	for _, args := range [][]string{{"-o", "json", "a", "b"}, {"a", "-o", "json", "b"}, {"a", "b", "-o=json"}} {
		fs := flag.NewFlagSet("x", flag.ContinueOnError)
		o := fs.String("o", "text", "")
		words, err := parse(fs, args, io.Discard)
		if err != nil || *o != "json" || strings.Join(words, ",") != "a,b" {
			t.Errorf("%v reads as %v, -o %s, %v", args, words, *o, err)
		}
	}
}
