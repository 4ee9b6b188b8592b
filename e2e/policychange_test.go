package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

type cliChange struct {
	Schema, Outcome, Next  string
	Days, ExtensionsAfter  int
	Before                 struct{ State, PolicyETag string }
	After                  *struct{ State string }
	Forever, Notes, Unread []string
	Backups                struct {
		Count int
		Last  *struct{ ProtectedUntil, ProtectedUntilAfter time.Time }
	}
}

// inCustody is a local Azure without apps, whose custodian may lock and extend the vault's policy.
func inCustody(t *testing.T, locked bool) *azure {
	return start(t, stack.Options{NoApps: true, PolicyDays: 365, Unlocked: !locked, Rights: func(r roles.Table) roles.Table {
		return roles.Custody(r, roles.Custodian)
	}})
}

// policy is what protects the vault, without a right.
func (a *azure) policy() blob.Policy {
	a.t.Helper()
	c, ok := a.Policies.Get(a.Places.VaultAccount, a.Places.VaultContainer)
	if !ok || c.Policy == nil {
		a.t.Fatal("the vault has no policy")
	}
	return *c.Policy
}

// refused runs a command that must end so, say this, and leave the policy as it is.
func (a *azure) refused(client string, code int, args, says string) {
	a.t.Helper()
	before := a.policy()
	out, words, got := a.cli(client, strings.Fields("policy "+args)...)
	if got != code || !strings.Contains(words, says) || out != "" {
		a.t.Errorf("policy %s: exit %d, want %d and %q\n%s\n%s", args, got, code, says, out, words)
	}
	if a.policy().Etag != before.Etag {
		a.t.Errorf("policy %s was refused, and changed the policy", args)
	}
}

// A custodian with four rights reads the plan, and locks. Whoever is not asked, or lacks the right, does not; what is locked stays so.
func TestThePolicyIsLockedByAPersonWithRightsForAnHour(t *testing.T) {
	a := inCustody(t, false)
	etag := a.policy().Etag
	p, words := askCLI[cliChange](a, roles.Custodian, 4, "policy", "lock", "--plan")
	if p.Schema != "bacvault.policy-change.v1" || p.Outcome != "planned" || p.Before.PolicyETag != etag || len(p.Forever) < 4 || len(p.Unread) != 1 || !strings.Contains(words, "could not be read") {
		t.Errorf("the plan of who may not see the backups: %+v, %s", p, words)
	}
	if p, _ := askCLI[cliChange](a, roles.Admin, 0, "policy", "lock", "--plan"); p.Outcome != "planned" || len(p.Unread) > 0 {
		t.Errorf("the plan of who may: %+v", p)
	}
	a.refused(roles.Custodian, 2, "lock", "nobody is there to ask")
	a.refused(roles.Custodian, 2, "lock --yes", "--days")
	a.refused(roles.Custodian, 5, "lock --days 30 --yes", "365 days, not 30")
	a.refused(roles.Custodian, 5, "extend --days 730 --yes", "its period is simply set")
	a.refused(roles.Backup, 5, "lock --days 365 --yes", "lacks Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action")
	a.refused(roles.Operator, 8, "lock --days 365 --yes", "lacks Microsoft.Storage/storageAccounts/blobServices/containers/read")
	if a.policy().Locked || a.policy().Etag != etag {
		t.Fatalf("after all that: %+v", a.policy())
	}

	done, words := askCLI[cliChange](a, roles.Custodian, 0, "policy", "lock", "--days", "365", "--yes")
	if now := a.policy(); done.Outcome != "done" || done.After == nil || done.After.State != "Locked" || !now.Locked || now.Days != 365 || now.History[len(now.History)-1].By != roles.Custodian {
		t.Errorf("locked: %+v, %+v", done, now)
	}
	if !strings.Contains(words, "for ever:") {
		t.Errorf("who says --yes is shown no plan: %s", words)
	}
	etag = a.policy().Etag
	if again, _ := askCLI[cliChange](a, roles.Custodian, 0, "policy", "lock", "--days", "365", "--yes"); again.Outcome != "already" || a.policy().Etag != etag {
		t.Errorf("locked twice: %+v", again)
	}
	a.refused(roles.Custodian, 5, "lock --days 730 --yes", "only bacvault policy extend")
}

// What the gate would refuse for ever is not locked.
func TestAWrongPolicyIsNotLocked(t *testing.T) {
	a := inCustody(t, false)
	account, container := a.Places.VaultAccount, a.Places.VaultContainer
	if err := a.Policies.Protect(account, container, 7, false); err != nil {
		t.Fatal(err)
	}
	a.refused(roles.Custodian, 5, "lock --days 7 --yes", "gate.too_short")
	a.refused(roles.Custodian, 5, "lock --days 7 --yes --force --reason trial", "gate.too_short")
	days := 365
	if _, err := a.Policies.PutPolicy(account, container, "", "somebody", &days, true, false); err != nil {
		t.Fatal(err)
	}
	a.refused(roles.Custodian, 5, "lock --days 365 --yes", "allowProtectedAppendWrites")
	if p, _ := askCLI[cliChange](a, roles.Custodian, 0, "policy", "lock", "--days", "365", "--yes", "--force", "--reason", "audit"); p.Outcome != "done" || !a.policy().Locked {
		t.Errorf("forced: %+v", p)
	}
}

// Between the plan and the call somebody else changes the policy: it is theirs that stands, and it is said what differs.
func TestAPolicyThatSomebodyChangedMeanwhileIsNotLocked(t *testing.T) {
	for _, c := range []struct {
		name, args, says string
		locked           bool
		change           func(a *azure, etag string) error
	}{
		{"shortened", "lock --days 365 --yes", "periodDays was 365, and is 30", false, func(a *azure, etag string) error {
			days := 30
			_, err := a.Policies.PutPolicy(a.Places.VaultAccount, a.Places.VaultContainer, etag, "mallory", &days, false, false)
			return err
		}},
		{"locked", "lock --days 365 --yes", "state was Unlocked, and is Locked", false, func(a *azure, etag string) error {
			_, err := a.Policies.LockPolicy(a.Places.VaultAccount, a.Places.VaultContainer, etag, "colleague")
			return err
		}},
		{"extended", "extend --days 730 --yes", "periodDays was 365, and is 400", true, func(a *azure, etag string) error {
			_, err := a.Policies.ExtendPolicy(a.Places.VaultAccount, a.Places.VaultContainer, etag, "colleague", 400)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := inCustody(t, c.locked)
			a.Faults.Add(faults.Fault{Op: "arm.policy", Do: "stall", Wait: 3 * time.Second})
			type end struct {
				words string
				code  int
			}
			ended := make(chan end, 1)
			go func() {
				_, words, code := a.cli(roles.Custodian, strings.Fields("policy "+c.args)...)
				ended <- end{words, code}
			}()
			a.until("the call to hang", func() bool { return len(a.Faults.Unfired()) == 0 })
			if err := c.change(a, a.policy().Etag); err != nil {
				t.Fatal(err)
			}
			theirs := a.policy().Etag
			e := <-ended
			if e.code != 7 || !strings.Contains(e.words, "policy.changed") || !strings.Contains(e.words, c.says) || a.policy().Etag != theirs || a.Faults.Calls("arm.policy") != 1 {
				t.Errorf("exit %d after %d calls, %+v\n%s", e.code, a.Faults.Calls("arm.policy"), a.policy(), e.words)
			}
		})
	}
}

// An answer that is lost decides nothing: the policy is read again. Nothing is sent twice.
func TestTheAnswerToALockIsLost(t *testing.T) {
	a := inCustody(t, false)
	for _, c := range []struct {
		fault  faults.Fault
		code   int
		locked bool
	}{
		{faults.Fault{Do: "cut"}, 0, true},
		{faults.Fault{Do: "status-after", Status: 500}, 0, true},
		{faults.Fault{Do: "status", Status: 503}, 8, false},
		{faults.Fault{Do: "status", Status: 429}, 8, false},
	} {
		if err := a.Policies.Protect(a.Places.VaultAccount, a.Places.VaultContainer, 365, false); err != nil {
			t.Fatal(err)
		}
		c.fault.Op = "arm.policy"
		a.Faults.Add(c.fault)
		before := a.Faults.Calls("arm.policy")
		p, words := askCLI[cliChange](a, roles.Custodian, c.code, "policy", "lock", "--days", "365", "--yes")
		sent := a.Faults.Calls("arm.policy") - before
		if a.policy().Locked != c.locked || sent != 1 || c.locked && (p.Outcome != "done" || len(p.Notes) == 0) || !c.locked && !strings.Contains(words, "policy.failed") {
			t.Errorf("%+v: after %d calls %+v, %+v\n%s", c.fault, sent, a.policy(), p, words)
		}
	}
}

// Five times a locked policy grows, and with it the protection of what lies there; the sixth time is refused before it is sent.
func TestThePolicyIsExtendedFiveTimes(t *testing.T) {
	a := inCustody(t, true)
	for _, args := range []string{"extend --days 365 --yes", "extend --days 30 --yes", "extend --days 146001 --yes"} {
		a.refused(roles.Custodian, 5, args, "policy.refused")
	}
	a.refused(roles.Custodian, 2, "extend --days 730", "nobody is there to ask")
	a.refused(roles.Backup, 5, "extend --days 730 --yes", "immutabilityPolicies/extend/action")
	if p, _ := askCLI[cliChange](a, roles.Admin, 0, "policy", "extend", "--days", "730", "--plan"); p.Outcome != "planned" || p.ExtensionsAfter != 4 || a.policy().Days != 365 {
		t.Errorf("planned: %+v", p)
	}
	a.Faults.Add(faults.Fault{Op: "arm.policy", Do: "status", Status: 409, Code: "ContainerImmutabilityPolicyFailure"})
	a.refused(roles.Custodian, 5, "extend --days 730 --yes", "its history shows 0, but may not show all")
	for n, days := range []string{"366", "367", "368", "369", "146000"} {
		p, _ := askCLI[cliChange](a, roles.Custodian, 0, "policy", "extend", "--days", days, "--yes")
		if p.Outcome != "done" || p.ExtensionsAfter != 4-n {
			t.Errorf("to %s days: %+v", days, p)
		}
	}
	if err := a.Policies.Protect(a.Places.VaultAccount, a.Places.VaultContainer, 365, true); err != nil {
		t.Fatal(err)
	}
	for days := 366; days < 371; days++ {
		if _, err := a.Policies.ExtendPolicy(a.Places.VaultAccount, a.Places.VaultContainer, a.policy().Etag, "colleague", days); err != nil {
			t.Fatal(err)
		}
	}
	sent := a.Faults.Calls("arm.policy")
	a.refused(roles.Custodian, 5, "extend --days 730 --yes", "extended 5 times by its own history")
	if now := a.Faults.Calls("arm.policy"); now != sent {
		t.Errorf("the sixth extension was sent %d times", now-sent)
	}
}

// What lies there is protected longer too. The watch tells of it by itself, once, and takes it for its baseline.
func TestTheWatchTellsOfAnExtension(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.look()
	p, _ := askCLI[cliChange](a, roles.Admin, 0, "policy", "extend", "--days", "730", "--yes")
	if l := p.Backups.Last; p.Backups.Count != 1 || l == nil || l.ProtectedUntilAfter.Sub(l.ProtectedUntil) != 365*24*time.Hour {
		t.Errorf("extended: %+v", p.Backups)
	}
	if c, _ := askCLI[cliPolicy](a, roles.Admin, 3, "policy", "check"); len(c.Drift) != 1 || c.Drift[0].What != "periodDays" || c.FirstEnd == nil || c.FirstEnd.Days < 728 {
		t.Errorf("before the watch looked: %+v", c)
	}
	if told := a.look(); len(told) == 0 || !strings.Contains(strings.Join(told, " "), "immutability.drifted") {
		t.Errorf("the watch told %v", told)
	}
	if c, _ := askCLI[cliPolicy](a, roles.Admin, 0, "policy", "check"); len(c.Drift) > 0 {
		t.Errorf("after it looked: %+v", c)
	}
}
