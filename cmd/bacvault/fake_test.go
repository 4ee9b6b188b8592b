package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// fake is the composition as far as a test needs it; a nil func answers with nothing.
type fake struct {
	model app.StatusModel
	night app.NightPlan
	plan  app.RestorePlan

	err      error // of the request, or of the plan
	backups  []bacvault.BackupRequest
	restores []bacvault.RestoreRequest
	promoted []bacvault.RestoreRequest

	running  func(look int) (*bacvault.Progress, error)
	looks    int
	manifest func(look int) (bacvault.Manifest, bool, error)
	end      func(look int) *app.End
	restored func(look int) (*app.RestoreResult, error)
	proof    func(look int) (*bacvault.Proof, error)
	promote  func(bacvault.RestoreRequest) (bacvault.Promotion, error)
	closed   int
	report   bacvault.Report

	filters   []app.BackupFilter
	list      app.BackupList
	shown     app.Backup
	fetched   func() (app.Fetched, error)
	policy    app.PolicyReport
	accepted  int
	accept    func() (app.PolicyReport, error)
	probe     app.ProbeResult
	events    func(from int64) ([]app.Peeked, error)
	from      []int64
	letters   app.DeadLetters
	requeue   func(queues, ids []string) (app.Requeued, error)
	requeued  int
	diagnosis app.Diagnosis
	as        string
	custody   custody
}

func (f *fake) LastEnd(_ context.Context, kind string, d bacvault.Database, request string, since time.Time) (*app.End, error) {
	if f.end == nil || kind == "" || d.Name == "" || request == "" || since.IsZero() {
		return nil, nil
	}
	return f.end(f.looks), nil
}

func (f *fake) Backups(_ context.Context, filter app.BackupFilter) (app.BackupList, error) {
	f.filters = append(f.filters, filter)
	return f.list, f.err
}

func (f *fake) ShowBackup(_ context.Context, r bacvault.RestoreRequest) (app.Backup, error) {
	f.restores = append(f.restores, r)
	return f.shown, f.err
}

func (f *fake) FetchBackup(_ context.Context, r bacvault.RestoreRequest) (app.Fetched, error) {
	f.restores = append(f.restores, r)
	if f.err != nil {
		return app.Fetched{}, f.err
	}
	return f.fetched()
}

func (f *fake) Vault() (address, container string) { return "https://st/sql-backups", "sql-backups" }

func (f *fake) CheckPolicy(context.Context) (app.PolicyReport, error) { return f.policy, f.err }

func (f *fake) AcceptPolicy(context.Context) (app.PolicyReport, error) {
	f.accepted++
	return f.accept()
}

func (f *fake) ProbeNow(context.Context) (app.ProbeResult, error) { return f.probe, f.err }

func (f *fake) PeekEvents(_ context.Context, _ string, from int64) ([]app.Peeked, error) {
	f.from = append(f.from, from)
	return f.events(from)
}

func (f *fake) DeadLetters(context.Context, []string) app.DeadLetters { return f.letters }

func (f *fake) Requeue(_ context.Context, queues, ids []string) (app.Requeued, error) {
	f.requeued++
	return f.requeue(queues, ids)
}

func (f *fake) Doctor(_ context.Context, as string) (app.Diagnosis, error) {
	f.as = as
	return f.diagnosis, f.err
}

func (f *fake) Status(context.Context) app.StatusModel { return f.model }

func (f *fake) Plan(context.Context, int, time.Duration) (app.NightPlan, error) {
	return f.night, f.err
}

func (f *fake) RequestBackup(_ context.Context, r bacvault.BackupRequest) (bacvault.BackupRequest, error) {
	r.Schema, r.Attempt = bacvault.BackupRequestSchema, 1
	if r.Server == "" {
		r.Server = "srv"
	}
	if r.ID == "" {
		r.ID = "id-1"
	}
	f.backups = append(f.backups, r)
	return r, f.err
}

func (f *fake) RequestRestore(_ context.Context, r bacvault.RestoreRequest) (bacvault.RestoreRequest, error) {
	r.Schema, r.Attempt = bacvault.RestoreRequestSchema, 1
	if r.Server == "" {
		r.Server = "srv"
	}
	if r.ID == "" {
		r.ID = "id-1"
	}
	f.restores = append(f.restores, r)
	return r, f.err
}

func (f *fake) PlanRestore(_ context.Context, r bacvault.RestoreRequest) (app.RestorePlan, error) {
	f.restores = append(f.restores, r)
	return f.plan, f.err
}

func (f *fake) Running(context.Context, string) (*bacvault.Progress, error) {
	f.looks++
	if f.running == nil {
		return nil, nil
	}
	return f.running(f.looks)
}

func (f *fake) Manifest(context.Context, bacvault.Database, bacvault.Slot) (bacvault.Manifest, bool, error) {
	return f.manifest(f.looks)
}

func (f *fake) Restored(context.Context, bacvault.RestoreRequest) (*app.RestoreResult, error) {
	return f.restored(f.looks)
}

func (f *fake) DrillProof(context.Context, bacvault.Database, string, time.Time) (*bacvault.Proof, error) {
	return f.proof(f.looks)
}

func (f *fake) Promote(_ context.Context, r bacvault.RestoreRequest) (bacvault.Promotion, error) {
	f.promoted = append(f.promoted, r)
	f.report(bacvault.Progress{Stage: bacvault.StageAdmit})
	f.report(bacvault.Progress{Stage: bacvault.StageAdmit, Done: true, Elapsed: time.Second})
	return f.promote(r)
}

func (f *fake) Close(context.Context) error {
	f.closed++
	return errors.New("a connection was gone already")
}

// fakeHere is a restore in this process.
type fakeHere struct {
	cfg    app.HereConfig
	asked  []bacvault.RestoreRequest
	plan   app.RestorePlan
	result app.RestoreResult
	err    error
	closed int
}

func (h *fakeHere) Plan(_ context.Context, r bacvault.RestoreRequest) (app.RestorePlan, error) {
	h.asked = append(h.asked, r)
	return h.plan, h.err
}

func (h *fakeHere) Restore(_ context.Context, r bacvault.RestoreRequest) (app.RestoreResult, error) {
	h.asked = append(h.asked, r)
	h.cfg.Report(bacvault.Progress{Stage: bacvault.StageFetch})
	h.cfg.Report(bacvault.Progress{Stage: bacvault.StageFetch, Done: true, Elapsed: 1500 * time.Millisecond})
	return h.result, h.err
}

func (h *fakeHere) Close() error { h.closed++; return nil }

// ran is how a command line ended.
type ran struct {
	code       int
	out, words string
}

// desk is a command line before it runs.
func desk(environ []string, a operator, args ...string) (*cli, *bytes.Buffer, *bytes.Buffer) {
	var out, words bytes.Buffer
	c := &cli{
		args: args, environ: environ, stdin: strings.NewReader(""), stdout: &out, stderr: &words, poll: time.Millisecond,
		open: openApp, openHere: func(app.HereConfig) (here, error) { return nil, errors.New("no restore here was expected") },
	}
	if a != nil {
		c.open = func(_ []string, report bacvault.Report) (operator, error) {
			if f, ok := a.(*fake); ok {
				f.report = report
			}
			return a, nil
		}
	}
	return c, &out, &words
}

// enter runs a command line against a fake, piped, unless change says otherwise.
func enter(t *testing.T, a operator, change func(*cli), args ...string) ran {
	t.Helper()
	c, out, words := desk(nil, a, args...)
	if change != nil {
		change(c)
	}
	code := run(t.Context(), c)
	return ran{code, out.String(), words.String()}
}

// line runs a command line as main does, with the real composition.
func line(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c, out, words := desk(environ, nil, args...)
	code = run(t.Context(), c)
	return code, out.String(), words.String()
}

func onTerminal(c *cli) { c.outTTY = true }

func decode[T any](t *testing.T, doc string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	return v
}

func lacks(text string, all ...string) (out []string) {
	for _, s := range all {
		if !strings.Contains(text, s) {
			out = append(out, s)
		}
	}
	return out
}
