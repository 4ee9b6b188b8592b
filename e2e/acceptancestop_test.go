package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/faults"
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
			if strings.HasPrefix(l, "container ") || strings.Contains(l, "database") {
				t.Errorf("at %q: left is %s", at, l)
			}
		}
		if left := a.containers("bacvault-acceptance-"); left != nil {
			t.Errorf("at %q: the containers %q are left", at, left)
		}
		if at == "\nrights\n" && !slices.ContainsFunc(rep.Statements, func(s sent) bool { return s.Outcome == "NOT RUN" }) {
			t.Error("every statement is said to have run")
		}
	}
	if after, _ := a.SQL.Describe(odd); after != source {
		t.Errorf("the source was %+v, and is %+v", source, after)
	}
}

// busOnly is the setting of Service Bus: a run does not need it, but the doctor waits long for one that is nowhere.
func (a *azure) busOnly() map[string]string {
	const bus = "ServiceBusConnection__fullyQualifiedNamespace"
	return map[string]string{bus: a.Settings(roles.Admin)[bus]}
}

// interrupt sends SIGINT once the run has said something.
func (a *azure) interrupt(at string, args ...string) (acceptance, string, int) {
	a.t.Helper()
	cmd := a.acceptCommand(roles.Admin, a.busOnly(), args...)
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

// A container whose making nobody answered for is looked for, and taken away: the next run could not tell whose it is.
func TestAContainerWhoseMakingNobodyAnsweredForIsNotLeft(t *testing.T) {
	a := startAcceptance(t, stack.Options{Databases: map[string]string{"DB": pubs}})
	for _, c := range []struct {
		name  string
		fault faults.Fault
	}{
		{name: "it was made behind a 500", fault: faults.Fault{Op: "blob.create", Do: "status-after", Status: 500, Code: "InternalError"}},
		{name: "the request was cut off", fault: faults.Fault{Op: "blob.create", Do: "cut"}},
	} {
		a.Faults.Add(c.fault)
		rep, out, words, code := a.accept(roles.Admin, a.busOnly(), "--yes-create-and-drop", "--database", "DB")
		if code != 1 || rep.Passed || rep.verdict("a container without a policy") != "FAIL" || rep.verdict("promote undo") != "pass" {
			t.Fatalf("%s: exit %d, passed %t\n%s\n%s", c.name, code, rep.Passed, out, words)
		}
		if left := a.Faults.Unfired(); left != nil {
			t.Fatalf("%s: never happened: %v", c.name, left)
		}
		says := func(l string) bool { return strings.HasPrefix(l, "container ") }
		if left := a.containers("bacvault-acceptance-"); left != nil || slices.ContainsFunc(rep.Left, says) {
			t.Errorf("%s: %q are left; left, as it says: %q", c.name, left, rep.Left)
		}
	}
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
