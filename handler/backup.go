package main

import (
	"context"
	"errors"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
)

// backup is the function that a message on backup-requests starts: one backup of one database.
func (h *handler) backup(ctx context.Context, inv invocation) (answer, error) {
	m, err := inv.message()
	if err != nil {
		return answer{}, err
	}
	req, err := bacvault.ParseBackupRequest(m.Body, m.Delivery)
	if err != nil {
		return answer{}, h.settle(ctx, h.rejected(bacvault.BackupQueue, m, err))
	}
	runCtx, cancel := context.WithTimeoutCause(ctx, h.runLimit, h.overrun(bacvault.CodeExportDeadline))
	defer cancel()
	res, err := h.app.Backup(runCtx, req)
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx) // we are being stopped: unsettled, the message comes again
	}
	o, err := h.backupOutcome(m, req, res, err)
	if err != nil {
		return answer{}, err
	}
	return answer{}, h.settle(ctx, o)
}

func (h *handler) backupOutcome(m message, req bacvault.BackupRequest, res backup.Result, err error) (outcome, error) {
	if err == nil {
		e := h.app.Event(bacvault.BackupCompleted, req.ID, req.Attempt, req.Database.String(), completedBackup(res))
		return outcome{queue: bacvault.BackupQueue, msg: m, event: &e}, nil
	}
	var busy *backup.Busy
	if errors.As(err, &busy) {
		req.Deferrals++
		body, err := marshal(req)
		return h.waiting(bacvault.BackupQueue, m, body, req.MessageID(), req.Deferrals), err
	}
	f := bacvault.AsFailure(err, "")
	h.log.runFailed(req.Database, req.ID, req.Attempt, f)
	attempt := req.Attempt
	req.Attempt++ // in the event too: whoever sends the request again gets an outcome of its own
	next, err := marshal(req)
	if err != nil {
		return outcome{}, err
	}
	e := h.app.Event(bacvault.BackupFailed, req.ID, attempt, req.Database.String(), bacvault.EventData{
		Server: req.Server, Database: req.Name, Slot: req.Slot, Final: true, Failure: f.Data(), Findings: res.Findings, Request: next,
	})
	return h.failed(bacvault.BackupQueue, m, f, attempt, e, bus.Message{ID: req.MessageID(), Body: next}), nil
}

func completedBackup(res backup.Result) bacvault.EventData {
	m := res.Manifest
	d := bacvault.EventData{
		Server: m.Server, Database: m.Name, Slot: &m.Slot, AlreadyDone: res.AlreadyDone, Blob: &m.Blob,
		Manifest: bacvault.ManifestName(m.Blob.Name), Consistency: m.Consistency, ProtectedTo: &m.ProtectedTo, Degraded: m.Degraded,
		Findings: res.Findings, Stages: m.Stages,
	}
	for _, t := range m.Tables {
		c := bacvault.TableCheck{Table: t.Table, Source: &t.Source}
		if t.Verdict == bacvault.VerdictOK {
			c.Archive = &t.Archive
		}
		d.Tables = append(d.Tables, c)
	}
	return d
}
