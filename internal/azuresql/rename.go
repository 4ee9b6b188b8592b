package azuresql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// numInUse is a database that could not be locked for a change while others use it.
const numInUse = 5030

// Rename renames the database that was created at the time given, and no other; one that bears the new name already is
// renamed. A rename leaves create_date as it is, so that tells the database. After an answer that was lost or a fault that
// passes it looks before it sends again. A rename asks for the server's admin, dbmanager, or the database's owner, and is
// refused for a database under geo-replication (ALTER DATABASE for Azure SQL Database). Our own connections to both names
// are closed before and after: one that stays open follows its database to the other name.
func (s *Server) Rename(ctx context.Context, from, to string, created time.Time) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	what := fmt.Sprintf("rename %s to %s", from, to)
	if strings.EqualFold(from, to) {
		return bacvault.Fail(bacvault.CodeRequestMalformed, "%s: that is one name", what)
	}
	r := renaming{s, what, from, to, created}
	defer r.release()
	stmt := fill(stmtRename, "{name}", quote(from), "{to}", quote(to))
	var last error // of the statement
	for attempt := 1; ; attempt++ {
		if done, err := r.look(ctx); err != nil {
			return r.also(ctx, err, last)
		} else if done {
			return nil
		}
		r.release()
		last = s.bounded(ctx, s.cfg.QueryTimeout, func(ctx context.Context) error { return s.send(ctx, stmt) })
		if ctx.Err() != nil {
			return fmt.Errorf("%s: stopped, and the database may bear either name: %w", what, context.Cause(ctx))
		}
		looks := settleLooks // what nobody knows to be taken may be taken late
		if errors.As(last, new(*refusedError)) {
			looks = 1
		}
		if done, err := r.settle(ctx, looks); err != nil {
			return r.also(ctx, err, last)
		} else if done {
			return nil
		}
		if last == nil {
			return bacvault.Fail(bacvault.CodePromoteFailed, "%s: the server took it and still shows the old name", what)
		}
		if attempt >= s.cfg.Attempts || !passing(last) && !errors.Is(last, context.DeadlineExceeded) && !hasNumber(last, numInUse) {
			return failure(ctx, what, last)
		}
		if err := s.backoff(ctx, attempt, last); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// renaming is one rename.
type renaming struct {
	s              *Server
	what, from, to string
	created        time.Time
}

func (r renaming) release() {
	r.s.release(r.from)
	r.s.release(r.to)
}

// look says whether the rename is done, or why it may not be. It reads both names in one statement: a rename that a lost
// answer left running could land between two.
func (r renaming) look(ctx context.Context) (done bool, err error) {
	all, err := r.s.Databases(ctx)
	if err != nil {
		return false, err
	}
	named := func(name string) (created time.Time, there bool) {
		for _, i := range all {
			if strings.EqualFold(i.Name, name) {
				return i.Created, true
			}
		}
		return time.Time{}, false
	}
	old, oldThere := named(r.from)
	target, targetThere := named(r.to)
	ours := oldThere && old.Equal(r.created)
	switch {
	case targetThere && target.Equal(r.created) && !ours:
		return true, nil
	case targetThere:
		return false, bacvault.Fail(bacvault.CodeTargetExists, "%s: another database bears that name, created %s", r.what, target.Format(time.RFC3339))
	case !oldThere:
		return false, bacvault.Fail(bacvault.CodePromoteChanged, "%s: the server has neither name", r.what)
	case !ours:
		return false, bacvault.Fail(bacvault.CodePromoteChanged, "%s: %s is another database, created %s and not %s; it was left alone",
			r.what, r.from, old.Format(time.RFC3339), r.created.Format(time.RFC3339))
	}
	return false, nil
}

// settle looks a few times for master to show the new name.
func (r renaming) settle(ctx context.Context, looks int) (done bool, err error) {
	for n := 1; ; n++ {
		if done, err := r.look(ctx); done || err != nil || n == looks {
			return done, err
		}
		if err := sleep(ctx, r.s.cfg.Poll); err != nil {
			return false, fmt.Errorf("%s: %w", r.what, err)
		}
	}
}

// also tells what a look found with what the statement before it met.
func (r renaming) also(ctx context.Context, found, last error) error {
	if last == nil {
		return found
	}
	return errors.Join(found, failure(ctx, r.what, last))
}
