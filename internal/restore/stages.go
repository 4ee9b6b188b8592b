package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// admit refuses a database that is not ours and finds the backup that was asked for.
func (r *run) admit(ctx context.Context) error {
	if !r.Protects(r.req.Server, r.req.Name) {
		return bacvault.Fail(bacvault.CodeRequestUnknownDB, "%s is not a database that this app protects", r.req.Database)
	}
	blob, err := r.choose(ctx)
	if err != nil {
		return err
	}
	m, ok, err := r.Vault.ReadManifest(ctx, bacvault.ManifestName(blob))
	if err != nil {
		return err
	}
	if ok {
		if m.Blob.Name != blob || m.Database != r.req.Database {
			return bacvault.Fail(bacvault.CodeVerifyHash, "the manifest beside %s is that of %s of %s", blob, m.Blob.Name, m.Database)
		}
		r.manifest, r.blob, r.slot = &m, m.Blob, &m.Slot
		return nil
	}
	if r.req.BackupFileName == "" {
		return bacvault.Fail(bacvault.CodeVaultOrphan, "blob %s has no manifest: it is not a backup", blob)
	}
	size, ok, err := r.Vault.Head(ctx, blob)
	if err != nil {
		return err
	}
	if !ok {
		return bacvault.Fail(bacvault.CodeVaultMissing, "there is no blob %s", blob)
	}
	r.blob = bacvault.Blob{Name: blob, Size: size}
	return nil
}

// choose gives the blob's name.
func (r *run) choose(ctx context.Context) (string, error) {
	switch {
	case strings.Contains(r.req.BackupFileName, "/"):
		return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "%q is not the flat name of an old file: ask for a backup of ours by blob or slot", r.req.BackupFileName)
	case r.req.BackupFileName != "":
		return r.req.BackupFileName, nil
	case r.req.Blob != "":
		d, _, err := bacvault.ParseBlobName(r.req.Blob)
		if err != nil || d != r.req.Database {
			return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "blob %q is not a backup of %s", r.req.Blob, r.req.Database)
		}
		return r.req.Blob, nil
	case r.req.Slot != nil:
		return r.req.BlobName(*r.req.Slot), nil
	}
	list, err := r.Vault.Catalogue(ctx, r.req.Database)
	if err != nil {
		return "", err
	}
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		fits := e.HasManifest && (r.req.At == nil || !e.Slot.Time().After(*r.req.At)) && (r.req.Backup != "latest-proven" || e.Proofs > 0)
		if fits {
			return e.Blob, nil
		}
	}
	return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "none of the %d backups of %s fits the request", len(list), r.req.Database)
}

// lease keeps every other run off the target name.
func (r *run) lease(ctx context.Context) (context.Context, error) {
	leased := ctx
	var busy *Busy // no failure of the stage: another run is at work, which is as it should be
	err := r.stage(ctx, bacvault.StageLease, func(ctx context.Context) error {
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
		mark, ok, err := r.State.Mark(ctx, r.target)
		if err != nil {
			return err
		}
		mine := ok && mark.Request == r.req.ID && !created.Before(mark.Started.Add(-clockSkew))
		switch {
		case mine && mark.Result != nil:
			r.result = *mark.Result
			r.result.AlreadyDone = true
			return nil
		case !mine:
			return r.untouched(bacvault.Fail(bacvault.CodeTargetExists, "a database %s exists on %s since %s",
				r.target.Name, r.target.Server, created.UTC().Format("2006-01-02 15:04:05")))
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
	if need := 2 * r.blob.Size; free < need {
		return bacvault.Fail(bacvault.CodeDiskFull, "%s has %d MiB free, the restore of %d MiB may need %d MiB", r.WorkDir, free>>20, r.blob.Size>>20, need>>20)
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
	sum, err := r.Vault.Fetch(ctx, r.blob.Name, f, r.blob.Size)
	if err != nil {
		return err
	}
	if r.manifest != nil {
		if err := HashAgrees(*r.manifest, sum); err != nil {
			return err
		}
	}
	r.blob.SHA256 = sum
	return nil
}

// HashAgrees holds the SHA-256 of what came against the manifest: verify.hash_differs where they are not the same.
func HashAgrees(m bacvault.Manifest, sha256 string) error {
	if sha256 != m.Blob.SHA256 {
		return bacvault.Fail(bacvault.CodeVerifyHash, "blob %s has SHA-256 %s, its manifest says %s", m.Blob.Name, sha256, m.Blob.SHA256)
	}
	return nil
}

// verify walks the archive again: the manifest says what it must hold. A table that the backup was let pass without being
// sure of is held against the source once it is restored.
func (r *run) verify(ctx context.Context) (err error) {
	r.archive, err = r.Verify(ctx, r.file, r.blob.Size)
	if err == nil && r.manifest != nil {
		err = RowsAgree(*r.manifest, r.archive)
	}
	if err == nil && r.Examine != nil {
		err = r.Examine(ctx, r.file, r.blob.Size, r.manifest, r.archive)
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

// clockSkew is what the server's clock may lag behind ours.
const clockSkew = 5 * time.Minute

// importArchive is one-shot: it never runs on a name that has objects. The name is looked at before the mark, so that the
// mark of a run that is killed here never claims a database that was there already, and once more after it.
func (r *run) importArchive(ctx context.Context) error {
	if err := r.free(ctx); err != nil {
		return err
	}
	r.marked = true
	if err := r.State.SaveMark(ctx, r.target, Mark{Request: r.req.ID, Started: r.now()}); err != nil {
		return err
	}
	if err := r.free(ctx); err != nil {
		return err
	}
	r.created = true
	i := Import{
		Database: r.target.Name, File: r.file.Name(), WorkDir: r.dir, ServiceObjective: r.req.ServiceObjective,
		Edition: r.req.Edition, MaxSizeGB: r.req.MaxSizeGB,
	}
	if i.ServiceObjective == "" {
		i.ServiceObjective = r.ServiceObjective
	}
	if i.MaxSizeGB == 0 {
		i.MaxSizeGB = r.MaxSizeGB
	}
	err := r.Import(ctx, i, func(note string) { r.report(bacvault.StageImport, false, 0, note) })
	if f := (*bacvault.Failure)(nil); errors.As(err, &f) && f.Code == bacvault.CodeImportNotEmpty {
		r.created = false // sqlpackage refuses before its first statement: what is there is another's
		return r.untouched(f)
	}
	return err
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

func (r *run) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	start := r.now()
	r.report(bacvault.StageClean, false, 0, "")
	var errs []error
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	errs = append(errs, r.lock.Release(ctx))
	err := errors.Join(errs...)
	note := ""
	if err != nil {
		note = err.Error()
	}
	r.report(bacvault.StageClean, true, r.now().Sub(start), note)
	return err
}
