package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
	"github.com/bacvault/bacvault/internal/state"
)

// The management plane hears of a rename by T-SQL after the server does.
const (
	planePatience = 5 * time.Minute
	planePoll     = 5 * time.Second
)

// Promote puts a restored database into the place of the live one, plans that, or undoes it.
func (a *App) Promote(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Promotion, error) {
	if req.Schema == "" { // typed by a person, not read from a message, which is complete
		if req.Server == "" {
			req.Server = a.onlyServer()
		}
		var err error
		if req, err = complete(req); err != nil {
			return bacvault.Promotion{Action: req.Action, Server: req.Server, Live: req.Name, Restored: req.TargetDatabase}, err
		}
	}
	srv, err := a.server(req.Server)
	if err != nil {
		return bacvault.Promotion{Action: req.Action, Server: req.Server, Live: req.Name, Restored: req.TargetDatabase}, err
	}
	req.Server = srv.name // as it is configured: leases and marks tell cases apart, servers do not
	id := newRun()
	defer a.report(bacvault.Progress{Run: id, Ended: true})
	p := &promote.Promote{
		Server: promoteServer{srv}, State: promoteState{a}, RestoresOn: a.restoreTarget(srv).name, Protects: a.cfg.Protects, Patience: planePatience, Poll: planePoll,
		Now: time.Now, NewRun: func() string { return id }, Report: a.report,
	}
	if srv.plane != nil {
		p.Policies = promotePolicies{srv}
	}
	return p.Run(ctx, req)
}

type promoteServer struct{ *server }

func (s promoteServer) Exists(ctx context.Context, database string) (promote.Database, bool, error) {
	i, ok, err := s.sql.Exists(ctx, database)
	return promote.Database{Name: i.Name, State: i.State, Created: i.Created}, ok, err
}

func (s promoteServer) Size(ctx context.Context, database string) (promote.Size, error) {
	z, err := s.sql.Size(ctx, database)
	return promote.Size{Edition: z.Edition, Objective: z.Objective, MaxSizeBytes: z.MaxSizeBytes}, err
}

func (s promoteServer) GeoLinks(ctx context.Context, database string) (int, error) {
	return s.sql.GeoLinks(ctx, database)
}

func (s promoteServer) Rename(ctx context.Context, from, to string, created time.Time) error {
	return s.sql.Rename(ctx, from, to, created)
}

func (s promoteServer) Scale(ctx context.Context, database string, want promote.Size) error {
	return s.sql.Scale(ctx, database, azuresql.Size{Edition: want.Edition, Objective: want.Objective, MaxSizeBytes: want.MaxSizeBytes}, s.copyTimeout)
}

type promotePolicies struct{ *server }

func (s promotePolicies) Created(ctx context.Context, database string) (time.Time, bool, error) {
	i, ok, err := s.plane.Exists(ctx, database)
	return i.Created, ok, err
}

func (s promotePolicies) Retention(ctx context.Context, database string) (bacvault.Retention, bool, error) {
	return s.plane.Retention(ctx, database)
}

func (s promotePolicies) SetRetention(ctx context.Context, database string, r bacvault.Retention) error {
	return s.plane.SetRetention(ctx, database, r)
}

type promoteState struct{ *App }

// Acquire takes the promotion's own lease, and those of restores to either name: in the moment between the renames the live
// name is free, and a restore might take it.
func (s promoteState) Acquire(ctx context.Context, live, restored bacvault.Database, run, request string) (context.Context, promote.Lease, string, error) {
	held := leases{}
	for _, key := range []string{"promote/" + live.Prefix(), "restore/" + live.Prefix(), "restore/" + restored.Prefix()} {
		l, by, err := s.state.Acquire(ctx, key, state.Holder{Run: run, Request: request, Since: time.Now().UTC(), Host: host()})
		if err != nil || by != nil {
			rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if err = errors.Join(err, held.Release(rctx)); err != nil {
				return nil, nil, "", err
			}
			return nil, nil, fmt.Sprintf("run %s (request %s)", by.Run, by.Request), nil
		}
		var stop func()
		ctx, stop = l.Run(ctx)
		held = append(held, heldLease{l, stop})
	}
	return ctx, held, "", nil
}

// leases are several that are held together.
type leases []heldLease

// Held says that every one is ours.
func (ls leases) Held(ctx context.Context) error {
	for _, l := range ls {
		if err := l.Held(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Release lets the last one go first.
func (ls leases) Release(ctx context.Context) error {
	var errs []error
	for i := len(ls) - 1; i >= 0; i-- {
		errs = append(errs, ls[i].Release(ctx))
	}
	return errors.Join(errs...)
}

func promotionName(live bacvault.Database) string {
	return "promotions/" + strings.TrimSuffix(live.Prefix(), "/")
}

func (s promoteState) SaveRecord(ctx context.Context, live bacvault.Database, r promote.Record) error {
	return s.state.Save(ctx, promotionName(live), r)
}

func (s promoteState) Record(ctx context.Context, live bacvault.Database) (r promote.Record, ok bool, err error) {
	ok, err = s.state.Load(ctx, promotionName(live), &r)
	return r, ok, err
}

// Reconciliation reads the restore's mark: it holds a result once the rows were compared and found equal.
func (s promoteState) Reconciliation(ctx context.Context, restored bacvault.Database) (promote.Reconciliation, bool, error) {
	m, ok, err := restoreState(s).Mark(ctx, restored)
	if err != nil || !ok || m.Result == nil {
		return promote.Reconciliation{}, false, err
	}
	return promote.Reconciliation{
		Request: m.Request, Source: m.Result.Source, Target: m.Result.Target, Created: m.Created, Tables: len(m.Result.Tables), Findings: m.Result.Findings,
	}, true, nil
}
