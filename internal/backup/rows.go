package backup

import (
	"context"
	"fmt"

	"github.com/bacvault/bacvault/internal/bacvault"
	"golang.org/x/sync/errgroup"
)

// count asks the server for the truth that the archive is held against.
func (r *run) count(ctx context.Context) (err error) {
	if r.source, err = r.Server.Count(ctx, r.exported); err != nil {
		return err
	}
	if len(r.source) == 0 {
		return bacvault.Fail(bacvault.CodeVerifyRows, "the identity sees no table in %s: an archive would be compared with nothing", r.exported)
	}
	if r.policies > 0 {
		if err := r.seesEveryRow(ctx); err != nil {
			return err
		}
	}
	if r.Fingerprint != "" {
		r.prints, r.leftOut, err = r.Server.Fingerprint(ctx, r.exported, r.source.Tables())
	}
	return err
}

// seesEveryRow tells an identity that row-level security filters from one that is exempt. A filter hides rows from the
// export and from our count alike, so that both agree; the partition statistics count what is stored.
func (r *run) seesEveryRow(ctx context.Context) error {
	stored, err := r.Server.Statistics(ctx, r.exported)
	if err != nil {
		return err
	}
	if hidden := bacvault.Compare(stored, r.source); len(hidden) > 0 {
		return bacvault.Fail(bacvault.CodeFiltered, "%d row-level security policies are enabled in %s, and this identity does not see every row: %s", r.policies, r.exported, bacvault.Describe(hidden))
	}
	r.findings = append(r.findings, fmt.Sprintf("%d row-level security policies are enabled; this identity sees every row that is stored.", r.policies))
	return nil
}

// countAfter brackets a live export: what others wrote meanwhile shows as a difference of the two counts.
func (r *run) countAfter(ctx context.Context) (err error) {
	if r.reads != bacvault.ConsistencyLive {
		return nil
	}
	if r.after, err = r.Server.Count(ctx, r.exported); err != nil {
		return err
	}
	if moved := bacvault.Compare(r.source, r.after); len(moved) > 0 {
		r.degraded = append(r.degraded, "The database was written to while it was exported: "+bacvault.Describe(moved)+". The archive holds each table at a moment of its own.")
	}
	return nil
}

// verifyAndStage reads the archive twice at once: for its truth, and into the store as blocks that are no blob yet.
func (r *run) verifyAndStage(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if r.archive, err = r.Verify(ctx, r.file, r.size); err != nil {
			return err
		}
		return r.sameRows()
	})
	g.Go(func() (err error) {
		r.staged, err = r.Vault.Stage(ctx, r.req.BlobName(r.slot), r.file, r.size, func(done int64) {
			r.stages.Working(bacvault.StageVerify, bacvault.Work{Bytes: done, BytesTotal: r.size})
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for _, t := range r.archive.UnverifiedTables() {
		r.degraded = append(r.degraded, fmt.Sprintf("The rows of table %s in the archive could not be counted: %s.", t, r.archive.Unverified[t]))
	}
	return nil
}

// sameRows is the line between "a file was uploaded" and "a backup exists".
func (r *run) sameRows() error {
	want := r.source.Without(r.archive.Unverified)
	if r.after != nil {
		want = within(want, r.after, r.archive.Rows)
	}
	if diff := bacvault.Compare(want, r.archive.Rows); len(diff) > 0 {
		return bacvault.Fail(bacvault.CodeVerifyRows, "the archive differs from the source: %s", bacvault.Describe(diff))
	}
	return nil
}

// within takes the archive's own count as the wanted one where it lies between the counts before and after a live export.
func within(before, after, archive bacvault.Rows) bacvault.Rows {
	want := bacvault.Rows{}
	for t, b := range before {
		a, still := after[t]
		n, there := archive[t]
		if want[t] = b; still && there && n >= min(a, b) && n <= max(a, b) {
			want[t] = n
		}
	}
	return want
}
