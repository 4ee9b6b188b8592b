package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/watch"
)

// probeEvery is a little less than a day, so that the daily probe does not drift through the hours.
const probeEvery = 23 * time.Hour

// probeAgain is when one that did not pass is repeated, so that the alarm ends soon after its cause.
const probeAgain = time.Hour

// probeLimit bounds one probe.
const probeLimit = 3 * time.Minute

// ProbeDaily makes the tamper probe if the last one is a day old, or an hour if that did not pass; false if it is not due or
// switched off.
func (a *App) ProbeDaily(ctx context.Context) (probed bool, err error) {
	if a.cfg.Probe != "on" {
		return false, nil
	}
	var last watch.Probe
	ok, err := a.state.Load(ctx, probeName, &last)
	if err != nil && !errors.Is(err, state.ErrUnreadable) {
		return false, err
	}
	every := probeEvery
	if !last.Passed {
		every = probeAgain
	}
	if age := a.now().Sub(last.At); ok && age >= 0 && age < every {
		return false, nil
	}
	p, err := a.Probe(ctx)
	if err != nil {
		return false, err
	}
	return true, a.state.Save(ctx, probeName, p)
}

// Probe tries to overwrite and to delete the canary, with the rights of whoever runs it. Nothing but the canary is touched.
func (a *App) Probe(ctx context.Context) (watch.Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	posture, err := a.gate.Observe(ctx)
	if err != nil {
		return watch.Probe{}, fmt.Errorf("read the policy before the probe: %w", err)
	}
	r, err := a.prober.Run(ctx, posture)
	p := watch.Probe{At: r.At, Canary: r.Canary, Passed: r.Passed}
	for _, t := range r.Tries {
		p.Tries = append(p.Tries, watch.Attempt(t))
	}
	return p, err
}
