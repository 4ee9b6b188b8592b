package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// printed are the command lines of a page in their order, each once: those in blocks, and those in the text that are whole.
func printed(t *testing.T, page string) (out []string) {
	t.Helper()
	b, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`\\\n +`).ReplaceAllString(string(b), "")
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^ {4,}(bacvault .*)$|`(bacvault [^`]*)`").FindAllStringSubmatch(text, -1) {
		line, _, _ := strings.Cut(m[1]+m[2], "   ") // what follows is said about it
		if line = strings.TrimSpace(line); !seen[line] && !strings.Contains(line, "…") {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}

// Every command that the runbook and the other pages to act by print is run in its order, with the names of this local Azure. None is
// misunderstood, and each ends as the page lets its reader expect.
func TestTheCommandsOfThePagesRun(t *testing.T) {
	for page, least := range map[string]int{"runbook.md": 34, "requests.md": 7, "security.md": 3, "promote.md": 3, "migration.md": 1} {
		t.Run(page, func(t *testing.T) {
			commands := printed(t, page)
			if len(commands) < least {
				t.Fatalf("the page has only %d commands: %q", len(commands), commands)
			}
			a := start(t, protected(stack.Options{Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup}}))
			a.nightIsOver()
			// What ends in another way than 0 here.
			other := map[string]int{
				"bacvault dead-letters requeue --queue backup-requests --id ID": 6, // there is none of this name
			}
			for _, line := range commands {
				args := a.typed(line)
				if out, words, code := a.cli(roles.Admin, args...); code != other[line] {
					t.Errorf("%s\n%q: exit %d, want %d\n%s\n%s", line, args, code, other[line], out, words)
				}
			}
		})
	}
}

// nightIsOver: there is a backup, a drill has proven it, and the watch has looked.
func (a *azure) nightIsOver() {
	a.t.Helper()
	a.backUp()
	a.send("restore-requests", "d1", restoreRequest("d1", "DB", map[string]any{"kind": "drill"}))
	a.event(proven, "d1")
	if status, body, err := a.Backup.FireTimer(a.t.Context(), "watch", occurrence, false); err != nil {
		a.t.Fatalf("the watch: %d %s, %v", status, body, err)
	}
}

// typed is a page's command line as somebody types it here, who is sure of it.
func (a *azure) typed(line string) []string {
	line = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "CHG1")
	line = strings.NewReplacer(
		"https://stvault.blob.core.windows.net/sql-backups", a.Blob.URL(a.Places.VaultAccount)+"/"+a.Places.VaultContainer,
		"sqlsvr-x/DToSDB", server+"/DB", "--target DToSDB ", "--target Lost ", "DToSDB", "DB", "sqlsvr-new", a.SQL.Addr(), "./sqlpackage/sqlpackage", sqlpackage,
		"NAME", "DB", "SLOT", slot, " ID", " nobody", "FILE.bacpac", pubs,
	).Replace(line)
	args := strings.Fields(line)[1:]
	for _, asks := range []string{"promote apply", "promote undo", "dead-letters requeue", "--accept", "policy lock", "policy extend"} {
		if strings.Contains(line, asks) {
			args = append(args, "--yes")
		}
	}
	return args
}
