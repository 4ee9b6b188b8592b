package e2e

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// A person who may ask and look, with the rights that infra/ gives operators and readers and no other, goes through the first
// installation: asks, waits, and sees. What else he tries is refused, or is not shown to him.
func TestAPersonWhoMayAskAndLookSeesItThrough(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: func(r roles.Table) roles.Table {
		return roles.Viewing(r, roles.Reader).With(roles.Reader, roles.BusSend, "queues/backup-requests").With(roles.Reader, roles.BusSend, "queues/restore-requests")
	}}))
	for _, line := range []string{
		"backup --database DB --reason first --wait", "restore --database DB --target DB_RESTORE --reason first --wait", "drill --database DB --wait",
		"list", "show latest --database DB", "verify --database DB", "plan",
	} {
		if out, words, code := a.cli(roles.Reader, strings.Fields(line)...); code != 0 {
			t.Errorf("%s: exit %d\n%s\n%s", line, code, out, words)
		}
	}
	if status, body, err := a.Backup.FireTimer(t.Context(), "watch", occurrence, false); err != nil {
		t.Fatalf("the watch: %d %s, %v", status, body, err)
	}
	for _, line := range []string{"status", "policy check"} {
		if out, words, code := a.cli(roles.Reader, strings.Fields(line)...); code != 0 {
			t.Errorf("%s: exit %d\n%s\n%s", line, code, out, words)
		}
	}
	for line, want := range map[string]int{"policy check --accept --yes": 5, "policy lock --days 365 --yes": 0, "policy extend --days 400 --yes": 5, "dead-letters list": 4} {
		if out, words, code := a.cli(roles.Reader, strings.Fields(line)...); code != want {
			t.Errorf("%s: exit %d, want %d\n%s\n%s", line, code, want, out, words)
		}
	}
}
