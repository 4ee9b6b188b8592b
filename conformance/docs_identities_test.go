package conformance_test

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// actions are those that the stand-ins' table of roles knows.
func actions(t *testing.T) (out []string) {
	t.Helper()
	for _, v := range constants(t, "standin/roles/actions.go") {
		out = append(out, v)
	}
	if len(out) < 25 {
		t.Fatalf("only %d actions were found", len(out))
	}
	return out
}

func TestActionsNamedInTheSecurityPageExist(t *testing.T) {
	atTop(t)
	known, n := actions(t), 0
	for _, w := range words(t, "docs/security.md") {
		if !regexp.MustCompile(`^(Microsoft\.[A-Z]|sql/|blobs/|messages/|containers/)`).MatchString(w) {
			continue
		}
		n++
		if !slices.ContainsFunc(known, func(a string) bool { return a == w || strings.HasSuffix(a, "/"+w) }) {
			t.Errorf("docs/security.md names the right %s, which no role knows", w)
		}
	}
	if n < 15 {
		t.Fatalf("only %d rights were found", n)
	}
}

// What the page says that neither identity may do, neither may; and no right over the vault or the server is left out of it.
func TestWhatNeitherIdentityCanDoIsNotGranted(t *testing.T) {
	atTop(t)
	const vault = "vault container"
	granted := map[string]bool{}
	for _, r := range rights(t) {
		if r.who == "Backup" || r.who == "Restore" {
			granted[r.action+" on "+r.place] = true
			granted[r.action] = true
		}
	}
	var real, said []string
	for _, a := range actions(t) {
		switch {
		case strings.HasPrefix(a, "Microsoft.Storage/") && !granted[a+" on "+vault], strings.HasPrefix(a, "sql/") && !granted[a]:
			real = append(real, a)
		}
	}
	text := section(t, page(t, "docs/security.md"), "## Who is who")
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section(t, text, "### What neither app's identity can do"), -1) {
		said = append(said, m[1])
		if !slices.Contains([]string{vault, "vault account", "server"}, m[2]) {
			t.Errorf("%s: %q is no place of the table", m[1], m[2])
		}
	}
	same(t, "what neither identity can do", said, real)
}

// An arrow of the drawing is all that an identity may do at a place, in the short names of its rights.
func TestArrowsOfTheDrawingAreTheTableOfRoles(t *testing.T) {
	atTop(t)
	who := map[string]string{"backup": "Backup", "restore": "Restore", "operator": "Operator", "alerting": "Alerting"}
	place := map[string]string{
		"vault": "vault container", "state": "state container", "backups": "`backup-requests`", "restores": "`restore-requests`", "topic": "`backup-events`",
		"events": "subscriptions of `backup-events`", "server": "server", "master": "master", "db": "each protected database",
	}
	var said, real []string
	for _, r := range rights(t) {
		real = append(real, r.who+": "+r.action+" on "+r.place)
	}
	known := actions(t)
	text := section(t, page(t, "docs/architecture.md"), "## Places and identities")
	for _, m := range regexp.MustCompile(`(?m)^ +(\w+)(?:\(\["[^"]+"\]\))? -- "([^"]+)" --> (\w+)`).FindAllStringSubmatch(text, -1) {
		if who[m[1]] == "" || place[m[3]] == "" {
			t.Errorf("an arrow from %s to %s, which nobody knows", m[1], m[3])
		}
		for _, short := range strings.Split(m[2], ", ") {
			full := short
			for _, a := range known {
				if strings.HasSuffix(strings.TrimSuffix(a, "/action"), "/"+short) {
					full = a
				}
			}
			said = append(said, who[m[1]]+": "+full+" on "+place[m[3]])
		}
	}
	same(t, "docs/architecture.md, arrows", said, real)
}

// Each line of the checklist names who looks after it, and that one exists; or it says that only a person can.
func TestHardeningNamesWhoChecks(t *testing.T) {
	atTop(t)
	var findings []string
	for _, k := range bacvault.FindingKinds() {
		findings = append(findings, string(k))
	}
	checks, cli, makefile := rows(page(t, "docs/doctor.md")), page(t, "docs/cli.md"), page(t, "Makefile")
	there := map[string]func(name string) bool{
		"doctor":  func(name string) bool { return slices.Contains(checks, name) },
		"watch":   func(name string) bool { return slices.Contains(findings, name) },
		"command": func(name string) bool { return strings.Contains(cli, "\n### `"+name+"`\n") },
		"make":    func(name string) bool { return strings.Contains(makefile, "\n"+name+":") },
		"infra": func(name string) bool { // modules/vault/name: an assertion of the module's tests
			files, err := filepath.Glob(filepath.Join("infra", filepath.FromSlash(path.Dir(name)), "tests", "*.tftest.hcl"))
			return err == nil && slices.ContainsFunc(files, func(f string) bool { return strings.Contains(page(t, f), `run "`+path.Base(name)+`" {`) })
		},
	}
	n, people := 0, 0
	text := section(t, page(t, "docs/security.md"), "## Hardening")
	for _, m := range regexp.MustCompile(`(?m)^\| (.+) \| ([^|]+) \|$`).FindAllStringSubmatch(text, -1)[1:] {
		n++
		for _, who := range strings.Split(m[2], "; ") {
			if who == "a person" {
				people++
				continue
			}
			if strings.HasPrefix(who, "every backup") {
				continue
			}
			kind, name, ok := strings.Cut(who, " `")
			if name = strings.TrimSuffix(name, "`"); !ok || there[kind] == nil || !there[kind](name) {
				t.Errorf("%s: %s does not exist", m[1], who)
			}
		}
	}
	if n < 20 || people < 8 || people > n-8 {
		t.Fatalf("%d lines, %d of them for people", n, people)
	}
}
