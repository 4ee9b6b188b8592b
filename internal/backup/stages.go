package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// admit refuses a database that is not ours to protect, and ends the run where the slot is already backed up.
func (r *run) admit(ctx context.Context) (done bool, err error) {
	err = r.stages.Do(ctx, bacvault.StageAdmit, func(ctx context.Context) error {
		if !r.Protects(r.req.Server, r.req.Name) {
			return bacvault.Fail(bacvault.CodeRequestUnknownDB, "%s is not a database that this app protects", r.req.Database)
		}
		done, err = r.alreadyDone(ctx)
		return err
	})
	if done {
		// The run that wrote the manifest may have been killed before its clean-up, and nobody else comes by.
		if cerr := r.cleanAfter(ctx); cerr != nil {
			r.result.Findings = append(r.result.Findings, "clean-up: "+cerr.Error())
		}
	}
	return done, err
}

// cleanAfter drops what a killed run of this slot left outside the vault. The slot is done, so nobody reads the copy.
func (r *run) cleanAfter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	name := bacvault.CopyName(r.req.Name, r.slot)
	return errors.Join(
		wrap("drop the copy "+name, r.Server.Drop(ctx, name)),
		wrap("drop the prepared manifest", r.State.DropPending(ctx, r.req.Database, r.slot)),
	)
}

// lease keeps every other run off this database; the context that comes back ends when the lease is lost.
func (r *run) lease(ctx context.Context) (context.Context, error) {
	leased := ctx
	var busy *Busy // no failure of the stage: another run is at work, which is as it should be
	err := r.stages.Do(ctx, bacvault.StageLease, func(ctx context.Context) error {
		c, l, by, err := r.State.Acquire(ctx, r.req.Database, Holder{Run: r.id, Request: r.req.ID, Slot: r.slot})
		if err != nil {
			return err
		}
		if by != nil {
			busy = &Busy{Holder: *by}
			return nil
		}
		leased, r.held = c, l
		return nil
	})
	if busy != nil {
		return nil, busy
	}
	return leased, err
}

// adopt finishes what an earlier run of the slot left: it may have been killed between commit and manifest. Read again
// under the lease, for the run that held it until now may have ended since we were admitted.
func (r *run) adopt(ctx context.Context) (done bool, err error) {
	defer func() {
		if done { // a killed run may have left its copy and its archive: clean throws them away
			r.copied, r.dir = bacvault.CopyName(r.req.Name, r.slot), r.workDir()
		}
	}()
	if done, err = r.alreadyDone(ctx); err != nil {
		return false, r.stages.Failure(ctx, err, bacvault.StageLease)
	} else if done {
		return true, nil
	}
	blob := r.req.BlobName(r.slot)
	stored, ok, err := r.Vault.Head(ctx, blob)
	if err != nil {
		return false, r.stages.Failure(ctx, err, bacvault.StageLease)
	} else if !ok {
		return false, nil
	}
	err = r.stages.Do(ctx, bacvault.StageManifest, func(ctx context.Context) error {
		pending, ok, err := r.State.Pending(ctx, r.req.Database, r.slot)
		if err != nil {
			return err
		}
		if !ok || pending.Blob.SHA256 != stored.Blob.SHA256 || pending.Blob.Size != stored.Blob.Size {
			return bacvault.Fail(bacvault.CodeVaultOrphan, "blob %s (%d bytes) has no manifest, and no prepared one fits it", blob, stored.Blob.Size)
		}
		r.pending, r.stored = pending, stored
		if pending.Transfer.ReadBack == readBackFull {
			if err := r.readBack(ctx); err != nil {
				return err
			}
		}
		return r.finish(ctx)
	})
	return err == nil, err
}

// gate reads the immutability policy and refuses before anything is exported.
func (r *run) gate(ctx context.Context) error {
	p, err := r.Posture(ctx)
	if err != nil {
		return err
	}
	degraded, f := r.Judge(p)
	if f != nil {
		return f
	}
	r.posture, r.weakness = p, degraded
	return nil
}

// copy makes the consistent copy that the export reads.
func (r *run) copy(ctx context.Context) error {
	r.exported, r.reads = r.req.Name, bacvault.ConsistencyLive
	if r.Consistency == bacvault.ConsistencyLive {
		return nil
	}
	err := r.makeCopy(ctx)
	if err == nil {
		r.exported, r.reads = r.copied, bacvault.ConsistencyCopy
		return nil
	}
	if !r.OrLive || context.Cause(ctx) != nil {
		return err
	}
	f := bacvault.AsFailure(err, bacvault.StageCopy)
	r.degraded = append(r.degraded, fmt.Sprintf("No copy could be made (%s: %s), so the live database was exported: consistent table by table only.", f.Code, f.Detail))
	return nil
}

func (r *run) makeCopy(ctx context.Context) error {
	name := bacvault.CopyName(r.req.Name, r.slot)
	left, err := r.Server.Exists(ctx, name)
	if err != nil {
		return err
	}
	if left { // by a run of this very slot that died: we hold the lease, so nobody reads it
		if err := r.Server.Drop(ctx, name); err != nil {
			return fmt.Errorf("drop the copy that an earlier run left: %w", err)
		}
	}
	r.copied = name
	return r.Server.Copy(ctx, r.req.Name, name)
}

// preflight finds out before the long part what would make it useless.
func (r *run) preflight(ctx context.Context) error {
	f, err := r.Server.Preflight(ctx, r.exported)
	if err != nil {
		return err
	}
	switch {
	case !f.CanSelect || !f.CanViewDefinition:
		return bacvault.Fail(bacvault.CodeSQLDenied, "the identity may not read all of %s (SELECT %t, VIEW DEFINITION %t): rows would be missing silently", r.exported, f.CanSelect, f.CanViewDefinition)
	case len(f.Unsupported) > 0:
		return bacvault.Fail(bacvault.CodeUnsupported, "%s holds what a bacpac cannot: %s", r.exported, firstOf(f.Unsupported))
	case f.MaskedColumns > 0 && !f.Unmask:
		return bacvault.Fail(bacvault.CodeFiltered, "%d columns of %s are masked for this identity: values would be wrong silently", f.MaskedColumns, r.exported)
	}
	if err := r.openWorkDir(); err != nil {
		return err
	}
	free, err := r.FreeBytes(r.dir)
	if err != nil {
		return err
	}
	// sqlpackage buffers table data beside the archive; together they stay under twice the used size.
	if need := 2 * f.UsedBytes; free < need {
		return bacvault.Fail(bacvault.CodeDiskFull, "%s has %d MiB free, the export of %d MiB may need %d MiB", r.WorkDir, free>>20, f.UsedBytes>>20, need>>20)
	}
	r.findings, r.policies = append(r.findings, f.Warnings...), f.SecurityPolicies
	if err := r.describe(ctx); err != nil {
		return err
	}
	var weakness string
	r.tool, weakness, err = r.Tool(ctx)
	if weakness != "" {
		r.degraded = append(r.degraded, weakness)
	}
	return err
}

// describe asks the live database, for a copy may have another objective. Without the answer the rows are as safe as with
// it: whatever the fault is, a right that is missing too, it costs a restore only the source's own size and objective.
func (r *run) describe(ctx context.Context) error {
	state, err := r.Server.Source(ctx, r.req.Name)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if state != (bacvault.SourceState{}) {
		r.state = &state
	}
	if err != nil {
		f := bacvault.AsFailure(err, bacvault.StagePreflight)
		r.findings = append(r.findings, fmt.Sprintf(
			"Not all of %s's collation, objective and size could be read (%s: %s): a restore takes what is missing from its request or the settings.", r.req.Name, f.Code, f.Detail))
	}
	return nil
}

// firstOf names a few and counts the rest.
func firstOf(list []string) string {
	const most = 5
	if more := len(list) - most; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(list[:most], "; "), more)
	}
	return strings.Join(list, "; ")
}

// openWorkDir gives the run a folder that is fixed by database: what a killed run left there is thrown away first, and
// the lease keeps a live one out.
func (r *run) openWorkDir() error {
	dir := r.workDir()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty the work folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the work folder: %w", err)
	}
	r.dir = dir
	return nil
}

func (r *run) workDir() string {
	return filepath.Join(r.WorkDir, "backup", filepath.FromSlash(r.req.Prefix()))
}

// export runs sqlpackage. Its exit code 0 proves nothing yet.
func (r *run) export(ctx context.Context) error {
	path := filepath.Join(r.dir, r.slot.Stamp()+".partial.bacpac")
	warnings, err := r.Export(ctx, r.exported, path, r.dir, func(w bacvault.Work) {
		w.TablesTotal = len(r.source)
		r.stages.Working(bacvault.StageExport, w)
	})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		r.findings = append(r.findings, "sqlpackage: "+w)
	}
	f, err := os.Open(path)
	if err != nil {
		return bacvault.Fail(bacvault.CodeExportFailed, "sqlpackage ended well and left no archive: %v", err)
	}
	r.file = f
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the archive: %w", err)
	}
	if info.Size() == 0 {
		return bacvault.Fail(bacvault.CodeExportFailed, "sqlpackage ended well and left an empty archive")
	}
	r.size = info.Size()
	return r.countAfter(ctx)
}
