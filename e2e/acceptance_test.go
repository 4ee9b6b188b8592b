package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// acceptance is the part of an acceptance report that the tests read.
type acceptance struct {
	Schema          string
	StandIn, Passed bool
	Steps           []struct {
		Name, Verdict, Detail string
		Optional              bool
		Stages                []struct{ Run, Stage string }
	}
	Attempts []struct {
		What, Code string
		Status     int
		Differs    bool
		Headers    map[string]string
	}
	Questions []struct {
		Number           int
		Answer           string
		Settled, Differs bool
	}
	Statements              []sent
	UnknownStatements, Left []string
}

type sent struct {
	Constant, Outcome, Error string
	Times                    int
}

var acceptanceProgram = sync.OnceValues(func() (string, error) {
	file := filepath.Join(filepath.Dir(sqlpackage), "acceptance")
	out, err := exec.Command("go", "build", "-race", "-o", file, "../acceptance").CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	return file, err
})

// startAcceptance is a local Azure without the apps: an acceptance run needs neither a Functions host nor Service Bus.
func startAcceptance(t *testing.T, o stack.Options) *azure {
	o.NoApps = true
	if o.PolicyDays == 0 {
		o.PolicyDays, o.Unlocked = 1, true
	}
	return start(t, o)
}

func (a *azure) accept(client string, more map[string]string, args ...string) (rep acceptance, stdout, words string, code int) {
	a.t.Helper()
	cmd := a.acceptCommand(client, more, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		a.t.Fatal(err)
	}
	return a.acceptReport(), out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (a *azure) acceptCommand(client string, more map[string]string, args ...string) *exec.Cmd {
	a.t.Helper()
	program, err := acceptanceProgram()
	if err != nil {
		a.t.Fatal(err)
	}
	env := a.Settings(client)
	for _, k := range []string{"ServiceBusConnection__fullyQualifiedNamespace", "BACKUP_SCHEDULE"} { // not needed
		delete(env, k)
	}
	env["BACVAULT_SQL_RESOURCE_GROUP"] = stack.ResourceGroup
	maps.Copy(env, more)
	cmd := exec.CommandContext(a.t.Context(), program, append([]string{"--report", filepath.Join(a.dir, "report")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// acceptReport reads the report; it is empty where there is none.
func (a *azure) acceptReport() (rep acceptance) {
	a.t.Helper()
	b, err := os.ReadFile(filepath.Join(a.dir, "report", "acceptance.json"))
	if err == nil {
		err = json.Unmarshal(b, &rep)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.t.Fatal(err)
	}
	return rep
}

func (r acceptance) verdict(step string) string {
	for _, s := range r.Steps {
		if s.Name == step {
			return s.Verdict
		}
	}
	return "not there"
}

// An administrator's run on the local Azure passes, runs every statement, leaves the owner's database as it was and no other,
// and says of every answer that a stand-in gave it.
func TestTheAcceptanceRunPassesAndSaysThatItWasAStandIn(t *testing.T) {
	a := startAcceptance(t, stack.Options{})
	before, _ := a.SQL.Describe("DB")
	if err := a.Blob.CreateContainer(t.Context(), a.Places.VaultAccount, "versions", blob.VersionLevel); err != nil {
		t.Fatal(err)
	}
	rep, out, words, code := a.accept(roles.Admin, nil, "--yes-create-and-drop", "--database", "DB", "--remove-policy", "--ltr", "--version-container", "versions")
	if code != 0 || !rep.Passed || !rep.StandIn || rep.Schema != "bacvault.acceptance.v1" {
		t.Fatalf("exit %d, passed %t, stand-in %t, schema %q\n%s\n%s", code, rep.Passed, rep.StandIn, rep.Schema, out, words)
	}
	for _, s := range rep.Steps {
		want := s.Verdict == "pass" || s.Verdict == "answer" || s.Optional && s.Verdict == "skipped"
		if !want {
			t.Errorf("%s: %s %s", s.Name, s.Verdict, s.Detail)
		}
		if s.Name == "backup" && len(s.Stages) < 8 {
			t.Errorf("the backup told %d stages", len(s.Stages))
		}
	}
	for _, s := range rep.Statements {
		if s.Outcome != "ran" || s.Times == 0 {
			t.Errorf("%s: %s %s", s.Constant, s.Outcome, s.Error)
		}
	}
	if len(rep.Statements) != len(azuresql.Constants()) || len(rep.UnknownStatements) > 0 {
		t.Errorf("%d statements, %d constants, unknown: %q", len(rep.Statements), len(azuresql.Constants()), rep.UnknownStatements)
	}
	answered := 0
	for i, q := range rep.Questions {
		switch {
		case q.Number != i+1 || q.Settled || q.Answer == "":
			t.Errorf("question %d: %+v", i+1, q)
		case strings.HasPrefix(q.Answer, "STAND-IN"):
			answered++
		case !slices.Contains([]int{8, 9}, q.Number):
			t.Errorf("question %d has no answer: %s", q.Number, q.Answer)
		}
	}
	if len(rep.Questions) != 10 || answered != 8 {
		t.Errorf("%d questions, %d answered by the stand-in", len(rep.Questions), answered)
	}
	for _, l := range rep.Left { // all but the state container's small blobs, and the probe's, was removed
		if !strings.HasPrefix(l, "small blobs") && !strings.HasPrefix(l, "blob .bacvault/canary-") {
			t.Errorf("left: %s", l)
		}
	}
	for _, at := range rep.Attempts {
		if at.Status == 0 || at.Differs || len(at.Headers) == 0 {
			t.Errorf("%+v", at)
		}
	}
	if after, _ := a.SQL.Describe("DB"); before != after || len(a.SQL.Databases()) != 1 {
		t.Errorf("DB was %+v and is %+v; databases: %v", before, after, a.SQL.Databases())
	}
	if left := a.vault(); len(left) != 1 || !strings.HasPrefix(left[0], ".bacvault/canary-") { // the probe's, which is no run's
		t.Errorf("in the vault: %v", left)
	}
	page, err := os.ReadFile(filepath.Join(a.dir, "report", "acceptance.md"))
	if err != nil || !strings.Contains(string(page), "This was a stand-in, not Azure") {
		t.Errorf("the page does not say that it was a stand-in: %v", err)
	}
	a.secretless(string(page) + words + out)
}

// With the documented rights of the backup identity, and of whoever promotes, the run passes too, and tells what they leave out.
func TestTheAcceptanceRunWithTheLeastRights(t *testing.T) {
	a := startAcceptance(t, stack.Options{Rights: func(r roles.Table) roles.Table { return roles.Promotion(r, roles.Backup, server) }})
	rep, out, words, code := a.accept(roles.Backup, nil, "--yes-create-and-drop", "--database", "DB", "--least-rights")
	if code != 0 || !rep.Passed {
		t.Fatalf("exit %d, passed %t\n%s\n%s", code, rep.Passed, out, words)
	}
	denied := map[string]bool{}
	for _, at := range rep.Attempts {
		denied[at.What] = at.Status == 403
	}
	for what, want := range map[string]bool{"Delete Blob": true, "Set Blob Tags": true, "Put Blob of a new name with policy headers": true, "Put Blob over it": false} {
		if got, tried := denied[what]; !tried || got != want {
			t.Errorf("%s: tried %t, denied %t", what, tried, got)
		}
	}
	for _, n := range []int{8, 9} {
		if q := rep.Questions[n-1]; q.Settled || q.Differs || !strings.HasPrefix(q.Answer, "STAND-IN") {
			t.Errorf("question %d: %+v", n, q)
		}
	}
	if q := rep.Questions[3]; q.Settled || strings.HasPrefix(q.Answer, "STAND-IN") { // 403 says nothing about the policy
		t.Errorf("question 4 is answered by a want of rights: %+v", q)
	}
	for _, s := range []string{"a container without a policy", "copy by the management plane"} {
		if v := rep.verdict(s); v != "skipped" {
			t.Errorf("%s: %s", s, v)
		}
	}
	left := 0
	for _, l := range rep.Left {
		if strings.HasPrefix(l, "blob ") {
			left++
		}
	}
	if left < 5 || len(a.SQL.Databases()) != 1 { // archive, manifest, proof, the blob under attack, the probe's
		t.Errorf("left: %v; databases: %v", rep.Left, a.SQL.Databases())
	}
}

// What would leave something behind for good, or touch what is not a run's own, is refused before anything is made.
func TestAnAcceptanceRunRefuses(t *testing.T) {
	a := startAcceptance(t, stack.Options{})
	refused := func(why string, args ...string) {
		t.Helper()
		blobs, statements := a.vault(), len(a.SQL.Databases())
		rep, out, words, code := a.accept(roles.Admin, nil, args...)
		if code != 2 || rep.Schema != "" || !strings.Contains(out+words, why) {
			t.Errorf("%v: exit %d, want 2 and %q; report %q\n%s\n%s", args, code, why, rep.Schema, out, words)
		}
		if !slices.Equal(a.vault(), blobs) || len(a.SQL.Databases()) != statements {
			t.Errorf("%v: in the vault %v, databases %v", args, a.vault(), a.SQL.Databases())
		}
	}
	all := []string{"--yes-create-and-drop", "--database", "DB"}
	refused("Nothing was done", "--database", "DB")
	refused("--database names", "--yes-create-and-drop")
	refused("there is no database Other", "--yes-create-and-drop", "--database", "Other")
	refused("bears the name", "--yes-create-and-drop", "--database", "DB_accept_20261125000000")
	refused("bears the name", "--yes-create-and-drop", "--database", "DB_RESTORE")
	a.put(".bacvault/canary-2026-11-25_000000.txt", []byte("a probe's"))
	a.put("somebody/else.bacpac", []byte("another's"))
	refused("holds somebody/else.bacpac", all...)
	if err := a.Policies.Protect(a.Places.VaultAccount, a.Places.VaultContainer, 2, false); err != nil {
		t.Fatal(err)
	}
	refused("is Unlocked of 2 days", all...)
	if err := a.Policies.Protect(a.Places.VaultAccount, a.Places.VaultContainer, 1, true); err != nil {
		t.Fatal(err)
	}
	refused("is locked", all...)
}

// secretless fails where a token got out.
func (a *azure) secretless(text string) {
	a.t.Helper()
	if strings.Contains(text, "eyJ") || strings.Contains(text, a.Settings(roles.Admin)["IDENTITY_HEADER"]) {
		a.t.Error("a token or the identity's header was printed")
	}
}
