package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// cost is what the kernel says about an ended process (wait4). The same form is read by the bench.
type cost struct {
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // seconds, user and system
	Peak float64 `json:"peak"` // MiB resident
}

// timed stands between the bench and what it measures. A child inherits the peak of the process that it was forked from
// (exec_mmap in fs/exec.c folds the old memory's peak into the new process), and the bench, which holds the gateway, is
// larger than what it measures; this process is smaller.
func timed(report string, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	wall := time.Since(start)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return fmt.Errorf("%s: the kernel gave no account", argv[0])
	}
	out, err := json.Marshal(cost{
		Wall: wall.Seconds(),
		CPU:  (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		Peak: float64(usage.Maxrss) / 1024,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(report, out, 0o600)
}
