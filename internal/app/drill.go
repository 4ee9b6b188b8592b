package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/drill"
	"github.com/bacvault/bacvault/internal/restore"
)

// Drill proves one backup. Beside the failure of a drill that condemned its backup stands the proof; no other proof has a
// schema.
func (a *App) Drill(ctx context.Context, req bacvault.RestoreRequest) (_ bacvault.Proof, err error) {
	asked := req.Database
	defer func() { a.noteEnd(ctx, string(bacvault.KindDrill), asked, req.Envelope, err) }()
	srv, err := a.server(req.Server)
	if err != nil {
		return bacvault.Proof{}, err
	}
	req.Server = srv.name // as it is configured: proofs lie beside blobs, whose names tell cases apart
	d := drill.Drill{
		Restore: a.drilled, Drop: a.restoreTarget(srv).sql.Drop, ProofNames: a.proofNames, ReadProof: a.vault.ReadProof, PutProof: a.vault.PutProof,
		Now: a.now, App: bacvault.Program{Name: "bacvault", Version: a.opts.Version},
	}
	return d.Run(ctx, req)
}

// drilled is the restore of a drill, which looks on: on a failure too it can tell which backup was chosen, and what was done.
func (a *App) drilled(ctx context.Context, req bacvault.RestoreRequest) (drill.Restored, error) {
	var mu sync.Mutex // sqlpackage's lines are reported by a goroutine of their own
	var got drill.Restored
	watch := func(p bacvault.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Slot != nil {
			got.Slot, got.Blob = *p.Slot, req.BlobName(*p.Slot)
		}
		if p.Done {
			got.Stages = append(got.Stages, bacvault.StageTime{Stage: p.Stage, Start: p.At.Add(-p.Elapsed), End: p.At})
		}
	}
	negative := a.negative()
	res, err := a.restoreWith(ctx, req, func(r *restore.Restore) {
		report := r.Report
		r.Report = func(p bacvault.Progress) {
			watch(p)
			report(p)
		}
		r.Examine = func(ctx context.Context, f *os.File, size int64, m *bacvault.Manifest, arch bacvault.Archive) error {
			if m == nil {
				return fmt.Errorf("a drill of an archive without a manifest proves nothing")
			}
			start := time.Now()
			n, findings, err := negative.Run(ctx, f, size, *m, arch)
			got.Negative, got.Negatives, got.Findings = &n, time.Since(start), findings
			return err
		}
	})
	if err == nil {
		got.Tables, got.AlreadyDone = res.Tables, res.AlreadyDone
		got.Findings = append(got.Findings, res.Findings...)
	}
	return got, err
}

// negative is wired with the very code that a restore trusts.
func (a *App) negative() drill.Negative {
	return drill.Negative{
		Damages: damages, Verify: verifyStored, RowsAgree: restore.RowsAgree, HashAgree: restore.HashAgree,
		Limit: a.cfg.NegativeLimit, DiskBytes: largestOnDisk,
	}
}

// largestOnDisk is the largest archive that a drill writes damaged copies to disk of: they take the room of the import.
const largestOnDisk = 1 << 30

func damages(ctx context.Context, r io.ReaderAt, size int64, counted func(bacvault.Table) bool) (out []drill.Damage, err error) {
	list, err := bacpac.Damages(ctx, r, size, counted)
	for _, d := range list {
		out = append(out, drill.Damage{Name: d.Name, Quick: d.Quick, Open: func(ctx context.Context) (drill.Copy, error) {
			c, err := d.Open(ctx)
			return drill.Copy{ReaderAt: c.ReaderAt, Size: c.Size, Where: c.Where, Unmade: c.Unmade}, err
		}})
	}
	return out, err
}

func (a *App) proofNames(ctx context.Context, d bacvault.Database) (names []string, err error) {
	list, err := a.vault.Catalogue(ctx, d)
	for _, e := range list {
		names = append(names, e.ProofNames...)
	}
	return names, err
}
