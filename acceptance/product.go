package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func (a *acceptance) database() bacvault.Database {
	return bacvault.Database{Server: a.parts.Server, Name: a.live}
}

// backup is the backup app's own run.
func (a *acceptance) backup(ctx context.Context) (string, error) {
	req, err := parsed(bacvault.ParseBackupRequest, bacvault.BackupRequest{
		Envelope: a.envelope(bacvault.BackupRequestSchema, "backup"), Database: a.database(),
	})
	if err != nil {
		return "", err
	}
	a.slot = *req.Slot
	res, err := a.app.Backup(ctx, req)
	if err != nil {
		return "", err
	}
	a.blob = res.Manifest.Blob.Name
	return fmt.Sprintf("%s, %d bytes, sha256 %s; to know: %s", a.blob, res.Manifest.Blob.Size, res.Manifest.Blob.SHA256, listed(res.Findings)), nil
}

func (a *acceptance) envelope(schema, what string) bacvault.Envelope {
	return bacvault.Envelope{Schema: schema, ID: "accept-" + a.stamp + "-" + what, RequestedBy: "acceptance", Reason: unlockedReason}
}

// parsed sends a request through the very check that one from the queue goes through.
func parsed[R any](parse func([]byte, bacvault.Delivery) (R, error), r R) (R, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	return parse(b, bacvault.Delivery{Enqueued: time.Now(), Count: 1})
}

// manifest reads the commit mark again, from the store, and holds it against what was counted before the backup began.
func (a *acceptance) manifest(ctx context.Context) (string, error) {
	m, found, err := a.app.Manifest(ctx, a.database(), a.slot)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", fmt.Errorf("there is no manifest for the slot %s", a.slot)
	case len(m.Tables) != len(a.rows):
		return "", fmt.Errorf("the manifest has %d tables, %d were counted", len(m.Tables), len(a.rows))
	case m.Posture.State != "Unlocked" || m.Posture.PeriodDays != 1 || len(m.Degraded) == 0:
		return "", fmt.Errorf("the manifest does not say that the policy was unlocked and of one day: %s of %d days, degraded: %s", m.Posture.State, m.Posture.PeriodDays, listed(m.Degraded))
	}
	for _, t := range m.Tables {
		if t.Source != a.rows[t.Table] || t.Archive != t.Source {
			return "", fmt.Errorf("%s: %d rows were counted, %d by the backup, %d are in the archive (%s)", t.Table, a.rows[t.Table], t.Source, t.Archive, t.Verdict)
		}
	}
	return fmt.Sprintf("%d tables with equal rows before the backup, at the backup and in the archive; tool %s; degraded: %s", len(m.Tables), m.Tool.Version, listed(m.Degraded)), nil
}

// probe is the one that the watch makes each day.
func (a *acceptance) probe(ctx context.Context) (string, error) {
	p, err := a.app.Probe(ctx)
	if err != nil {
		return "", err
	}
	var said []string
	for _, t := range p.Tries {
		said = append(said, fmt.Sprintf("%s: %d %s", t.What, t.Status, t.Code))
	}
	if !p.Passed {
		return "", fmt.Errorf("it did not pass: %s", strings.Join(said, "; "))
	}
	return strings.Join(said, "; "), nil
}

func (a *acceptance) restoreRequest(kind bacvault.RestoreKind, what string, more func(*bacvault.RestoreRequest)) (bacvault.RestoreRequest, error) {
	r := bacvault.RestoreRequest{Envelope: a.envelope(bacvault.RestoreRequestSchema, what), Kind: kind, Database: a.database()}
	if kind != bacvault.KindPromote {
		r.Slot = &a.slot
	}
	if more != nil {
		more(&r)
	}
	return parsed(bacvault.ParseRestoreRequest, r)
}

func (a *acceptance) drill(ctx context.Context) (string, error) {
	req, err := a.restoreRequest(bacvault.KindDrill, "drill", nil)
	if err != nil {
		return "", err
	}
	p, err := a.app.Drill(ctx, req)
	if err != nil {
		return "", err
	}
	if !p.Passed || p.Negative == nil || p.Negative.Tried == 0 || p.Negative.Detected != p.Negative.Tried {
		return "", fmt.Errorf("the proof says passed %t, damaged copies %+v", p.Passed, p.Negative)
	}
	return fmt.Sprintf("restored in %.0f s and dropped, %d tables, %d rows; %d of %d damaged copies were caught; to know: %s",
		p.RestoreSec, p.Tables, p.Rows, p.Negative.Detected, p.Negative.Tried, listed(p.Findings)), nil
}

func (a *acceptance) restore(ctx context.Context) (string, error) {
	req, err := a.restoreRequest(bacvault.KindRestore, "restore", func(r *bacvault.RestoreRequest) { r.TargetDatabase = a.restored() })
	if err != nil {
		return "", err
	}
	res, err := a.app.Restore(ctx, req)
	if err := a.made(a.restored(), err); err != nil {
		return "", err
	}
	if len(res.Tables) != len(a.rows) {
		return "", fmt.Errorf("%d tables were reconciled, %d were counted", len(res.Tables), len(a.rows))
	}
	return fmt.Sprintf("%s, %d tables equal at the source, in the archive and restored; to know: %s", res.Target.Name, len(res.Tables), listed(res.Findings)), nil
}

func (a *acceptance) promote(ctx context.Context, action bacvault.PromoteAction) (bacvault.Promotion, error) {
	req, err := a.restoreRequest(bacvault.KindPromote, string(action), func(r *bacvault.RestoreRequest) {
		r.Action, r.TargetDatabase = action, a.restored()
	})
	if err != nil {
		return bacvault.Promotion{}, err
	}
	return a.app.Promote(ctx, req)
}

func stepsOf(p bacvault.Promotion) string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, fmt.Sprintf("%s %q to %q (done %t)", s.Step, s.Now, s.Want, s.Done))
	}
	return strings.Join(out, "; ") + "; to know: " + listed(p.Findings)
}

func (a *acceptance) promotePlan(ctx context.Context) (string, error) {
	p, err := a.promote(ctx, bacvault.PromotePlan)
	if err == nil && len(p.Steps) == 0 {
		err = fmt.Errorf("the plan has no steps")
	}
	return stepsOf(p), err
}

// promoteApply sees for itself that the names were exchanged, and that the size is the live database's again.
func (a *acceptance) promoteApply(ctx context.Context) (string, error) {
	return a.exchange(ctx, bacvault.PromoteApply, a.restored(), a.live)
}

func (a *acceptance) promoteUndo(ctx context.Context) (string, error) {
	return a.exchange(ctx, bacvault.PromoteUndo, a.live, a.restored())
}

// exchange promotes; the database that bore the one name must bear the other one afterwards, known by its creation time.
func (a *acceptance) exchange(ctx context.Context, action bacvault.PromoteAction, from, to string) (string, error) {
	before, there, err := a.parts.SQL.Exists(ctx, from)
	switch {
	case err != nil:
		return "", err
	case !there:
		return "", fmt.Errorf("there is no %s", from)
	}
	p, err := a.promote(ctx, action)
	if err != nil {
		return stepsOf(p), err
	}
	after, there, err := a.parts.SQL.Exists(ctx, to)
	switch {
	case err != nil:
		return stepsOf(p), err
	case !there || !after.Created.Equal(before.Created):
		return stepsOf(p), fmt.Errorf("it said that it was done, and %s is not the database that was %s", to, from)
	case !p.Complete:
		return stepsOf(p), fmt.Errorf("it is not complete")
	}
	z, err := a.parts.SQL.Size(ctx, a.live)
	if err != nil {
		return stepsOf(p), err
	}
	if z.Objective != a.size.objective || z.MaxSizeBytes != a.size.bytes {
		return stepsOf(p), fmt.Errorf("%s has %s, and the source has %s of at most %d MiB", a.live, z, a.size.objective, a.size.bytes>>20)
	}
	return stepsOf(p), nil
}
