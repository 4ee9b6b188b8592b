package main

import (
	"context"
	"fmt"
)

// nightlyBackup is the timer: it queues one backup request for each protected database. A failed send fails the
// invocation, which the host repeats; requests that were sent already are dropped by duplicate detection.
func (h *handler) nightlyBackup(ctx context.Context, inv invocation) (answer, error) {
	f, err := inv.firing()
	if err != nil {
		return answer{}, err
	}
	by := "timer"
	switch {
	case f.AdHoc:
		by = "timer, started by hand"
	case f.PastDue:
		by = "timer, past due"
	}
	sent, err := h.app.QueueBackups(ctx, f.Slot, by)
	h.log.queued(f.Slot, len(sent), by, err)
	if err != nil {
		return answer{}, fmt.Errorf("queue the backups of slot %s (%d queued): %w", f.Slot, len(sent), err)
	}
	h.housekeep(ctx)
	return answer{Logs: []string{fmt.Sprintf("slot %s: %d backup requests queued", f.Slot, len(sent))}}, nil
}

// housekeep tells which databases nobody protects and drops copies that killed runs left. It comes after the night's
// requests are queued, and what goes wrong in it only goes into the log.
func (h *handler) housekeep(ctx context.Context) {
	found, err := h.app.Unprotected(ctx)
	h.log.unprotected(found, err)
	dropped, err := h.app.CleanCopies(ctx)
	h.log.copiesDropped(dropped, err)
}
