package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// onlooker gives the operator what the commands need that only look, and what sends dead letters again.
func onlooker(t roles.Table) roles.Table {
	for _, action := range []string{roles.ContainerRead, roles.PolicyRead, roles.BlobRead} {
		t = t.With(roles.Operator, action, "*")
	}
	for _, scope := range []string{"queues/backup-requests", "queues/restore-requests", "topics/backup-events/subscriptions/*"} {
		t = t.With(roles.Operator, roles.BusReceive, scope)
	}
	return t
}

// askCLI runs the command line piped and reads its JSON.
func askCLI[T any](a *azure, client string, want int, args ...string) (v T, words string) {
	a.t.Helper()
	out, words, code := a.cli(client, args...)
	if code != want {
		a.t.Errorf("bacvault %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, out, words)
	}
	if out != "" {
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			a.t.Errorf("bacvault %s printed %q: %v", strings.Join(args, " "), out, err)
		}
	}
	return v, words
}

type cliListing struct {
	Backups []struct {
		Server, Database, Slot, Blob, Proven, Consistency string
		Orphan                                            bool
		Size, Rows                                        int64
		ProtectedUntil                                    *time.Time
	}
}

type cliBackup struct {
	Manifest struct {
		Blob   struct{ Name, SHA256 string }
		Tables []struct{ RowsSource, RowsArchive int64 }
	}
	Proofs []struct{ Passed bool }
}

type cliReport struct {
	Verdict, Why, File, SHA256 string
	Rows                       int64
}

// Backups are listed, shown and verified as they lie in the vault; what rots there is found.
func TestTheCommandLineLooksAtBackups(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: onlooker}))
	if _, words := askCLI[cliListing](a, roles.Operator, 6, "list"); !strings.Contains(words, "no backup") {
		t.Errorf("an empty vault: %s", words)
	}
	blob := a.backUp().Data.Blob
	a.send("restore-requests", "d1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
	a.event(proven, "d1")
	rows := allRows(a, "DB")

	l, _ := askCLI[cliListing](a, roles.Operator, 0, "list", "--database", "DB")
	if len(l.Backups) != 1 {
		t.Fatalf("listed %+v", l)
	}
	b := l.Backups[0]
	if b.Blob != blob.Name || b.Slot != slot || b.Server != server || b.Proven != "passed" || b.Consistency != "copy" || b.Rows != rows || b.Orphan ||
		b.ProtectedUntil == nil || time.Until(*b.ProtectedUntil) < 360*24*time.Hour {
		t.Errorf("listed %+v", b)
	}
	if out, _, code := a.cli(roles.Operator, "list", "-o", "text"); code != 0 || !strings.Contains(out, "PROVEN") || !strings.Contains(out, slot) {
		t.Errorf("exit %d, %s", code, out)
	}
	for _, which := range []string{slot, blob.Name, "latest"} {
		s, _ := askCLI[cliBackup](a, roles.Operator, 0, "show", which, "--database", "DB")
		if s.Manifest.Blob.SHA256 != blob.SHA256 || len(s.Manifest.Tables) == 0 || len(s.Proofs) != 1 || !s.Proofs[0].Passed {
			t.Errorf("%s is shown as %+v", which, s)
		}
	}
	askCLI[cliBackup](a, roles.Operator, 6, "show", "2020-01-01T00:00:00Z", "--database", "DB")

	v, _ := askCLI[cliReport](a, roles.Operator, 0, "verify", "--database", "DB", "--slot", slot)
	if v.Verdict != "ok" || v.SHA256 != blob.SHA256 || v.Rows != rows || v.File != blob.Name {
		t.Errorf("verified as %+v", v)
	}
	whole, err := a.Blob.Read(t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, blob.Name)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	if err := a.Blob.Replace(t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, blob.Name, whole); err != nil {
		t.Fatal(err)
	}
	if v, words := askCLI[cliReport](a, roles.Operator, 9, "verify", "--database", "DB"); v.Verdict != "differs" || !strings.Contains(words, "SHA-256") {
		t.Errorf("a rotten archive is verified as %+v: %s", v, words)
	}
	if left, err := filepath.Glob(filepath.Join(a.dir, "work", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the work folder: %v, %v", left, err)
	}
}

func allRows(a *azure, database string) (n int64) {
	rows, ok := a.SQL.Rows(database)
	if !ok || len(rows) == 0 {
		a.t.Fatalf("%s has no rows", database)
	}
	for _, k := range rows {
		n += int64(k)
	}
	return n
}

type cliPolicy struct {
	Posture  struct{ State string }
	Missing  *struct{ Code string }
	Baseline *struct{ LegalHold bool }
	Drift    []struct{ What, Baseline, Now string }
	FirstEnd *struct{ Days int }
	Accepted bool
}

// The policy is held against the watch's baseline; a person may take what is there for the new one.
func TestThePolicyIsCheckedAndAccepted(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: func(t roles.Table) roles.Table {
		for _, action := range []string{roles.BlobWrite, roles.BlobDelete} {
			t = t.With(roles.Operator, action, roles.DefaultPlaces().StateAccount+"*")
		}
		return onlooker(t)
	}}))
	a.backUp()
	if p, _ := askCLI[cliPolicy](a, roles.Operator, 0, "policy", "check"); p.Baseline != nil || p.Posture.State != "Locked" || p.FirstEnd == nil || p.FirstEnd.Days < 363 {
		t.Errorf("before the watch looked: %+v", p)
	}
	if _, words := askCLI[cliPolicy](a, roles.Admin, 6, "policy", "check", "--accept", "--yes"); !strings.Contains(words, "has not looked yet") {
		t.Errorf("nothing to accept into: %s", words)
	}
	if status, body, err := a.Backup.FireTimer(t.Context(), "watch", time.Now(), true); err != nil || status != 200 {
		t.Fatalf("the watch answered %d %s: %v", status, body, err)
	}
	if p, _ := askCLI[cliPolicy](a, roles.Operator, 0, "policy", "check"); p.Baseline == nil || len(p.Drift) > 0 {
		t.Errorf("after its look: %+v", p)
	}
	if _, err := a.Policies.SetHold(a.Places.VaultAccount, a.Places.VaultContainer, "somebody", []string{"case123"}, false); err != nil {
		t.Fatal(err)
	}
	if p, _ := askCLI[cliPolicy](a, roles.Operator, 3, "policy", "check"); len(p.Drift) != 2 || p.Drift[0].What != "legalHold" || p.Drift[1].Now != "case123" {
		t.Errorf("after a hold was laid: %+v", p.Drift)
	}
	if _, words, code := a.cli(roles.Operator, "policy", "check", "--accept"); code != 2 || !strings.Contains(words, "--yes") {
		t.Errorf("nobody to ask: exit %d, %s", code, words)
	}
	if p, _ := askCLI[cliPolicy](a, roles.Admin, 0, "policy", "check", "--accept", "--yes"); !p.Accepted || p.Baseline == nil || !p.Baseline.LegalHold {
		t.Errorf("accepted: %+v", p)
	}
	if p, _ := askCLI[cliPolicy](a, roles.Operator, 0, "policy", "check"); len(p.Drift) > 0 {
		t.Errorf("it drifts from what was accepted: %+v", p.Drift)
	}

	// A look that began before would write the old baseline at its end: accepting waits for it.
	if _, err := a.Policies.ClearHold(a.Places.VaultAccount, a.Places.VaultContainer, []string{"case123"}); err != nil {
		t.Fatal(err)
	}
	a.Faults.Add(faults.Fault{Op: "blob.list", Do: "stall", Wait: 3 * time.Second})
	looked := make(chan error, 1)
	go func() {
		_, _, err := a.Backup.FireTimer(t.Context(), "watch", time.Now(), true)
		looked <- err
	}()
	a.until("the look to be in its middle", func() bool { return len(a.Faults.Unfired()) == 0 })
	if p, _ := askCLI[cliPolicy](a, roles.Admin, 0, "policy", "check", "--accept", "--yes"); !p.Accepted || p.Baseline.LegalHold {
		t.Errorf("accepted while a look was under way: %+v", p)
	}
	if err := <-looked; err != nil {
		t.Error(err)
	}
	if p, _ := askCLI[cliPolicy](a, roles.Operator, 0, "policy", "check"); len(p.Drift) > 0 {
		t.Errorf("the look took the accepted baseline back: %+v", p.Drift)
	}
}

type cliProbe struct {
	Passed bool
	Tries  []struct {
		What, Code string
		Refused    bool
		Status     int
	}
}

// A probe says how each try was refused, and shows a delete that is taken as what it is.
func TestTheProbeSaysHowItWasRefused(t *testing.T) {
	a := start(t, protected(stack.Options{NoApps: true, Rights: onlooker}))
	if p, _ := askCLI[cliProbe](a, roles.Admin, 0, "policy", "probe"); !p.Passed || len(p.Tries) != 2 || p.Tries[0].Status != 409 || p.Tries[1].Status != 409 {
		t.Errorf("who may delete is refused by the policy: %+v", p)
	}
	if p, words := askCLI[cliProbe](a, roles.Backup, 4, "policy", "probe"); !p.Passed || p.Tries[1].Status != 403 || !strings.Contains(words, "the policy itself was not asked") {
		t.Errorf("who may not delete: %+v, %s", p, words)
	}
	if err := a.Policies.Clear(a.Places.VaultAccount, a.Places.VaultContainer); err != nil {
		t.Fatal(err)
	}
	if p, words := askCLI[cliProbe](a, roles.Admin, 3, "policy", "probe"); p.Passed || p.Tries[1].Status != 200 || !strings.Contains(words, "the vault took the") {
		t.Errorf("an unprotected vault: %+v, %s", p, words)
	}
	if _, words := askCLI[cliProbe](a, roles.Operator, 5, "policy", "probe"); !strings.Contains(words, "vault.denied") {
		t.Errorf("who may not write: %s", words)
	}
	if p, words := askCLI[cliPolicy](a, roles.Operator, 3, "policy", "check"); p.Missing == nil || p.Missing.Code != "gate.no_policy" || !strings.Contains(words, "gate.no_policy") {
		t.Errorf("the check says %+v: %s", p, words)
	}
}
