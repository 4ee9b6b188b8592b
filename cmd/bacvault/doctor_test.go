package main

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func result(c app.Check, verdict string) app.CheckResult {
	r := app.CheckResult{Check: c, Subject: "srv/db", Verdict: verdict, Detail: "what was\nfound"}
	if verdict != app.CheckOK {
		r.Fix = "do this"
	}
	return r
}

func TestDoctorIsAsGoodAsItsWorstCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []app.CheckResult
		code    int
		says    []string
	}{
		{"all is well", []app.CheckResult{result(app.CheckSelect, app.CheckOK)}, exitOK, []string{"ok", "sql.select", "srv/db", "what was found"}},
		{"a warning", []app.CheckResult{result(app.CheckRoom, app.CheckWarn)}, exitOK, []string{"warn", "work.room srv/db: do this"}},
		{"a failure", []app.CheckResult{result(app.CheckSelect, app.CheckFail), result(app.CheckRoom, app.CheckSkipped)}, exitBad, []string{"FAIL", "sql.select srv/db: do this"}},
		{"skipped is not ok", []app.CheckResult{result(app.CheckSQLLogin, app.CheckOK), result(app.CheckSQLCreate, app.CheckSkipped)}, exitPartial, []string{"skipped"}},
		{"nothing was looked at", nil, exitPartial, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{diagnosis: app.Diagnosis{Schema: app.DoctorSchema, Checks: c.results}}
			text, doc := enter(t, f, onTerminal, "doctor"), enter(t, f, nil, "doctor", "--as", "restore")
			if missing := lacks(text.out, c.says...); text.code != c.code || missing != nil || !strings.Contains(text.words, "checks: ") {
				t.Errorf("lacks %v: %+v", missing, text)
			}
			if d := decode[app.Diagnosis](t, doc.out); doc.code != c.code || len(d.Checks) != len(c.results) || f.as != app.AsRestore {
				t.Errorf("%+v", doc)
			}
		})
	}
}

func TestDoctorTellsWrongSettingsAsACheck(t *testing.T) {
	code, out, words := line(t, []string{"SQL_SERVER_NAME=s", "BACVAULT_RUN_TIMEOUT=soon"}, "doctor")
	d := decode[app.Diagnosis](t, out)
	if code != exitBad || d.Verdict != app.CheckFail || len(d.Checks) != len(app.Checks()) || d.Checks[0].Check != app.CheckSettings ||
		lacks(d.Checks[0].Detail, "SQL_DATABASE_NAME", "BACVAULT_RUN_TIMEOUT") != nil || !strings.Contains(words, "1 failed") {
		t.Errorf("exit %d, %s, %s", code, out, words)
	}
	for _, r := range d.Checks[1:] {
		if r.Verdict != app.CheckSkipped {
			t.Errorf("%+v", r)
		}
	}
}

func TestDoctorRefusesAPartThatIsNone(t *testing.T) {
	f := &fake{}
	if got := enter(t, f, nil, "doctor", "--as", "admin"); got.code != exitUsage || f.as != "" {
		t.Errorf("%+v", got)
	}
	f.err = bacvault.Fail(bacvault.CodeUnknown, "x")
	if got := enter(t, f, nil, "doctor"); got.code != exitFault || got.out != "" {
		t.Errorf("%+v", got)
	}
}

func TestDoctorLooksForTheAppWhoseSettingsTheseAre(t *testing.T) {
	for want, environ := range map[string][]string{
		app.AsBackup:  {"AzureWebJobs_restore_Disabled=true", "AzureWebJobs_drill_Disabled=true"},
		app.AsRestore: {"AzureWebJobs_backup_Disabled=true"},
		app.AsBoth:    {"AzureWebJobs_backup_Disabled=false"},
	} {
		f := &fake{}
		if enter(t, f, func(c *cli) { c.environ = environ }, "doctor"); f.as != want {
			t.Errorf("%v: as %s, want %s", environ, f.as, want)
		}
		if enter(t, f, func(c *cli) { c.environ = environ }, "doctor", "--as", "both"); f.as != app.AsBoth {
			t.Errorf("%v: what was said does not count: %s", environ, f.as)
		}
	}
}
