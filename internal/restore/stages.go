package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// lease keeps every other run off the target name.
func (r *run) lease(ctx context.Context) (context.Context, error) {
	leased := ctx
	var busy *Busy // no failure of the stage: another run is at work, which is as it should be
	err := r.stages.Do(ctx, bacvault.StageLease, func(ctx context.Context) error {
		c, l, holder, err := r.State.Acquire(ctx, r.target, r.id, r.req.ID)
		if err != nil {
			return err
		}
		if holder != "" {
			busy = &Busy{Holder: holder}
			return nil
		}
		leased, r.lock = c, l
		return nil
	})
	if busy != nil {
		return nil, busy
	}
	return leased, err
}

// preflight: the name is free, or nothing is touched. A database that a killed run of this very request created is
// dropped; one that it finished is the answer.
func (r *run) preflight(ctx context.Context) error {
	taken, created, err := r.Server.Exists(ctx, r.target.Name)
	if err != nil {
		return err
	}
	if taken {
		mark, _, err := r.State.Mark(ctx, r.target)
		if err != nil {
			return err
		}
		switch {
		case mark.done(r.req.ID, created):
			r.result = *mark.Result
			r.result.AlreadyDone = true
			return nil
		case !mark.halfMade(r.req.ID, created):
			return r.untouched(bacvault.Fail(bacvault.CodeTargetExists, "a database %s exists on %s since %s", r.target.Name, r.target.Server, stamp(created)))
		}
		if err := r.Server.Drop(ctx, r.target.Name); err != nil {
			f := bacvault.AsFailure(fmt.Errorf("drop what a killed run of this request left: %w", err), bacvault.StagePreflight)
			f.Exists = "the database " + r.target.Name + " is left half-restored by an earlier attempt; the next one drops it"
			return f
		}
	}
	dir := filepath.Join(r.WorkDir, "restore", filepath.FromSlash(r.target.Prefix()))
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty the work folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the work folder: %w", err)
	}
	r.dir = dir
	free, err := r.FreeBytes(dir)
	if err != nil {
		return err
	}
	if need := 2 * r.result.Blob.Size; free < need {
		return bacvault.Fail(bacvault.CodeDiskFull, "%s has %d MiB free, the restore of %d MiB may need %d MiB", r.WorkDir, free>>20, r.result.Blob.Size>>20, need>>20)
	}
	return nil
}

// fetch brings the archive and holds its bytes against the manifest. A difference is an alarm, never a retry that hides it.
func (r *run) fetch(ctx context.Context) error {
	f, err := os.OpenFile(filepath.Join(r.dir, "archive.bacpac"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the archive's file: %w", err)
	}
	r.file = f
	sum, err := r.Vault.Fetch(ctx, r.result.Blob.Name, f, r.result.Blob.Size, func(done int64) {
		r.stages.Working(bacvault.StageFetch, bacvault.Work{Bytes: done, BytesTotal: r.result.Blob.Size})
	})
	if err != nil {
		return err
	}
	if r.manifest != nil {
		if err := HashAgree(*r.manifest, sum); err != nil {
			return err
		}
	}
	r.result.Blob.SHA256 = sum
	return nil
}

// HashAgree holds the SHA-256 of what came against the manifest: verify.hash_differs where they are not the same.
func HashAgree(m bacvault.Manifest, sha256 string) error {
	if sha256 != m.Blob.SHA256 {
		return bacvault.Fail(bacvault.CodeVerifyHash, "blob %s has SHA-256 %s, its manifest says %s", m.Blob.Name, sha256, m.Blob.SHA256)
	}
	return nil
}

// verify walks the archive again: the manifest says what it must hold. A table that the backup was let pass without being
// sure of is held against the source once it is restored.
func (r *run) verify(ctx context.Context) (err error) {
	r.archive, err = r.Verify(ctx, r.file, r.result.Blob.Size)
	if err == nil && r.manifest != nil {
		err = RowsAgree(*r.manifest, r.archive)
	}
	if err == nil && r.Examine != nil {
		err = r.Examine(ctx, r.file, r.result.Blob.Size, r.manifest, r.archive)
	}
	return err
}

// RowsAgree holds the rows of an archive against its manifest, but for tables that either side could not count:
// verify.rows_differ where they are not the same.
func RowsAgree(m bacvault.Manifest, a bacvault.Archive) error {
	want := m.Rows().Without(a.Unverified)
	got := a.Rows.Without(m.Unverified())
	if diff := bacvault.Compare(want, got); len(diff) > 0 {
		return bacvault.Fail(bacvault.CodeVerifyRows, "the archive differs from its manifest: %s", bacvault.Describe(diff))
	}
	return nil
}

func (r *run) clean(ctx context.Context) error {
	return r.stages.Clean(ctx, cleanLimit, func(ctx context.Context) error {
		var errs []error
		if r.file != nil {
			errs = append(errs, r.file.Close())
		}
		if r.dir != "" {
			errs = append(errs, os.RemoveAll(r.dir))
		}
		return errors.Join(append(errs, r.lock.Release(ctx))...)
	})
}
