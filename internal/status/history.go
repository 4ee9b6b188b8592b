package status

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/bacvault/bacvault/internal/watch"
)

// Filter chooses what the history shows. The zero Filter shows all of it.
type Filter struct {
	ID    string // of a database
	State watch.SlotState
	Days  int
}

// spans are the days that can be asked for.
var spans = []int{1, 7, 30}

// filter reads a query; what it does not know is as if it were not there.
func (m Model) filter(q url.Values) (f Filter) {
	if want := q.Get("db"); slices.ContainsFunc(m.Databases, func(d Database) bool { return d.ID == want }) {
		f.ID = want
	}
	for _, kind := range slotStates {
		if q.Get("state") == string(kind.State) {
			f.State = kind.State
		}
	}
	if n, err := strconv.Atoi(q.Get("days")); err == nil && slices.Contains(spans, n) {
		f.Days = n
	}
	return f
}

// How many slots the page lists: a glance unless somebody asked.
const (
	historyGlance = 24
	historyMost   = 200
)

// past is one line of the history.
type past struct {
	Slot
	DB     *Database
	Change int // of the size from the database's median, in per cent
}

// Unusual says that the size is worth a second look.
func (p past) Unusual() bool { return p.Change >= 10 || p.Change <= -10 }

// history lists the newest slots that pass the filter, and counts all that do.
func (m Model) history(f Filter) (rows []past, total int) {
	from := time.Time{}
	if f.Days > 0 {
		from = m.At.AddDate(0, 0, -f.Days)
	}
	// Pointers, for a month of a thousand databases is 30,000 slots, of which few are shown.
	type square struct {
		db   *Database
		slot *Slot
	}
	var all []square
	for i := range m.Databases {
		d := &m.Databases[i]
		if f.ID != "" && f.ID != d.ID {
			continue
		}
		for j := range d.Slots {
			if s := &d.Slots[j]; (f.State == "" || f.State == s.State) && s.Slot.Time().After(from) {
				all = append(all, square{d, s})
			}
		}
	}
	total = len(all)
	slices.SortStableFunc(all, func(a, b square) int { return b.slot.Slot.Time().Compare(a.slot.Slot.Time()) })
	most := historyMost
	if f == (Filter{}) {
		most = historyGlance
	}
	for _, s := range all[:min(total, most)] {
		rows = append(rows, past{Slot: *s.slot, DB: s.db})
	}
	medians := map[*Database]int64{}
	for i := range rows {
		r := &rows[i]
		med, known := medians[r.DB]
		if !known {
			med = median(sizes(r.DB.Slots))
			medians[r.DB] = med
		}
		if med > 0 && r.Size > 0 {
			r.Change = int((r.Size - med) * 100 / med)
		}
	}
	return rows, total
}

// median of nothing is 0.
func median(v []int64) int64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}
