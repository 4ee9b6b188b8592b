package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// skipped is why a step was not done.
type skipped string

func (s skipped) Error() string { return string(s) }

// step is one part of the run; needs are the steps without which it makes no sense.
type step struct {
	name     string
	limit    time.Duration
	needs    []string
	optional bool
	verdict  string // of one that went well; empty is pass
	do       func(context.Context) (detail string, err error)
}

// The steps that others need.
const (
	stepCopy    = "copy"
	stepCount   = "count"
	stepBackup  = "backup"
	stepCanary  = "lay a blob to attack"
	stepRestore = "restore"
	stepScale   = "scale"
	stepApply   = "promote apply"
)

// steps are in order; one that fails stops only those that need it.
func (a *acceptance) steps() []step {
	return []step{
		{name: "list databases", limit: 5 * time.Minute, do: a.list},

		{name: stepCopy, limit: 2 * time.Hour, do: a.copy},
		{name: "rights", limit: 5 * time.Minute, needs: []string{stepCopy}, verdict: verdictAnswer, do: a.rights},
		{name: stepCount, limit: time.Hour, needs: []string{stepCopy}, do: a.count},
		{name: "preflight", limit: 10 * time.Minute, needs: []string{stepCopy}, do: a.preflight},
		{name: "fingerprint, schema, health, size, geo-replication", limit: time.Hour, needs: []string{stepCount}, do: a.look},
		{name: stepBackup, limit: 3 * time.Hour, needs: []string{stepCount}, do: a.backup},
		{name: "manifest", limit: 5 * time.Minute, needs: []string{stepBackup}, do: a.manifest},
		{name: "copy by the management plane", limit: 2 * time.Hour, needs: []string{stepCopy}, optional: a.o.leastRights, do: a.copyByPlane},
		{name: stepCanary, limit: 5 * time.Minute, do: a.layCanary},
		{name: "attack the blob", limit: 15 * time.Minute, needs: []string{stepCanary}, do: a.attack},
		{name: "tamper probe", limit: 5 * time.Minute, do: a.probe},
		{name: "a container without a policy", limit: 5 * time.Minute, optional: a.o.leastRights, verdict: verdictAnswer, do: a.noPolicy},
		{name: "a container with version-level immutability", limit: 5 * time.Minute, optional: true, verdict: verdictAnswer, do: a.versionLevel},
		{name: "drill", limit: 3 * time.Hour, needs: []string{stepBackup}, do: a.drill},
		{name: stepRestore, limit: 3 * time.Hour, needs: []string{stepBackup}, do: a.restore},
		{name: stepScale, limit: time.Hour, needs: []string{stepRestore}, do: a.scale},
		{name: "promote plan", limit: 10 * time.Minute, needs: []string{stepRestore}, do: a.promotePlan},
		{name: stepApply, limit: time.Hour, needs: []string{stepRestore}, do: a.promoteApply},
		{name: "promote undo", limit: time.Hour, needs: []string{stepApply}, do: a.promoteUndo},
		{name: "immutable long-term retention", limit: 30 * time.Minute, needs: []string{stepCopy}, optional: true, verdict: verdictAnswer, do: a.longTerm},
	}
}

// cleanLimit bounds the clean-up, which outlives a cancelled run.
const cleanLimit = 20 * time.Minute

// run does every step that can be done, cleans up whatever happened, and judges.
func (a *acceptance) run(ctx context.Context) *Report {
	if version, _, err := a.parts.ToolVersion(ctx); err == nil {
		a.rep.Versions.Sqlpackage = version
	}
	limited, cancel := context.WithTimeoutCause(ctx, a.o.limit, fmt.Errorf("the run's limit of %s was reached", a.o.limit))
	for _, s := range a.steps() {
		a.do(limited, s)
	}
	cancel()
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	a.do(after, step{name: "clean up", limit: cleanLimit, do: a.clean})
	a.do(after, step{name: "remove the policy and the blobs", limit: cleanLimit, optional: true, do: a.removePolicy})
	a.do(after, step{name: "look what is left", limit: cleanLimit, do: a.left})
	if err := a.app.Close(after); err != nil {
		fmt.Fprintln(a.words, "close:", err)
	}
	a.rep.Statements, a.rep.Unknown = a.sent.list()
	a.rep.Questions = a.questions()
	a.rep.Ended = time.Now().UTC()
	a.rep.judge()
	return a.rep
}

// do runs one step and writes down how it ended.
func (a *acceptance) do(ctx context.Context, s step) {
	a.mu.Lock()
	a.stages = nil
	a.mu.Unlock()
	out := Step{Name: s.name, Start: time.Now().UTC(), Optional: s.optional}
	fmt.Fprintf(a.words, "%s\n", s.name)
	detail, err := a.attempted(ctx, s)
	out.End, out.Detail, out.Verdict = time.Now().UTC(), detail, verdictPass
	var skip skipped
	switch {
	case errors.As(err, &skip):
		out.Verdict, out.Detail = verdictSkipped, skip.Error()
	case err != nil:
		out.Verdict, out.Detail = verdictFail, strings.TrimSpace(detail+" "+err.Error())
	case s.verdict != "":
		out.Verdict = s.verdict
	}
	a.mu.Lock()
	out.Stages = a.stages
	a.mu.Unlock()
	a.rep.Steps = append(a.rep.Steps, out)
	fmt.Fprintf(a.words, "  %s after %.1f s: %s\n", out.Verdict, out.End.Sub(out.Start).Seconds(), out.Detail)
}

// attempted does a step that can be done. A panic is a failure of the step: what was made must be dropped all the same.
func (a *acceptance) attempted(ctx context.Context, s step) (detail string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := context.Cause(ctx); err != nil {
		return "", skipped("not begun: " + err.Error())
	}
	for _, need := range s.needs {
		if !a.passed(need) {
			return "", skipped("it needs \"" + need + "\", which did not pass")
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("no end within %s", s.limit))
	defer cancel()
	return s.do(ctx)
}

func (a *acceptance) passed(name string) bool {
	return slices.ContainsFunc(a.rep.Steps, func(s Step) bool { return s.Name == name && s.Verdict == verdictPass })
}
