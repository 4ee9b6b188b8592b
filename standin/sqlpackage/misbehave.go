package sqlpackage

import (
	"context"
	"time"
)

// misplanned is a fault that cannot be acted; the plan is at fault, not the run.
func misplanned(err error) error {
	return &ending{exitMisplanned, []string{"*** STAND-IN: THE FAULT PLAN IS WRONG: " + oneLine(err)}}
}

// misbehaveSilently acts the faults that come before the tables.
func (r *run) misbehaveSilently(ctx context.Context) error {
	if fires, err := r.fault.fires(warn); err != nil {
		return misplanned(err)
	} else if fires {
		// "*** " marks warnings as well as errors.
		r.complain("*** A project which specifies SQL Server 2022 or Azure SQL Database Managed Instance as the target platform may experience compatibility issues with Microsoft Azure SQL Database v12.")
		r.complain("*** The object [data_0] exists in the target, but it will not be dropped even though you selected the 'Generate drop statements for objects that are in the target database but that are not in the source' check box.")
	}
	if fires, err := r.fault.fires(hang); err != nil {
		return misplanned(err)
	} else if fires {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// misbehaveMidway acts the faults that come among the tables, half being true once.
func (r *run) misbehaveMidway(ctx context.Context, half bool) error {
	if !half {
		return nil
	}
	if fires, err := r.fault.fires(slow); err != nil {
		return misplanned(err)
	} else if fires {
		wait := time.NewTimer(time.Duration(r.fault.Seconds * float64(time.Second)))
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, do := range []string{exit137, dieMidway} {
		if fires, err := r.fault.fires(do); err != nil {
			return misplanned(err)
		} else if fires {
			return &ending{code: exitKilled}
		}
	}
	if fires, err := r.fault.fires(tokenExpired); err != nil {
		return misplanned(err)
	} else if fires {
		return r.repeatTokenExpired(ctx)
	}
	return nil
}

// repeatTokenExpired looks alive by its output, and never ends by itself.
func (r *run) repeatTokenExpired(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		r.complain("*** Login failed for user '<token-identified principal>'. Token is expired.")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
