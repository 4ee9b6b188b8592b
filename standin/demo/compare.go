package demo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bacvault/bacvault/standin/stack"
)

// compare holds a restore's three counts against each other.
func (d *demo) compare(ev stack.Event) error {
	source, ok := d.stack.SQL.Rows(database)
	if !ok {
		return fmt.Errorf("the source database %s is gone", database)
	}
	restored, ok := d.stack.SQL.Rows(ev.Data.Target.Database)
	if !ok {
		return fmt.Errorf("the restored database %s is not there", ev.Data.Target.Database)
	}
	archive, err := rowsOf(ev, func(_, a, _ *int64) *int64 { return a })
	if err != nil {
		return err
	}
	toldSource, err := rowsOf(ev, func(s, _, _ *int64) *int64 { return s })
	if err != nil {
		return err
	}
	toldRestored, err := rowsOf(ev, func(_, _, r *int64) *int64 { return r })
	if err != nil {
		return err
	}
	if !maps.Equal(toldSource, source) || !maps.Equal(toldRestored, restored) {
		return fmt.Errorf("the event tells other rows than the server holds: source %v and %v, restored %v and %v", toldSource, source, toldRestored, restored)
	}
	return d.table(source, archive, restored)
}

// table prints table, rows at the source, in the archive, restored. Source and restored are counted by the SQL stand-in
// itself, the archive by the product's walker, so that neither can cover for the other.
func (d *demo) table(source, archive, restored map[string]int64) error {
	all := maps.Clone(source)
	maps.Copy(all, archive)
	maps.Copy(all, restored)
	fmt.Fprintf(d.out, "\n  %-45s %12s %12s %12s\n", "table", "source", "in archive", "restored")
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s, ok1 := source[name]
		a, ok2 := archive[name]
		r, ok3 := restored[name]
		mark := ""
		if !ok1 || !ok2 || !ok3 || s != a || a != r {
			mark, bad = "  <-- differs", append(bad, name)
		}
		fmt.Fprintf(d.out, "  %-45s %12d %12d %12d%s\n", name, s, a, r, mark)
	}
	fmt.Fprintln(d.out)
	if len(bad) > 0 || len(all) == 0 {
		return fmt.Errorf("%d of %d tables differ: %v", len(bad), len(all), bad)
	}
	d.say("%d tables, equal on all three sides", len(all))
	return nil
}

// rowsOf is one side of an event's tables.
func rowsOf(ev stack.Event, pick func(source, archive, restored *int64) *int64) (map[string]int64, error) {
	out := map[string]int64{}
	for _, t := range ev.Data.Tables {
		n := pick(t.RowsSource, t.RowsArchive, t.RowsRestored)
		if n == nil {
			return nil, fmt.Errorf("the event does not tell all three counts of %s.%s", t.Schema, t.Table)
		}
		out[t.Schema+"."+t.Table] = *n
	}
	return out, nil
}
