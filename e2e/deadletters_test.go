package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

type cliLetters struct {
	DeadLetters []struct {
		MessageID, Reason, Database, Request string
		Attempt                              int
		Understood                           bool
	}
	Sent, Refused []struct{ MessageID, Request, Why string }
}

// Dead letters are told with their reason and sent again; what is no request stays.
func TestDeadLettersAreSentAgain(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: onlooker, Settings: map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}}))
	if l, _ := askCLI[cliLetters](a, roles.Operator, 0, "dead-letters", "list"); len(l.DeadLetters) != 0 {
		t.Fatalf("at the beginning: %+v", l)
	}
	a.misbehave(map[string]any{"action": "Export", "do": "exit-137", "times": 1})
	a.send("backup-requests", "b1", backupRequest("b1", "DB", slot, nil))
	a.event(failed, "b1")
	a.sendRaw("backup-requests", "bad", []byte(`{"schema":"x"}`))
	a.event(rejected, "bad")
	a.idle("backup-requests")

	l, _ := askCLI[cliLetters](a, roles.Operator, 0, "dead-letters", "list", "--queue", "backup-requests")
	if len(l.DeadLetters) != 2 {
		t.Fatalf("listed %+v", l)
	}
	if d := l.DeadLetters[0]; d.Request != "b1" || d.Database != "DB" || d.Attempt != 1 || !d.Understood || d.Reason == "" {
		t.Errorf("the failed request is listed as %+v", d)
	}
	if d := l.DeadLetters[1]; d.MessageID != "bad" || d.Understood || d.Reason != "request.malformed" {
		t.Errorf("what was not understood is listed as %+v", d)
	}
	if _, words := askCLI[cliLetters](a, roles.Operator, 6, "dead-letters", "requeue", "--id", "nobody", "--yes"); !strings.Contains(words, "nobody") {
		t.Errorf("an id that is not there: %s", words)
	}
	if l, _ = askCLI[cliLetters](a, roles.Operator, 4, "dead-letters", "requeue", "--all", "--yes"); len(l.Sent) != 1 || l.Sent[0].Request != "b1" ||
		len(l.Refused) != 1 || l.Refused[0].MessageID != "bad" || l.Refused[0].Why == "" {
		t.Errorf("sent again: %+v", l)
	}
	if ev := a.event(completed, "b1"); !strings.Contains(ev.ID, "b1.2.") {
		t.Errorf("the event of the second attempt is %s", ev.ID)
	}
	if l, _ = askCLI[cliLetters](a, roles.Operator, 0, "dead-letters", "list"); len(l.DeadLetters) != 1 || l.DeadLetters[0].MessageID != "bad" {
		t.Errorf("left: %+v", l)
	}
	a.toolErred()

	// Nobody reads the subscription of failures here: its events lie there, and a peek leaves them.
	for range 2 {
		out, words, code := a.cli(roles.Operator, "events", "--subscription", "failures")
		var types []string
		for line := range strings.Lines(out) {
			var e struct{ Type, Subject string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			types = append(types, e.Type)
		}
		if code != 0 || !slices.Equal(types, []string{failed, rejected}) {
			t.Errorf("exit %d, the events are %v: %s", code, types, words)
		}
	}
	if _, words, code := a.cli(roles.Backup, "events", "--subscription", "failures"); code != 5 || !strings.Contains(words, "peek at the subscription failures") {
		t.Errorf("without the right: exit %d, %s", code, words)
	}
	if _, words, code := a.cli(roles.Operator, "events", "--subscription", "nosuch"); code != 6 {
		t.Errorf("no such subscription: exit %d, %s", code, words)
	}
	if _, words, code := a.cli(roles.Promoter, "backup", "--database", "DB"); code != 5 || !strings.Contains(words, "send to backup-requests") {
		t.Errorf("a request without the right to send: exit %d, %s", code, words)
	}
}

// Broken off at any point, a requeue never loses a request and never makes a second backup.
func TestARequeueThatIsBrokenOffDoesTheWorkOnce(t *testing.T) {
	for _, c := range []struct {
		name, op, do string
	}{
		{"the answer to the send is lost", "servicebus.send", "lose-reply"},
		{"the send is cut", "servicebus.send", "cut"},
		{"the connection is cut before it is taken off", "servicebus.settle", "cut"},
		{"the answer to taking it off is lost", "servicebus.settle", "lose-reply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{Rights: onlooker, Settings: map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}}))
			a.misbehave(map[string]any{"action": "Export", "do": "exit-137", "times": 1})
			a.send("backup-requests", "b1", backupRequest("b1", "DB", slot, nil))
			a.event(failed, "b1")
			a.idle("backup-requests")
			a.until("the failure's event to be taken", func() bool { // its settlement is none that a fault is planned for
				active, _, locked, _, ok := a.Bus.Counts("backup-events/subscriptions/all")
				return ok && active+locked == 0
			})
			a.Faults.Add(faults.Fault{Op: c.op, Do: c.do})
			if l, words := askCLI[cliLetters](a, roles.Operator, 0, "dead-letters", "requeue", "--id", "b1", "--yes"); len(l.Sent) != 1 {
				t.Errorf("it says %+v: %s", l, words)
			}
			a.event(completed, "b1")
			a.idle("backup-requests")
			if evs := a.events("b1"); len(evs) != 2 || evs[1].Data.AlreadyDone {
				t.Errorf("%d events, want the failure and one backup", len(evs))
			}
			if l, _ := askCLI[cliLetters](a, roles.Operator, 0, "dead-letters", "list"); len(l.DeadLetters) != 0 {
				t.Errorf("left: %+v", l)
			}
			a.toolErred()
		})
	}
}
