package bacvault

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Table names a table as the server does: unquoted.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"table"`
}

// String is schema.table, for people; a name may itself hold a dot, so never parse it.
func (t Table) String() string { return t.Schema + "." + t.Name }

// Rows is the number of rows of each table. An empty table is in it with 0; a table that is not in it was not counted.
type Rows map[Table]int64

// Total adds all tables up.
func (r Rows) Total() (n int64) {
	for _, c := range r {
		n += c
	}
	return n
}

// Tables lists the names in a fixed order: by schema, then by name.
func (r Rows) Tables() []Table {
	out := make([]Table, 0, len(r))
	for t := range r {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Difference is one table whose rows are not the same on two sides. Want or Got is -1 where the table is not there at all.
type Difference struct {
	Table Table `json:"table"`
	Want  int64 `json:"want"`
	Got   int64 `json:"got"`
}

// String says it in words.
func (d Difference) String() string {
	switch {
	case d.Got < 0:
		return fmt.Sprintf("table %s is missing (%d rows expected)", d.Table, d.Want)
	case d.Want < 0:
		return fmt.Sprintf("table %s is not expected (%d rows)", d.Table, d.Got)
	}
	return fmt.Sprintf("table %s has %d rows, expected %d", d.Table, d.Got, d.Want)
}

// Compare lists every table that differs, in a fixed order. Both sides must have been counted: comparing nothing with
// nothing is for the caller to refuse.
func Compare(want, got Rows) []Difference {
	all := Rows{}
	for t := range want {
		all[t] = 0
	}
	for t := range got {
		all[t] = 0
	}
	var out []Difference
	for _, t := range all.Tables() {
		w, g := int64(-1), int64(-1)
		if n, ok := want[t]; ok {
			w = n
		}
		if n, ok := got[t]; ok {
			g = n
		}
		if w != g {
			out = append(out, Difference{Table: t, Want: w, Got: g})
		}
	}
	return out
}

// Describe names the first differences and counts the rest.
func Describe(diff []Difference) string {
	const most = 5
	var out []string
	for _, d := range diff[:min(len(diff), most)] {
		out = append(out, d.String())
	}
	if more := len(diff) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}
