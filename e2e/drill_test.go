package e2e

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/stack"
)

const (
	proven   = "bacvault.drill.passed.v1"
	unproven = "bacvault.drill.failed.v1"
)

// proof is a drill's result as it lies in the vault.
type proof struct {
	Blob, Choice string
	Passed       bool
	Tables       int
	Rows         int64
	RestoreSec   float64 `json:"restoreSeconds"`
	Failure      *struct{ Code string }
	Negative     *struct {
		Tried, Detected int
		Cases           []struct {
			Damage, Where string
			Detected      bool
		}
	}
}

// proofs reads what drills left in the vault.
func (a *azure) proofs() (out []proof) {
	a.t.Helper()
	for _, name := range a.vault() {
		if !strings.Contains(name, ".proof-") {
			continue
		}
		b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, name)
		if err != nil {
			a.t.Fatal(err)
		}
		var p proof
		if err := json.Unmarshal(b, &p); err != nil {
			a.t.Fatalf("%s: %v", name, err)
		}
		out = append(out, p)
	}
	return out
}

// sunday is the drill timer's last occurrence. Go's weeks begin on Mondays.
func sunday() time.Time { return time.Now().UTC().Truncate(7 * 24 * time.Hour).Add(-18 * time.Hour) }

// The timer asks for a drill of every database; each brings a backup back, tries damaged copies of it, drops what it
// restored, and leaves its result beside the backup.
func TestTheDrillTimerProvesEveryDatabase(t *testing.T) {
	a := start(t, protected(stack.Options{Databases: map[string]string{"DB": pubs, "Other": "../testdata/bacpacs/initech-desks.bacpac"}}))
	for _, d := range []string{"DB", "Other"} {
		a.send("backup-requests", "b-"+d, backupRequest("b-"+d, d, slot, nil))
		a.event(completed, "b-"+d)
	}
	for range 2 { // a timer that fires twice asks once
		if status, body, err := a.Restore.FireTimer(t.Context(), "drill", sunday(), true); err != nil || status != 200 {
			t.Fatalf("the timer: %d %s, %v", status, body, err)
		}
	}
	for _, d := range []string{"DB", "Other"} {
		a.until("the drill of "+d, func() bool {
			for _, e := range a.all.All() {
				if e.Type == proven && e.Subject == server+"/"+d {
					return true
				}
			}
			return false
		})
	}
	a.idle("restore-requests")
	ps := a.proofs()
	if len(ps) != 2 {
		t.Fatalf("%d proofs, want one of each database", len(ps))
	}
	for _, p := range ps {
		if !p.Passed || p.Tables == 0 || p.Rows == 0 || p.RestoreSec <= 0 || p.Choice == "" || p.Negative == nil || p.Negative.Tried < 5 || p.Negative.Detected != p.Negative.Tried {
			t.Errorf("%+v, negative %+v", p, p.Negative)
		}
	}
	a.noLeftovers()
	a.noFiles()
}

// A drill of a backup that can't be restored whole fails, and its result is kept, too; latest-proven does not take it for a proof.
func TestADrillThatFailsIsKept(t *testing.T) {
	for _, c := range []struct {
		name, code string
		do         func(a *azure, blob string)
	}{
		{"rows are lost by the import", "restore.rows_differ", func(a *azure, _ string) {
			a.misbehave(map[string]any{"action": "Import", "do": "import-lose-rows", "table": "dbo.titles", "rows": 2})
		}},
		{"the blob was changed behind our back", "verify.hash_differs", func(a *azure, blob string) {
			b, err := a.Blob.Read(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, blob)
			if err != nil {
				a.t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := a.Blob.Replace(a.t.Context(), a.Places.VaultAccount, a.Places.VaultContainer, blob, b); err != nil {
				a.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, protected(stack.Options{}))
			ev := a.backUp()
			c.do(a, ev.Data.Blob.Name)
			a.send("restore-requests", "m1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
			if f := a.event(unproven, "d1").Data.Failure; f.Code != c.code || f.Next == "" {
				t.Errorf("the event says %+v", f)
			}
			a.idle("restore-requests")
			if ps := a.proofs(); len(ps) != 1 || ps[0].Passed || ps[0].Failure == nil || ps[0].Failure.Code != c.code {
				t.Errorf("proofs %+v", ps)
			}
			a.send("restore-requests", "m2", restoreRequest("r2", "DB", map[string]any{"backup": "latest-proven"}))
			if f := a.event(unrestore, "r2").Data.Failure; f.Code != "request.no_backup" {
				t.Errorf("latest-proven: %+v", f)
			}
			a.noLeftovers()
		})
	}
}

// What an import leaves undone behind exit code 0 is told exactly; the database is there, for its rows are.
func TestWhatAnImportLeavesUndoneIsTold(t *testing.T) {
	for _, c := range []struct {
		do, says string
		more     map[string]any
	}{
		{"leave-indexes", "indexes are disabled", nil},
		{"leave-untrusted", "foreign keys are not trusted", nil},
		{"lose-object", "views", map[string]any{"object": "SqlView"}},
		{"lose-principal", "users or roles of the archive are missing", nil},
	} {
		t.Run(c.do, func(t *testing.T) {
			database := pubs
			if c.do == "lose-principal" {
				database = "../testdata/bacpacs/initech-desks.bacpac"
			}
			a := start(t, protected(stack.Options{Databases: map[string]string{"DB": database}}))
			a.backUp()
			fault := map[string]any{"action": "Import", "do": c.do}
			maps.Copy(fault, c.more)
			a.misbehave(fault)
			a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
			ev := a.event(restored, "r1")
			if !strings.Contains(strings.Join(ev.Data.Findings, "; "), c.says) {
				t.Errorf("findings %q", ev.Data.Findings)
			}
			a.toolErred()
			a.idle("restore-requests")
		})
	}
}

// Two requests for one name at once: one wins, the other is refused, and nothing is mixed.
func TestTwoRestoresToOneName(t *testing.T) {
	a := start(t, protected(stack.Options{Databases: map[string]string{"DB": pubs, "Other": "../testdata/bacpacs/initech-desks.bacpac"}}))
	for _, d := range []string{"DB", "Other"} {
		a.send("backup-requests", "b-"+d, backupRequest("b-"+d, d, slot, nil))
		a.event(completed, "b-"+d)
	}
	second, err := a.StartRestore(t.Context(), map[string]string{"BACVAULT_WORK_DIR": a.dir + "/work-second"})
	if err != nil {
		t.Fatal(err)
	}
	_ = second // it ends with the stack
	a.misbehave(map[string]any{"action": "Import", "do": "slow", "seconds": 1, "times": 1})
	for _, d := range []string{"DB", "Other"} {
		a.send("restore-requests", "m-"+d, restoreRequest("r-"+d, d, map[string]any{"targetDatabase": "Both"}))
	}
	a.until("both events", func() bool { return len(a.events("r-DB"))+len(a.events("r-Other")) == 2 })
	won, lost := "", 0
	for _, d := range []string{"DB", "Other"} {
		switch e := a.events("r-" + d)[0]; e.Type {
		case restored:
			won = d
		case unrestore:
			lost++
			if e.Data.Failure.Code != "target.exists" {
				t.Errorf("the loser was told %+v", e.Data.Failure)
			}
		}
	}
	want, _ := a.SQL.Rows(won)
	if got, _ := a.SQL.Rows("Both"); won == "" || lost != 1 || !maps.Equal(want, got) {
		t.Errorf("%q won, %d lost, the rows are %v, want %v", won, lost, got, want)
	}
	a.idle("restore-requests")
}
