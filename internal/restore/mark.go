package restore

import (
	"context"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Mark says whose database a target is: written before the import creates it and kept up to date while it does, so that a
// killed run's successor may drop it and nobody else ever does.
type Mark struct {
	Request string    `json:"request"`
	Started time.Time `json:"started"`
	// Looked is when the run last saw that the name was free, by our clock.
	Looked time.Time `json:"looked,omitzero"`
	// Created is when the server made the database; zero: the run that wrote the mark had not seen it yet.
	Created time.Time `json:"created,omitzero"`
	// Result is there once the restore was reconciled.
	Result *Result `json:"result,omitempty"`
}

const (
	// clockSkew is what the server's clock may lag behind ours.
	clockSkew = 5 * time.Minute
	// createWindow is how long after the last look that found the name free an import that nobody watched any more may still
	// have created the database: the look after that one, a CREATE DATABASE that was under way, and the clocks.
	createWindow = 5 * time.Minute
)

// done says whether a database is the one that the request restored and reconciled.
func (m Mark) done(request string, created time.Time) bool {
	return m.Request == request && m.Result != nil && !m.Created.IsZero() && m.Created.Equal(created)
}

// halfMade says whether a database is one that the request's import made and did not finish. Where nobody saw it being made,
// only one that the import can have made counts.
func (m Mark) halfMade(request string, created time.Time) bool {
	if m.Request != request || m.Result != nil {
		return false
	}
	if !m.Created.IsZero() {
		return m.Created.Equal(created)
	}
	free := m.Started
	if m.Looked.After(free) {
		free = m.Looked
	}
	return !created.Before(free.Add(-clockSkew)) && !created.After(free.Add(createWindow))
}

// watch keeps the mark up to date while the import makes the database. A look that fails is made again after the next
// pause; the one that counts is the last, when the import is over. Whoever starts it stops it.
func (r *run) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r.mark.Created.IsZero() && r.Pause(ctx) == nil {
			_ = r.sight(ctx)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// sight looks for the database and writes into the mark what it saw.
func (r *run) sight(ctx context.Context) error {
	at := r.now()
	taken, created, err := r.Server.Exists(ctx, r.target.Name)
	if err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause // with the lease lost the mark may be another's
	}
	m := r.mark
	if m.Looked = at; taken {
		m.Looked, m.Created, r.born = r.mark.Looked, created, created
	}
	if err := r.State.SaveMark(ctx, r.target, m); err != nil {
		return err
	}
	r.mark = m
	return nil
}

// abandon undoes a failed restore: it drops only the database that this very run created, and says what is left. What it
// does not drop is nobody's any more: without its mark no later attempt takes it, or its namesake, for its own.
func (r *run) abandon(ctx context.Context, s bacvault.Stage, err error) error {
	f := bacvault.AsFailure(err, s)
	if f.Code == bacvault.CodeLeaseLost {
		// Whoever holds the name now may have begun anew: neither its database nor its mark is ours to touch.
		if r.created {
			f.Exists = fmt.Sprintf("the database %s may be left half-restored; the next attempt of this request drops it", r.target.Name)
		}
		return f
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	switch {
	case r.keep:
		f.Exists = fmt.Sprintf("the database %s is kept for inspection", r.target.Name)
	case r.created:
		exists, gone := r.undo(ctx)
		if f.Exists = exists; !gone {
			return f // the mark stays: the next attempt drops it
		}
	}
	if r.marked {
		if merr := r.State.SaveMark(ctx, r.target, Mark{}); merr != nil {
			f.Exists += fmt.Sprintf("; its mark is left: before this request is sent again, see that nobody else has taken the name (%v)", merr)
		}
	}
	return f
}

// undo drops what this run created, and says what exists then; gone says that nothing of this run's is left.
func (r *run) undo(ctx context.Context) (exists string, gone bool) {
	name := r.target.Name
	taken, created, err := r.Server.Exists(ctx, name)
	if err != nil {
		return fmt.Sprintf("the database %s that this run created may be left half-restored: it could not be looked for: %v", name, err), false
	}
	own := r.mark
	if !r.born.IsZero() {
		own.Created = r.born
	}
	switch {
	case !taken && r.born.IsZero():
		return "nothing was created", true
	case !taken:
		return fmt.Sprintf("the database %s that this run created is gone", name), true
	case !own.halfMade(r.req.ID, created):
		return fmt.Sprintf("the database %s that somebody else created meanwhile (%s) was not touched", name, stamp(created)), true
	}
	if err := r.Server.Drop(ctx, name); err != nil {
		return fmt.Sprintf("the database %s that this run created is left half-restored: dropping it failed: %v", name, err), false
	}
	return fmt.Sprintf("the database %s that this run created was dropped", name), true
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
