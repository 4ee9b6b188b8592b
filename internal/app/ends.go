package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/state"
)

// KindBackup is the kind of a request on the backup queue, as Progress has it; those on the other have a kind of their own.
const KindBackup = "backup"

// End is a run of a request that failed. Final says that nothing more comes of the request by itself.
type End struct {
	Request string               `json:"request"`
	Attempt int                  `json:"attempt"`
	Final   bool                 `json:"final"`
	At      time.Time            `json:"at"`
	Failure bacvault.FailureData `json:"failure"`
}

// Failed is the failure that the run ended with.
func (e End) Failed() *bacvault.Failure {
	f := e.Failure
	return &bacvault.Failure{Code: f.Code, Class: f.Class, Stage: f.Stage, Detail: f.Detail, Exists: f.Exists, Next: f.Next}
}

// ends are the last failed runs of one kind for one database, newest last.
type ends struct {
	Ends []End `json:"ends"`
}

const (
	endsFolder = "ends"
	keptEnds   = 20
)

// endsName goes by the request's own spelling: whoever waits knows no other.
func endsName(kind string, d bacvault.Database) string {
	return endsFolder + "/" + state.Folder(kind, d.Server, d.Name)
}

// noteEnd keeps why a run of a request failed, for whoever waits for it. Its event is what counts: nothing depends on this, so nothing
// waits long. A run that met another one at work, or was stopped, has not ended: its message comes again.
func (a *App) noteEnd(ctx context.Context, kind string, d bacvault.Database, e bacvault.Envelope, err error) {
	busy := errors.As(err, new(*backup.Busy)) || errors.As(err, new(*restore.Busy)) || errors.As(err, new(*promote.Busy))
	if err == nil || busy || e.ID == "" || stopped(ctx) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	name := endsName(kind, d)
	var of ends
	if _, lerr := a.state.Load(ctx, name, &of); lerr != nil && !errors.Is(lerr, state.ErrUnreadable) {
		return
	}
	f := bacvault.AsFailure(err, "")
	of.Ends = append(of.Ends, End{
		Request: e.ID, Attempt: e.Attempt, Final: f.Class != bacvault.Retry || e.Attempt >= a.cfg.MaxAttempts, At: a.now().UTC(), Failure: *f.Data(),
	})
	of.Ends = of.Ends[max(0, len(of.Ends)-keptEnds):]
	_ = a.state.Save(ctx, name, of)
}

// LastEnd finds the last failed run of a request that ended after a moment; nil is none. kind and database are the request's own.
func (a *App) LastEnd(ctx context.Context, kind string, d bacvault.Database, request string, since time.Time) (*End, error) {
	var of ends
	if _, err := a.state.Load(ctx, endsName(kind, d), &of); err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(of.Ends) {
		if e.Request == request && !e.At.Before(since) {
			return &e, nil
		}
	}
	return nil, nil
}
