package azurite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/standin/azurite"
)

func TestStoreKnowsItsAccountsAndEnds(t *testing.T) {
	key, err := azurite.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	p, err := azurite.Start(t.Context(), azurite.Config{Dir: ".", Accounts: map[string]string{"acct": key}, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	cred, err := container.NewSharedKeyCredential("acct", key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential("http://"+p.Addr()+"/acct/files", cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Errorf("create a container with the account's key: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get("http://" + p.Addr()); err == nil {
		_ = res.Body.Close()
		t.Error("the store answers after Close")
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestMissingModulesSayWhatToRun(t *testing.T) {
	_, err := azurite.Start(t.Context(), azurite.Config{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "run npm ci in standin/azurite") {
		t.Fatalf("error %v", err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := azurite.Start(ctx, azurite.Config{Dir: "."}); !errors.Is(err, context.Canceled) {
		if err == nil {
			_ = p.Close()
		}
		t.Fatalf("error %v", err)
	}
}

// The stack may be killed at any point, and the child must go with it: also when the goroutine that called Start is long
// gone and its thread with it.
func TestStoreDiesWithItsStack(t *testing.T) {
	if os.Getenv("AZURITE_TEST_CHILD") != "" {
		ended := make(chan *azurite.Process)
		go func() {
			runtime.LockOSThread() // so that this thread ends with the goroutine
			p, err := azurite.Start(context.Background(), azurite.Config{Dir: "."})
			if err != nil {
				fmt.Println("error", err)
			}
			ended <- p
		}()
		fmt.Println("addr", (<-ended).Addr())
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStoreDiesWithItsStack$")
	cmd.Env = append(os.Environ(), "AZURITE_TEST_CHILD=1", "TMPDIR="+t.TempDir()) // a killed stack cannot clean up
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	_, scanErr := fmt.Fscanf(out, "addr %s\n", &addr)
	time.Sleep(100 * time.Millisecond)
	if scanErr != nil || !answers(addr) {
		t.Errorf("the store of the child does not live at %q: %v", addr, scanErr)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	for range 100 {
		if !answers(addr) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the store at %s outlived its stack", addr)
}

// Azurite reads its interval where it makes the collector; what it reads is what was set before its script began. The store is
// started with that script, whatever its working folder.
func TestTheStoreCollectsNoGarbage(t *testing.T) {
	p, err := azurite.Start(t.Context(), azurite.Config{Dir: "."})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID()))
	script, aerr := filepath.Abs("keep-garbage.cjs")
	if err != nil || aerr != nil || !strings.Contains(string(args), "\x00--require\x00"+script+"\x00") {
		t.Errorf("the store runs as %q (%v, %v)", args, err, aerr)
	}
	out, err := exec.Command("node", "--require", "./keep-garbage.cjs", "--print", `
		const Collector = require("./node_modules/azurite/dist/src/blob/gc/BlobGCManager.js").default;
		new Collector({}, {}, {}, () => {}, {}).gcIntervalInMS / 3600000`).Output()
	hours, perr := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil || perr != nil || hours < 24 {
		t.Errorf("it collects every %q hours (%v, %v)", out, err, perr)
	}
}

func answers(addr string) bool {
	res, err := http.Get("http://" + addr)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return true
}
