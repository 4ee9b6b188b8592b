package azuresql

import (
	"context"
	"errors"
	"fmt"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Drop drops a database; one that is not there is dropped. Before each further try it looks again, and never drops a
// database that was created under the name in between. Our own connections to it are closed first.
func (s *Server) Drop(ctx context.Context, db string) error {
	first, there, err := s.Exists(ctx, db)
	if err != nil || !there {
		return err
	}
	s.release(db)
	what := "drop " + db
	stmt := fill(stmtDrop, "{name}", quote(db))
	for attempt := 1; ; attempt++ {
		err := s.bounded(ctx, s.cfg.QueryTimeout, func(ctx context.Context) error { return s.send(ctx, stmt) })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		now, there, lookErr := s.Exists(ctx, db)
		switch {
		case lookErr != nil:
			return errors.Join(failure(ctx, what, err), lookErr)
		case !there:
			return nil
		case !now.Created.Equal(first.Created):
			f := bacvault.Fail(bacvault.CodeSQLRefused, "%s: another database has taken the name; it was left alone", what)
			f.Class = bacvault.Refused
			return f
		case attempt >= s.cfg.Attempts || !passing(err) && !errors.Is(err, context.DeadlineExceeded):
			return failure(ctx, what, err)
		}
		if err := s.backoff(ctx, attempt, err); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
