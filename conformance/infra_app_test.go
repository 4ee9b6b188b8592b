package conformance_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/config"
)

const appModule = "infra/modules/app"

// The module's settings map takes the names of settings.json. What the code reads and what may be set there must not drift apart.
func TestTheAppModuleKnowsEverySetting(t *testing.T) {
	atTop(t)
	known := readJSON[string](t, "settings.json")
	var ours []string
	for _, s := range config.Settings() {
		ours = append(ours, s.Name)
		if known[s.Name] == "" {
			t.Errorf("%s/settings.json lacks %s", appModule, s.Name)
		}
	}
	set := assigned(t)
	for name, by := range known {
		if !slices.Contains(ours, name) {
			t.Errorf("%s/settings.json has %s, which nothing reads", appModule, name)
		}
		switch by {
		case "module":
			if name != "AzureWebJobsStorage__accountName" && !slices.Contains(set, name) { // azurerm writes that one itself
				t.Errorf("settings.json says that the module sets %s, and settings.tf does not", name)
			}
		case "caller", "never":
			if slices.Contains(set, name) {
				t.Errorf("settings.tf sets %s, and settings.json says %q", name, by)
			}
		default:
			t.Errorf("settings.json: %s is %q, not module, caller or never", name, by)
		}
	}
}

// Whatever else the module sets belongs to the host, and its page says so.
func TestTheAppModuleSetsNothingUnknown(t *testing.T) {
	atTop(t)
	known, host := readJSON[string](t, "settings.json"), readJSON[string](t, "host_settings.json")
	set := append(assigned(t), "APPLICATIONINSIGHTS_CONNECTION_STRING") // azurerm writes it
	for _, name := range set {
		if known[name] == "" && host[name] == "" {
			t.Errorf("settings.tf sets %s, which is neither ours nor in host_settings.json", name)
		}
		if strings.Contains(name, "-") {
			t.Errorf("%s: on Linux an app setting's name takes no hyphen", name)
		}
	}
	for name, page := range host {
		if !slices.Contains(set, name) {
			t.Errorf("host_settings.json has %s, which the module does not set", name)
		}
		if !strings.HasPrefix(page, "https://learn.microsoft.com/") && page != "https://github.com/Azure/azure-functions-host" {
			t.Errorf("%s: %q is not Microsoft's page", name, page)
		}
	}
}

// docs/hosting.md tells whoever builds by hand what the module does.
func TestTheAppModuleIsWhatTheHostingPageSays(t *testing.T) {
	atTop(t)
	_, table, ok := strings.Cut(page(t, "docs/hosting.md"), "## What the host and the platform need")
	if !ok {
		t.Fatal("docs/hosting.md has no such section")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	known, host, settings := readJSON[string](t, "settings.json"), readJSON[string](t, "host_settings.json"), appFile(t, "settings.tf")
	n := 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)` \\| ([^|]+) \\| ([^|]+) \\|").FindAllStringSubmatch(table, -1) {
		name, value := m[1], strings.TrimSpace(m[2])
		if !strings.Contains(m[3], "all") && !strings.Contains(m[3], "Dedicated") || name == "FUNCTIONS_EXTENSION_VERSION" { // azurerm's default, ~4
			continue
		}
		n++
		if value == "not set" {
			if host[name] != "" {
				t.Errorf("the module sets %s, the page says not to", name)
			}
			continue
		}
		if known[name] != "module" && host[name] == "" {
			t.Errorf("the page says to set %s, the module does not", name)
		}
		literal := regexp.MustCompile(`(?m)^\s*` + name + `\s*=\s*"([^"$]*)"`).FindStringSubmatch(settings)
		if literal != nil && "`"+literal[1]+"`" != value {
			t.Errorf("%s is %q in the module and %s on the page", name, literal[1], value)
		}
	}
	if n < 10 {
		t.Fatalf("only %d settings were found on the page", n)
	}
}

type placed struct {
	App      string `json:"app"`
	Schedule string `json:"schedule"`
	Needs    string `json:"needs"`
}

// Each function runs in exactly one of the two apps, the one that docs/hosting.md says.
func TestEachFunctionHasItsApp(t *testing.T) {
	atTop(t)
	functions := readJSON[placed](t, "functions.json")
	folders, err := filepath.Glob("functions/*/function.json")
	if err != nil || len(folders) == 0 {
		t.Fatalf("functions were not found: %v", err)
	}
	hosting := page(t, "docs/hosting.md")
	for _, f := range folders {
		name := filepath.Base(filepath.Dir(f))
		at, ok := functions[name]
		if !ok {
			t.Errorf("%s/functions.json lacks %s", appModule, name)
			continue
		}
		if strings.Contains(name, "-") {
			t.Errorf("%s can't be disabled on App Service: an app setting's name takes no hyphen", name)
		}
		var doc struct {
			Bindings []struct{ Type, Schedule string } `json:"bindings"`
		}
		if err := json.Unmarshal([]byte(page(t, f)), &doc); err != nil {
			t.Fatal(err)
		}
		schedule := ""
		for _, b := range doc.Bindings {
			if b.Type == "timerTrigger" && strings.HasPrefix(b.Schedule, "%") {
				schedule = strings.Trim(b.Schedule, "%")
			}
		}
		if at.Schedule != schedule {
			t.Errorf("%s: functions.json names the schedule %q, function.json %q", name, at.Schedule, schedule)
		}
		want := map[string]string{"backup": "on | off", "restore": "off | on"}[at.App]
		if at.Needs != "" {
			want = "off | off" // until it has what it needs
		}
		if row := regexp.MustCompile("(?m)^\\| `" + name + "` \\|[^|]*\\| (\\w+ \\| \\w+) \\|").FindStringSubmatch(hosting); row == nil || row[1] != want {
			t.Errorf("%s: the module has it %s (backup app, restore app), docs/hosting.md says %v", name, want, row)
		}
	}
	for name, at := range functions {
		if _, err := os.Stat(filepath.Join("functions", name, "function.json")); err != nil {
			t.Errorf("functions.json has %s, which is no function", name)
		}
		if at.App != "backup" && at.App != "restore" {
			t.Errorf("%s runs in %q", name, at.App)
		}
	}
}

func TestTheAppModuleNamesTheImagesPort(t *testing.T) {
	atTop(t)
	dockerfile := page(t, "Dockerfile")
	if !strings.Contains(dockerfile, "EXPOSE ${HTTP_PORT}") {
		t.Fatal("the Dockerfile exposes something else than HTTP_PORT")
	}
	port := regexp.MustCompile(`(?m)^ARG HTTP_PORT=(\d+)$`).FindStringSubmatch(dockerfile)
	set := regexp.MustCompile(`WEBSITES_PORT\s*=\s*"(\d+)"`).FindStringSubmatch(appFile(t, "settings.tf"))
	if port == nil || set == nil || port[1] != set[1] {
		t.Errorf("the image listens on %v, the module says %v", port, set)
	}
}

// assigned is the app settings that settings.tf writes by name; those of functions.json it makes by rule.
func assigned(t *testing.T) (out []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\s+([A-Z][A-Za-z0-9_]+)\s*=`).FindAllStringSubmatch(appFile(t, "settings.tf"), -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d settings were found in settings.tf: %v", len(out), out)
	}
	return out
}

func appFile(t *testing.T, name string) string {
	t.Helper()
	return page(t, filepath.Join(appModule, name))
}

func readJSON[V any](t *testing.T, name string) map[string]V {
	t.Helper()
	out := map[string]V{}
	if err := json.Unmarshal([]byte(appFile(t, name)), &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(out) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return out
}
