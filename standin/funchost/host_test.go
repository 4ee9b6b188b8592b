package funchost_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/funchost"
)

var occurrence = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

func (a *app) fire() (int, string, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	status, body, err := a.host.FireTimer(ctx, "nightly", occurrence, false)
	return status, string(body), err
}

func TestEnvelopeIsPostedChunkedToTheFunctionsName(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	if status, body, err := a.fire(); status != 200 || body != "{}" || err != nil {
		t.Fatal(status, body, err)
	}
	c := a.next()
	if c.Path != "/nightly" || c.Length != -1 {
		t.Errorf("path %s, length %d: want /nightly, chunked", c.Path, c.Length)
	}
	for k, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "User-Agent": "Azure-Functions-Host/4.1037.0", "X-Azure-Functions-Hostversion": "4.1037.0"} {
		if got := c.Header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	for _, k := range []string{"X-Azure-Functions-Invocationid", "Traceparent"} {
		if c.Header.Get(k) == "" {
			t.Errorf("no %s", k)
		}
	}
	if !strings.Contains(string(c.Body), `"Next":"2026-11-25T02:00:00+00:00"`) {
		t.Errorf("the payload's Next is not the occurrence: %s", c.Body)
	}
}

func TestAnswersAreJudgedAsTheHostDoes(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	for _, c := range []struct {
		name, behaviour string
		status          int
		err             string
	}{
		{"object", "raw {}", 200, ""},
		{"any case, logs", `raw {"outputs":{},"LOGS":["a"],"returnvalue":null}`, 200, ""},
		{"500", "status 500", 500, "does not indicate success: 500"},
		{"404", "status 404", 404, "does not indicate success: 404"},
		{"wrong media type", "text {}", 200, "media type"},
		{"no JSON", "raw hello", 200, "invalid HttpResponseMessage"},
		{"no object", "raw [1]", 200, "invalid HttpResponseMessage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.behave(c.behaviour)
			status, _, err := a.fire()
			if status != c.status || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("status %d, error %v: want %d, %q", status, err, c.status, c.err)
			}
		})
	}
}

func TestFunctionTimeoutKillsTheHandlerAndIsNotCounted(t *testing.T) {
	for _, behaviour := range []string{"hang", "raw null", "raw"} {
		t.Run(behaviour, func(t *testing.T) {
			a := newApp(t, map[string]string{"nightly": nightly})
			a.cfg.Env["AzureFunctionsJobHost__functionTimeout"] = "00:00:01"
			a.start()
			for range 3 {
				pid := a.host.HandlerPID()
				a.behave(behaviour)
				if _, _, err := a.fire(); err == nil || !strings.Contains(err.Error(), "timeout value was exceeded") {
					t.Fatalf("error %v, want the timeout", err)
				}
				a.behave("")
				if _, _, err := a.fire(); err != nil {
					t.Fatal(err)
				}
				if a.host.HandlerPID() == pid {
					t.Fatal("the handler was not restarted")
				}
			}
			if err := a.host.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExitZeroLeavesADeadHandlerThatCountsAsUp(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	pid := a.host.HandlerPID()
	a.behave("exit 0")
	if _, _, err := a.fire(); err == nil {
		t.Fatal("the call of a handler that exited succeeded")
	}
	if _, _, err := a.fire(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("error %v, want connection refused", err)
	}
	if a.host.HandlerPID() != pid || a.host.Err() != nil {
		t.Error("the host restarted the handler or stopped")
	}
}

func TestExit200IsAFreeRestart(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	for range 5 {
		pid := a.host.HandlerPID()
		a.behave("exit 200")
		if _, _, err := a.fire(); err == nil {
			t.Fatal("the call of a handler that exited succeeded")
		}
		a.behave("")
		if _, _, err := a.fire(); err != nil || a.host.HandlerPID() == pid {
			t.Fatalf("no other handler answers: %v", err)
		}
	}
}

func TestThirdErrorExitStopsTheHost(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	a.behave("exit 3")
	for range 3 {
		if _, _, err := a.fire(); err == nil {
			t.Fatal("the call of a handler that exited succeeded")
		}
		a.next()
	}
	select {
	case <-a.host.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the host goes on")
	}
	if err := a.host.Err(); err == nil || !strings.Contains(err.Error(), "exit code 3") || !strings.Contains(err.Error(), "last words") {
		t.Errorf("error %v, want the exit code and the last words", err)
	}
}

func TestErrorExitsFarApartDoNotAddUp(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	a.cfg.Clock = &clock.Clock{}
	a.start()
	for range 4 {
		pid := a.host.HandlerPID()
		if err := a.host.KillHandler(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.fire(); err != nil || a.host.HandlerPID() == pid {
			t.Fatalf("no other handler answers: %v", err)
		}
		a.cfg.Clock.Advance(31 * time.Minute)
	}
	if err := a.host.Err(); err != nil {
		t.Error(err)
	}
}

func TestHandlerThatNeverListensStopsTheStart(t *testing.T) {
	for behaviour, want := range map[string]string{"exit 1": "exited before it was ready", "exit 0": "no HTTP answer within"} {
		t.Run(behaviour, func(t *testing.T) {
			a := newApp(t, map[string]string{"nightly": nightly})
			a.cfg.Env["AzureFunctionsJobHost__customHandler__initializationTimeout"] = "00:00:00.5000000"
			a.write("start", behaviour)
			_, err := funchost.Start(context.Background(), a.cfg)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

func TestRunningCallFailsAtOnceWhenTheHandlerIsKilled(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	a.behave("child") // the child keeps the handler's pipes open
	failed := make(chan error, 1)
	go func() { _, _, err := a.fire(); failed <- err }()
	a.next()
	<-a.rest
	start := time.Now()
	if err := a.host.KillHandler(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || time.Since(start) > 3*time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
}

func TestCloseLeavesNoHandlerBehind(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly}).start()
	a.behave("child")
	failed := make(chan error, 1)
	go func() { _, _, err := a.fire(); failed <- err }()
	a.next()
	child := strings.TrimPrefix(<-a.rest, "CHILD ")
	pid := a.host.HandlerPID()
	if err := a.host.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the running call succeeded")
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("handler %d: %v", pid, err)
	}
	eventually(t, "the child is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestOutputHasTheHostsLevels(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	var out buffer
	a.cfg.Output = &out
	a.start()
	a.behave("text " + strings.Repeat("x", 10))
	if _, _, err := a.fire(); err == nil {
		t.Fatal("no error")
	}
	a.behave("exit 9")
	if _, _, err := a.fire(); err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"[Warning] Host.Function.Console: warning: starting", "[Information] Host.Function.Console: CALL ", "[Error] Host.Function.Console: last words"} {
		eventually(t, want, func() bool { return strings.Contains(out.String(), want) })
	}
}

// buffer is a strings.Builder for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }
