package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// cost is what subject's "timed" reports of an ended process.
type cost struct {
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // seconds, user and system
	Peak float64 `json:"peak"` // MiB resident
}

func wall(c cost) float64 { return c.Wall }
func cpu(c cost) float64  { return c.CPU }
func peak(c cost) float64 { return c.Peak }

// pair is one measurement of ours beside one of the peer.
type pair struct {
	Ours  float64 `json:"ours"`
	Peer  float64 `json:"peer"`
	Ratio float64 `json:"ratio"`
}

// row is one line of the table and of latest.json. Ours and Peer are medians; Ratio is the median of the pairs' ratios.
type row struct {
	Name        string   `json:"name"`
	Unit        string   `json:"unit"`
	Ours        float64  `json:"ours"`
	Peer        float64  `json:"peer"`
	PeerVersion string   `json:"peerVersion"`
	Ratio       float64  `json:"ratio"`
	Goal        *float64 `json:"goal"` // the ratio must not be above it; null where a line only tells, and then Met too
	Met         *bool    `json:"met"`
	Pairs       []pair   `json:"pairs"`
}

// versus compares by one quantity; a goal of 0 is none. ours and peer have as many measurements, taken in turn.
func versus(name, unit, peerVersion string, goal float64, ours, peer []cost, by func(cost) float64) row {
	r := row{Name: name, Unit: unit, PeerVersion: peerVersion}
	var a, p, ratios []float64
	for i := range ours {
		x, y := by(ours[i]), by(peer[i])
		a, p, ratios = append(a, x), append(p, y), append(ratios, x/y)
		r.Pairs = append(r.Pairs, pair{x, y, x / y})
	}
	r.Ours, r.Peer, r.Ratio = median(a), median(p), median(ratios)
	if goal > 0 {
		met := r.Ratio <= goal
		r.Goal, r.Met = &goal, &met
	}
	return r
}

// within holds a quantity against a bound of ours.
func within(name, unit string, bound float64, ours []cost, by func(cost) float64) row {
	limits := slices.Repeat([]cost{{bound, bound, bound}}, len(ours))
	return versus(name, unit, "bound", 1, ours, limits, by)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// timed runs a command under subject's watch. The output comes back for the caller to see that the work was done.
func (b *bench) timed(ctx context.Context, env []string, argv ...string) (cost, string, error) {
	var c cost
	file := filepath.Join(b.scratch, "cost.json")
	cmd := exec.CommandContext(ctx, b.subject, append([]string{"timed", file}, argv...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return c, "", fmt.Errorf("%s: %w: %s", strings.Join(argv[:2], " "), err, out.String())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return c, "", err
	}
	return c, out.String(), json.Unmarshal(raw, &c)
}

// ours runs one of subject's own commands and sees that its output says so.
func (b *bench) ours(ctx context.Context, env []string, want string, args ...string) (cost, error) {
	c, out, err := b.timed(ctx, env, append([]string{b.subject}, args...)...)
	if err == nil && !strings.Contains(out, want) {
		err = fmt.Errorf("subject %s did not say %q but %q", args[0], want, out)
	}
	return c, err
}

// processCPU is a live process's user and system time in seconds, without its children's (proc(5): fields 14 and 15 of stat, in
// ticks of which Linux has 100 a second on every platform that Go knows).
func processCPU(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is a name that may hold anything but ends at the last parenthesis.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d has no times in %q", pid, raw)
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, errors.Join(err1, err2)
}

// report prints the table, and keeps it and the rows with every pair.
func report(stdout io.Writer, dir, head string, rows []row) error {
	var table bytes.Buffer
	fmt.Fprintln(&table, head)
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "name\tours\tpeer\tunit\tratio\tgoal\tmet\tpairs\tpeer version\t")
	for _, r := range rows {
		goal, met := "-", "-"
		if r.Goal != nil {
			goal, met = fmt.Sprintf("%.2f", *r.Goal), map[bool]string{true: "yes", false: "NO"}[*r.Met]
		}
		fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%s\t%.3f\t%s\t%s\t%d\t%s\t\n", r.Name, r.Ours, r.Peer, r.Unit, r.Ratio, goal, met, len(r.Pairs), r.PeerVersion)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(stdout, table.String())
	raw, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "latest.txt"), table.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "latest.json"), append(raw, '\n'), 0o644)
}
