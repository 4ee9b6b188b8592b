package conformance_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

// told are the pages that somebody acts by: what they name must be there.
var told = []string{
	"docs/security.md", "docs/runbook.md", "docs/promote.md", "docs/migration.md", "docs/requests.md", "docs/architecture.md", "docs/watch.md",
}

var ticked = regexp.MustCompile("`([^`\n]+)`")

// words are the texts in backticks of a page.
func words(t *testing.T, file string) (out []string) {
	t.Helper()
	for _, m := range ticked.FindAllStringSubmatch(page(t, file), -1) {
		out = append(out, m[1])
	}
	return out
}

// Failure codes, findings, doctor's checks and events look alike, and a reader searches for them. Each that a page names is one of them.
func TestCodesNamedInPagesExist(t *testing.T) {
	atTop(t)
	var known []string
	for _, c := range bacvault.Codes() {
		known = append(known, string(c))
	}
	for _, k := range bacvault.FindingKinds() {
		known = append(known, string(k))
	}
	for _, v := range constants(t, "internal/bacvault/event.go") {
		if name, ok := strings.CutSuffix(v, ".v1"); ok {
			known = append(known, strings.TrimPrefix(name, "bacvault."), v)
		}
	}
	known = append(known, rows(page(t, "docs/doctor.md"))...) // which internal/app holds against its checks
	other := regexp.MustCompile(`^(sys|data)\.|^(proof\.blob|finding\.id)$|\.(md|json|sql|tf|go|bacpac)$`)
	areKnown(t, told, known, 120, func(file string) (out []string) {
		for _, w := range words(t, file) {
			if regexp.MustCompile(`^[a-z]+(\.[a-z_0-9]+)+$`).MatchString(w) && !other.MatchString(w) {
				out = append(out, w)
			}
		}
		return out
	})
}

// Whoever is woken by a finding looks for it in the runbook, and whoever reads a check's name finds it on some page.
func TestEveryFindingAndCheckIsOnAPage(t *testing.T) {
	atTop(t)
	runbook := page(t, "docs/runbook.md")
	for _, k := range bacvault.FindingKinds() {
		if !strings.Contains(runbook, "`"+string(k)+"`") {
			t.Errorf("docs/runbook.md does not say what to do about %s", k)
		}
	}
	var checks []string
	for name, v := range constants(t, "internal/app/doctor.go") {
		if strings.HasPrefix(name, "Check") && (strings.Contains(v, ".") || v == "settings" || v == "schedule") {
			checks = append(checks, v)
		}
	}
	all := ""
	for _, file := range pages(t) {
		all += page(t, file)
	}
	for _, c := range checks {
		if !strings.Contains(all, "`"+c+"`") {
			t.Errorf("no page names the check %s", c)
		}
	}
	if len(checks) < 20 {
		t.Fatalf("only %d checks were found", len(checks))
	}
}

// Commands of these pages exist, with their flags: docs/cli.md has them, which cmd/bacvault holds against the commands themselves.
func TestCommandsNamedInPagesExist(t *testing.T) {
	atTop(t)
	cli := page(t, "docs/cli.md")
	var paths []string
	for _, m := range regexp.MustCompile("(?m)^### `(bacvault [a-z -]+)`$").FindAllStringSubmatch(cli, -1) {
		paths = append(paths, m[1])
	}
	n := 0
	for _, file := range told {
		text := regexp.MustCompile(`\\\n +`).ReplaceAllString(page(t, file), "")
		for _, m := range regexp.MustCompile("(?m)^ {4,}(bacvault .*)$|`(bacvault [^`]*)`").FindAllStringSubmatch(text, -1) {
			line := strings.Join(strings.Fields(m[1]+m[2]), " ")
			n++
			path := ""
			for _, p := range paths {
				if strings.HasPrefix(line+" ", p+" ") && len(p) > len(path) {
					path = p
				}
			}
			if path == "" {
				t.Errorf("%s has %q, which is no command", file, line)
				continue
			}
			for _, f := range regexp.MustCompile(`(?:^| )--([a-z-]+)`).FindAllStringSubmatch(line, -1) {
				if !strings.Contains(section(t, cli, "### `"+path+"`"), "| `--"+f[1]+"` |") {
					t.Errorf("%s has %q: %s has no flag --%s", file, line, path, f[1])
				}
			}
		}
	}
	if n < 60 || len(paths) < 18 {
		t.Fatalf("only %d command lines were found, and %d commands", n, len(paths))
	}
}

// The variables of the old jobs, as their scripts read and set them; docs/migration.md says of each what became of it.
var oldJobs = map[string][]string{
	"## Backup job": {
		"SQL_SERVER_NAME", "SQL_DATABASE_NAME", "STORAGE_ACCOUNT_NAME", "STORAGE_CONTAINER_NAME", "MANAGED_IDENTITY_CLIENT_ID", "TARGET_SUBSCRIPTION_ID",
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZCOPY_AUTO_LOGIN_TYPE", "AZCOPY_MSI_CLIENT_ID", "AZCOPY_LOG_LOCATION", "AZCOPY_JOB_PLAN_LOCATION",
	},
	"## Restore job": {
		"SQL_SERVER_NAME", "SQL_DATABASE_NAME", "STORAGE_ACCOUNT_NAME", "STORAGE_CONTAINER_NAME", "MANAGED_IDENTITY_CLIENT_ID", "TARGET_SUBSCRIPTION_ID",
		"BACKUP_FILE_NAME", "SQL_MAX_SIZE_GB", "SQL_SERVICE_OBJECTIVE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
	},
}

func TestMigrationNamesEveryOldVariableAndNoOther(t *testing.T) {
	atTop(t)
	text := page(t, "docs/migration.md")
	for heading, want := range oldJobs {
		var said []string
		for _, line := range strings.Split(section(t, text, heading), "\n") {
			cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			for _, m := range ticked.FindAllStringSubmatch(cell, -1) {
				if strings.HasPrefix(line, "| ") && regexp.MustCompile(`^[A-Z_]+$`).MatchString(m[1]) {
					said = append(said, m[1])
				}
			}
		}
		same(t, "docs/migration.md, "+heading, said, want)
	}
}

// Settings without our prefix are easier to misspell, for nothing refuses an unknown one.
func TestVariablesNamedInPagesExist(t *testing.T) {
	atTop(t)
	known := slices.Concat([]string{"SSL_CERT_FILE"}, oldJobs["## Backup job"], oldJobs["## Restore job"])
	for _, s := range config.Settings() {
		known = append(known, s.Name)
	}
	areKnown(t, told, known, 40, func(file string) (out []string) {
		for _, w := range words(t, file) {
			if regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`).MatchString(w) {
				out = append(out, w)
			}
		}
		return out
	})
}

// The page says which identity each function runs under: every function once, and no other.
func TestFunctionsNamedInPagesExist(t *testing.T) {
	atTop(t)
	found, err := filepath.Glob("functions/*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	var real, said []string
	for _, f := range found {
		real = append(real, filepath.Base(filepath.Dir(f)))
	}
	who := section(t, page(t, "docs/security.md"), "## Who is who")
	for _, m := range regexp.MustCompile(`(?m)^\| (?:backup|restore) identity \| ([^|]+) \|`).FindAllStringSubmatch(who, -1) {
		for _, w := range ticked.FindAllStringSubmatch(m[1], -1) {
			said = append(said, w[1])
		}
	}
	slices.Sort(said)
	if !slices.Equal(said, slices.Compact(slices.Clone(said))) {
		t.Errorf("a function is named twice: %v", said)
	}
	same(t, "docs/security.md, functions", said, real)
	for _, file := range told {
		for _, m := range regexp.MustCompile("AzureWebJobs_([a-z-]+)_Disabled|[Ff]unction `([a-z-]+)`").FindAllStringSubmatch(page(t, file), -1) {
			if !slices.Contains(real, m[1]+m[2]) {
				t.Errorf("%s names the function %s, which is not there", file, m[1]+m[2])
			}
		}
	}
}

// Every text that somebody pastes into the Portal is taken by the decoder that the app has, on each page that has one.
func TestRequestsOfThePagesAreTaken(t *testing.T) {
	atTop(t)
	delivery := bacvault.Delivery{MessageID: "chg-0012345", Enqueued: time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC), Count: 1}
	seen := map[string]int{}
	for _, file := range pages(t) {
		text := page(t, file)
		var docs []string
		for _, part := range strings.Split(text, "```json\n")[1:] {
			doc, _, _ := strings.Cut(part, "```")
			docs = append(docs, doc)
		}
		for _, m := range regexp.MustCompile(`--body '([^']+)'`).FindAllStringSubmatch(text, -1) {
			docs = append(docs, m[1])
		}
		for _, doc := range docs {
			var head struct{ Schema, Kind, Action string }
			if err := json.Unmarshal([]byte(doc), &head); err != nil {
				continue // TestExamplesParse is about those
			}
			var err error
			switch head.Schema {
			case bacvault.BackupRequestSchema:
				_, err = bacvault.ParseBackupRequest([]byte(doc), delivery)
			case bacvault.RestoreRequestSchema:
				_, err = bacvault.ParseRestoreRequest([]byte(doc), delivery)
			default:
				continue
			}
			if err != nil {
				t.Errorf("%s: %s\n%v", file, doc, err)
			}
			seen[strings.TrimSpace(head.Schema+" "+head.Kind+" "+head.Action)]++
		}
	}
	b, r := bacvault.BackupRequestSchema, bacvault.RestoreRequestSchema
	for _, want := range []string{b, r, r + " drill", r + " promote plan", r + " promote apply", r + " promote undo"} {
		if seen[want] == 0 {
			t.Errorf("no page has the text of a %s", want)
		}
	}
}

// A link into a page leads to a heading of it, by the rule that GitHub makes anchors by.
func TestAnchorsPointAtHeadings(t *testing.T) {
	atTop(t)
	drop, n := regexp.MustCompile("[^a-z0-9 _-]"), 0
	for _, file := range append(pages(t), "SECURITY.md", "CHANGELOG.md") {
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]*)#([^)\s]+)\)`).FindAllStringSubmatch(page(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1]))
			}
			if _, err := os.Stat(target); err != nil {
				continue // TestLinksPointAtFiles is about those
			}
			n++
			there := false
			for _, h := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(page(t, target), -1) {
				there = there || strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == m[2]
			}
			if !there {
				t.Errorf("%s links to #%s of %s, which has no such heading", file, m[2], target)
			}
		}
	}
	if n < 40 {
		t.Fatalf("only %d anchors were found", n)
	}
}
