package app

import (
	"context"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/drill"
)

// Drill proves one backup.
func (a *App) Drill(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Proof, error) {
	srv, err := a.server(req.Server)
	if err != nil {
		return bacvault.Proof{}, err
	}
	d := drill.Drill{
		Restore: func(ctx context.Context, req bacvault.RestoreRequest) (drill.Restored, error) {
			res, err := a.Restore(ctx, req)
			out := drill.Restored{Blob: res.Blob.Name, Tables: res.Tables}
			if res.Slot != nil {
				out.Slot = *res.Slot
			}
			return out, err
		},
		Drop: srv.sql.Drop, PutProof: a.vault.PutProof, Now: time.Now,
	}
	return d.Run(ctx, req)
}
