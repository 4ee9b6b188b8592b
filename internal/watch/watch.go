// Package watch finds what is overdue: a backup that should be there and is not.
package watch

import (
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Newest is a protected database with its newest backup; nil where it has none.
type Newest struct {
	Database bacvault.Database
	Slot     *bacvault.Slot
}

// Overdue is a database whose newest backup is too old, or missing.
type Overdue struct {
	bacvault.Database
	Newest *bacvault.Slot `json:"newest,omitempty"`
	// Age of the newest backup; 0 where there is none, or where its slot lies ahead.
	Age time.Duration `json:"ageNs,omitempty"`
}

// clockSkew is how far a slot may lie ahead of our clock.
const clockSkew = 5 * time.Minute

// Find lists what is overdue at a moment. A database without any backup is overdue. So is one whose newest slot lies ahead:
// a person may ask for any slot, and one of next year must not silence the alarm until then.
func Find(all []Newest, after time.Duration, now time.Time) (out []Overdue) {
	for _, n := range all {
		if n.Slot == nil {
			out = append(out, Overdue{Database: n.Database})
			continue
		}
		if age := now.Sub(n.Slot.Time()); age > after || age < -clockSkew {
			out = append(out, Overdue{Database: n.Database, Newest: n.Slot, Age: max(age, 0)})
		}
	}
	return out
}
