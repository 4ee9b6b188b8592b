package conformance_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// What fires a function: the schedule, queue, subscription or route of its function.json.
func trigger(t *testing.T, function string) string {
	t.Helper()
	var f struct {
		Bindings []struct{ Schedule, QueueName, SubscriptionName, Route string }
	}
	if err := json.Unmarshal([]byte(page(t, filepath.Join("functions", function, "function.json"))), &f); err != nil || len(f.Bindings) == 0 {
		t.Fatalf("%s: %d bindings, %v", function, len(f.Bindings), err)
	}
	b := f.Bindings[0]
	return b.Schedule + b.QueueName + b.SubscriptionName + b.Route
}

func quoted(text string) (out []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// The table of the two apps, what the README tells to disable, and what the image disables by itself say the same.
func TestTableOfTheAppsIsTheFunctions(t *testing.T) {
	atTop(t)
	readme, off := page(t, "README.md"), map[string][]string{}
	for _, m := range regexp.MustCompile("AzureWebJobs_([a-z-]+)_Disabled=true").FindAllStringSubmatch(page(t, "Dockerfile"), -1) {
		off["one"] = append(off["one"], m[1])
	}
	for _, app := range []string{"backup", "restore"} {
		m := regexp.MustCompile(`(?is)\b` + app + `\s+app: disable ([^.(]+)`).FindStringSubmatch(readme)
		if m == nil {
			t.Fatalf("README.md does not say what is disabled in the %s app", app)
		}
		off[app] = quoted(m[1])
	}
	off["backup"] = append(off["backup"], off["one"]...) // a setting of the image that only a webhook takes away
	if !slices.Contains(off["backup"], "restore") || !slices.Contains(off["restore"], "backup") || len(off["one"]) == 0 {
		t.Fatalf("disabled are %v", off)
	}
	var listed []string
	table := section(t, page(t, "docs/hosting.md"), "## Two apps from one image")
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| `([^`]+)` \\| (\\w+) \\| (\\w+) \\| (\\w+) \\|").FindAllStringSubmatch(table, -1) {
		listed = append(listed, m[1])
		if want := trigger(t, m[1]); m[2] != want {
			t.Errorf("%s is fired by %s, not %s", m[1], want, m[2])
		}
		for i, app := range []string{"backup", "restore", "one"} {
			want := map[bool]string{true: "off", false: "on"}[slices.Contains(off[app], m[1])]
			if m[3+i] != want {
				t.Errorf("%s is %s in the app %q, the page says %s", m[1], want, app, m[3+i])
			}
		}
	}
	same(t, "the table of the apps", listed, functions(t))
}

// hostSettings are those of the host and the platform that a deployment needs; bacvault itself reads few of them.
var hostSettings = []string{
	"FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING",
	"AzureWebJobsStorage__accountName", "AzureWebJobsStorage__credential",
	"AzureWebJobsStorage__clientId", "ServiceBusConnection__fullyQualifiedNamespace", "ServiceBusConnection__credential",
	"ServiceBusConnection__clientId", "AzureFunctionsWebHost__hostid", "WEBSITES_PORT", "WEBSITES_ENABLE_APP_SERVICE_STORAGE",
	"WEBSITES_CONTAINER_START_TIME_LIMIT", "WEBSITES_CONTAINER_STOP_TIME_LIMIT", "WEBSITE_TIME_ZONE",
}

func TestSettingsOfTheHostAreTheListedOnes(t *testing.T) {
	atTop(t)
	same(t, "what the host and the platform need", rows(section(t, page(t, "docs/hosting.md"), "## What the host and the platform need")), hostSettings)
	known := slices.Clone(hostSettings)
	for _, f := range functions(t) {
		known = append(known, "AzureWebJobs_"+f+"_Disabled")
	}
	for key := range hostJSON(t) {
		known = append(known, "AzureFunctionsJobHost__"+strings.ReplaceAll(key, ".", "__"))
	}
	for _, file := range hostingPages {
		for _, name := range regexp.MustCompile(`\b(?:WEBSITES?_|FUNCTIONS_|AzureWebJobs|AzureFunctions|ServiceBusConnection)[\w-]*\w`).FindAllString(page(t, file), -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which is no setting of the host that we know", file, name)
			}
		}
	}
	var clouds []string
	for name := range defaults() {
		if strings.HasPrefix(name, "BACVAULT_") && regexp.MustCompile("_(ENDPOINT|AUDIENCE|DNS_SUFFIX)$").MatchString(name) {
			clouds = append(clouds, name)
		}
	}
	same(t, "other clouds", rows(section(t, page(t, "docs/hosting.md"), "## Other clouds")), clouds)
}

// What a platform must be told of the image is what the image is.
func TestHostingPageKnowsTheImage(t *testing.T) {
	atTop(t)
	arg, text := map[string]string{}, page(t, "docs/hosting.md")
	last := map[string]string{}
	for _, in := range finalStage(t) {
		last[in.verb] = in.rest
		if name, value, ok := strings.Cut(in.rest, "="); ok && in.verb == "ARG" {
			arg[name] = value
		}
	}
	for _, want := range []string{
		"| `WEBSITES_PORT` | `" + arg["HTTP_PORT"] + "` |", "runs as user " + arg["RUN_AS"], "`BACVAULT_WORK_DIR` to `" + last["VOLUME"] + "`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/hosting.md does not say %q", want)
		}
	}
}

func TestCodesInTheHostingPagesExist(t *testing.T) {
	atTop(t)
	known := rows(page(t, "docs/doctor.md"))
	for _, c := range bacvault.Codes() {
		known = append(known, string(c))
	}
	for _, k := range bacvault.FindingKinds() {
		known = append(known, string(k))
	}
	for _, v := range constants(t, "internal/bacvault/event.go") {
		known = append(known, strings.TrimSuffix(strings.TrimPrefix(v, "bacvault."), ".v1"))
	}
	n := 0
	for _, file := range hostingPages {
		for _, m := range regexp.MustCompile("`([a-z]+\\.[a-z_]+)`").FindAllStringSubmatch(page(t, file), -1) {
			if regexp.MustCompile(`\.(json|xml|go|md|pins|sql)$`).MatchString(m[1]) {
				continue
			}
			if n++; !slices.Contains(known, m[1]) {
				t.Errorf("%s names %s, which is no code, finding, event or check", file, m[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d codes were found", n)
	}
}

// Commands and their flags are those of docs/cli.md, which the command line's own tests hold to the code.
func TestCommandsInTheHostingPagesExist(t *testing.T) {
	atTop(t)
	commands := map[string]string{}
	for part := range strings.SplitSeq(page(t, "docs/cli.md"), "\n### ") {
		heading, body, _ := strings.Cut(part, "\n")
		if strings.HasPrefix(heading, "`bacvault ") {
			commands[strings.Trim(heading, "`")], _, _ = strings.Cut(body, "\n## ")
		}
	}
	everywhere := []string{"output", "yes"}
	n := 0
	for _, file := range hostingPages {
		for _, m := range regexp.MustCompile("(?m)(?:`|^ {4,})(bacvault [a-z][^`\n]*)").FindAllStringSubmatch(page(t, file), -1) {
			n++
			longest := ""
			for c := range commands {
				if (m[1] == c || strings.HasPrefix(m[1], c+" ")) && len(c) > len(longest) {
					longest = c
				}
			}
			if longest == "" {
				t.Errorf("%s: there is no command %q", file, m[1])
				continue
			}
			for _, f := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(m[1], -1) {
				if !strings.Contains(commands[longest], "| `--"+f[1]+"` |") && !slices.Contains(everywhere, f[1]) {
					t.Errorf("%s: %s has no flag --%s", file, longest, f[1])
				}
			}
		}
		for _, m := range regexp.MustCompile("(?:`|(?m:^ {4,}))make ([a-z-]+)").FindAllStringSubmatch(page(t, file), -1) {
			if !strings.Contains(page(t, "Makefile"), "\n"+m[1]+":") {
				t.Errorf("%s runs make %s, which the Makefile does not have", file, m[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands were found", n)
	}
}
