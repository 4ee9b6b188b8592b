package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Copy is a database that may be a consistent copy of ours.
type Copy struct {
	Name    string
	Created time.Time
}

// Janitor drops copies that a killed run left: those alone that bear our name pattern, belong to no live run, and are
// older than a bound.
type Janitor struct {
	Server    string
	Databases func(ctx context.Context) ([]Copy, error)
	Drop      func(ctx context.Context, database string) error
	// Hold takes the lease of a source database, so that no run of it lives or begins meanwhile; false where one does.
	Hold func(ctx context.Context, source bacvault.Database) (release func(context.Context) error, ok bool, err error)
	// After is the age from which a copy is dropped.
	After time.Duration
	Now   func() time.Time
}

// Clean drops what it may and names it. One copy's error does not keep it from the next.
func (j Janitor) Clean(ctx context.Context) (dropped []string, err error) {
	list, err := j.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the copies on %s: %w", j.Server, err)
	}
	for _, c := range list {
		source, _, ours := bacvault.ParseCopyName(c.Name)
		if !ours || j.Now().Sub(c.Created) < j.After {
			continue
		}
		gone, derr := j.drop(ctx, bacvault.Database{Server: j.Server, Name: source}, c.Name)
		if derr != nil {
			err = errors.Join(err, fmt.Errorf("drop the old copy %s: %w", c.Name, derr))
		}
		if gone {
			dropped = append(dropped, c.Name)
		}
	}
	return dropped, err
}

func (j Janitor) drop(ctx context.Context, source bacvault.Database, name string) (gone bool, err error) {
	release, ok, err := j.Hold(ctx, source)
	if err != nil || !ok {
		return false, err
	}
	err = j.Drop(ctx, name)
	return err == nil, errors.Join(err, release(ctx))
}
