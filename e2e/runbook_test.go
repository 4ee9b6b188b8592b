package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// runbookCommands are the command lines of the runbook in their order, each once: those in blocks, and those in the text.
func runbookCommands(t *testing.T) (out []string) {
	t.Helper()
	b, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`\\\n +`).ReplaceAllString(string(b), "")
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^ {4,}(bacvault .*)$|`(bacvault [^`]*)`").FindAllStringSubmatch(text, -1) {
		line, _, _ := strings.Cut(m[1]+m[2], "   ") // what follows is said about it
		if line = strings.TrimSpace(line); !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}

// Every command that the runbook prints is run in its order, with the names of this local Azure. None is misunderstood, and each
// ends as the page lets its reader expect.
func TestTheRunbooksCommandsRun(t *testing.T) {
	a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup}}))
	a.backUp()
	a.send("restore-requests", "d1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
	a.event(proven, "d1")
	if status, body, err := a.Backup.FireTimer(t.Context(), "watch", occurrence, false); err != nil { // the page's reader comes after it
		t.Fatalf("the watch: %d %s, %v", status, body, err)
	}
	names := strings.NewReplacer(
		"https://stvault.blob.core.windows.net/sql-backups", a.Blob.URL(a.Places.VaultAccount)+"/"+a.Places.VaultContainer,
		"sqlsvr-x/DToSDB", server+"/DB", "--target DToSDB ", "--target Lost ", "DToSDB", "DB", "sqlsvr-new", a.SQL.Addr(), "./sqlpackage/sqlpackage", sqlpackage,
		"NAME", "DB", "SLOT", slot, " ID", " nobody", "FILE.bacpac", pubs, `"night of the 24th failed"`, "CHG1",
	)
	// What ends in another way than 0 here.
	other := map[string]int{
		"bacvault dead-letters requeue --queue backup-requests --id ID": 6, // there is none of this name
	}
	commands := runbookCommands(t)
	if len(commands) < 30 {
		t.Fatalf("the runbook has only %d commands: %q", len(commands), commands)
	}
	for _, line := range commands {
		args := strings.Fields(names.Replace(line))[1:]
		for _, asks := range []string{"promote apply", "promote undo", "dead-letters requeue", "--accept"} {
			if strings.Contains(line, asks) {
				args = append(args, "--yes")
			}
		}
		out, words, code := a.cli(roles.Admin, args...)
		if code != other[line] {
			t.Errorf("%s\n%q: exit %d, want %d\n%s\n%s", line, args, code, other[line], out, words)
		}
	}
}
