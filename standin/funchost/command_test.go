package funchost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/bacvault/bacvault/standin/funchost"
)

func (a *app) writeLocalSettings() {
	a.t.Helper()
	values, err := json.Marshal(map[string]any{"IsEncrypted": false, "Values": a.cfg.Env})
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("local.settings.json", string(values))
}

func TestCommandRunsUntilTheContextEnds(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	a.writeLocalSettings()
	ctx, cancel := context.WithCancel(context.Background())
	var out buffer
	ended := make(chan error, 1)
	go func() {
		ended <- funchost.Command(ctx, []string{"--root", a.root, "--env-file", a.root + "/local.settings.json", "--listen", "127.0.0.1:0"}, &out)
	}()
	eventually(t, "the host is up", func() bool { return strings.Contains(out.String(), "host: http://127.0.0.1:") })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCommandRefusesWhatItCannotRead(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	a.write("secret.json", `{"IsEncrypted":true}`)
	for want, args := range map[string][]string{
		"encrypted settings": {"--env-file", a.root + "/secret.json"},
		"no such file":       {"--env-file", a.root + "/none.json"},
		"host.json":          {"--root", t.TempDir()},
		"not defined":        {"--nonsense"},
	} {
		if err := funchost.Command(context.Background(), args, &buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}

// Pdeathsig: a host that dies without a chance to clean up takes the handler with it.
func TestHandlerDiesWithAKilledHost(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	a.writeLocalSettings()
	var out buffer
	host := exec.Command(a.cfg.Env["TEST_EXE"])
	host.Env, host.Stdout = append(os.Environ(), "TEST_HOST_ROOT="+a.root), &out
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	eventually(t, "the host is up", func() bool {
		_, rest, ok := strings.Cut(out.String(), "handler pid ")
		if ok {
			_, err := fmt.Sscan(rest, &pid)
			ok = err == nil && strings.Contains(rest, "\n")
		}
		return ok
	})
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("handler %d: %v", pid, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	eventually(t, "the handler is gone", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}
