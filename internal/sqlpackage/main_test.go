package sqlpackage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/sqlpackage"
)

// The test binary plays sqlpackage, and the handler that runs it, when these are set.
const (
	envMode  = "FAKE_MODE"
	envOut   = "FAKE_STDOUT"
	envErr   = "FAKE_STDERR"
	envExit  = "FAKE_EXIT"
	envOwner = "FAKE_OWNER" // the test run that started it, so that what is left can be found
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(envMode); mode != "" {
		play(mode)
		os.Exit(exitCode())
	}
	code := m.Run()
	if left := leftGoroutines(); left != "" {
		fmt.Fprintln(os.Stderr, "goroutines of the package are left:\n"+left)
		code = 1
	}
	if left := leftProcesses(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes are left:", left)
		code = 1
	}
	os.Exit(code)
}

func exitCode() int {
	n, _ := strconv.Atoi(os.Getenv(envExit))
	return n
}

// play is what the fake tool does.
func play(mode string) {
	fmt.Println("pid", os.Getpid())
	switch mode {
	case "print":
		fmt.Print(os.Getenv(envOut))
		fmt.Fprint(os.Stderr, os.Getenv(envErr))
	case "args":
		must(os.WriteFile("args", []byte(strings.Join(os.Args[1:], "\n")), 0o600))
		must(os.WriteFile("environ", []byte(strings.Join(os.Environ(), "\n")), 0o600))
	case "hang":
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "cpu":
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		}
	case "grow":
		grow()
	case "child", "child-outside":
		spawn("hang", mode == "child-outside")
		time.Sleep(300 * time.Millisecond)
	case "boss":
		signal.Ignore(syscall.SIGTERM)
		spawn("worker", false)
		time.Sleep(time.Hour)
	case "worker":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		<-c
		fmt.Println("asked to end")
	case "flood":
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 8 {
			must2(os.Stdout.Write(chunk))
		}
		for i := range 20_000 {
			fmt.Printf("\nline %d", i)
		}
	case "suicide":
		must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		time.Sleep(time.Hour)
	case "close":
		must(errors.Join(os.Stdout.Close(), os.Stderr.Close()))
		time.Sleep(200 * time.Millisecond)
	case "expired":
		for range 3000 {
			fmt.Println("*** Login failed for user '<token-identified principal>'. Token is expired.")
			time.Sleep(20 * time.Millisecond)
		}
	case "handler":
		handler()
	default:
		panic("unknown mode " + mode)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must2(_ int, err error) { must(err) }

// grow writes to the temp folder, little by little, and prints nothing.
func grow() {
	f, err := os.Create(filepath.Join(os.Getenv("TMPDIR"), "data"))
	must(err)
	for range 30 {
		must2(f.WriteString("row"))
		time.Sleep(100 * time.Millisecond)
	}
	must(f.Close())
}

// spawn leaves a child behind that holds our pipes, in our group or in a session of its own.
func spawn(mode string, outside bool) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), envMode+"="+mode)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: outside}
	must(c.Start())
}

// handler runs an export of a tool that hangs, and says the tool's process id.
func handler() {
	dir := os.Getenv("TMPDIR")
	_, err := tool("hang", dir, sqlpackage.Config{}).Export(context.Background(), exportSpec(dir, func(l sqlpackage.Line) {
		fmt.Println("tool", l.Text)
	}))
	fmt.Println("export ended", err)
}

// tool is a Tool that runs this test binary.
func tool(mode, dir string, cfg sqlpackage.Config, env ...string) *sqlpackage.Tool {
	cfg.Path, _ = os.Executable()
	cfg.ClientID = "11111111-2222-3333-4444-555555555555"
	owner := os.Getenv(envOwner)
	if owner == "" {
		owner = strconv.Itoa(os.Getpid())
	}
	if cfg.Grace == 0 {
		cfg.Grace = 3 * time.Second
	}
	cfg.Env = func() []string {
		// The race detector would hold each process for a second at its end.
		return append([]string{"GORACE=atexit_sleep_ms=0", envMode + "=" + mode, envOwner + "=" + owner, "IDENTITY_ENDPOINT=http://127.0.0.1:1/token", "IDENTITY_HEADER=h"}, env...)
	}
	return sqlpackage.New(cfg)
}

func exportSpec(dir string, report func(sqlpackage.Line)) sqlpackage.ExportSpec {
	return sqlpackage.ExportSpec{
		Address: "srv.database.windows.net", Database: "Orders", File: filepath.Join(dir, "Orders.partial.bacpac"), WorkDir: dir, Report: report,
	}
}

func importSpec(dir string) sqlpackage.ImportSpec {
	return sqlpackage.ImportSpec{Address: "srv.database.windows.net:1500", Database: "Orders_RESTORE", File: filepath.Join(dir, "Orders.bacpac"), WorkDir: dir}
}

// alive says whether a process runs; a zombie that nobody reaped is dead.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	return f[0] != "Z" && f[0] != "X"
}

// gone waits for a process to end.
func gone(pid int) bool {
	for range 200 {
		if !alive(pid) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func leftProcesses() (left []int) {
	mark := []byte(envOwner + "=" + strconv.Itoa(os.Getpid()))
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, e := range entries {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
		b, err := os.ReadFile(e)
		if err == nil && pid != os.Getpid() && bytes.Contains(b, mark) && !gone(pid) {
			left = append(left, pid)
		}
	}
	return left
}

func leftGoroutines() string {
	var b bytes.Buffer
	for range 50 {
		b.Reset()
		_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
		if !strings.Contains(b.String(), "internal/sqlpackage.") {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return b.String()
}
