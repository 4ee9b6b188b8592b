package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// drill is the timer that queues one drill for each database. As with the backups, a failed send fails the invocation, which
// the host repeats, and duplicate detection drops what was sent already.
func (h *handler) drill(ctx context.Context, inv invocation) (answer, error) {
	f, err := inv.firing()
	if err != nil {
		return answer{}, err
	}
	choice, by := rotation(f.Slot), "drill timer"
	switch {
	case f.AdHoc:
		choice, by = bacvault.ChooseLatest, "drill timer, started by hand"
	case f.PastDue:
		by = "drill timer, past due"
	}
	sent, err := h.app.QueueDrills(ctx, f.Slot, choice, by)
	h.log.drillsQueued(f.Slot, choice, len(sent), by, err)
	if err != nil {
		return answer{}, fmt.Errorf("queue the drills of slot %s (%d queued): %w", f.Slot, len(sent), err)
	}
	return answer{Logs: []string{fmt.Sprintf("slot %s: %d drills of the %s backup queued", f.Slot, len(sent), choice)}}, nil
}

// rotation takes turns: the newest backup shows that last night's is good, the oldest that retention holds, a random one
// what lies between. It follows from the slot alone, so that a repeated firing asks for the same. The turn changes by the
// day, which for a weekly timer is by the week as well: seven days are one more than two whole turns.
func rotation(s bacvault.Slot) string {
	turns := []string{bacvault.ChooseLatest, bacvault.ChooseRandom, bacvault.ChooseOldest}
	day := s.Time().Unix() / int64((24*time.Hour)/time.Second)
	return turns[day%int64(len(turns))]
}
