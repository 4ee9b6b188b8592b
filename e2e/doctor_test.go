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
	a := start(t, protected(stack.Options{}))
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

// One right that is missing is named, and no other; in SQL with the line of the grants script that gives it.
func TestADoctorNamesJustTheRightThatIsMissing(t *testing.T) {
	script := scriptLines(t)
	inDatabase := []string{roles.SQLDataReader, roles.SQLViewDefinition, roles.SQLViewDatabaseState, roles.SQLDependencies}
	for _, c := range []struct {
		name, client string
		actions      []string
		found        []string // check and subject's last part; a failure, or a warning where the name ends in a question mark
		line         string
	}{
		{"none", roles.Backup, nil, nil, ""},
		{"none of the restore app", roles.Restore, nil, nil, ""},
		{"a user in master", roles.Backup, []string{roles.SQLLogin}, []string{"sql.login"}, "CREATE USER [$(BackupIdentity)] FROM EXTERNAL PROVIDER;"},
		{"a user in master, of restores", roles.Restore, []string{roles.SQLLogin}, []string{"sql.login"}, "CREATE USER [$(RestoreIdentity)] FROM EXTERNAL PROVIDER;"},
		{"dbmanager", roles.Backup, []string{roles.SQLDBManager}, []string{"sql.create"}, "ALTER ROLE dbmanager ADD MEMBER [$(BackupIdentity)];"},
		{"dbmanager, of restores", roles.Restore, []string{roles.SQLDBManager}, []string{"sql.create"}, "ALTER ROLE dbmanager ADD MEMBER [$(RestoreIdentity)];"},
		{"a user in the database", roles.Backup, inDatabase, []string{"sql.database"}, "CREATE USER [$(BackupIdentity)] FROM EXTERNAL PROVIDER;"},
		{"db_datareader", roles.Backup, []string{roles.SQLDataReader}, []string{"sql.select"}, "ALTER ROLE db_datareader ADD MEMBER [$(BackupIdentity)];"},
		{"VIEW DEFINITION", roles.Backup, []string{roles.SQLViewDefinition}, []string{"sql.definition"}, "GRANT VIEW DEFINITION TO [$(BackupIdentity)];"},
		{"VIEW DATABASE STATE", roles.Backup, []string{roles.SQLViewDatabaseState}, []string{"sql.state"}, "GRANT VIEW DATABASE STATE TO [$(BackupIdentity)];"},
		{"SELECT on what depends", roles.Backup, []string{roles.SQLDependencies}, []string{"sql.dependencies?"}, "GRANT SELECT ON sys.sql_expression_dependencies TO [$(BackupIdentity)];"},
		{"UNMASK", roles.Backup, []string{"masked columns"}, []string{"sql.filtered"}, "GRANT UNMASK TO [$(BackupIdentity)];"},
		{"receiving", roles.Backup, []string{roles.BusReceive}, []string{"bus.listen"}, ""},
		{"receiving where the watch looks", roles.Backup, []string{roles.BusReceive + " on queues/restore-requests"}, []string{"bus.listen"}, ""},
		{"sending", roles.Restore, []string{roles.BusSend}, []string{"bus.send"}, ""},
		{"reading the container", roles.Backup, []string{roles.ContainerRead}, []string{"vault.gate"}, ""},
		{"deleting in the state container", roles.Restore, []string{roles.BlobDelete}, []string{"state.write"}, ""},
		{"reading blobs", roles.Restore, []string{roles.BlobRead}, []string{"state.write", "vault.list"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{NoApps: true, Rights: func(t roles.Table) roles.Table {
				for _, action := range c.actions {
					if action, scope, one := strings.Cut(action, " on "); one {
						t = t.WithoutOn(c.client, action, scope)
					} else {
						t = t.Without(c.client, action)
					}
				}
				return t
			}}))
			if slices.Contains(c.actions, "masked columns") {
				if err := a.SQL.SetFilters("DB", 0, 2); err != nil {
					t.Fatal(err)
				}
			}
			as := "backup"
			if c.client == roles.Restore {
				as = "restore"
			}
			d := a.diagnose(c.client, as)
			var found []string
			for _, r := range d.Checks {
				switch {
				case r.Verdict != "ok" && r.Fix == "" || r.Detail == "":
					t.Errorf("it does not say what to do: %+v", r)
				case r.Verdict == "fail":
					found = append(found, r.Check)
				case r.Verdict == "warn" && r.Check != "watch.age": // it has not looked yet
					found = append(found, r.Check+"?")
				default:
					continue
				}
				if c.line != "" && (!strings.Contains(r.Fix, " run: "+c.line+" (") || !slices.Contains(script, c.line)) {
					t.Errorf("the line %s is not named, or not of the script: %+v", c.line, r)
				}
			}
			slices.Sort(found)
			if found = slices.Compact(found); !slices.Equal(found, c.found) {
				t.Errorf("found %v, want %v\n%+v", found, c.found, d)
			}
		})
	}
}

// diagnose asks for a diagnosis that may end in any way; its exit code follows from its verdict.
func (a *azure) diagnose(client, as string) cliDiagnosis {
	a.t.Helper()
	out, words, code := a.cli(client, "doctor", "--as", as)
	var d cliDiagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != map[string]int{"ok": 0, "warn": 0, "fail": 3, "skipped": 4}[d.Verdict] {
		a.t.Fatalf("exit %d, %v: %s%s", code, err, out, words)
	}
	return d
}

// scriptLines are the lines of the grants script, those that are to be uncommented among them.
func scriptLines(t *testing.T) (out []string) {
	b, err := os.ReadFile("../docs/grants.sql")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		out = append(out, strings.TrimPrefix(strings.TrimSpace(line), "-- "))
	}
	return out
}

// What the page of the doctor says is not seen is not seen: a right that can be asked for after all belongs into a check.
func TestADoctorDoesNotSeeWhatOnlyTheActWouldShow(t *testing.T) {
	a := start(t, protected(stack.Options{NoApps: true, Rights: func(t roles.Table) roles.Table {
		for client, action := range map[string]string{roles.Backup: roles.BlobWrite, roles.Restore: roles.BlobAdd} {
			for _, g := range t.Grants() {
				if g.Principal == client && g.Action == action && !strings.Contains(g.Scope, roles.DefaultPlaces().StateContainer) {
					t = t.WithoutOn(client, action, g.Scope)
				}
			}
		}
		return t
	}}))
	for client, as := range map[string]string{roles.Backup: "backup", roles.Restore: "restore"} {
		if d := a.diagnose(client, as); len(d.named("fail")) > 0 || len(d.named("skipped")) > 0 {
			t.Errorf("as %s: %+v", as, d)
		}
	}
}

// The server is asked for the right to make databases, and what the last night shows is held against its answer. The operator stands
// for the same identity before or after: it holds the backup identity's rights, with dbmanager or without it.
func TestADoctorHoldsTheAnswerAgainstTheLastNight(t *testing.T) {
	for _, c := range []struct {
		name            string
		night, operator bool // who has dbmanager
		verdict         string
		says            []string
	}{
		{"taken away since", true, false, "warn", []string{"no member of dbmanager", "was made of a copy", "ALTER ROLE dbmanager ADD MEMBER [$(BackupIdentity)];"}},
		{"given since, or not enough", false, true, "fail", []string{"a member of dbmanager", "was refused", "bacvault backup --wait"}},
		{"there", true, true, "ok", []string{"a member of dbmanager", "was made of a copy"}},
		{"never there", false, false, "fail", []string{"no member of dbmanager", "was refused", "ALTER ROLE dbmanager ADD MEMBER [$(BackupIdentity)];"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{Rights: func(t roles.Table) roles.Table {
				for _, g := range t.Grants() {
					if g.Principal == roles.Backup && (c.operator || g.Action != roles.SQLDBManager) {
						t = t.With(roles.Operator, g.Action, g.Scope)
					}
				}
				if !c.night {
					t = t.Without(roles.Backup, roles.SQLDBManager)
				}
				return t
			}}))
			a.send("backup-requests", "b1", backupRequest("b1", "DB", slot, nil))
			a.event(map[bool]string{true: completed, false: failed}[c.night], "b1")
			d := a.diagnose(roles.Operator, "backup")
			for _, r := range d.Checks {
				if r.Check != "sql.create" {
					continue
				}
				for _, s := range c.says {
					if !strings.Contains(r.Detail+r.Fix, s) {
						t.Errorf("it does not say %q: %+v", s, r)
					}
				}
				if r.Verdict != c.verdict {
					t.Errorf("%+v, want %s", r, c.verdict)
				}
			}
			if fails := d.named("fail"); !slices.Equal(fails, map[bool][]string{true: {"sql.create"}}[c.verdict == "fail"]) {
				t.Errorf("failed: %v\n%+v", fails, d)
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
