package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// lateLook is how long after a step that broke off a database of its may still come to be: a server goes on with a copy whose caller
// is gone, and shows it when it has begun.
const lateLook = 30 * time.Second

// named says whether a database's name is that of this run's copy, or one that was made of it.
func (a *acceptance) named(database string) bool {
	return database == a.live || strings.HasPrefix(database, a.live+"_")
}

// mine are the databases that this run made. A name alone is no proof: whoever was there first keeps it.
func (a *acceptance) mine(all []azuresql.Info) (out []string) {
	for _, d := range all {
		if a.named(d.Name) && !a.foreign[d.Name] {
			out = append(out, d.Name)
		}
	}
	return out
}

// unnamed refuses a server on which somebody has a database under a name that this run would take, and drop.
func (a *acceptance) unnamed(all []azuresql.Info) error {
	for _, d := range all {
		if a.named(d.Name) {
			return fmt.Errorf("there is a database %s, which this run did not make and would drop: run it again in a second", d.Name)
		}
	}
	return nil
}

// made takes the error of whatever was to make a database: where the name was taken already, the database is somebody else's.
func (a *acceptance) made(database string, err error) error {
	var f *bacvault.Failure
	if errors.As(err, &f) && f.Code == bacvault.CodeTargetExists {
		if a.foreign == nil {
			a.foreign = map[string]bool{}
		}
		a.foreign[database] = true
	}
	return err
}

// clean drops every database that this run made.
func (a *acceptance) clean(ctx context.Context) (string, error) { return a.swept(ctx, a.dropMine) }

// swept drops; after a step that broke off it looks once more, later, and that look counts.
func (a *acceptance) swept(ctx context.Context, drop func(context.Context) ([]string, error)) (string, error) {
	dropped, err := drop(ctx)
	if slices.ContainsFunc(a.rep.Steps, func(s Step) bool { return s.Verdict == verdictFail }) {
		select {
		case <-ctx.Done():
			return "dropped: " + listed(dropped), errors.Join(err, context.Cause(ctx))
		case <-time.After(a.late):
		}
		var more []string
		more, err = drop(ctx)
		dropped = append(dropped, more...)
	}
	return "dropped: " + listed(dropped), err
}

func (a *acceptance) dropMine(ctx context.Context) (dropped []string, err error) {
	all, err := a.parts.SQL.Databases(ctx)
	if err != nil {
		return nil, err
	}
	var failed []string
	for _, name := range a.mine(all) {
		if err := a.parts.SQL.Drop(ctx, name); err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		dropped = append(dropped, name)
	}
	if len(failed) > 0 {
		return dropped, fmt.Errorf("not dropped: %s", strings.Join(failed, "; "))
	}
	return dropped, nil
}

// left looks once more at what is there, and names it: a list of what was meant to be dropped would prove nothing. Blobs are
// left where nobody asked for their removal; a database never may be.
func (a *acceptance) left(ctx context.Context) (string, error) {
	say := func(format string, args ...any) { a.rep.Left = append(a.rep.Left, fmt.Sprintf(format, args...)) }
	all, err := a.parts.SQL.Databases(ctx)
	if err != nil {
		say("databases: not known: %v", err)
	}
	errs := []error{err}
	for _, d := range all {
		switch {
		case a.foreign[d.Name]:
			say("database %s, which had its name before this run could take it: it is not this run's, and was not touched", d.Name)
		case a.named(d.Name):
			say("database %s", d.Name)
			errs = append(errs, fmt.Errorf("the database %s is left: drop it by hand", d.Name))
		}
	}
	for _, prefix := range append(a.folders(), canaries+"canary-") {
		names, err := a.blobs(ctx, prefix)
		if err != nil {
			say("blobs below %s: not known: %v", prefix, err)
			errs = append(errs, err)
		}
		for _, n := range names {
			if strings.HasPrefix(n, canaries+"canary-") {
				n += ", which the tamper probe of this run or an earlier one laid"
			}
			say("blob %s", n)
		}
	}
	say("small blobs of leases, marks and the promotion's record in %s, which may be deleted", a.cfg.StateURL())
	return fmt.Sprintf("no database of this run, %d other things; the list stands below", len(a.rep.Left)), errors.Join(errs...)
}

// folders are where blobs of this run lie, as the vault spells them.
func (a *acceptance) folders() []string {
	return []string{a.database().Prefix(), canaries + "acceptance-" + a.stamp}
}
