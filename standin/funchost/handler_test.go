package funchost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"

	"github.com/bacvault/bacvault/standin/funchost"
)

// TestMain is also the handler: a host under test starts this binary again, with behaviour read from a file for each call.
// One test starts it as a host of its own, to kill it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_HANDLER_DIR") != "" {
		handlerMain(os.Getenv("TEST_HANDLER_DIR"))
	}
	if root := os.Getenv("TEST_HOST_ROOT"); root != "" {
		args := []string{"--root", root, "--env-file", filepath.Join(root, "local.settings.json"), "--listen", "127.0.0.1:0"}
		fmt.Println(funchost.Command(context.Background(), args, os.Stdout))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// call is what the handler saw of one invocation; it prints it as a line on stdout.
type call struct {
	Path    string
	Length  int64
	Header  http.Header
	Body    json.RawMessage
	Attempt string `json:"-"`
}

func handlerMain(dir string) {
	if b := readFile(dir, "start"); b != "" {
		behave(nil, nil, b, nil)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		line, _ := json.Marshal(call{Path: r.URL.Path, Length: r.ContentLength, Header: r.Header, Body: body})
		fmt.Println("CALL " + string(line))
		behave(w, r, readFile(dir, "behaviour"), body)
	})
	fmt.Fprintln(os.Stderr, "warning: starting")
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), mux)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func readFile(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return string(b)
}

// behave does what the test asked for: a verb and an argument.
func behave(w http.ResponseWriter, r *http.Request, what string, body []byte) {
	verb, arg, _ := strings.Cut(what, " ")
	switch verb {
	case "exit":
		code := 0
		fmt.Sscan(arg, &code)
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(code)
	case "status":
		code := 0
		fmt.Sscan(arg, &code)
		http.Error(w, "no", code)
	case "raw":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, arg)
	case "text":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, arg)
	case "hang":
		<-r.Context().Done()
	case "child":
		c := exec.Command("sleep", "60")
		c.Stdout = os.Stdout
		if err := c.Start(); err != nil {
			fmt.Println(err)
		}
		fmt.Println("CHILD", c.Process.Pid)
		<-r.Context().Done()
	case "complete":
		time.Sleep(50 * time.Millisecond)
		if err := completeByToken(r.Context(), body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}
}

func completeByToken(ctx context.Context, body []byte) error {
	var doc struct{ Metadata struct{ LockToken string } }
	if err := json.Unmarshal(body, &doc); err != nil {
		return err
	}
	var token string
	if err := json.Unmarshal([]byte(doc.Metadata.LockToken), &token); err != nil {
		return err
	}
	client, err := azservicebus.NewClientFromConnectionString(os.Getenv("ServiceBusConnection"), nil)
	if err != nil {
		return err
	}
	defer client.Close(ctx)
	receiver, err := client.NewReceiverForQueue("jobs", nil)
	if err != nil {
		return err
	}
	return receiver.CompleteMessage(ctx, &azservicebus.ReceivedMessage{LockToken: uuid.MustParse(token)}, nil)
}

// app is a script root under test.
type app struct {
	t    *testing.T
	root string
	cfg  funchost.Config
	host *funchost.Host
	seen chan call
	rest chan string // lines that are no calls
}

const hostJSON = `{"version":"2.0","functionTimeout":"-1","customHandler":{"description":{"defaultExecutablePath":"%TEST_EXE%"}},
"extensionBundle":{"id":"Microsoft.Azure.Functions.ExtensionBundle","version":"[4.*, 5.0.0)"},
"extensions":{"serviceBus":{"maxConcurrentCalls":1,"autoCompleteMessages":false,"maxAutoLockRenewalDuration":"1.00:00:00"}}}`

const (
	nightly = `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"%SCHEDULE%"}]}`
	web     = `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","methods":["get"],"route":"status/{*rest}"},{"type":"http","direction":"out","name":"res"}]}`
	jobs    = `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"message","queueName":"jobs","connection":"ServiceBusConnection","dataType":"binary"}]}`
)

func newApp(t *testing.T, functions map[string]string) *app {
	t.Helper()
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, root: t.TempDir(), seen: make(chan call, 1000), rest: make(chan string, 1000)}
	a.write("host.json", hostJSON)
	for name, text := range functions {
		a.write(name+"/function.json", text)
	}
	a.cfg = funchost.Config{Root: a.root, StopGrace: 50 * time.Millisecond, Env: map[string]string{
		"TEST_HANDLER_DIR": a.root, "TEST_EXE": exe, "SCHEDULE": "0 0 2 * * *"}, Log: func(f string, args ...any) { t.Logf(f, args...) }}
	return a
}

func (a *app) write(name, text string) {
	a.t.Helper()
	path := filepath.Join(a.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	// Renamed into place: the handler reads it for each call.
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) behave(what string) { a.t.Helper(); a.write("behaviour", what) }

func (a *app) start() *app {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h, err := funchost.Start(ctx, a.cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	a.host = h
	h.OnLine(a.line)
	a.t.Cleanup(func() {
		_ = h.Close() // tests that care look at it themselves
	})
	return a
}

func (a *app) line(s string) {
	text, ok := strings.CutPrefix(s, "CALL ")
	var c call
	if !ok || json.Unmarshal([]byte(text), &c) != nil {
		a.rest <- s
		return
	}
	a.seen <- c
}

// next is the next invocation that the handler saw.
func (a *app) next() call {
	a.t.Helper()
	select {
	case c := <-a.seen:
		return c
	case <-time.After(10 * time.Second):
		a.t.Fatal("the handler saw no call")
		return call{}
	}
}

func (a *app) quiet(d time.Duration) {
	a.t.Helper()
	select {
	case c := <-a.seen:
		a.t.Fatalf("an unexpected call: %s %s", c.Path, c.Body)
	case <-time.After(d):
	}
}

// eventually polls for at most 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never happened: " + what)
}
