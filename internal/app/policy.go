package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/watch"
)

// PolicySchema names the form of a PolicyReport.
const PolicySchema = "bacvault.policy.v1"

// PolicyReport holds the vault's immutability against what is required and against the watch's baseline.
type PolicyReport struct {
	Schema   string           `json:"schema"`
	At       time.Time        `json:"at"`
	Vault    string           `json:"vault"`
	Posture  bacvault.Posture `json:"posture"`
	Required PolicyRequired   `json:"required"`
	// Missing is why the gate refuses, with its code; empty where it lets runs pass. Degraded is what is weaker than the promise.
	Missing  *bacvault.FailureData `json:"missing,omitempty"`
	Degraded []string              `json:"degraded,omitempty"`
	// Baseline is nil where no look of the watch has made one yet.
	Baseline *bacvault.Posture `json:"baseline,omitempty"`
	Drift    []PolicyDrift     `json:"drift,omitempty"`
	// FirstEnd is the backup whose protection ends first of those that are protected; Ended counts those that may be deleted now.
	FirstEnd *ProtectionEnd `json:"firstEnd,omitempty"`
	Ended    int            `json:"ended"`
	Unread   []string       `json:"unread,omitempty"`
	Accepted bool           `json:"accepted,omitempty"`
}

// PolicyRequired is what the settings demand.
type PolicyRequired struct {
	MinDays             int        `json:"minDays"`
	AllowUnlockedUntil  *time.Time `json:"allowUnlockedUntil,omitempty"`
	AllowUnlockedReason string     `json:"allowUnlockedReason,omitempty"`
}

// PolicyDrift is one thing that is not as the baseline has it.
type PolicyDrift struct {
	What     string `json:"what"`
	Baseline string `json:"baseline"`
	Now      string `json:"now"`
}

// ProtectionEnd is when a backup may be deleted, under the policy as it is now: an extended policy protects older blobs too.
type ProtectionEnd struct {
	bacvault.Database
	Blob  string    `json:"blob"`
	Until time.Time `json:"protectedUntil"`
	Days  int       `json:"days"` // whole ones from now on
}

// Vault is where backups lie, and Container what its container is called.
func (a *App) Vault() (address, container string) { return a.cfg.VaultURL(), a.cfg.VaultContainer }

// CheckPolicy observes the vault and judges it; it changes nothing. A policy that can't be observed is an error; what else can't
// be read is named in the report.
func (a *App) CheckPolicy(ctx context.Context) (PolicyReport, error) {
	p, err := a.gate.Observe(ctx)
	if err != nil {
		return PolicyReport{}, err
	}
	r := a.judged(p)
	var snap watch.Snapshot
	switch found, err := a.state.Load(ctx, snapshotName, &snap); {
	case err != nil:
		r.Unread = append(r.Unread, "the watch's baseline: "+bacvault.AsFailure(err, "").Detail)
	case found && snap.Baseline != nil:
		r.Baseline, r.Drift = snap.Baseline, drifted(*snap.Baseline, p)
	}
	a.protection(ctx, &r)
	return r, nil
}

func (a *App) judged(p bacvault.Posture) PolicyReport {
	r := PolicyReport{Schema: PolicySchema, At: a.now(), Vault: a.cfg.VaultURL(), Posture: p}
	r.Required = PolicyRequired{MinDays: a.cfg.MinRetentionDays, AllowUnlockedReason: a.cfg.AllowUnlockedReason}
	if until := a.cfg.AllowUnlockedUntil; !until.IsZero() {
		r.Required.AllowUnlockedUntil = &until
	}
	var f *bacvault.Failure
	if r.Degraded, f = gate.Judge(p, a.requirement(), r.At); f != nil {
		r.Missing = f.Data()
	}
	return r
}

func (a *App) requirement() gate.Requirement {
	return gate.Requirement{
		MinDays: a.cfg.MinRetentionDays, AllowUnlockedUntil: a.cfg.AllowUnlockedUntil, AllowUnlockedReason: a.cfg.AllowUnlockedReason,
		NoManagementPlane: a.cfg.NoManagementPlane,
	}
}

// drifted compares what counts of a posture: when it was read, the ETag and the history do not.
func drifted(baseline, now bacvault.Posture) (out []PolicyDrift) {
	for _, f := range []struct {
		what string
		of   func(bacvault.Posture) any
	}{
		{"scope", func(p bacvault.Posture) any { return p.Scope }},
		{"state", func(p bacvault.Posture) any { return p.State }},
		{"periodDays", func(p bacvault.Posture) any { return p.PeriodDays }},
		{"allowProtectedAppendWrites", func(p bacvault.Posture) any { return p.ProtectedAppend }},
		{"allowProtectedAppendWritesAll", func(p bacvault.Posture) any { return p.ProtectedAppendAll }},
		{"legalHold", func(p bacvault.Posture) any { return p.LegalHold }},
		{"legalHoldTags", func(p bacvault.Posture) any { return strings.Join(p.LegalHoldTags, " ") }},
	} {
		if was, is := fmt.Sprint(f.of(baseline)), fmt.Sprint(f.of(now)); was != is {
			out = append(out, PolicyDrift{f.what, was, is})
		}
	}
	return out
}

// protection finds the backup whose protection ends first. Without a period nothing is protected by a policy.
func (a *App) protection(ctx context.Context, r *PolicyReport) {
	dbs, err := a.vault.Databases(ctx)
	if err != nil {
		r.Unread = append(r.Unread, "the backups: "+bacvault.AsFailure(err, "").Detail)
		return
	}
	for _, d := range dbs {
		list, err := a.vault.Catalogue(ctx, d)
		if err != nil {
			r.Unread = append(r.Unread, "the backups of "+d.String()+": "+bacvault.AsFailure(err, "").Detail)
			continue
		}
		for _, e := range list {
			if !e.HasManifest {
				continue
			}
			until := r.Posture.ProtectedUntil(e.Created)
			if !until.After(r.At) {
				r.Ended++
			} else if r.FirstEnd == nil || until.Before(r.FirstEnd.Until) {
				r.FirstEnd = &ProtectionEnd{d, e.Blob, until, int(until.Sub(r.At) / (24 * time.Hour))}
			}
		}
	}
}

const (
	// acceptWait is how long a look of the watch is waited for.
	acceptWait = 30 * time.Second
	acceptPoll = 2 * time.Second
)

// AcceptPolicy takes the vault's present posture for the watch's baseline, so that what differed from the old one is no drift any
// more. What the gate refuses is refused here too: a baseline makes nothing good. ErrLooking says that the watch is looking.
func (a *App) AcceptPolicy(ctx context.Context) (r PolicyReport, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	l, err := a.lookLease(ctx)
	if err != nil {
		return r, err
	}
	ctx, stop := l.Run(ctx)
	defer func() { err = errors.Join(err, heldLease{l, stop}.Release(context.WithoutCancel(ctx))) }()
	var snap watch.Snapshot
	found, err := a.state.Load(ctx, snapshotName, &snap)
	switch {
	case err != nil:
		return r, err
	case !found:
		f := bacvault.Fail(bacvault.CodeRequestNoBackup, "the watch has not looked yet, so there is no baseline")
		f.Exists, f.Next = "nothing was changed", "Its first look takes a locked policy for the baseline by itself; see that the function watch runs."
		return r, f
	case snap.Schema != watch.SnapshotSchema:
		return r, fmt.Errorf("the watch's snapshot is of schema %q, not %q: use a bacvault of the same release", snap.Schema, watch.SnapshotSchema)
	}
	p, err := a.gate.Observe(ctx)
	if err != nil {
		return r, err
	}
	if _, f := gate.Judge(p, a.requirement(), a.now()); f != nil {
		f.Exists = "the baseline was not changed"
		return r, f
	}
	snap.Baseline = &p
	if err := l.Held(ctx); err != nil {
		return r, err
	}
	if err := a.state.Save(ctx, snapshotName, snap); err != nil {
		return r, err
	}
	r = a.judged(p)
	r.Baseline, r.Accepted = &p, true
	a.protection(ctx, &r)
	return r, nil
}

// lookLease keeps looks away, for a look reads the snapshot at its beginning and writes it at its end.
func (a *App) lookLease(ctx context.Context) (*state.Lease, error) {
	end := time.Now().Add(acceptWait)
	for {
		l, by, err := a.state.Acquire(ctx, "watch", state.Holder{Run: "accept-" + newRun(), Since: a.now(), Host: host()})
		if err != nil || by == nil {
			return l, err
		}
		if time.Now().After(end) {
			return nil, ErrLooking
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(acceptPoll):
		}
	}
}

// ProbeNow makes the tamper probe with the rights of whoever asks, and keeps nothing of it: the watch's own is another's.
func (a *App) ProbeNow(ctx context.Context) (watch.Probe, error) {
	p, err := a.Probe(ctx)
	var known *bacvault.Failure
	if err == nil || errors.As(err, &known) || ctx.Err() != nil {
		return p, err
	}
	f := bacvault.Fail(bacvault.CodeVaultRead, "probe %s: %s", a.cfg.VaultURL(), bacvault.AsFailure(err, "").Detail)
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		f = bacvault.Fail(bacvault.CodeVaultRead, "probe %s: the store answered %d %s", a.cfg.VaultURL(), re.StatusCode, re.ErrorCode)
		if re.StatusCode == http.StatusForbidden {
			f = bacvault.Fail(bacvault.CodeVaultDenied, "no canary could be found or laid in %s: %d %s", a.cfg.VaultURL(), re.StatusCode, re.ErrorCode)
		}
	}
	f.Err, f.Exists = err, "no backup was touched"
	return p, f
}
