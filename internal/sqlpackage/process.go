package sqlpackage

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeDelay bounds how long the pipes are read after the child's end, in case a descendant left the group and holds them.
const pipeDelay = 2 * time.Second

// process is a child with a group of its own. It dies with us, is ended whole, and is always reaped.
type process struct {
	group int
	done  chan struct{} // closed after the child was reaped and its output read
	err   error         // from Wait; valid after done

	mu   sync.Mutex
	gone bool // the child has ended, so the group must not be signalled again
}

// start starts cmd. One goroutine forks, waits and reaps without leaving its OS thread: the kernel sends Pdeathsig when the
// forking *thread* ends (prctl(2)), and a thread ends with any goroutine that locked it and did not let go.
func start(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = pipeDelay
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.group = cmd.Process.Pid
		started <- nil
		p.err = p.reap(cmd)
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// reap ends what the child left in its group while the dead child still holds the group's number, so that the signal can't
// hit a stranger that got the number next.
func (p *process) reap(cmd *exec.Cmd) error {
	var waitErr error
	for {
		if waitErr = unix.Waitid(unix.P_PID, p.group, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(waitErr, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	p.gone = true
	if waitErr == nil {
		_ = syscall.Kill(-p.group, syscall.SIGKILL) // ESRCH: nobody is left
	}
	p.mu.Unlock()
	err := cmd.Wait()
	if waitErr != nil {
		return errors.Join(fmt.Errorf("wait for process %d: %w", p.group, waitErr), err)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // the child itself ended well; a descendant outside the group held the pipes
	}
	return err
}

// signal reaches the whole group as long as the child lives.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = syscall.Kill(-p.group, s)
	}
}

// end asks the group to end, kills it after the grace, and waits until it is reaped.
func (p *process) end(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
		return
	case <-t.C:
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}
