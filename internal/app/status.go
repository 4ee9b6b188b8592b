package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// statusLimit bounds the reading of the model: the load balancer in front cuts a request at 230 s.
const statusLimit = 30 * time.Second

// Status reads the model: the watch's last snapshot, and the runs of this moment. The vault is listed only where the watch has not
// looked yet. What can't be read is named in the model.
func (a *App) Status(ctx context.Context) status.Model {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	in := status.Input{Source: status.FromWatch, Silence: silence, RunLimit: a.cfg.RunTimeout, Version: a.opts.Version}
	unread := func(what string, err error) { in.Unread = append(in.Unread, what+": "+err.Error()) }
	var err error
	if in.Running, in.Gone, err = a.runs(ctx); err != nil {
		unread("the running runs", err)
	}
	var found bool
	if in.Snapshot, found, err = (watchState{a}).Load(ctx); err != nil {
		unread("the watch's snapshot", err)
	}
	if err != nil || !found {
		in.Source, in.Snapshot = status.Direct, a.lookDirectly(ctx)
	}
	in.Now = a.now()
	return status.New(in)
}

// runs lists those that have not said that they are over, and which of them have lost their lease.
func (a *App) runs(ctx context.Context) (running []bacvault.Progress, gone map[string]bool, err error) {
	if running, err = a.state.Progress(ctx); err != nil || len(running) == 0 {
		return running, nil, err
	}
	lost, err := a.state.Abandoned(ctx)
	gone = map[string]bool{}
	for _, l := range lost {
		gone[l.Run] = true
	}
	return running, gone, err
}

// lookDirectly sees what one listing of each database shows: neither manifests nor drills, nor what only the watch knows.
func (a *App) lookDirectly(ctx context.Context) watch.Snapshot {
	s := watch.Snapshot{Schema: watch.SnapshotSchema, Version: a.opts.Version, Vault: a.cfg.VaultURL(), MaxBackupAge: a.cfg.MaxBackupAge}
	unread := func(what string, err error) { s.Unread = append(s.Unread, what+": "+err.Error()) }
	if p, err := a.gate.Observe(ctx); err != nil {
		unread("the vault's immutability", err)
	} else {
		s.Posture = &p
	}
	dbs, err := a.Protected(ctx)
	if err != nil {
		unread("the protected databases", err)
	}
	forgotten, err := a.Unprotected(ctx)
	if err != nil {
		unread("the databases that are not protected", err)
	}
	s.At = a.now()
	var newest []watch.Newest
	for _, d := range dbs {
		row, phantoms, err := a.catalogued(ctx, d, s.At)
		if err != nil {
			unread("the backups of "+d.String(), err)
			continue
		}
		s.Findings = append(s.Findings, phantoms...)
		n := watch.Newest{Database: d}
		if row.Newest != nil {
			n.Slot = &row.Newest.Slot
		}
		s.Databases, newest = append(s.Databases, row), append(newest, n)
	}
	for _, o := range watch.Find(newest, a.cfg.MaxBackupAge, s.At) {
		s.Findings = append(s.Findings, overdueFinding(o, a.cfg.MaxBackupAge, s.At))
	}
	for _, d := range forgotten {
		s.Findings = append(s.Findings, bacvault.Finding{
			ID: string(bacvault.FoundUnprotected) + ":" + d.String(), Kind: bacvault.FoundUnprotected, Severity: bacvault.Warning,
			Server: d.Server, Database: d.Name, Subject: d.String(), Since: s.At, Detail: "The server has this database and nobody backs it up.",
			Next: "Name it in SQL_DATABASE_NAME.",
		})
	}
	return s
}

func overdueFinding(o watch.Overdue, limit time.Duration, now time.Time) bacvault.Finding {
	f := bacvault.Finding{
		ID: string(bacvault.FoundOverdueBackup) + ":" + o.String(), Kind: bacvault.FoundOverdueBackup, Severity: bacvault.Alarm,
		Server: o.Server, Database: o.Name, Subject: o.String(), Since: now, Detail: "There is no backup at all.",
		Next: "Look at the function backup's log and at dead letters, then run bacvault backup.",
	}
	if o.Newest != nil {
		f.Detail, f.Since = fmt.Sprintf("The newest backup is of %s; the limit is %s.", o.Newest, limit), o.Newest.Time().Add(limit)
	}
	return f
}

// stripAge is how far back the strip of a direct look goes.
const stripAge = 30 * 24 * time.Hour

func (a *App) catalogued(ctx context.Context, d bacvault.Database, now time.Time) (watch.Database, []bacvault.Finding, error) {
	list, phantoms, err := a.vault.Listing(ctx, d)
	if err != nil {
		return watch.Database{}, nil, err
	}
	var found []bacvault.Finding
	for _, p := range phantoms {
		// Of one that is older, only the watch says whether its archive's time was over.
		if p.Slot.Time().After(p.Created) || now.Sub(p.Created) < stripAge {
			f := watch.PhantomOf(d, p.Blob, watch.WhyNoArchive)
			f.Since = p.Created
			found = append(found, f)
		}
	}
	row := watch.Database{Database: d}
	for _, e := range list {
		row.Bytes += e.Size
		square := watch.Slot{Slot: e.Slot, State: watch.SlotOrphan, Size: e.Size}
		if e.HasManifest {
			row.Backups++
			row.Newest = &watch.Backup{Slot: e.Slot, Blob: e.Blob, Size: e.Size}
			square.State = watch.SlotTaken
		} else {
			row.Orphans++
		}
		row.Slots = append(row.Slots, square)
	}
	row.Slots = slices.DeleteFunc(row.Slots, func(s watch.Slot) bool { return now.Sub(s.Slot.Time()) > stripAge })
	return row, found, nil
}
