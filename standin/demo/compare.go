package demo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bacvault/bacvault/standin/stack"
)

// compare prints table, rows at the source, in the archive, restored. Source and restored are counted by the SQL
// stand-in itself, the archive by the product's walker, so that neither can cover for the other.
func (d *demo) compare(ev stack.Event) error {
	source, ok := d.stack.SQL.Rows(database)
	if !ok {
		return fmt.Errorf("the source database %s is gone", database)
	}
	restored, ok := d.stack.SQL.Rows(ev.Data.Target.Database)
	if !ok {
		return fmt.Errorf("the restored database %s is not there", ev.Data.Target.Database)
	}
	archive, told := map[string]int64{}, map[string]bool{}
	for _, t := range ev.Data.Tables {
		name := t.Schema + "." + t.Table
		if t.RowsSource == nil || t.RowsArchive == nil || t.RowsRestored == nil {
			return fmt.Errorf("the event does not tell all three counts of %s", name)
		}
		archive[name] = *t.RowsArchive
		told[name] = *t.RowsSource == source[name] && *t.RowsRestored == restored[name]
	}
	all := maps.Clone(source)
	maps.Copy(all, restored)
	maps.Copy(all, archive)
	fmt.Fprintf(d.out, "\n  %-45s %12s %12s %12s\n", "table", "source", "in archive", "restored")
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s, ok1 := source[name]
		a, ok2 := archive[name]
		r, ok3 := restored[name]
		mark := ""
		if !ok1 || !ok2 || !ok3 || s != a || a != r || !told[name] {
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
