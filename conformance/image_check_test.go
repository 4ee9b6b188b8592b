package conformance_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// wrongs is what check-image called wrong, by the name before the colon.
func wrongs(out string) (names []string) {
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "WRONG "); ok {
			name, _, _ := strings.Cut(rest, ": ")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestCheckImagePassesASoundImage(t *testing.T) {
	atTop(t)
	c := newClone(t)
	out, code := c.run(nil, "tools/check-image", "bacvault:test")
	if code != 0 || wrongs(out) != nil || strings.Count(out, "\nok    ") < 45 || !strings.Contains(out, "size: 900 MiB") {
		t.Errorf("exit %d\n%s", code, out)
	}
	c.image.RepoDigests = nil
	if out, code = c.run([]string{"LOCAL=1"}, "tools/check-image", "bacvault:test"); code != 0 || !strings.Contains(out, "NOT LOOKED AT (LOCAL)") {
		t.Errorf("LOCAL: exit %d\n%s", code, out)
	}
	if out, code = c.run(nil, "tools/check-image", "another:test"); code != 2 {
		t.Errorf("an image that is not there: exit %d\n%s", code, out)
	}
	if last := calls(t, c.dir); !slices.ContainsFunc(last, func(a []string) bool { return slices.Equal(a, []string{"rm", "-f", "c0ffee"}) }) {
		t.Error("the container that was started is not removed")
	}
}

// Faults that do not hide each other stand in one image; each must be called wrong by its name, and nothing else.
func TestCheckImageNamesEachFault(t *testing.T) {
	atTop(t)
	type fault struct {
		does  func(*clone)
		named []string
	}
	app := "root/home/site/wwwroot/"
	for name, faults := range map[string][]fault{
		"settings": {
			{func(c *clone) { c.image.Config.User = "0:0" }, []string{"user"}},
			{func(c *clone) { c.image.Config.Entrypoint = []string{"/opt/startup/start.sh"} }, []string{"entrypoint"}},
			{func(c *clone) { c.image.Config.Cmd = []string{"/bin/sh", "-c", "host"} }, []string{"command"}},
			{func(c *clone) { c.image.Architecture = "arm64" }, []string{"platform"}},
			{func(c *clone) { delete(c.image.Config.ExposedPorts, "8080/tcp") }, []string{"port"}},
			{func(c *clone) { c.image.Config.Volumes = nil }, []string{"volume"}},
			{func(c *clone) { c.image.Config.Env[0] = "HOME=/root" }, []string{"setting HOME"}},
			{func(c *clone) { c.image.Config.Env[1] = "X=1" }, []string{"setting DOTNET_RUNNING_IN_CONTAINER"}},
			{func(c *clone) { c.image.Config.Env[2] = "FUNCTIONS_WORKER_RUNTIME=node" }, []string{"setting FUNCTIONS_WORKER_RUNTIME"}},
			{func(c *clone) { c.image.Config.Env[3] = "ASPNETCORE_URLS=http://+:80" }, []string{"setting ASPNETCORE_URLS"}},
			{func(c *clone) { c.image.Config.Env = append(c.image.Config.Env, "DB_PASSWORD=hunter2") }, []string{"settings named like a secret", "secrets in settings and history"}},
			{func(c *clone) { delete(c.image.Config.Labels, "org.opencontainers.image.version") }, []string{"label version"}},
			{func(c *clone) { delete(c.image.Config.Labels, "org.opencontainers.image.created") }, []string{"label created"}},
			{func(c *clone) { c.image.RepoDigests = nil }, []string{"SBOM", "Provenance"}},
			{func(c *clone) { c.image.Listens = false }, []string{"the host listens on 8080"}},
		},
		"contents": {
			{func(c *clone) { c.image.History = append(c.image.History, "RUN /bin/sh -c curl -H 'x?sv=1&sig=abc'") }, []string{"secrets in settings and history"}},
			{func(c *clone) { c.write(0o644, "root/home/.git-credentials", "x") }, []string{"no key or login file"}},
			{func(c *clone) { c.write(0o644, app+"handler", "") }, []string{"handler starts", "commit of handler", "changes beside it in handler"}},
			{func(c *clone) { c.must(os.Remove(c.path(app, "host.json"))) }, []string{"files of the script root", "host.json"}},
			{func(c *clone) { c.write(0o644, app+"backup/function.json", "{}") }, []string{"backup/function.json"}},
			{func(c *clone) { c.must(os.RemoveAll(c.path("root/FuncExtensionBundles"))) }, []string{"extension bundle 4 is inside"}},
			{func(c *clone) { c.write(0o755, "root/opt/sqlpackage/sqlpackage", "#!/bin/sh\necho 170.5.961.0\n") }, []string{"sqlpackage /Version"}},
			{func(c *clone) { c.must(os.RemoveAll(c.path("root/usr/lib"))) }, []string{"ICU is there"}},
			{func(c *clone) { c.must(os.RemoveAll(c.path("root/var/lib/bacvault"))) }, []string{"work folder can be written"}},
			{func(c *clone) { c.must(os.RemoveAll(c.path("root/azure-functions-host/Secrets"))) }, []string{"host can write its keys and logs"}},
			{func(c *clone) { c.write(0o644, "root/src/main.go", "") }, []string{"no source in the image"}},
			{func(c *clone) { c.open = true }, []string{"script root cannot be changed"}},
			{func(c *clone) { c.write(0o755|fs.ModeSetuid, "root/usr/local/bin/helper", "") }, []string{"setuid and setgid files, as in the base image"}},
			{func(c *clone) { c.image.Provenance = nil }, []string{"Provenance"}},
			{func(c *clone) { c.image.Process1 = "/bin/bash" }, []string{"process 1"}},
			{func(c *clone) { c.image.IgnoresTERM, c.env = true, []string{"STOP=1"} }, []string{"ends after SIGTERM"}},
		},
		"binaries": {
			{func(c *clone) {
				c.write(0o755, app+"handler", "#!/nowhere\n# vcs.revision=0000\n# vcs.modified=true\n")
			}, []string{"handler starts", "commit of handler", "changes beside it in handler"}},
			{func(c *clone) { c.write(0o755, "root/usr/local/bin/bacvault", "#!/bin/sh\necho v1.2.4\n") }, []string{"label version", "commit of bacvault", "changes beside it in bacvault"}},
			{func(c *clone) { c.write(0o755, "root/opt/sqlpackage/sqlpackage", "#!/bin/sh\nexit 150\n") }, []string{"sqlpackage /Version"}},
			{func(c *clone) { c.must(os.RemoveAll(c.path("root/azure-functions-host"))) }, []string{"the host is there", "host can write its keys and logs"}},
			{func(c *clone) { c.image.Config.Labels["org.opencontainers.image.base.name"] = "node" }, []string{"label base.name"}},
			{func(c *clone) { c.image.Config.Labels["org.opencontainers.image.base.digest"] = "latest" }, []string{"label base.digest"}},
			{func(c *clone) { c.image.Listens, c.image.Running = false, false }, []string{"the host listens on 8080"}},
		},
		"a handler of another program": {{func(c *clone) { c.write(0o755, app+"handler", "#!/bin/sh\nexit 0\n") }, []string{"handler starts", "commit of handler", "changes beside it in handler"}}},
		"another commit":               {{func(c *clone) { c.image.Config.Labels["org.opencontainers.image.revision"] = strings.Repeat("0", 40) }, []string{"label revision"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			var want []string
			for _, f := range faults {
				f.does(c)
				want = append(want, f.named...)
			}
			out, code := c.run(nil, "tools/check-image", "bacvault:test")
			slices.Sort(want)
			if got := wrongs(out); code != 1 || !slices.Equal(got, want) {
				t.Errorf("exit %d, wrong %q, wanted %q\n%s", code, got, want, out)
			}
			if strings.Contains(out, "hunter2") {
				t.Error("a secret is printed")
			}
		})
	}
}
