package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// A run that is interrupted, whatever it is at, drops what it has made and no more, and has not passed.
func TestAnAcceptanceRunKilledBySIGINTDropsWhatItMade(t *testing.T) {
	a := startAcceptance(t, stack.Options{Databases: map[string]string{odd: pubs, odd + "_accept_20261124020304_RESTORE": pubs}})
	before := a.SQL.Databases()
	source, _ := a.SQL.Describe(odd)
	points := []string{"\nrights\n", "Put Block on the existing name", "\npromote apply\n"}
	if soak {
		points = []string{
			"\ncopy\n", "\nrights\n", "backup   export ", "backup   commit ", "\ncopy by the management plane\n", "Put Block on the existing name",
			"\na container without a policy\n", "drill    import ", "restore  verify ", "\nscale\n", "\npromote apply\n", "\npromote undo\n", "\nclean up\n",
		}
	}
	for _, at := range points {
		rep, words, code := a.interrupt(at, "--yes-create-and-drop", "--database", odd)
		if code != 1 && at != "\nclean up\n" || code == 1 && rep.Passed || rep.verdict("clean up") != "pass" || rep.verdict("look what is left") != "pass" {
			t.Errorf("at %q: exit %d, passed %t, clean up %s, look %s\n%s", at, code, rep.Passed, rep.verdict("clean up"), rep.verdict("look what is left"), words)
		}
		if !slices.Equal(a.SQL.Databases(), before) {
			t.Fatalf("at %q: %q were there, and are %q\n%s", at, before, a.SQL.Databases(), words)
		}
		for _, l := range rep.Left {
			if strings.Contains(l, "container ") && !strings.Contains(l, "small blobs") || strings.Contains(l, "database") {
				t.Errorf("at %q: left is %s", at, l)
			}
		}
		if at == "\nrights\n" && !slices.ContainsFunc(rep.Statements, func(s sent) bool { return s.Outcome == "NOT RUN" }) {
			t.Error("every statement is said to have run")
		}
	}
	if after, _ := a.SQL.Describe(odd); after != source {
		t.Errorf("the source was %+v, and is %+v", source, after)
	}
}

// interrupt sends SIGINT once the run has said something.
func (a *azure) interrupt(at string, args ...string) (acceptance, string, int) {
	a.t.Helper()
	bus := "ServiceBusConnection__fullyQualifiedNamespace" // not needed, but the doctor waits long for one that is nowhere
	cmd := a.acceptCommand(roles.Admin, map[string]string{bus: a.Settings(roles.Admin)[bus]}, args...)
	words := &lines{}
	cmd.Stderr = words
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.until("the run to be at "+at, func() bool { return strings.Contains(words.String(), at) })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		a.t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code tells
	return a.acceptReport(), words.String(), cmd.ProcessState.ExitCode()
}

// Whatever letters a database's name has, its run finds its own blobs again, and takes them away.
func TestAnAcceptanceRunOfAnOddlyNamedDatabase(t *testing.T) {
	a := startAcceptance(t, stack.Options{Databases: map[string]string{odd: pubs}})
	rep, out, words, code := a.accept(roles.Admin, nil, "--yes-create-and-drop", "--database", odd, "--remove-policy")
	if code != 0 || !rep.Passed {
		t.Fatalf("exit %d, passed %t\n%s\n%s", code, rep.Passed, out, words)
	}
	if left := a.vault(); len(left) != 1 || !strings.HasPrefix(left[0], ".bacvault/canary-") || len(rep.Left) != 2 || len(a.SQL.Databases()) != 1 {
		t.Errorf("in the vault: %q; left, as it says: %q; databases: %q", left, rep.Left, a.SQL.Databases())
	}
}
