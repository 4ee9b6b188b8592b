package azuresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// numScaling is a change of the service objective that is under way already.
	numScaling = 40802
	// objectivePool is the objective that a database in an elastic pool shows. Which pool, it does not show.
	objectivePool = "ElasticPool"
)

// Size is what a database costs and may grow to, as DATABASEPROPERTYEX tells it. MaxSizeBytes is 0 where it is not told and
// may be negative where the edition has no maximum.
type Size struct {
	Edition      string // Standard, GeneralPurpose and so on
	Objective    string // S3, GP_Gen5_2 and so on, or ElasticPool
	MaxSizeBytes int64
}

// String is for people.
func (z Size) String() string {
	return fmt.Sprintf("%s %s, at most %d MiB", z.Edition, z.Objective, z.MaxSizeBytes>>20)
}

// same ignores the case of names, as the server does.
func (z Size) same(o Size) bool {
	return strings.EqualFold(z.Edition, o.Edition) && strings.EqualFold(z.Objective, o.Objective) && z.MaxSizeBytes == o.MaxSizeBytes
}

// Size reads a database's edition, service objective and maximum size.
func (s *Server) Size(ctx context.Context, db string) (Size, error) {
	if err := checkName(db); err != nil {
		return Size{}, err
	}
	var edition, objective sql.NullString
	var most sql.NullInt64
	err := s.row(ctx, db, "read size of", stmtSize, &edition, &objective, &most)
	return Size{edition.String, objective.String, most.Int64}, err
}

// Scale gives a database another size and waits, at most for wait, until it shows it; the server answers long before that,
// and cuts connections when it switches over. A database in an elastic pool is left to people, for only the pool's name would
// put it there, and so is a size that the statement can't say. A lost answer is settled by looks at the database, and the
// statement is sent again only where they show no change.
func (s *Server) Scale(ctx context.Context, db string, want Size, wait time.Duration) error {
	if err := checkName(db); err != nil {
		return err
	}
	c := &scaling{s: s, what: fmt.Sprintf("scale %s to %s", db, want), db: db, want: want, caller: ctx}
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeoutCause(ctx, wait, errWaitOver)
	defer cancel()
	err := c.run(ctx)
	if err == nil || c.caller.Err() != nil || ctx.Err() == nil {
		return err
	}
	f := bacvault.Fail(bacvault.CodePromoteFailed, "%s: not done within %s; last seen %s", c.what, wait, c.state())
	f.Err = err
	return f
}

// scaling follows one change of size.
type scaling struct {
	s        *Server
	what, db string
	want     Size
	caller   context.Context
	now      Size  // as last read
	unread   error // of the last look, nil where it was read
	read     bool  // there was one that was read
}

func (c *scaling) state() string {
	switch {
	case !c.read:
		return fmt.Sprintf("nothing (%v)", c.unread)
	case c.unread != nil:
		return fmt.Sprintf("%s, then not readable (%v)", c.now, c.unread)
	}
	return c.now.String()
}

func (c *scaling) run(ctx context.Context) error {
	if done, err := c.look(ctx); done || err != nil {
		return err
	}
	stmt, err := c.statement()
	if err != nil {
		return err
	}
	for attempt := 1; ; {
		last := c.s.bounded(ctx, c.s.cfg.QueryTimeout, func(ctx context.Context) error { return c.s.send(ctx, stmt) })
		if last == nil {
			return c.follow(ctx, 0)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
		}
		// Where nobody knows whether the server took it, it may take it late.
		looks := 1
		if !errors.As(last, new(*refusedError)) || hasNumber(last, numScaling) {
			looks = settleLooks
		}
		if err := c.follow(ctx, looks); !errors.Is(err, errNotYet) {
			return err
		}
		if hasNumber(last, numScaling) { // by a try of ours, or by somebody; only the wait ends this
			continue
		}
		if attempt >= c.s.cfg.Attempts || !passing(last) && !errors.Is(last, context.DeadlineExceeded) {
			return failure(ctx, c.what, last)
		}
		if err := c.s.backoff(ctx, attempt, last); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		attempt++
	}
}

// statement is the change as the server takes it.
func (c *scaling) statement() (string, error) {
	refuse := func(format string, args ...any) error {
		f := bacvault.Fail(bacvault.CodeSQLRefused, "%s: %s", c.what, fmt.Sprintf(format, args...))
		f.Next = fmt.Sprintf("Give %s that size by hand, then send the same request again.", c.db)
		return f
	}
	const mib, gib = 1 << 20, 1 << 30
	size := ""
	switch n := c.want.MaxSizeBytes; {
	case strings.EqualFold(c.want.Objective, objectivePool):
		return "", refuse("%s is in no elastic pool, or with another maximum; put it into the pool by hand", c.db)
	case !objectiveForm.MatchString(c.want.Edition) || !objectiveForm.MatchString(c.want.Objective):
		return "", refuse("edition %q or service objective %q is not letters, digits and _ alone", c.want.Edition, c.want.Objective)
	case n <= 0 || n%mib != 0:
		return "", refuse("a maximum size of %d bytes can't be set; scale it by hand", n)
	case n%gib == 0:
		size = fmt.Sprintf("%d GB", n/gib)
	default:
		size = fmt.Sprintf("%d MB", n/mib)
	}
	return fill(stmtScale, "{name}", quote(c.db), "{edition}", c.want.Edition, "{objective}", c.want.Objective, "{size}", size), nil
}

// errNotYet ends a bounded number of looks.
var errNotYet = errors.New("it does not show yet")

// look reads the size once; a fault that passes is kept for the next look.
func (c *scaling) look(ctx context.Context) (done bool, err error) {
	now, err := c.s.Size(ctx, c.db)
	if err != nil {
		if ctx.Err() == nil { // the end of the wait is no fault of the database
			c.unread = err
		}
		return false, err
	}
	c.unread = nil
	c.now, c.read = now, true
	return now.same(c.want), nil
}

// follow looks until the database has the size, or for a number of looks if that is not 0.
func (c *scaling) follow(ctx context.Context, looks int) error {
	for n := 1; ; n++ {
		done, err := c.look(ctx)
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
		case err != nil && !passing(err) && !errors.Is(err, context.DeadlineExceeded): // a switch-over cuts connections and closes the database for a while
			return err
		case n == looks:
			return errNotYet
		}
		if err := sleep(ctx, c.s.cfg.Poll); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
}
