package restore

import (
	"context"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// reconcile: rows restored = rows in the archive = rows at the source, table by table.
func (r *run) reconcile(ctx context.Context) error {
	restored, err := r.Server.Count(ctx, r.target.Name)
	if err != nil {
		return err
	}
	if why := r.compare(restored); why != "" {
		f := bacvault.Fail(bacvault.CodeRestoreRows, "the restored database %s %s", r.target.Name, why)
		if r.keep = r.req.Kind != bacvault.KindDrill; !r.keep {
			f.Next = "Restore this backup to a name of your own to inspect it; do not count on it before that."
		}
		return f
	}
	findings, err := r.Server.Health(ctx, r.target.Name)
	if err != nil {
		return err
	}
	for _, t := range r.archive.UnverifiedTables() {
		findings = append(findings, "the rows of table "+t.String()+" in the archive could not be counted: "+r.archive.Unverified[t])
	}
	r.result = Result{
		Target: r.target, Source: r.req.Database, Slot: r.slot, Blob: r.blob, Unmanifested: r.manifest == nil,
		Tables: r.tables(restored), Findings: findings, Stages: r.stages,
	}
	res := r.result
	return r.State.SaveMark(ctx, r.target, Mark{Request: r.req.ID, Started: r.stages[0].Start, Result: &res})
}

// compare says what is wrong with the rows. Nothing compared with nothing proves nothing.
func (r *run) compare(restored bacvault.Rows) string {
	if len(restored) == 0 && len(r.archive.Rows) == 0 {
		return "has no table, and neither has the archive: nothing was compared"
	}
	if diff := bacvault.Compare(r.archive.Rows, restored.Without(r.archive.Unverified)); len(diff) > 0 {
		return "differs from the archive: " + bacvault.Describe(diff)
	}
	if r.manifest == nil {
		return ""
	}
	if diff := bacvault.Compare(r.source(restored), restored); len(diff) > 0 {
		return "differs from the source as its manifest counted it: " + bacvault.Describe(diff)
	}
	return ""
}

// source is what the source was counted at; empty for a file without a manifest. After a live export of a database that
// was written to, each table may stand anywhere between its two counts.
func (r *run) source(restored bacvault.Rows) bacvault.Rows {
	rows := bacvault.Rows{}
	if r.manifest == nil {
		return rows
	}
	for _, t := range r.manifest.Tables {
		rows[t.Table] = t.Source
		if n, ok := restored[t.Table]; ok && t.SourceAfter != nil && n >= min(t.Source, *t.SourceAfter) && n <= max(t.Source, *t.SourceAfter) {
			rows[t.Table] = n
		}
	}
	return rows
}

func (r *run) tables(restored bacvault.Rows) []bacvault.TableCheck {
	source := r.source(restored)
	out := []bacvault.TableCheck{}
	for _, t := range restored.Tables() {
		n := restored[t]
		c := bacvault.TableCheck{Table: t, Restored: &n}
		if a, ok := r.archive.Rows[t]; ok {
			c.Archive = &a
		}
		if s, ok := source[t]; ok {
			c.Source = &s
		}
		out = append(out, c)
	}
	return out
}
