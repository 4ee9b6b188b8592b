package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/watch"
)

// janitorLimit bounds one round over all servers.
const janitorLimit = 10 * time.Minute

// CleanCopies drops the copies that killed runs left on our servers, and names them.
func (a *App) CleanCopies(ctx context.Context) (dropped []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, janitorLimit)
	defer cancel()
	protected, err := a.Protected(ctx)
	for _, name := range a.cfg.Servers.Names() {
		srv := a.servers[name]
		j := watch.Janitor{
			Server: name, After: a.cfg.JanitorAfter, Now: time.Now, Drop: srv.Drop,
			Databases: func(ctx context.Context) (out []watch.Copy, err error) {
				found, err := srv.sql.Copies(ctx)
				for _, d := range found {
					out = append(out, watch.Copy{Name: d.Name, Created: d.Created})
				}
				return out, err
			},
			Hold: func(ctx context.Context, source bacvault.Database) (func(context.Context) error, bool, error) {
				l, by, err := a.state.Acquire(ctx, leaseKey(whole(source, protected)), state.Holder{Run: "janitor-" + newRun(), Since: time.Now().UTC(), Host: host()})
				if err != nil || by != nil {
					return nil, false, err
				}
				_, stop := l.Run(ctx)
				return heldLease{l, stop}.Release, true, nil
			},
		}
		gone, jerr := j.Clean(ctx)
		dropped, err = append(dropped, gone...), errors.Join(err, jerr)
	}
	return dropped, err
}

// whole finds the database whose name a copy's name had to cut.
func whole(source bacvault.Database, protected []bacvault.Database) bacvault.Database {
	at := bacvault.SlotAt(time.Unix(0, 0))
	for _, p := range protected {
		if p.Server == source.Server && bacvault.CopyName(p.Name, at) == bacvault.CopyName(source.Name, at) {
			return p
		}
	}
	return source
}

// Plan tells what a night needs, from the stage times in the newest manifests.
func (a *App) Plan(ctx context.Context, instances int, window time.Duration) (watch.Plan, error) {
	dbs, err := a.Protected(ctx)
	if err != nil {
		return watch.Plan{}, err
	}
	var took []watch.Took
	var unknown []bacvault.Database
	for _, d := range dbs {
		t, ok, err := a.newestTook(ctx, d)
		switch {
		case err != nil:
			return watch.Plan{}, fmt.Errorf("how long %s took: %w", d, err)
		case ok:
			took = append(took, t)
		default:
			unknown = append(unknown, d)
		}
	}
	return watch.MakePlan(took, unknown, instances, window), nil
}

func (a *App) newestTook(ctx context.Context, d bacvault.Database) (watch.Took, bool, error) {
	list, err := a.vault.Catalogue(ctx, d)
	if err != nil {
		return watch.Took{}, false, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if !list[i].HasManifest {
			continue
		}
		m, ok, err := a.vault.ReadManifest(ctx, list[i].Blob)
		if err != nil || !ok || len(m.Stages) == 0 {
			return watch.Took{}, false, err
		}
		return watch.Took{Database: d, Slot: m.Slot, Size: m.Blob.Size, Took: m.Stages[len(m.Stages)-1].End.Sub(m.Stages[0].Start)}, true, nil
	}
	return watch.Took{}, false, nil
}
