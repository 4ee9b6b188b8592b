package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func pins(t *testing.T) map[string]string {
	t.Helper()
	args, err := buildArgs(filepath.Join(root, "tools/image.pins"))
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// folderWith is the build context as far as the Dockerfile names it, with one change of one file.
func folderWith(t *testing.T, file, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []string{"Dockerfile", ".dockerignore", "go.mod", "go.sum", "host.json"} {
		text, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		if f == file {
			if !strings.Contains(string(text), old) {
				t.Fatalf("%s does not hold %q", f, old)
			}
			text = []byte(strings.Replace(string(text), old, new, 1))
		}
		if err := os.WriteFile(filepath.Join(dir, f), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "functions"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func rulesOf(t *testing.T, dir string, args map[string]string) []string {
	t.Helper()
	r, err := lint(t.Context(), dir, args)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, f := range r.findings {
		rules = append(rules, f.rule)
		t.Logf("%d: %s: %s", f.line, f.rule, f.text)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

func TestTheDockerfileIsClean(t *testing.T) {
	r, err := lint(t.Context(), root, pins(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.findings) > 0 {
		t.Errorf("%s", r)
	}
	// As many as the file has: a parser that sees nothing finds nothing.
	if r.scripts != 8 || r.waived["FromPlatformFlagConstDisallowed"] != 3 {
		t.Errorf("%d RUNs were read, of three FROMs %v", r.scripts, r.waived)
	}
}

// Each fault is planted alone, and found by its name.
func TestPlantedFaultsAreFound(t *testing.T) {
	for name, c := range map[string]struct{ file, old, new, rule string }{
		"a keyword in another case":         {"Dockerfile", "\nWORKDIR /src", "\nworkdir /src", "ConsistentInstructionCasing"},
		"AS in another case":                {"Dockerfile", " AS build", " as build", "FromAsCasing"},
		"a stage in capitals":               {"Dockerfile", " AS sqlpackage", " AS SqlPackage", "StageNameCasing"},
		"a stage that does not exist":       {"Dockerfile", "--from=sqlpackage", "--from=sqlpackages", "NoPlan"},
		"the old form of ENV":               {"Dockerfile", "VOLUME /var/lib/bacvault", "VOLUME /var/lib/bacvault\nENV TZ UTC", "LegacyKeyValueFormat"},
		"a command for a shell":             {"Dockerfile", `CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]`, `CMD /azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost`, "JSONArgsRecommended"},
		"two commands":                      {"Dockerfile", "\nENTRYPOINT []", "\nENTRYPOINT []\nENTRYPOINT []", "MultipleInstructionsDisallowed"},
		"a secret":                          {"Dockerfile", "ARG CREATED", "ARG CREATED\nENV DB_PASSWORD=${CREATED}", "SecretsUsedInArgOrEnv"},
		"a variable misspelt outside RUN":   {"Dockerfile", "USER ${RUN_AS}:", "USER ${RUN_AT}:", "UndefinedVar"},
		"a variable misspelt in RUN":        {"Dockerfile", "chown ${RUN_AS}:", "chown ${RUN_AT}:", "UndefinedInRun"},
		"an argument that nothing uses":     {"Dockerfile", "ARG CREATED", "ARG CREATED\nARG CREATOR", "UnusedArg"},
		"a global argument likewise":        {"Dockerfile", "ARG GO_DIGEST", "ARG GO_DIGEST\nARG GO_TAG", "UnusedArg"},
		"an unknown argument in FROM":       {"Dockerfile", "${BASE_IMAGE}@", "${BASE_IMAG}@", "UndefinedArgInFrom"},
		"a comment of another name":         {"Dockerfile", "# RUN_AS is", "# It is", "InvalidDefinitionDescription"},
		"a flag that BuildKit has not":      {"Dockerfile", "ADD --checksum=", "ADD --sha256=", "NoPlan"},
		"a checksum of another form":        {"Dockerfile", "--checksum=sha256:", "--checksum=md5:", "NoPlan"},
		"an image without digest":           {"Dockerfile", "${BASE_IMAGE}@${BASE_DIGEST:?give-it-as-build-arg,sha256:…,see-docs/releasing.md}", "${BASE_IMAGE}", "NoPlan"},
		"a file that .dockerignore hides":   {".dockerignore", "local.settings.json", "local.settings.json\nhost.json", "CopyIgnoredFile"},
		"a file that is not there":          {"Dockerfile", "COPY host.json ./", "COPY host.jsn ./", "NotInContext"},
		"a path that counts on WORKDIR":     {"Dockerfile", "COPY --from=build /out/handler ./", "COPY --from=build /out/handler host.json ./", "RelativeInStage"},
		"an empty continued line":           {"Dockerfile", "FUNCTIONS_WORKER_RUNTIME=custom \\\n", "FUNCTIONS_WORKER_RUNTIME=custom \\\n\n", "NoEmptyContinuation"},
		"a shell fault":                     {"Dockerfile", "RUN unzip -q", "RUN cd /opt; unzip -q", "SC2164"},
		"a rule left out that finds nought": {"Dockerfile", "skip=FromPlatformFlagConstDisallowed", "skip=FromPlatformFlagConstDisallowed,StageNameCasing", "StaleSkip"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rulesOf(t, folderWith(t, c.file, c.old, c.new), pins(t)); !slices.Contains(got, c.rule) {
				t.Errorf("found %q, wanted %s", got, c.rule)
			}
		})
	}
}

// Without a pin there is no plan, and the message names what is missing, before anything would be downloaded.
func TestEachPinMustBeGiven(t *testing.T) {
	dir := folderWith(t, "Dockerfile", "", "")
	for _, name := range []string{"GO_DIGEST", "BASE_DIGEST", "SQLPACKAGE_SHA256"} {
		absent, empty := pins(t), pins(t)
		delete(absent, name)
		empty[name] = ""
		for _, args := range []map[string]string{absent, empty} {
			r, err := lint(t.Context(), dir, args)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.findings, func(f finding) bool {
				return f.rule == "NoPlan" && strings.Contains(f.text, name) && strings.Contains(f.text, "give-it-as-build-arg")
			}) {
				t.Errorf("without %s: %s", name, r)
			}
		}
	}
}

func TestMadeUpPinsHaveTheirForm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pins")
	if err := os.WriteFile(file, []byte("# a comment\nA_DIGEST=\nB_SHA256=\nC_DIGEST=sha256:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args, err := buildArgs(file)
	if err != nil || args["A_DIGEST"] != "sha256:"+strings.Repeat("a", 64) || args["B_SHA256"] != strings.Repeat("a", 64) || args["C_DIGEST"] != "sha256:1" {
		t.Errorf("%v, error %v", args, err)
	}
}
