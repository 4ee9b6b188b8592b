package watch

import (
	"context"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// stripDays is how far the strip of slots goes back.
const stripDays = 30

// grace is how long after its moment a slot may have no backup before it counts as missed: a night takes its time.
const grace = 6 * time.Hour

// strip says what became of each slot of the last 30 days: of those that are stored, of those that failed, and of the
// occurrences of the schedule that are neither.
func (w *Watch) strip(ctx context.Context, c *catalogued, now time.Time, list []Entry, before Database, failed []Failed) []Slot {
	from := now.AddDate(0, 0, -stripDays)
	of, old := map[bacvault.Slot]Slot{}, map[bacvault.Slot]Slot{}
	for _, s := range before.Slots {
		old[s.Slot] = s
		if s.State == SlotFailed {
			of[s.Slot] = s
		}
	}
	for _, f := range failed {
		if f.Database == before.Database {
			of[f.Slot] = Slot{Slot: f.Slot, State: SlotFailed, Code: f.Code, Detail: f.Detail}
		}
	}
	first := before.Since
	for i, e := range list {
		first = earlier(first, e.Slot.Time())
		if e.Slot.Time().Before(from) {
			continue
		}
		fault, broke := of[e.Slot]
		switch {
		case e.HasManifest && c.strange[e.Slot] == "":
			of[e.Slot] = w.square(ctx, c, e, old[e.Slot], i >= len(list)-rowsOf)
		case broke: // the archive is there, and its run failed behind it
			fault.Size = e.Size
			of[e.Slot] = fault
		default:
			of[e.Slot] = Slot{Slot: e.Slot, State: SlotOrphan, Size: e.Size, Detail: c.strange[e.Slot]}
		}
	}
	for _, t := range w.Schedule.Between(later(from, first), now.Add(-grace)) {
		if s := bacvault.SlotAt(t); of[s].State == "" {
			of[s] = Slot{Slot: s, State: SlotMissed}
		}
	}
	out := make([]Slot, 0, len(of))
	for _, s := range of {
		if s.Slot.Time().After(from) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Slot) int { return a.Slot.Time().Compare(b.Slot.Time()) })
	return out
}

// rowsOf is of how many of the newest backups the manifests are read for their rows, when a first look finds many.
const rowsOf = 8

// square is one stored backup. Its newest drill is read when one has come since the last look; what could not be read is read
// by the next look.
func (w *Watch) square(ctx context.Context, c *catalogued, e Entry, old Slot, wanted bool) Slot {
	s := Slot{Slot: e.Slot, State: SlotTaken, Size: e.Size, Rows: old.Rows, RestoreSec: old.RestoreSec, Drills: len(e.ProofNames)}
	if old.State == SlotProven {
		s.State = SlotProven
	}
	if b := c.row.Newest; s.Rows == nil && b != nil {
		if b.Slot != e.Slot {
			b = nil
			if wanted {
				b = w.manifest(ctx, c, e.Blob)
			}
		}
		if why := differs(b, e); why != "" {
			c.unsound(e, why)
			return Slot{Slot: e.Slot, State: SlotOrphan, Size: e.Size, Detail: why}
		}
		if b != nil && b.read() {
			s.Rows = &b.Rows
		}
	}
	if s.Drills == old.Drills || s.Drills == 0 {
		return s
	}
	name := e.ProofNames[s.Drills-1]
	p := c.row.LastDrill
	if p == nil || name != bacvault.ProofName(p.Blob, p.At) {
		if p = w.proof(ctx, c, name); p == nil {
			s.Drills = old.Drills
			return s
		}
	}
	s.State, s.RestoreSec = SlotTaken, p.RestoreSec
	if p.Passed {
		s.State = SlotProven
	}
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
