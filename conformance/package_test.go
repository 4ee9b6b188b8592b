package conformance_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/config"
)

// What make package makes is what the image holds in its script root, and what a host expects there: host.json, the
// executable that it names, and one folder with function.json for each function, directly beside it.
func TestPackageAndImageHoldTheScriptRoot(t *testing.T) {
	atTop(t)
	var host struct {
		CustomHandler struct {
			Description struct{ DefaultExecutablePath string }
		}
	}
	if err := json.Unmarshal([]byte(page(t, "host.json")), &host); err != nil {
		t.Fatal(err)
	}
	handler := host.CustomHandler.Description.DefaultExecutablePath
	want := []string{"host.json", handler}
	for _, f := range functions(t) {
		want = append(want, path.Join(f, "function.json"))
	}

	app := filepath.Join(t.TempDir(), "app")
	cmd := exec.Command("make", "package", "APP="+app)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "MAKE") || strings.HasPrefix(kv, "MFLAGS") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make package: %v\n%s", err, out)
	}
	same(t, "make package", files(t, app), want)
	if i, err := os.Stat(filepath.Join(app, handler)); err != nil || i.Mode()&0o111 == 0 {
		t.Errorf("what host.json names is no executable: %v, %v", i, err)
	}

	var image []string
	root := false
	for _, in := range finalStage(t) {
		switch {
		case in.verb == "WORKDIR":
			root = in.rest == "/home/site/wwwroot"
		case in.verb == "COPY" && root:
			words := strings.Fields(in.rest)
			if words[len(words)-1] != "./" {
				t.Errorf("COPY %s: the script root is flat", in.rest)
			}
			for _, w := range words[:len(words)-1] {
				switch {
				case strings.HasPrefix(w, "--from="):
				case strings.HasSuffix(w, "/"):
					image = append(image, files(t, w)...)
				default:
					image = append(image, path.Base(w))
				}
			}
		}
	}
	same(t, "the image's script root", image, want)
}

func TestImageIsPinnedByContent(t *testing.T) {
	atTop(t)
	pins := map[string]string{}
	for _, line := range strings.Split(page(t, "tools/image.pins"), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			pins[name] = value
		}
	}
	used := map[string]bool{}
	for _, in := range dockerfile(t) {
		switch in.verb {
		case "ARG":
			name, _, has := strings.Cut(in.rest, "=")
			if _, pin := pins[name]; pin && has {
				t.Errorf("ARG %s: a pin has no default in the Dockerfile", in.rest)
			}
		case "FROM", "ADD":
			m := regexp.MustCompile(`(?:@|--checksum=sha256:)\$\{(\w+):\?[^ ]+\}`).FindStringSubmatch(in.rest)
			if m == nil {
				t.Errorf("%s %s: not by a digest that has to be given", in.verb, in.rest)
				continue
			}
			used[m[1]] = true
		}
	}
	for name, value := range pins {
		form := `^([0-9a-f]{64})?$`
		if strings.HasSuffix(name, "_DIGEST") {
			form = `^(sha256:[0-9a-f]{64})?$`
		}
		if !used[name] || !regexp.MustCompile(form).MatchString(value) {
			t.Errorf("tools/image.pins: %s=%s: used %v, wanted form %s", name, value, used[name], form)
		}
	}
	if len(used) != len(pins) || len(used) != 3 {
		t.Errorf("the Dockerfile uses %v, tools/image.pins has %v", used, pins)
	}
}

func TestImageIsSetUpForTheHost(t *testing.T) {
	atTop(t)
	known := []string{"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsScriptRoot", "AzureFunctionsJobHost__Logging__Console__IsEnabled", "ASPNETCORE_URLS"}
	for _, s := range config.Settings() {
		known = append(known, s.Name)
	}
	for _, f := range functions(t) {
		known = append(known, "AzureWebJobs_"+f+"_Disabled")
		for _, m := range regexp.MustCompile(`"schedule": *"%(\w+)%"`).FindAllStringSubmatch(page(t, filepath.Join("functions", f, "function.json")), -1) {
			known = append(known, m[1])
		}
	}
	env, last := map[string]string{}, map[string]string{}
	for _, in := range finalStage(t) {
		last[in.verb] = in.rest
		if in.verb == "ENV" {
			for _, kv := range regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`).FindAllStringSubmatch(in.rest, -1) {
				env[kv[1]] = strings.Trim(kv[2], `"`)
				if !slices.Contains(known, kv[1]) {
					t.Errorf("ENV %s: neither we nor the host read it", kv[1])
				}
			}
		}
	}
	for what, is := range map[string][2]string{
		"command":     {last["CMD"], `["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]`},
		"entrypoint":  {last["ENTRYPOINT"], "[]"},
		"user":        {last["USER"], "${RUN_AS}:${RUN_AS}"},
		"volume":      {last["VOLUME"], env["BACVAULT_WORK_DIR"]},
		"port":        {env["ASPNETCORE_URLS"], "http://+:" + last["EXPOSE"]},
		"script root": {env["AzureWebJobsScriptRoot"], last["WORKDIR"]},
		"runtime":     {env["FUNCTIONS_WORKER_RUNTIME"], "custom"},
	} {
		if is[0] != is[1] || is[0] == "" {
			t.Errorf("%s is %q, wanted %q", what, is[0], is[1])
		}
	}
	for _, want := range []string{"ARG RUN_AS=10001\n", "ARG HTTP_PORT=8080\n", `image.version="${VERSION}"`, `image.revision="${REVISION}"`} {
		if !strings.Contains(page(t, "Dockerfile"), want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	check := page(t, "tools/check-image")
	for _, same := range []string{"RUN_AS:-10001", "HTTP_PORT:-8080", env["BACVAULT_WORK_DIR"], last["WORKDIR"], strings.Trim(last["CMD"], `[]"`)} {
		if !strings.Contains(check, same) {
			t.Errorf("tools/check-image does not look for %s", same)
		}
	}
}

// Continuous integration runs what a person runs, and nothing that the Makefile does not have.
func TestWorkflowsRunTheSameCommands(t *testing.T) {
	atTop(t)
	makefile := page(t, "Makefile")
	for _, file := range []string{".github/workflows/ci.yml", "azure-pipelines.yml"} {
		text := page(t, file)
		for _, want := range []string{"make test", "make demo", "make lint-image", "make soak", "BACVAULT_ARTEFACTS", "make infra-check", "tools/image tools/release tools/check-image tools/infra-check"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s", file, want)
			}
		}
		for _, m := range regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") && m[1] != "from" {
				t.Errorf("%s runs make %s, which the Makefile does not have", file, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`uses: (\S+)`).FindAllStringSubmatch(page(t, ".github/workflows/ci.yml"), -1) {
		if !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(m[1]) {
			t.Errorf("the action %s is not pinned by its commit", m[1])
		}
	}
}

// One version of OpenTofu, whether a workflow fetches it or tools/infra-check builds it.
func TestOneVersionOfOpenTofu(t *testing.T) {
	atTop(t)
	m := regexp.MustCompile(`require github.com/opentofu/opentofu v(\S+)|\tgithub.com/opentofu/opentofu v(\S+)`).FindStringSubmatch(page(t, "tools/tofu/go.mod"))
	if m == nil || !strings.Contains(page(t, ".github/workflows/ci.yml"), "tofu_version: "+m[1]+m[2]+" ") {
		t.Errorf("tools/tofu/go.mod has %q, and the workflow fetches another", m)
	}
}

// The changelog has its unreleased part first, then releases, dated, from the newest on, as tools/release looks for them.
func TestChangelogIsInItsForm(t *testing.T) {
	atTop(t)
	heads := regexp.MustCompile(`(?m)^## .*$`).FindAllString(page(t, "CHANGELOG.md"), -1)
	if len(heads) == 0 || heads[0] != "## [Unreleased]" {
		t.Fatalf("the headings are %q", heads)
	}
	var dates []string
	for _, h := range heads[1:] {
		m := regexp.MustCompile(`^## \[\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?\] - (\d{4}-\d\d-\d\d)$`).FindStringSubmatch(h)
		if m == nil {
			t.Errorf("%q is no heading of a release", h)
			continue
		}
		dates = append(dates, m[1])
	}
	slices.Reverse(dates)
	if !slices.IsSorted(dates) {
		t.Errorf("releases are not from the newest on: %v", dates)
	}
	for _, h := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(page(t, "CHANGELOG.md"), -1) {
		if !slices.Contains([]string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}, strings.Split(h[1], ",")[0]) {
			t.Errorf("%q is no kind of change", h[1])
		}
	}
}

func functions(t *testing.T) (out []string) {
	t.Helper()
	found, err := filepath.Glob("functions/*/function.json")
	if err != nil || len(found) < 5 {
		t.Fatalf("functions %v, error %v", found, err)
	}
	for _, f := range found {
		out = append(out, filepath.Base(filepath.Dir(f)))
	}
	return out
}

// files is every file below a folder, by its path from there.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%s: %d files, error %v", dir, len(out), err)
	}
	return out
}

type instruction struct{ verb, rest string }

// dockerfile is its instructions, continued lines joined, comments left out.
func dockerfile(t *testing.T) (out []instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(page(t, "Dockerfile"), "")
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		if verb, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out = append(out, instruction{verb, strings.TrimSpace(rest)})
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d instructions were found", len(out))
	}
	return out
}

// finalStage is the last stage, the one that becomes the image.
func finalStage(t *testing.T) []instruction {
	t.Helper()
	all := dockerfile(t)
	from := 0
	for i, in := range all {
		if in.verb == "FROM" {
			from = i
		}
	}
	return all[from+1:]
}
