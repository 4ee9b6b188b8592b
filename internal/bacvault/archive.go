package bacvault

import (
	"maps"
	"time"
)

// Archive is what a walk of an archive counted.
type Archive struct {
	Rows Rows
	// Unverified are the tables whose rows the walk could not be sure of, each with the reason; they are not in Rows.
	Unverified map[Table]string
	// Schema is what the archive's model says.
	Schema Schema
}

// Without gives the rows without some tables.
func (r Rows) Without(tables map[Table]string) Rows {
	out := maps.Clone(r)
	for t := range tables {
		delete(out, t)
	}
	return out
}

// The names of the databases that we make, so that a janitor knows ours and SQL_DATABASE_NAME=* leaves them out.
const (
	copyMark  = "_bacvault_copy_"
	copyStamp = "20060102150405"
)

// CopyName is the consistent copy of a database for a slot. It is fixed by both, so that a redelivered request finds what
// a killed run left.
func CopyName(database string, s Slot) string {
	return FitName(database, copyMark+s.Time().Format(copyStamp))
}

// ParseCopyName says for which slot a database is a copy of ours; false if it is none. The source's name may have been cut.
func ParseCopyName(name string) (source string, s Slot, ok bool) {
	n := len(name) - len(copyMark) - len(copyStamp)
	if n <= 0 || name[n:n+len(copyMark)] != copyMark {
		return "", Slot{}, false
	}
	t, err := time.Parse(copyStamp, name[n+len(copyMark):])
	if err != nil {
		return "", Slot{}, false
	}
	return name[:n], SlotAt(t), true
}

// UnverifiedTables lists the tables of a walk that could not be counted, in a fixed order.
func (a Archive) UnverifiedTables() []Table {
	r := Rows{}
	for t := range a.Unverified {
		r[t] = 0
	}
	return r.Tables()
}
