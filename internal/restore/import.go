package restore

import (
	"cmp"
	"context"
	"errors"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// objectivePool is what a database in an elastic pool shows as its objective. Which pool, it does not show.
	objectivePool = "ElasticPool"
	// editionHyperscale has no maximum size to set.
	editionHyperscale = "Hyperscale"
)

// importArchive is one-shot: it never runs on a name that has objects. The name is looked at before the mark, so that the
// mark of a run that is killed here never claims a database that was there already, and once more after it.
func (r *run) importArchive(ctx context.Context) error {
	if err := r.free(ctx); err != nil {
		return err
	}
	r.marked = true
	r.mark = Mark{Request: r.req.ID, Started: r.now()}
	if err := r.State.SaveMark(ctx, r.target, r.mark); err != nil {
		return err
	}
	if err := r.free(ctx); err != nil {
		return err
	}
	r.created = true
	stop := r.watch(ctx)
	err := r.Import(ctx, r.spec(), func(w bacvault.Work) {
		w.TablesTotal = len(r.archive.Rows) + len(r.archive.Unverified)
		r.stages.Working(bacvault.StageImport, w)
	})
	stop()
	if f := (*bacvault.Failure)(nil); errors.As(err, &f) && f.Code == bacvault.CodeImportNotEmpty {
		r.created = false // sqlpackage refuses before its first statement: what is there is another's
		return r.untouched(f)
	}
	if err != nil || !r.mark.Created.IsZero() {
		return err
	}
	if err := r.sight(ctx); err != nil {
		return err
	}
	if r.mark.Created.IsZero() {
		return bacvault.Fail(bacvault.CodeImportFailed, "sqlpackage ended well, and there is no database %s", r.target.Name)
	}
	return nil
}

func (r *run) spec() Import {
	var source *bacvault.SourceState
	if r.manifest != nil {
		source = r.manifest.Source
	}
	i, finding := r.Wanted(r.req, source)
	if finding != "" {
		r.findings = append(r.findings, finding)
	}
	i.Database, i.File, i.WorkDir = r.target.Name, r.file.Name(), r.dir
	return i
}

// Wanted gives the new database the objective and the maximum size of the request, else of the settings, else of the source;
// source may be nil. An edition goes with its objective: that of the source only where both are the source's. What is left
// empty is the service's default. finding, if any, is a sentence for people.
func (b *Restore) Wanted(req bacvault.RestoreRequest, source *bacvault.SourceState) (i Import, finding string) {
	i = Import{
		ServiceObjective: cmp.Or(req.ServiceObjective, b.ServiceObjective), Edition: req.Edition, MaxSizeGB: cmp.Or(req.MaxSizeGB, b.MaxSizeGB),
	}
	if source == nil {
		return i, ""
	}
	switch {
	case i.ServiceObjective != "" || source.ServiceObjective == "" || i.Edition != "" && i.Edition != source.Edition:
	case source.ServiceObjective == objectivePool:
		finding = "The source is in an elastic pool, which an import can't name: the restored database has the service's default objective. Scale it, or move it into a pool."
	default:
		i.ServiceObjective, i.Edition = source.ServiceObjective, source.Edition
	}
	if i.MaxSizeGB == 0 && source.MaxSizeBytes > 0 && source.Edition != editionHyperscale {
		const gib = 1 << 30
		i.MaxSizeGB = int((source.MaxSizeBytes + gib - 1) / gib)
	}
	return i, finding
}

// free refuses when somebody created the target since the preflight.
func (r *run) free(ctx context.Context) error {
	taken, _, err := r.Server.Exists(ctx, r.target.Name)
	if err != nil || !taken {
		return err
	}
	return r.untouched(bacvault.Fail(bacvault.CodeTargetExists, "a database %s came to be while the archive was fetched", r.target.Name))
}

func (r *run) untouched(f *bacvault.Failure) *bacvault.Failure {
	f.Exists = "the database " + r.target.Name + " was not touched"
	return f
}
