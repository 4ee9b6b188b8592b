package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// commitTries is how often a commit that did not take effect is sent again: the staged blocks are still there, and a new
// export would cost hours.
const commitTries = 3

// commit is the point of no return: the policy and the lease are asked once more, the manifest is put where a killed
// run's successor finds it, then one create-only write makes the staged blocks a blob.
func (r *run) commit(ctx context.Context) (err error) {
	for try := 1; ; try++ {
		err = r.commitOnce(ctx)
		var f *bacvault.Failure
		passing := errors.As(err, &f) && f.Code == bacvault.CodeVaultWrite && f.Class == bacvault.Retry
		if err == nil || !passing || try == commitTries {
			return err
		}
		select {
		case <-time.After(time.Duration(try) * r.CommitPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *run) commitOnce(ctx context.Context) error {
	if err := r.ready(ctx); err != nil {
		if !r.sent {
			return err
		}
		f := bacvault.AsFailure(err, bacvault.StageCommit)
		f.Exists = r.exists() // not what the gate says: an earlier try may have taken effect
		return f
	}
	r.sent = true
	stored, err := r.staged.Commit(ctx, map[string]string{
		"run": r.id, "request": r.req.ID, "slot": r.slot.String(), "app": "bacvault " + r.AppVersion,
	})
	if err != nil {
		return err
	}
	r.stored = stored
	return nil
}

// ready asks everything once more.
func (r *run) ready(ctx context.Context) error {
	if err := r.gate(ctx); err != nil {
		return err
	}
	r.pending = r.prepare()
	if err := r.State.SavePending(ctx, r.pending); err != nil {
		return err
	}
	if err := r.held.Held(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// prepare is the manifest as far as it is known before the commit.
func (r *run) prepare() bacvault.Manifest {
	sent, took := r.staged.Sent()
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: r.req.Database, Slot: r.slot,
		Blob:        bacvault.Blob{Name: r.req.BlobName(r.slot), Size: r.size, SHA256: r.staged.SHA256()},
		Consistency: r.reads, Source: r.state, Posture: r.posture, Degraded: slices.Concat(r.weakness, r.degraded),
		Transfer: bacvault.Transfer{Seconds: took.Seconds(), ReadBack: readBackOff},
		Tool:     bacvault.Program{Name: "sqlpackage", Version: r.tool}, App: bacvault.Program{Name: "bacvault", Version: r.AppVersion},
		Request: r.req.Origin(), Stages: r.stages.Times, Tables: []bacvault.TableRows{},
	}
	if r.ReadBack {
		m.Transfer.ReadBack = readBackFull
	}
	if s := took.Seconds(); s > 0 {
		m.Transfer.BytesPerSecond = float64(sent) / s
	}
	if r.Fingerprint != "" {
		m.Fingerprint = &bacvault.Fingerprint{Method: r.Fingerprint, LeftOut: r.leftOut, Computed: string(r.reads)}
	}
	for _, t := range r.source.Tables() {
		row := bacvault.TableRows{Table: t, Source: r.source[t], Archive: -1, Verdict: bacvault.VerdictUnverified, Fingerprint: r.prints[t]}
		if n, ok := r.archive.Rows[t]; ok {
			row.Archive, row.Verdict = n, bacvault.VerdictOK
		}
		if n, ok := r.after[t]; ok {
			row.SourceAfter = &n
		}
		m.Tables = append(m.Tables, row)
	}
	return m
}

// finish writes the manifest. What it adds to the prepared one comes from the stored blob alone, so that whoever
// finishes writes the same bytes.
func (r *run) finish(ctx context.Context) error {
	m := r.pending
	m.Blob.ETag = r.stored.Blob.ETag
	m.ProtectedTo = m.Posture.ProtectedUntil(r.stored.Created)
	if err := r.Vault.PutManifest(ctx, m); err != nil {
		return err
	}
	r.result = Result{Manifest: m}
	return nil
}

// What Transfer.ReadBack says.
const (
	readBackOff  = "off"
	readBackFull = "full"
)

// readBack holds what the store hands out against what was staged. A blob that differs never gets a manifest: the
// prepared one is thrown away, so that nobody finishes it.
func (r *run) readBack(ctx context.Context) error {
	sum, err := r.Vault.ReadBack(ctx, r.pending.Blob.Name, r.pending.Blob.Size)
	if err != nil {
		return err
	}
	if sum == r.pending.Blob.SHA256 {
		return nil
	}
	f := bacvault.Fail(bacvault.CodeVerifyHash, "blob %s reads back with SHA-256 %s, staged was %s", r.pending.Blob.Name, sum, r.pending.Blob.SHA256)
	f.Exists = "the blob " + r.pending.Blob.Name + " exists without a manifest and is not a backup; it can't be deleted"
	f.Err = r.State.DropPending(ctx, r.req.Database, r.slot)
	return f
}

// clean runs whatever happened: the copy, the work folder, the prepared manifest, then the lease.
func (r *run) clean(ctx context.Context) error {
	return r.stages.Clean(ctx, cleanLimit, func(ctx context.Context) error {
		var errs []error
		if r.copied != "" && !r.lost {
			errs = append(errs, wrap("drop the copy "+r.copied, r.Server.Drop(ctx, r.copied)))
		}
		if r.file != nil {
			errs = append(errs, r.file.Close())
		}
		if r.dir != "" && !r.lost {
			errs = append(errs, wrap("empty the work folder", os.RemoveAll(r.dir)))
		}
		if r.result.Manifest.Schema != "" {
			errs = append(errs, wrap("drop the prepared manifest", r.State.DropPending(ctx, r.req.Database, r.slot)))
		}
		return errors.Join(append(errs, wrap("release the lease", r.held.Release(ctx)))...)
	})
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
