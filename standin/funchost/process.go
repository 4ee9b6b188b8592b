package funchost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// readyPoll is how often the host asks GET / of a starting handler.
const readyPoll = 25 * time.Millisecond

// process is one run of the handler's executable.
type process struct {
	cmd      *exec.Cmd
	url      string
	client   *http.Client
	pid      int
	code     int           // valid after exited
	exited   chan struct{} // closed when the process is reaped
	drained  chan struct{} // closed when its output is read too
	noticed  chan struct{} // closed when the supervisor has drawn its conclusion from the exit
	timedOut atomic.Bool   // killed for functionTimeout: its exit is not counted
	mu       sync.Mutex
	tail     []string // the last three lines of stderr
}

// startProcess starts the handler on a free loopback port, in a process group of its own.
func startProcess(c hostConfig, root string, env map[string]string, line func(p *process, stderr bool, text string)) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	path := filepath.Join(root, c.executable)
	if filepath.IsAbs(c.executable) {
		path = c.executable
	} else if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath(c.executable); err != nil {
			return nil, fmt.Errorf("find the handler: %w", err)
		}
	}
	cmd := exec.Command(path, c.arguments...)
	cmd.Dir = filepath.Join(root, c.workingDir)
	cmd.Env = handlerEnv(env, map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": fmt.Sprint(port), "FUNCTIONS_HTTPWORKER_PORT": fmt.Sprint(port),
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID": id, "FUNCTIONS_HTTPWORKER_ID": id, "FUNCTIONS_APP_ROOT_PATH": root,
	})
	// Pdeathsig follows the thread that forks, not the process: run keeps that thread until the handler is gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, url: fmt.Sprintf("http://127.0.0.1:%d/", port), exited: make(chan struct{}), drained: make(chan struct{}), noticed: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{}}}
	started := make(chan error)
	go p.run(started, line)
	return p, <-started
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port for the handler: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// handlerEnv is the app settings, what the host adds, and the three variables of the machine that any process needs.
func handlerEnv(env, host map[string]string) []string {
	all := map[string]string{}
	for _, k := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(k); ok {
			all[k] = v
		}
	}
	for _, m := range []map[string]string{env, host} {
		for k, v := range m {
			all[k] = v
		}
	}
	var out []string
	for k, v := range all {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

func (p *process) run(started chan<- error, line func(*process, bool, string)) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	var readers sync.WaitGroup
	var ours, theirs []*os.File
	for i := range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(ours, theirs...))
			started <- err
			return
		}
		ours, theirs = append(ours, r), append(theirs, w)
		readers.Go(func() { readLines(r, func(s string) { line(p, i == 1, s) }) })
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	err := p.cmd.Start()
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		readers.Wait()
		started <- fmt.Errorf("start the handler: %w", err)
		return
	}
	p.pid = p.cmd.Process.Pid
	started <- nil
	_ = p.cmd.Wait() // the exit is in ProcessState
	p.code = exitCode(p.cmd.ProcessState)
	close(p.exited)
	// A child that the handler left behind may hold the pipes open: what it writes later is nobody's.
	for _, r := range ours {
		_ = r.SetReadDeadline(time.Now().Add(time.Second))
	}
	readers.Wait()
	closeAll(ours)
	p.client.CloseIdleConnections()
	close(p.drained)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // pipes hold nothing that closing could lose
	}
}

// exitCode is the code as .NET gives it: 128 and the signal's number for a killed process.
func exitCode(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

// readLines reads to the end; a line may have any length.
func readLines(r io.Reader, line func(string)) {
	br := bufio.NewReader(r)
	for {
		s, err := br.ReadString('\n')
		if s != "" {
			line(strings.TrimRight(s, "\r\n"))
		}
		if err != nil {
			return
		}
	}
}

func (p *process) keepTail(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail = append(p.tail, s)
	if len(p.tail) > 3 {
		p.tail = p.tail[1:]
	}
}

func (p *process) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, " | ")
}

// awaitReady asks GET / until any HTTP answer comes. A handler that exits with 0 is not noticed, as in the host.
func (p *process) awaitReady(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
		if err != nil {
			return err
		}
		if resp, err := p.client.Do(req); err == nil {
			return resp.Body.Close()
		}
		exited := p.exited
		select {
		case <-exited:
			if p.code != 0 {
				return errors.New("the handler exited before it was ready")
			}
			exited = nil
		default:
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the handler gave no HTTP answer within %v", limit)
		case <-exited:
		case <-time.After(readyPoll):
		}
	}
}

// kill ends the handler as the host does, with SIGKILL, and waits until it is reaped.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.exited
}

// killGroup ends what the handler left behind in its group. The real host does not: children live on there.
func (p *process) killGroup() (left bool) {
	return syscall.Kill(-p.pid, syscall.SIGKILL) == nil
}
