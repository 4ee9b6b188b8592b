package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// merge keeps each finding's beginning, carries on what this look could not see, and notes what began and what ended.
func (s *Snapshot) merge(found, before []bacvault.Finding, seen *seen) {
	old := map[string]bacvault.Finding{}
	for _, f := range before {
		old[f.ID] = f
	}
	now := map[string]bool{}
	for _, f := range found {
		if now[f.ID] {
			continue
		}
		now[f.ID] = true
		f.Since = seen.now
		if o, ok := old[f.ID]; ok {
			f.Since = o.Since
		} else {
			s.Untold = append(s.Untold, Change{Finding: f, At: seen.now})
		}
		s.Findings = append(s.Findings, f)
	}
	for _, f := range before {
		switch {
		case now[f.ID]:
		case seen.unseen(f):
			s.Findings = append(s.Findings, f)
		default:
			s.Untold = append(s.Untold, Change{Finding: f, Ended: true, At: seen.now})
		}
	}
	slices.SortStableFunc(s.Findings, func(a, b bacvault.Finding) int {
		if a.Severity != b.Severity {
			return strings.Compare(string(a.Severity), string(b.Severity)) // alarm before warning
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// tell publishes what is untold and strikes it off. A beginning whose end came before it could be told is told all the same.
func (w *Watch) tell(ctx context.Context, s *Snapshot) error {
	var left []Change
	var errs []error
	for _, c := range s.Untold {
		t := typeOf(c)
		f := c.Finding
		d := bacvault.EventData{Server: f.Server, Database: f.Database, Finding: &f}
		if err := w.Publish(ctx, t, eventID(c), f.Subject, d); err != nil {
			left = append(left, c)
			errs = append(errs, fmt.Errorf("tell %s: %w", f.ID, err))
		}
	}
	s.Untold = left
	return errors.Join(errs...)
}

// typeOf is the event of a change. The findings that the design names have types of their own.
func typeOf(c Change) bacvault.EventType {
	switch {
	case c.Ended:
		return bacvault.FindingCleared
	case c.Kind == bacvault.FoundOverdueBackup:
		return bacvault.BackupOverdue
	case c.Kind == bacvault.FoundDrift:
		return bacvault.ImmutabilityDrifted
	case c.Kind == bacvault.FoundDeadLetter:
		return bacvault.RequestDeadlettered
	}
	return bacvault.FindingRaised
}

// eventID is the same for each repeat of one beginning or end, and another when the same thing begins anew, be it in the same
// second.
func eventID(c Change) string {
	sum := sha256.Sum256([]byte(c.ID))
	return "watch-" + hex.EncodeToString(sum[:8]) + "-" + c.At.UTC().Format("20060102T150405.000000")
}

// requeue asks once more for the newest scheduled slot of a database that has no backup of it, once for each slot, and not while a
// run is at work on the database or after one that failed for good. It gives what was asked for lately.
func (w *Watch) requeue(ctx context.Context, seen *seen, last Snapshot) []Asked {
	if w.QueueMissed == nil {
		return last.Requeued
	}
	kept := slices.DeleteFunc(slices.Clone(last.Requeued), func(a Asked) bool { return seen.now.Sub(a.Slot.Time()) > stripDays*24*time.Hour })
	for _, d := range seen.databases {
		if len(d.Slots) == 0 || seen.blind[d.String()] || slices.ContainsFunc(seen.runs, func(r bacvault.Progress) bool { return r.Database == d.Database }) {
			continue
		}
		newest := d.Slots[len(d.Slots)-1]
		ask := Asked{Database: d.Database, Slot: newest.Slot}
		if newest.State != SlotMissed || slices.Contains(kept, ask) {
			continue
		}
		if err := w.QueueMissed(ctx, d.Database, newest.Slot); err != nil {
			seen.miss("the missed slots", fmt.Errorf("ask again for slot %s of %s: %w", newest.Slot, d.Database, err))
			continue
		}
		kept = append(kept, ask)
	}
	return kept
}
