package app

import (
	"context"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// statusLimit bounds the reading of the model: the load balancer in front cuts a request at 230 s.
const statusLimit = 30 * time.Second

// Status reads the model. What can't be read is named in it.
func (a *App) Status(ctx context.Context) status.Model {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	m := status.Model{
		Schema: status.Schema, At: time.Now().UTC(), Version: a.opts.Version, Vault: a.cfg.VaultURL(),
		Databases: []status.Database{}, Running: []bacvault.Progress{}, Overdue: []watch.Overdue{},
	}
	unread := func(what string, err error) { m.Unread = append(m.Unread, what+": "+err.Error()) }
	if p, err := a.gate.Observe(ctx); err != nil {
		unread("the vault's immutability", err)
	} else {
		m.Posture = &p
	}
	if run, err := a.state.Progress(ctx); err != nil {
		unread("the running runs", err)
	} else if len(run) > 0 {
		m.Running = run
	}
	dbs, err := a.Protected(ctx)
	if err != nil {
		unread("the protected databases", err)
	}
	if m.Unprotected, err = a.Unprotected(ctx); err != nil {
		unread("the databases that are not protected", err)
	}
	var newest []watch.Newest
	for _, d := range dbs {
		list, err := a.vault.Catalogue(ctx, d)
		if err != nil {
			unread("the backups of "+d.String(), err)
			continue
		}
		row := status.Database{Database: d}
		for _, e := range list {
			if !e.HasManifest {
				row.Orphans++
				continue
			}
			row.Backups++
			row.Bytes += e.Size
			row.Newest = &e.Slot
		}
		m.Databases = append(m.Databases, row)
		newest = append(newest, watch.Newest{Database: d, Slot: row.Newest})
	}
	if late := watch.Find(newest, a.cfg.MaxBackupAge, m.At); len(late) > 0 {
		m.Overdue = late
	}
	return m
}
