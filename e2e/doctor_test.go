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

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

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

// The right to make databases is not asked for: the night that was refused shows it.
func TestADoctorSeesThatNoCopyCouldBeMade(t *testing.T) {
	a := start(t, protected(stack.Options{Rights: func(t roles.Table) roles.Table { return t.Without(roles.Backup, roles.SQLDBManager) }}))
	a.send("backup-requests", "b1", backupRequest("b1", "DB", slot, nil))
	a.event(failed, "b1")
	d, words := askCLI[cliDiagnosis](a, roles.Backup, 3, "doctor", "--as", "backup")
	if got := d.named("fail"); !slices.Equal(got, []string{"sql.create"}) {
		t.Errorf("failed: %v\n%+v\n%s", got, d, words)
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
