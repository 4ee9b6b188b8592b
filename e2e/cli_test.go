package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	a := start(t, protected(stack.Options{Settings: map[string]string{"AzureWebJobs_watch_Disabled": "false"}, Rights: func(t roles.Table) roles.Table {
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

type cliDiagnosis struct {
	Verdict string
	Checks  []struct{ Check, Subject, Verdict, Detail, Fix string }
}

// named gives the checks with a verdict, each once.
func (d cliDiagnosis) named(verdict string) (out []string) {
	for _, c := range d.Checks {
		if c.Verdict == verdict && !slices.Contains(out, c.Check) {
			out = append(out, c.Check)
		}
	}
	slices.Sort(out)
	return out
}

// An app to which nothing is missing is told so.
func TestADoctorFindsNothingWhereAllIsWell(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"AzureWebJobs_watch_Disabled": "false"}}))
	a.backUp()
	a.send("restore-requests", "d1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
	a.event(proven, "d1")
	if _, _, err := a.Backup.FireTimer(t.Context(), "watch", time.Now(), true); err != nil {
		t.Fatal(err)
	}
	for client, as := range map[string]string{roles.Backup: "backup", roles.Restore: "restore"} {
		if d, words := askCLI[cliDiagnosis](a, client, 0, "doctor", "--as", as); d.Verdict != "ok" || len(d.named("ok")) < 10 {
			t.Errorf("as %s: %+v: %s", as, d, words)
		}
	}
	out, words, code := a.cli(roles.Backup, "doctor", "--as", "backup", "-o", "text")
	if code != 0 || !strings.Contains(out, "sql.login") || !strings.Contains(words, "0 failed") {
		t.Errorf("exit %d, %s, %s", code, out, words)
	}
	if names, err := a.Blob.Blobs(t.Context(), a.Places.StateAccount, a.Places.StateContainer); err != nil ||
		slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "doctor/") }) {
		t.Errorf("left in the state container: %v, %v", names, err)
	}
}

// One right that is missing is named, with what to do, and no other.
func TestADoctorNamesJustTheRightThatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, client, action string
		fail                 []string
	}{
		{"none", roles.Backup, "", nil},
		{"db_datareader", roles.Backup, roles.SQLDataReader, []string{"sql.select"}},
		{"VIEW DEFINITION", roles.Backup, roles.SQLViewDefinition, []string{"sql.definition"}},
		{"VIEW DATABASE STATE", roles.Backup, roles.SQLViewDatabaseState, []string{"sql.state"}},
		{"logging in", roles.Backup, roles.SQLLogin, []string{"sql.login"}},
		{"receiving", roles.Backup, roles.BusReceive, []string{"bus.listen"}},
		{"sending", roles.Restore, roles.BusSend, []string{"bus.send"}},
		{"reading the container", roles.Backup, roles.ContainerRead, []string{"vault.gate"}},
		{"deleting in the state container", roles.Restore, roles.BlobDelete, []string{"state.write"}},
		{"reading blobs", roles.Restore, roles.BlobRead, []string{"state.write", "vault.list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{NoApps: true, Rights: func(t roles.Table) roles.Table {
				if c.action == "" {
					return t
				}
				return t.Without(c.client, c.action)
			}}))
			as, want := "backup", 3
			if c.client == roles.Restore {
				as = "restore"
			}
			if len(c.fail) == 0 {
				want = 4 // nothing has shown yet that a copy can be made
			}
			d, words := askCLI[cliDiagnosis](a, c.client, want, "doctor", "--as", as)
			if got := d.named("fail"); !slices.Equal(got, c.fail) {
				t.Errorf("failed: %v, want %v\n%+v\n%s", got, c.fail, d, words)
			}
			for _, r := range d.Checks {
				if r.Verdict != "ok" && r.Fix == "" || r.Detail == "" {
					t.Errorf("it does not say what to do: %+v", r)
				}
			}
		})
	}
}

// Wrong settings are a diagnosis too, and a service that is not there is told within seconds.
func TestADoctorWithoutAWorldSaysWhatIsNotThere(t *testing.T) {
	a := start(t, protected(stack.Options{NoApps: true}))
	env := a.Settings(roles.Backup)
	wrong := maps.Clone(env)
	wrong["BACVAULT_RUN_TIMEOUT"] = "soon"
	out, _, code := a.cliWith(wrong, "doctor")
	var d cliDiagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 3 || !slices.Equal(d.named("fail"), []string{"settings"}) || !strings.Contains(d.Checks[0].Detail, "BACVAULT_RUN_TIMEOUT") {
		t.Errorf("exit %d, %+v, %v", code, d, err)
	}
	env["BACVAULT_BLOB_ENDPOINT"], env["ServiceBusConnection__fullyQualifiedNamespace"] = "https://127.0.0.1:1/"+a.Places.VaultAccount, "127.0.0.1:1"
	env["BACVAULT_SQL_ENDPOINT"], env["BACVAULT_SQLPACKAGE"] = "127.0.0.1:1", filepath.Join(a.dir, "nothing")
	if err := os.WriteFile(filepath.Join(a.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env["BACVAULT_WORK_DIR"] = filepath.Join(a.dir, "file", "work")
	began := time.Now()
	out, _, code = a.cliWith(env, "doctor", "--as", "backup")
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("it took %s", took)
	}
	d = cliDiagnosis{}
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 3 || !slices.Equal(d.named("fail"), []string{"bus.listen", "bus.send", "sql.login", "tool.version", "vault.clock", "vault.gate", "vault.list", "work.write"}) {
		t.Errorf("exit %d, %v, %v\n%s", code, d.named("fail"), err, out)
	}
}
