package conformance_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clone is a repository of its own with what tools/image and tools/check-image read, a sound image of its commit, and a docker
// that is the stand-in of conformance/testdata/docker. Nothing here says how the real docker behaves.
type clone struct {
	t        *testing.T
	dir      string
	revision string
	image    image
	open     bool     // the process may change the script root
	env      []string // for the scripts
}

const baseDigest = "sha256:" + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

func newClone(t *testing.T) *clone {
	t.Helper()
	c := &clone{t: t, dir: t.TempDir()}
	// The scripts of a container run as another user, who must get here.
	if err := os.Chmod(filepath.Dir(c.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	c.copy("", "tools/image", "tools/image.pins", "tools/check-image", "Dockerfile", "host.json")
	for _, f := range functions(t) {
		c.copy("", "functions/"+f+"/function.json")
	}
	c.git("init", "-q")
	c.git("add", "tools", "Dockerfile", "host.json", "functions")
	c.git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one")
	c.revision = c.git("rev-parse", "HEAD")

	self, err := standinDocker()
	c.must(err)
	c.write(0o755, "bin/docker.standin", string(self))
	c.write(0o755, "bin/docker", "#!/bin/sh\nBACVAULT_TEST_DOCKER='"+c.dir+"' exec '"+c.path("bin/docker.standin")+"' \"$@\"\n")
	// In the place of go: what it builds says its version.
	c.write(0o755, "bin/go", "#!/bin/sh\nmkdir -p .build && printf '#!/bin/sh\\necho v1.2.3\\n' >.build/bacvault && chmod 755 .build/bacvault\n")
	c.sound()
	return c
}

// sound lays the image's files and settings as they should be.
func (c *clone) sound() {
	stamp := "# vcs.revision=" + c.revision + "\n# vcs.modified=false\n"
	c.write(0o755, "root/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost", "#!/bin/sh\n")
	c.write(0o755, "root/home/site/wwwroot/handler", "#!/bin/sh\n"+stamp+"echo 'there is no host' >&2; exit 1\n")
	c.write(0o755, "root/usr/local/bin/bacvault", "#!/bin/sh\n"+stamp+"echo v1.2.3\n")
	c.write(0o755, "root/opt/sqlpackage/sqlpackage", "#!/bin/sh\necho 170.5.96.0\n")
	c.write(0o644, "root/FuncExtensionBundles/Microsoft.Azure.Functions.ExtensionBundle/4.38.0/bundle.json", "{}")
	c.write(0o644, "root/usr/lib/x86_64-linux-gnu/libicuuc.so.72", "")
	c.write(0o755, "root/usr/bin/su", "")
	c.write(0o755, "base/usr/bin/su", "")
	c.copy("root/home/site/wwwroot", "host.json")
	for _, f := range functions(c.t) {
		c.write(0o644, "root/home/site/wwwroot/"+f+"/function.json", page(c.t, "functions/"+f+"/function.json"))
	}
	for _, d := range []string{"var/lib/bacvault", "azure-functions-host/Secrets", "home/LogFiles", "home/data"} {
		c.must(os.MkdirAll(c.path("root", d), 0o755))
		c.must(os.Chmod(c.path("root", d), 0o755))
		if os.Getuid() == 0 {
			c.must(os.Chown(c.path("root", d), 10001, 10001))
		}
	}
	for _, su := range []string{"root/usr/bin/su", "base/usr/bin/su"} {
		c.must(os.Chmod(c.path(su), 0o755|fs.ModeSetuid))
	}

	i := &c.image
	i.Os, i.Architecture, i.Size, i.Listens, i.Running = "linux", "amd64", 900<<20, true, true
	i.Process1 = "/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"
	i.RepoDigests = []string{"registry.example/bacvault@sha256:1"}
	i.SBOM, i.Provenance = map[string]any{"SPDX": map[string]any{"name": "x"}}, map[string]any{"SLSA": map[string]any{"x": 1}}
	i.History = []string{"CMD [\"" + i.Process1 + "\"]", "RUN |2 RUN_AS=10001 HTTP_PORT=8080 /bin/sh -c mkdir -p /var/lib/bacvault"}
	i.Config.User = c.user() + ":" + c.user()
	i.Config.Cmd = []string{i.Process1}
	i.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}, "8080/tcp": {}}
	i.Config.Volumes = map[string]struct{}{"/var/lib/bacvault": {}}
	i.Config.Env = []string{
		"HOME=/home", "DOTNET_RUNNING_IN_CONTAINER=true", "FUNCTIONS_WORKER_RUNTIME=custom", "ASPNETCORE_URLS=http://+:8080",
		"AzureWebJobsScriptRoot=/home/site/wwwroot", "BACVAULT_WORK_DIR=/var/lib/bacvault", "AzureFunctionsJobHost__Logging__Console__IsEnabled=true",
	}
	i.Config.Labels = map[string]string{}
	for name, value := range map[string]string{
		"version": "v1.2.3", "revision": c.revision, "created": "2026-12-01T00:00:00Z", "base.name": "mcr.example/node:4-node22", "base.digest": baseDigest,
	} {
		i.Config.Labels["org.opencontainers.image."+name] = value
	}
}

// access gives the process rights to the script root, or takes them. As root the files belong to root and the process is another
// user; anybody else is the owner, and takes his own rights away.
func (c *clone) access(open bool) {
	c.t.Helper()
	closed := fs.FileMode(0o022)
	if os.Getuid() != 0 {
		closed = 0o222
	}
	for _, p := range []string{"home/site/wwwroot/handler", "home/site/wwwroot", "home/site", "home"} {
		i, err := os.Stat(c.path("root", p))
		c.must(err)
		mode := i.Mode().Perm() &^ closed
		switch {
		case open:
			mode |= 0o222
		case p == "home" && os.Getuid() == 0: // as the Dockerfile has it
			mode |= 0o222 | fs.ModeSticky
		}
		c.must(os.Chmod(c.path("root", p), mode))
	}
}

func (c *clone) user() string {
	if uid := os.Getuid(); uid != 0 {
		return strconv.Itoa(uid)
	}
	return "10001"
}

func (c *clone) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *clone) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

func (c *clone) write(mode fs.FileMode, name, text string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(name)), 0o755))
	c.must(os.WriteFile(c.path(name), []byte(text), mode))
	c.must(os.Chmod(c.path(name), mode)) // whatever the umask is
}

func (c *clone) copy(to string, names ...string) {
	c.t.Helper()
	for _, n := range names {
		i, err := os.Stat(n)
		c.must(err)
		c.write(i.Mode().Perm(), filepath.Join(to, n), page(c.t, n))
	}
}

func (c *clone) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// run runs a script of the clone. Pins of this machine's environment are not its business.
func (c *clone) run(env []string, script string, args ...string) (string, int) {
	c.t.Helper()
	b, err := json.Marshal(c.image)
	c.must(err)
	c.write(0o644, "image.json", string(b))
	cmd := exec.Command(c.path(script), args...)
	cmd.Env = append([]string{"PATH=" + c.path("bin") + ":" + os.Getenv("PATH"), "GO=" + c.path("bin/go"), "GIT_CONFIG_GLOBAL=/dev/null", "START=1", "STOP=60", "RUN_AS=" + c.user()}, slices.Concat(c.env, env)...)
	c.access(c.open)
	out, err := cmd.CombinedOutput()
	c.access(true) // so that it can be changed and removed
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

var givenPins = []string{"GO_DIGEST=sha256:" + strings.Repeat("1a", 32), "BASE_DIGEST=sha256:" + strings.Repeat("2b", 32), "SQLPACKAGE_SHA256=" + strings.Repeat("3c", 32)}

func TestImageIsBuiltFromEveryPinAndLabel(t *testing.T) {
	atTop(t)
	c := newClone(t)
	out, code := c.run(givenPins, "tools/image", "registry.example/bacvault:v1.2.3", "--push")
	got := calls(t, c.dir)
	if code != 0 || len(got) != 3 {
		t.Fatalf("exit %d, docker was called %q\n%s", code, got, out)
	}
	build := got[2]
	var args []string
	for i, a := range build {
		if a == "--build-arg" {
			args = append(args, build[i+1])
		}
	}
	epoch, err := strconv.ParseInt(c.git("log", "-1", "--format=%ct"), 10, 64)
	c.must(err)
	want := slices.Concat(givenPins, []string{"VERSION=v1.2.3", "REVISION=" + c.revision, "CREATED=" + time.Unix(epoch, 0).UTC().Format(time.RFC3339), "SOURCE_DATE_EPOCH"})
	if !slices.Equal(args, want) {
		t.Errorf("build arguments %q, wanted %q", args, want)
	}
	said := strings.Join(build, " ")
	for _, w := range []string{"buildx build --platform linux/amd64 ", " --sbom=true ", " --provenance=mode=max ", " -t registry.example/bacvault:v1.2.3 --push ."} {
		if !strings.Contains(said+" ", w) {
			t.Errorf("%s lacks %q", said, w)
		}
	}
	// Whatever the Dockerfile has no default for is given.
	for _, in := range dockerfile(t) {
		if in.verb == "ARG" && !strings.Contains(in.rest, "=") && in.rest != "BASE_IMAGE" && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, in.rest+"=") }) {
			t.Errorf("the Dockerfile's %s is not given", in.rest)
		}
	}
}

func TestImageRefusesAPinBeforeDockerIsAsked(t *testing.T) {
	atTop(t)
	c := newClone(t)
	for i, pin := range givenPins {
		name, value, _ := strings.Cut(pin, "=")
		for _, bad := range []string{"", "latest", value[:len(value)-1], value + "0", strings.ToUpper(value), value + "\nx", "md5:" + value, strings.Replace(value, ":", "", 1) + ":"} {
			env := slices.Clone(givenPins)
			env[i] = name + "=" + bad
			out, code := c.run(env, "tools/image", "t")
			if code != 1 || !strings.Contains(out, name+" is ") {
				t.Errorf("%s=%q: exit %d, %s", name, bad, code, out)
			}
		}
	}
	for i := range givenPins { // a file that forgot one, though the environment has it
		lines := slices.Delete([]string{"GO_DIGEST=", "BASE_DIGEST=", "SQLPACKAGE_SHA256="}, i, i+1)
		c.write(0o644, "tools/image.pins", strings.Join(lines, "\n"))
		if out, code := c.run(givenPins, "tools/image", "t"); code != 1 || !strings.Contains(out, "it must name") {
			t.Errorf("tools/image.pins with %q only: exit %d, %s", lines, code, out)
		}
	}
	if out, code := c.run(givenPins, "tools/image"); code == 0 || !strings.Contains(out, "usage: tools/image TAG") {
		t.Errorf("without a tag: exit %d, %s", code, out)
	}
	if got := calls(t, c.dir); len(got) != 0 {
		t.Errorf("docker was called: %q", got)
	}
}

func TestImageTakesPinsFromTheFile(t *testing.T) {
	atTop(t)
	c := newClone(t)
	c.write(0o644, "tools/image.pins", "# pins\n"+strings.Join(givenPins, "\n")+"\n")
	other := "sha256:" + strings.Repeat("4", 64)
	out, code := c.run([]string{"BASE_DIGEST=" + other}, "tools/image", "t")
	said := strings.Join(slices.Concat(calls(t, c.dir)...), " ")
	if code != 0 || !strings.Contains(said, givenPins[0]) || !strings.Contains(said, givenPins[2]) || !strings.Contains(said, "BASE_DIGEST="+other) || strings.Contains(said, givenPins[1]) {
		t.Errorf("exit %d, docker got %s\n%s", code, said, out)
	}
}

// What git ignores the build does not get: it may hold secrets, such as a Terraform state, and stays in the builder's cache.
func TestBuildContextLeavesOutWhatGitIgnores(t *testing.T) {
	atTop(t)
	out := page(t, ".dockerignore")
	for _, file := range strings.Fields(strings.ReplaceAll(trackedIgnores(t), "\x00", " ")) {
		for _, line := range strings.Split(page(t, file), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!") {
				continue
			}
			want := strings.Trim(line, "/")
			switch dir := filepath.Dir(file); {
			case dir != "." && strings.HasPrefix(line, "/"):
				want = dir + "/" + want
			case dir != ".":
				want = dir + "/**/" + want
			case !strings.HasPrefix(line, "/"):
				want = "**/" + want
			}
			if !slices.Contains(strings.Split(out, "\n"), want) {
				t.Errorf(".dockerignore lacks %s, which %s names", want, file)
			}
		}
	}
}

func trackedIgnores(t *testing.T) string {
	t.Helper()
	b, err := exec.Command("git", "ls-files", "-z", "--", ".gitignore", "*/.gitignore").Output()
	if err != nil || len(b) == 0 {
		t.Fatalf("git ls-files: %q, %v", b, err)
	}
	return string(b)
}
