package restore

import (
	"context"
	"slices"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// reconcile: rows restored = rows in the archive = rows at the source, table by table, then what rows do not show. What
// differs in the schema is told; a restored database with all its rows is not thrown away for it.
func (r *run) reconcile(ctx context.Context) error {
	restored, err := r.Server.Count(ctx, r.target.Name)
	if err != nil {
		return err
	}
	r.result.Tables = r.tables(restored)
	if why := r.compare(restored); why != "" {
		return r.differs(why)
	}
	why, err := r.sameContent(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		return r.differs(why)
	}
	health, err := r.Server.Health(ctx, r.target.Name)
	if err != nil {
		return err
	}
	schema, err := r.Server.Schema(ctx, r.target.Name)
	if err != nil {
		return err
	}
	for _, t := range r.archive.UnverifiedTables() {
		health = append(health, "the rows of table "+t.String()+" in the archive could not be counted: "+r.archive.Unverified[t])
	}
	r.result.Objects = objects(r.archive.Schema, schema)
	r.result.Findings = slices.Concat(r.findings, health, r.schemaFindings(schema))
	if err := r.still(ctx); err != nil {
		return err
	}
	r.result.Stages = slices.Clone(r.stages.Times)
	m, res := r.mark, r.result
	m.Result = &res
	return r.State.SaveMark(ctx, r.target, m)
}

// differs keeps the database for a person to look at, unless it is a drill's, which nobody will look at.
func (r *run) differs(why string) error {
	f := bacvault.Fail(bacvault.CodeRestoreRows, "the restored database %s %s", r.target.Name, why)
	if r.keep = r.req.Kind != bacvault.KindDrill; !r.keep {
		f.Next = "Restore this backup to a name of your own to inspect it; do not count on it before that."
	}
	return f
}

// still sees to it that what was compared is what has the name.
func (r *run) still(ctx context.Context) error {
	taken, created, err := r.Server.Exists(ctx, r.target.Name)
	switch {
	case err != nil:
		return err
	case !taken:
		return bacvault.Fail(bacvault.CodeSQLNotFound, "somebody dropped or renamed the database %s while it was compared", r.target.Name)
	case !created.Equal(r.born):
		return bacvault.Fail(bacvault.CodeTargetExists, "another database (%s) took the name %s while it was compared", stamp(created), r.target.Name)
	}
	return nil
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
