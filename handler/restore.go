package main

import (
	"context"
	"errors"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/promote"
	"github.com/bacvault/bacvault/internal/restore"
)

// restore is the function that a message on restore-requests starts: one restore, one drill, or one promotion.
func (h *handler) restore(ctx context.Context, inv invocation) (answer, error) {
	m, err := inv.message()
	if err != nil {
		return answer{}, err
	}
	req, err := bacvault.ParseRestoreRequest(m.Body, m.Delivery)
	if err != nil {
		return answer{}, h.settle(ctx, h.rejected(bacvault.RestoreQueue, m, err))
	}
	late := bacvault.CodeImportDeadline
	if req.Kind == bacvault.KindPromote {
		late = bacvault.CodePromoteFailed // which another attempt carries on
	}
	runCtx, cancel := context.WithTimeoutCause(ctx, h.runLimit, h.overrun(late))
	defer cancel()
	data, err := h.byKind(runCtx, req)
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx) // we are being stopped: unsettled, the message comes again
	}
	o, err := h.restoreOutcome(m, req, data, err)
	if err != nil {
		return answer{}, err
	}
	return answer{}, h.settle(ctx, o)
}

func (h *handler) byKind(ctx context.Context, req bacvault.RestoreRequest) (bacvault.EventData, error) {
	switch req.Kind {
	case bacvault.KindPromote:
		p, err := h.app.Promote(ctx, req)
		return bacvault.EventData{
			Server: req.Server, Database: req.Name, Target: &bacvault.Database{Server: req.Server, Name: req.TargetDatabase}, Promotion: &p, Findings: p.Findings,
		}, err
	case bacvault.KindDrill:
		p, err := h.app.Drill(ctx, req)
		return bacvault.EventData{Server: req.Server, Database: req.Name, Slot: &p.Slot, Proof: &p}, err
	}
	res, err := h.app.Restore(ctx, req)
	return bacvault.EventData{
		Server: req.Server, Database: req.Name, Slot: res.Slot, Blob: &res.Blob, Target: &res.Target, Tables: res.Tables,
		Objects: res.Objects, Findings: res.Findings, Stages: res.Stages, AlreadyDone: res.AlreadyDone, Unmanifested: res.Unmanifested,
	}, err
}

func (h *handler) restoreOutcome(m message, req bacvault.RestoreRequest, data bacvault.EventData, err error) (outcome, error) {
	good, bad := bacvault.RestoreCompleted, bacvault.RestoreFailed
	switch req.Kind {
	case bacvault.KindDrill:
		good, bad = bacvault.DrillPassed, bacvault.DrillFailed
	case bacvault.KindPromote:
		good, bad = bacvault.PromoteCompleted, bacvault.PromoteFailed
	}
	if err == nil {
		e := h.app.Event(good, req.ID, req.Attempt, req.Database.String(), data)
		return outcome{queue: bacvault.RestoreQueue, msg: m, event: &e}, nil
	}
	if errors.As(err, new(*restore.Busy)) || errors.As(err, new(*promote.Busy)) {
		req.Deferrals++
		body, err := marshal(req)
		return h.waiting(bacvault.RestoreQueue, m, body, req.MessageID(), req.Deferrals), err
	}
	f := bacvault.AsFailure(err, "")
	h.log.runFailed(req.Database, req.ID, req.Attempt, f)
	attempt := req.Attempt
	req.Attempt++ // in the event too: whoever sends the request again gets an outcome of its own
	next, err := marshal(req)
	if err != nil {
		return outcome{}, err
	}
	e := h.app.Event(bad, req.ID, attempt, req.Database.String(), failedRestore(req, data, f, next))
	return h.failed(bacvault.RestoreQueue, m, f, attempt, e, bus.Message{ID: req.MessageID(), Body: next}), nil
}

// failedRestore tells a failure with what was known until then; a run that failed before it knew is told by its request.
func failedRestore(req bacvault.RestoreRequest, d bacvault.EventData, f *bacvault.Failure, next []byte) bacvault.EventData {
	d.Server, d.Database = req.Server, req.Name
	d.Final, d.AlreadyDone, d.Failure, d.Request = true, false, f.Data(), next
	if d.Slot == nil || d.Slot.IsZero() {
		d.Slot = req.Slot
	}
	if d.Blob != nil && d.Blob.Name == "" {
		d.Blob = nil
	}
	if d.Target == nil || d.Target.Name == "" {
		d.Target = &bacvault.Database{Server: req.Server, Name: req.TargetDatabase}
	}
	if d.Proof != nil && d.Proof.Schema == "" { // nothing was proven, and nothing was condemned
		d.Proof = nil
	}
	return d
}
