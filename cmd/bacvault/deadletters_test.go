package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func someLetters() app.DeadLetters {
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	return app.DeadLetters{Schema: app.DeadLettersSchema, At: at, DeadLetters: []app.DeadLetter{
		{Queue: bacvault.BackupQueue, MessageID: "b1.1.0", Request: "b1", Attempt: 4, Understood: true, Reason: "export.failed", Description: "exit\n1",
			Enqueued: at.Add(-time.Hour), Database: bacvault.Database{Server: "srv", Name: "db"}},
		{Queue: bacvault.BackupQueue, MessageID: "bad", Reason: "request.malformed", Enqueued: at.Add(-time.Minute)},
	}}
}

func TestDeadLettersAreToldWithTheirReason(t *testing.T) {
	f := &fake{letters: someLetters()}
	text, doc := enter(t, f, onTerminal, "dead-letters", "list"), enter(t, f, nil, "dead-letters", "list")
	missing := lacks(text.out, "1h0m0s", "backup-requests", "srv/db", "b1", "4", "export.failed", "exit 1", "bad (no request)")
	if text.code != exitOK || missing != nil {
		t.Errorf("lacks %v: %+v", missing, text)
	}
	if l := decode[app.DeadLetters](t, doc.out); doc.code != exitOK || len(l.DeadLetters) != 2 || l.DeadLetters[0].Attempt != 4 {
		t.Errorf("%+v", doc)
	}
	f.letters.Unread = []string{"restore-requests: 401"}
	if got := enter(t, f, onTerminal, "dead-letters", "list"); got.code != exitPartial || lacks(got.out, "restore-requests: 401") != nil {
		t.Errorf("%+v", got)
	}
	f.letters.Unread, f.letters.More = nil, true
	if got := enter(t, f, nil, "dead-letters", "list"); got.code != exitPartial {
		t.Errorf("%+v", got)
	}
	for _, args := range []string{"list --queue other", "list x", "requeue", "requeue --all --id x", "requeue --all", "requeue --id x", "requeue --all --queue other --yes", ""} {
		f := &fake{}
		if got := enter(t, f, nil, append([]string{"dead-letters"}, strings.Fields(args)...)...); got.code != exitUsage || f.requeued > 0 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestRequeueIsAsGoodAsWhatWasSent(t *testing.T) {
	all := someLetters().DeadLetters
	sent := app.Requeued{Schema: app.RequeuedSchema, Sent: all[:1]}
	refused := app.Requeued{Schema: app.RequeuedSchema, Sent: []app.DeadLetter{}, Refused: []app.RefusedLetter{{DeadLetter: all[1], Why: "no request"}}}
	for _, c := range []struct {
		name, args string
		result     app.Requeued
		err        error
		code       int
		out, words string
	}{
		{"by the request's id", "--id b1", sent, nil, exitOK, "b1 for srv/db in backup-requests, as attempt 5", ""},
		{"by the message's id", "--id b1.1.0", sent, nil, exitOK, "as attempt 5", ""},
		{"all", "--all", sent, nil, exitOK, "as attempt 5", ""},
		{"all of none", "--all", app.Requeued{}, nil, exitOK, "nothing was sent", ""},
		{"no such id", "--id x", app.Requeued{}, nil, exitNotFound, "nothing was sent", "id x"},
		{"one of two", "--id b1,x", sent, nil, exitPartial, "as attempt 5", "id x"},
		{"not understood", "--id bad", refused, nil, exitPartial, "bad in backup-requests: no request", "stay where they are"},
		{"locked", "--all", app.Requeued{Left: 2}, nil, exitBusy, "2 are locked", "2 are locked"},
		{"the one is locked", "--id b1", app.Requeued{Left: 1}, nil, exitBusy, "1 are locked", "1 are locked"},
		{"some are locked", "--all", app.Requeued{Sent: all[:1], Left: 2}, nil, exitPartial, "as attempt 5", "2 are locked"},
		{"broken off", "--all", sent, errors.New("the link is gone"), exitFault, "as attempt 5", "the link is gone"},
		{"not begun", "--all", app.Requeued{}, errors.New("401"), exitFault, "", "401"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{requeue: func(_, _ []string) (app.Requeued, error) { return c.result, c.err }}
			args := append([]string{"dead-letters", "requeue", "--yes"}, strings.Fields(c.args)...)
			text, doc := enter(t, f, onTerminal, args...), enter(t, f, nil, args...)
			if text.code != c.code || !strings.Contains(text.out, c.out) || !strings.Contains(text.words, c.words) || doc.code != c.code {
				t.Errorf("%+v, %+v", text, doc)
			}
			if doc.out != "" {
				if r := decode[app.Requeued](t, doc.out); len(r.Sent) != len(c.result.Sent) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestRequeueAsksFirst(t *testing.T) {
	for typed, want := range map[string]int{"requeue\n": exitOK, "yes\n": exitRefused} {
		var queues, ids []string
		f := &fake{requeue: func(q, i []string) (app.Requeued, error) {
			queues, ids = q, i
			return app.Requeued{Sent: someLetters().DeadLetters[:1]}, nil
		}}
		got := enter(t, f, func(c *cli) { c.inTTY, c.stdin = true, strings.NewReader(typed) }, "dead-letters", "requeue", "--id", "b1")
		if got.code != want || (f.requeued > 0) != (want == exitOK) || !strings.Contains(got.words, "sends b1 again") {
			t.Errorf("%q: %+v", typed, got)
		}
		if want == exitOK && (!slices.Equal(queues, app.Queues()) || !slices.Equal(ids, []string{"b1"})) {
			t.Errorf("asked for %v of %v", ids, queues)
		}
	}
}
