package funchost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// timer is the listener of one timer function. Its invocations never overlap: the next firing is armed when one returns.
type timer struct {
	h      *Host
	f      *function
	mu     sync.Mutex // held for a whole invocation with its retries
	status scheduleStatus
}

func (t *timer) monitored() bool { return t.f.trigger.monitored && !t.f.schedule.subMinute }

// begin reads the stored status and says whether an occurrence was missed, as the host's ScheduleMonitor does. A schedule
// that has changed since is never past due.
func (t *timer) begin() (pastDue bool, err error) {
	now := t.h.sleep.now()
	t.status = scheduleStatus{Next: t.f.schedule.next(now)}
	if !t.monitored() {
		return false, nil
	}
	stored, err := t.load()
	if err != nil || stored == nil {
		// The file remembers when Next was computed; the payload of the first call does not.
		return false, errors.Join(err, t.save(scheduleStatus{Next: t.status.Next, LastUpdated: now}))
	}
	from := now
	switch {
	case !stored.Last.IsZero():
		from = stored.Last
	case !stored.LastUpdated.IsZero():
		from = stored.LastUpdated
	}
	if expected := t.f.schedule.next(from); !expected.Equal(stored.Next) {
		if now.After(expected) {
			expected, from = t.f.schedule.next(now), now
		}
		stored.Next, stored.LastUpdated = expected, from
		err = t.save(*stored)
	}
	t.status = *stored
	return now.After(t.status.Next), err
}

// run fires the timer until ctx ends.
func (t *timer) run(ctx context.Context, pastDue bool) {
	now := t.h.sleep.now()
	switch {
	case pastDue:
		t.log(t.fire(ctx, nil, now, true))
	case t.f.trigger.startup:
		t.log(t.fire(ctx, nil, now, false))
	}
	for {
		if t.h.sleep.until(ctx, t.next()) != nil {
			return
		}
		t.mu.Lock()
		if now := t.h.sleep.now(); ctx.Err() == nil && !now.Before(t.status.Next) {
			t.log(t.invoke(now, false, t.status))
		}
		t.mu.Unlock()
	}
}

func (t *timer) log(_ result, err error) {
	if err != nil {
		t.h.logf("timer %s: %v", t.f.name, err)
	}
}

func (t *timer) next() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status.Next
}

// fire calls the function out of turn; occurrence nil keeps the stored Next.
func (t *timer) fire(ctx context.Context, occurrence *time.Time, now time.Time, pastDue bool) (result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	st := t.status
	if occurrence != nil {
		st.Next = *occurrence
	}
	return t.invoke(now, pastDue, st)
}

// invoke calls the function once, with its retries, and advances the status whatever came of it. The caller holds mu.
func (t *timer) invoke(at time.Time, pastDue bool, st scheduleStatus) (result, error) {
	res, err := t.attempts(pastDue, st)
	t.status = scheduleStatus{Last: at, Next: t.f.schedule.next(at), LastUpdated: at}
	if t.monitored() {
		err = errors.Join(err, t.save(t.status))
	}
	return res, err
}

func (t *timer) attempts(pastDue bool, st scheduleStatus) (res result, err error) {
	shown := &st
	if !t.monitored() {
		shown = nil
	}
	var retry *retryContext
	for n := 1; ; n++ {
		sys := t.h.newSys(t.f)
		res, err = t.h.invoke(t.h.running, t.f, timerPayload(t.f.trigger.Name, shown, pastDue, sys, retry))
		if err == nil || n > t.f.retry.max {
			return res, err
		}
		t.h.logf("timer %s: attempt %d failed, again in %v: %v", t.f.name, n, t.f.retry.delay, err)
		retry = &retryContext{count: n, max: t.f.retry.max, cause: err.Error()}
		t.h.retries.Add(1)
		waited := t.h.sleep.until(t.h.running, t.h.sleep.now().Add(t.f.retry.delay))
		t.h.retries.Add(-1)
		if waited != nil {
			return res, err
		}
	}
}

// manual is a run through the admin API: the stored status, so Next lies ahead; nothing advances.
func (t *timer) manual(ctx context.Context) (result, error) {
	sys := t.h.newSys(t.f)
	shown := &scheduleStatus{Next: t.f.schedule.next(sys.now)}
	if stored, err := t.load(); err == nil && stored != nil {
		shown = stored
	}
	if !t.monitored() {
		shown = nil
	}
	return t.h.invoke(ctx, t.f, timerPayload(t.f.trigger.Name, shown, false, sys, nil))
}

// path is the name of the host's status blob under StatusDir.
func (t *timer) path() string {
	return filepath.Join(t.h.cfg.StatusDir, "Host.Functions."+t.f.name, "status")
}

func (t *timer) load() (*scheduleStatus, error) {
	if t.h.cfg.StatusDir == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st := &scheduleStatus{}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("read timer status %s: %w", t.path(), err)
	}
	return st, nil
}

func (t *timer) save(st scheduleStatus) error {
	if t.h.cfg.StatusDir == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(t.path()), 0o755); err != nil {
		return err
	}
	tmp := t.path() + ".new"
	if err := os.WriteFile(tmp, []byte(st.json()), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, t.path())
}

// FireTimer calls a timer function now, as its schedule would at the given occurrence: the payload's Next is the occurrence.
// It waits for a running invocation of that timer, and for the retries of its own. Status and body are the handler's last
// answer; err tells why the invocation failed. Disabled functions can be fired too.
func (h *Host) FireTimer(ctx context.Context, name string, occurrence time.Time, pastDue bool) (status int, body []byte, err error) {
	t := h.timers[name]
	if t == nil {
		return 0, nil, fmt.Errorf("no timer function %q", name)
	}
	now := h.sleep.now()
	if occurrence.After(now) {
		now = occurrence
	}
	type outcome struct {
		result
		err error
	}
	fired := make(chan outcome, 1)
	fire := func() {
		res, err := t.fire(ctx, &occurrence, now, pastDue)
		fired <- outcome{res, err}
	}
	if !h.spawn(fire) {
		return 0, nil, errors.New("fire the timer: the host stops")
	}
	select {
	case o := <-fired:
		return o.status, o.body, o.err
	case <-ctx.Done():
		return 0, nil, ctx.Err() // the invocation goes on: the host has no way to call it back
	}
}
