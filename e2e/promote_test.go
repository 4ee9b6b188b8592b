package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

const (
	promoted   = "bacvault.promote.completed.v1"
	unpromoted = "bacvault.promote.failed.v1"
)

// promotable is a local Azure with a database of an awkward name, its backup, and its restored copy. Both the restore app and the
// operator who promotes have what a promotion needs.
func promotable(t *testing.T) *azure {
	t.Helper()
	a := start(t, protected(stack.Options{
		Databases: map[string]string{odd: pubs}, Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup},
		Rights: func(table roles.Table) roles.Table {
			return roles.Promotion(roles.Promotion(table, roles.Restore, server), roles.Promoter, server)
		},
	}))
	a.send("backup-requests", "b1", backupRequest("b1", odd, slot, nil))
	a.event(completed, "b1")
	if err := a.ARM.SetRetention(odd, kept); err != nil {
		t.Fatal(err)
	}
	a.send("restore-requests", "r1", restoreRequest("r1", odd, map[string]any{"serviceObjective": "S3", "edition": "Standard"}))
	a.event(restored, "r1")
	a.idle("restore-requests")
	return a
}

// odd has every character that a careless quoting would trip over.
const odd = "a]b'c d"

// kept is how long the platform keeps backups of the live database.
var kept = arm.Retention{RetentionDays: 21, DiffHours: 24, Weekly: "P4W", Monthly: "P12M", Yearly: "P5Y", WeekOfYear: 3}

// world is every database of the server by the moment it was created, which tells it from a namesake.
func (a *azure) world() map[string]string {
	out := map[string]string{}
	for _, name := range a.SQL.Databases() {
		if d, ok := a.SQL.Describe(name); ok {
			out[name] = d.Created.String()
		}
	}
	return out
}

// cli runs the command line under an identity.
func (a *azure) cli(client string, args ...string) (stdout, stderr string, code int) {
	a.t.Helper()
	return a.cliWith(a.Settings(client), args...)
}

func (a *azure) cliWith(env map[string]string, args ...string) (stdout, stderr string, code int) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), bacvaultCLI, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.t.Fatalf("bacvault %v: %v", args, err)
	}
	return out.String(), words.String(), cmd.ProcessState.ExitCode()
}

// promotion is the part of a promotion's JSON that the tests read.
type promotion struct {
	Action, Live, Restored, Old, Forced string
	Complete                            bool
	Steps                               []struct {
		Step, Now, Want string
		Done            bool
	}
	Findings []string
}

func (a *azure) promote(want int, args ...string) promotion {
	a.t.Helper()
	out, words, code := a.cli(roles.Promoter, append([]string{"promote"}, append(args, "--database", odd, "-o", "json")...)...)
	if code != want {
		a.t.Fatalf("promote %v: exit %d, want %d\n%s\n%s", args, code, want, out, words)
	}
	var p promotion
	if out != "" {
		if err := json.Unmarshal([]byte(out), &p); err != nil {
			a.t.Fatalf("promote %v printed %q: %v", args, out, err)
		}
	}
	return p
}

// Plan changes nothing; apply puts the restored database in the live one's place with its size and retention; undo gives
// everything its name back. The operator does it with the command line.
func TestAPromotionByTheCommandLine(t *testing.T) {
	a := promotable(t)
	before := a.world()
	live, _ := a.SQL.Describe(odd)
	p := a.promote(0, "plan")
	if len(p.Steps) != 5 || p.Complete || !maps.Equal(a.world(), before) {
		t.Errorf("the plan %+v left %v", p, a.world())
	}
	p = a.promote(0, "apply", "--yes")
	if !p.Complete || !strings.HasPrefix(p.Old, odd+"_old_") {
		t.Errorf("applied: %+v", p)
	}
	after := a.world()
	if after[odd] != before[odd+"_RESTORE"] || after[p.Old] != before[odd] || len(after) != len(before) {
		t.Errorf("the names are %v, they were %v", after, before)
	}
	if now, _ := a.SQL.Describe(odd); now.Objective != live.Objective || now.Edition != live.Edition || now.MaxBytes != live.MaxBytes {
		t.Errorf("the size is %+v, it was %+v", now, live)
	}
	if got, _ := a.ARM.Retention(odd); got != kept {
		t.Errorf("the retention is %+v, want %+v", got, kept)
	}
	if p = a.promote(0, "apply", "--yes"); !p.Complete || !maps.Equal(a.world(), after) {
		t.Errorf("applied again: %+v", p)
	}
	if p = a.promote(0, "undo", "--yes"); !p.Complete || !maps.Equal(a.world(), before) {
		t.Errorf("undone: %+v, the names are %v", p, a.world())
	}
	if got, _ := a.ARM.Retention(odd); got != kept {
		t.Errorf("undone, the retention is %+v, want %+v", got, kept)
	}
	if p = a.promote(0, "undo", "--yes"); !p.Complete || !maps.Equal(a.world(), before) {
		t.Errorf("undone again: %+v", p)
	}
}

func TestAPromotionThatMustNotBe(t *testing.T) {
	for _, c := range []struct {
		name, code string
		do         func(a *azure)
	}{
		{"in active geo-replication", "promote.geo_replicated", func(a *azure) {
			if err := a.SQL.SetGeoLinks(odd, 1); err != nil {
				a.t.Fatal(err)
			}
		}},
		{"immutable long-term retention", "promote.immutable_retention", func(a *azure) {
			r := kept
			r.Immutability = "Locked"
			if err := a.ARM.SetRetention(odd, r); err != nil {
				a.t.Fatal(err)
			}
		}},
		{"another database under the restored name", "promote.unproven", func(a *azure) {
			if err := a.SQL.Drop(odd + "_RESTORE"); err != nil {
				a.t.Fatal(err)
			}
			if err := a.SQL.LoadFile(odd+"_RESTORE", pubs); err != nil {
				a.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := promotable(t)
			c.do(a)
			before := a.world()
			a.send("restore-requests", "m1", restoreRequest("p1", odd, map[string]any{"kind": "promote", "action": "apply"}))
			ev := a.event(unpromoted, "p1")
			if f := ev.Data.Failure; f.Code != c.code || f.Class != "refused" || f.Next == "" || !ev.Data.Final {
				t.Errorf("the event says %+v", f)
			}
			a.promote(5, "apply", "--yes")
			a.idle("restore-requests")
			if !maps.Equal(a.world(), before) {
				t.Errorf("the names are %v, they were %v", a.world(), before)
			}
		})
	}
}

// Without a proof it goes on when a person forces it, and the event says why.
func TestAForcedPromotionSaysWhy(t *testing.T) {
	a := promotable(t)
	if err := a.SQL.Drop(odd + "_RESTORE"); err != nil {
		t.Fatal(err)
	}
	if err := a.SQL.LoadFile(odd+"_RESTORE", pubs); err != nil {
		t.Fatal(err)
	}
	a.send("restore-requests", "m1", restoreRequest("p1", odd, map[string]any{"kind": "promote", "action": "apply", "force": true, "reason": "CHG42: data loss stops"}))
	ev := a.event(promoted, "p1")
	if !strings.Contains(string(ev.Raw), `"forced":"CHG42: data loss stops"`) {
		t.Errorf("the event is %s", ev.Raw)
	}
	a.idle("restore-requests")
}

// The handler is killed at every stage of a promotion: the redelivered message ends it, and an undo goes all the way back.
func TestAPromotionKilledAnywhereEndsRight(t *testing.T) {
	points := killPoints("admit", "lease", "preflight", "rename", "scale", "retention", "clean")
	for name, fits := range shorten(points, "as rename begins", "as rename ends", "as retention begins", "after the event") {
		t.Run(name, func(t *testing.T) {
			a := promotable(t)
			before := a.world()
			killed := a.killAt(a.Restore, func(l logLine) bool { return (l.Kind == "promote" || l.Msg == "event published") && fits(l) })
			a.send("restore-requests", "m1", restoreRequest("p1", odd, map[string]any{"kind": "promote", "action": "apply"}))
			a.wait(killed, "the kill")
			a.comeBack("restore-requests")
			a.event(promoted, "p1")
			a.idle("restore-requests")
			after := a.world()
			if after[odd] != before[odd+"_RESTORE"] || len(after) != len(before) {
				t.Errorf("the names are %v, they were %v", after, before)
			}
			if got, _ := a.ARM.Retention(odd); got != kept {
				t.Errorf("the retention is %+v, want %+v", got, kept)
			}
			a.send("restore-requests", "m2", restoreRequest("p2", odd, map[string]any{"kind": "promote", "action": "undo"}))
			a.event(promoted, "p2")
			if !maps.Equal(a.world(), before) {
				t.Errorf("undone, the names are %v, they were %v", a.world(), before)
			}
			a.idle("restore-requests")
		})
	}
}
