package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/config"
)

// typed is what the module app prints for people to paste, as its own tests hold it; env is added to an empty environment.
func typed(t *testing.T, name, before, after string) string {
	t.Helper()
	file := filepath.Join("infra", "modules", "app", "tests", "typed", name)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", before+"\n"+page(t, file)+after)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	return string(out)
}

// A person's command line takes the environment that Terraform prints, with every sign in it.
func TestPrintedEnvironmentIsTaken(t *testing.T) {
	atTop(t)
	environ := strings.Split(strings.TrimSuffix(typed(t, "cli_environment.sh", "", "env -0"), "\x00"), "\x00")
	c, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	if c.AllowUnlockedReason != "it's new" || c.VaultContainer != "sql-backups" || c.BackupSchedule != "0 0 2 * * *" {
		t.Errorf("it reads as %q, %q, %q", c.AllowUnlockedReason, c.VaultContainer, c.BackupSchedule)
	}
}

// The doctor's container gets the app's settings and identity, each as one argument, and no secret.
func TestPrintedDoctorIsTheApp(t *testing.T) {
	atTop(t)
	for app, id := range map[string]string{"backup": "b0000000-0000-4000-8000-000000000001", "restore": "b0000000-0000-4000-8000-000000000002"} {
		t.Run(app, func(t *testing.T) {
			out := typed(t, "doctor_"+app+".sh", `az() { printf '%s\n' "$@"; }`, "")
			args := strings.Split(out, "\n")
			i := slices.Index(args, "--environment-variables")
			j := i + 1 + slices.Index(args[i+1:], "container") // the next command
			if i < 0 || j <= i {
				t.Fatalf("no environment in\n%s", out)
			}
			environ := args[i+1 : j]
			c, err := config.Load(environ)
			if err != nil {
				t.Fatal(err)
			}
			if c.ClientID != id || !slices.Contains(environ, "AZURE_CLIENT_ID="+id) || !slices.Contains(environ, "AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential") || !slices.Contains(args, "bacvault doctor --as "+app+" --output text") {
				t.Errorf("it does not run as the %s app:\n%s", app, out)
			}
			if strings.Contains(out, "KeyVault") || c.WorkDir != "/tmp/bacvault" {
				t.Errorf("it carries what is the app's alone:\n%s", out)
			}
		})
	}
}

// Each server gets the script in master, and where databases are protected in those; only who has business there is named.
func TestPrintedGrantsNameEachDatabase(t *testing.T) {
	atTop(t)
	out := typed(t, "grants.sh", `sqlcmd() { echo "$2|$4|${11}|${12}|${10}"; }`, "")
	backup, restore := "BackupIdentity=id-bacvault-test-backup|RestoreIdentity=none", "BackupIdentity=none|RestoreIdentity=id-bacvault-test-restore"
	var want []string
	for _, r := range [][3]string{
		{"sqlsvr-b", "master", backup}, {"sqlsvr-b", "Orders", backup}, {"sqlsvr-b", "Two Words", backup}, {"sqlsvr-lab", "master", restore},
		{"sqlsvr-test", "master", backup}, {"sqlsvr-test", "Orders", backup},
	} {
		want = append(want, r[0]+".database.windows.net|"+r[1]+"|"+r[2]+"|-v\n")
	}
	if out != strings.Join(want, "") {
		t.Errorf("printed\n%s\nwant\n%s", out, strings.Join(want, ""))
	}
	if _, err := os.Stat("docs/grants.sql"); err != nil || !strings.Contains(page(t, "infra/modules/app/tests/typed/grants.sh"), "-i docs/grants.sql") {
		t.Errorf("the script is not where the command looks: %v", err)
	}
}

var outputOf = regexp.MustCompile("output -(?:raw|json) (\\w+)|(?m)^ *\\| (?:output )?`(\\w+)` \\|")

// What a page tells its reader to ask Terraform for, every example gives.
func TestOutputsOfThePagesAreThere(t *testing.T) {
	atTop(t)
	n := 0
	for _, file := range []string{"docs/deploying.md", "docs/doctor.md", "docs/permissions.md", "docs/cli.md", "docs/runbook.md", "infra/README.md", "infra/examples/one-database/README.md", "infra/examples/many-databases/README.md", "infra/examples/from-powershell-jobs/README.md"} {
		text := page(t, file)
		for _, m := range outputOf.FindAllStringSubmatch(text, -1) {
			name := m[1] + m[2]
			if m[2] != "" && (file != "infra/README.md" || !strings.Contains(section(t, text, "## Order"), m[0])) {
				continue // rows of other tables are no outputs
			}
			n++
			for _, e := range terraformExamples(t) {
				if !strings.Contains(page(t, filepath.Join(e, "outputs.tf")), "output \""+name+"\" {") {
					t.Errorf("%s asks for the output %s, which %s has not", file, name, e)
				}
			}
		}
	}
	if n < 15 {
		t.Fatalf("only %d outputs were found", n)
	}
}

// Whoever copies the example of values and fills it in is asked for nothing more, and for nothing that is not there.
func TestExampleValuesFitTheirVariables(t *testing.T) {
	atTop(t)
	for _, e := range terraformExamples(t) {
		var known, wanted, given []string
		for _, m := range regexp.MustCompile(`(?ms)^variable "(\w+)" \{\n(.*?)^\}`).FindAllStringSubmatch(page(t, filepath.Join(e, "variables.tf")), -1) {
			if known = append(known, m[1]); !regexp.MustCompile(`(?m)^  default +=`).MatchString(m[2]) {
				wanted = append(wanted, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^(\w+) +=`).FindAllStringSubmatch(page(t, filepath.Join(e, "terraform.tfvars.example")), -1) {
			if given = append(given, m[1]); !slices.Contains(known, m[1]) {
				t.Errorf("%s: terraform.tfvars.example sets %s, which is no variable", e, m[1])
			}
		}
		for _, w := range append(wanted, "policy_locked", "unlocked_until", "operators", "readers", "custodians") {
			if !slices.Contains(given, w) {
				t.Errorf("%s: terraform.tfvars.example lacks %s", e, w)
			}
		}
		if len(wanted) < 6 || len(given) < 12 {
			t.Fatalf("%s: only %d variables without default, %d values", e, len(wanted), len(given))
		}
	}
}

func terraformExamples(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("infra/examples/*")
	if err != nil || len(found) < 3 {
		t.Fatalf("%v, %v", found, err)
	}
	return found
}

// What the page tells whoever has a closed network to set is there to be set.
func TestVariablesOfAClosedNetworkExist(t *testing.T) {
	atTop(t)
	n := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `(modules/\\w+)` \\| (`[a-z].*) \\|$").FindAllStringSubmatch(section(t, page(t, "infra/README.md"), "## Hosting"), -1) {
		files, err := filepath.Glob(filepath.Join("infra", row[1], "variables*.tf"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", row[1], files, err)
		}
		text := ""
		for _, f := range files {
			text += page(t, f)
		}
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[2], -1) {
			if n++; !strings.Contains(text, "variable \""+m[1]+"\" {") {
				t.Errorf("%s has no variable %s", row[1], m[1])
			}
		}
	}
	if n < 8 {
		t.Fatalf("only %d variables were found", n)
	}
}
