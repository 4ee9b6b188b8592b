package azuresql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// mostSends is how often a write is sent in all; before each further one it is made sure that the last took no effect.
const mostSends = 5

// operation is the long-running operation of a copy.
type operation = runtime.Poller[armsql.DatabasesClientCreateOrUpdateResponse]

// copying follows one copy.
type copying struct {
	*Management
	what, target string
	wait         time.Duration
	caller       context.Context
	ctx          context.Context // the caller's, ended by errWaitOver after wait
	state        string          // as last seen
	sent         bool            // the target may come into being
	op           *operation      // nil: its answer was lost, or it may not be asked
}

// Copy makes target a copy of source on the same server and waits, at most for wait, until it is online. An empty
// objective keeps the source's, and its elastic pool. An answer that leaves open whether the plane took the request is
// followed by looks at the target, and the request is sent again only where the target stays away. When Copy fails after
// it began, the target may exist: drop it. What it makes belongs to nobody; the users of the source are in it.
func (m *Management) Copy(ctx context.Context, source, target, objective string, wait time.Duration) error {
	if err := errors.Join(checkName(source), checkName(target)); err != nil {
		return err
	}
	if objective != "" && !objectiveForm.MatchString(objective) {
		return bacvault.Fail(bacvault.CodeRequestMalformed, "service objective %q is not letters, digits and _ alone", objective)
	}
	c := &copying{Management: m, what: fmt.Sprintf("copy %s to %s", source, target), target: target, wait: wait, caller: ctx, state: "not there"}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeoutCause(ctx, wait, errWaitOver)
	defer cancel()
	return c.ended(c.run(source, objective))
}

func (c *copying) run(source, objective string) error {
	from, there, err := c.get(c.ctx, source)
	if err != nil {
		return c.failure(c.ctx, c.what, actionRead, err)
	}
	if !there {
		return bacvault.Fail(bacvault.CodeSQLNotFound, "%s: the server %s has no database %s", c.what, c.cfg.Server, source)
	}
	if _, there, err := c.get(c.ctx, c.target); err != nil {
		return c.failure(c.ctx, c.what, actionRead, err)
	} else if there {
		return bacvault.Fail(bacvault.CodeTargetExists, "%s: a database of that name is there", c.what)
	}
	for sends := 1; ; sends++ {
		err := c.send(copyOf(from, objective))
		if err == nil {
			return c.online(nil)
		}
		var r *azcore.ResponseError
		ours := sends > 1 && errors.As(err, &r) && r.ErrorCode == codeNameTaken // by an earlier try whose answer was lost
		if refused(err) && !ours {
			c.sent = sends > 1
			return c.failure(c.ctx, c.what, actionWrite, err)
		}
		if done, lookErr := c.appears(err); done || lookErr != nil {
			return lookErr
		}
		if sends == mostSends {
			return c.failure(c.ctx, c.what, actionWrite, err)
		}
	}
}

// copyOf is the request. The source's SKU is named, so that the copy does not hang on what the plane takes for none.
func copyOf(from armsql.Database, objective string) armsql.Database {
	d := armsql.Database{Location: from.Location, Properties: &armsql.DatabaseProperties{
		CreateMode: to.Ptr(armsql.CreateModeCopy), SourceDatabaseID: from.ID,
	}}
	switch {
	case objective != "":
		d.SKU = &armsql.SKU{Name: &objective}
	case from.Properties != nil && from.Properties.ElasticPoolID != nil: // a SKU beside it is refused
		d.Properties.ElasticPoolID = from.Properties.ElasticPoolID
	default:
		d.SKU = from.SKU
	}
	return d
}

func (c *copying) send(d armsql.Database) (err error) {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.sent = true
	c.op, err = c.writes.BeginCreateOrUpdate(c.ctx, c.cfg.ResourceGroup, c.cfg.Server, c.target, d, nil)
	return err
}

// appears looks for the target after an answer that left open whether the request was taken. It follows a target that is
// there to its end; not done, and no error, is a target that stays away.
func (c *copying) appears(lost error) (done bool, err error) {
	if err := sleep(c.ctx, max(c.cfg.Poll, retryAfter(lost))); err != nil {
		return false, err
	}
	var unread error
	for range settleLooks {
		var there bool
		if _, there, unread = c.get(c.ctx, c.target); unread == nil && there {
			return true, c.online(lost)
		}
		if err := sleep(c.ctx, c.cfg.Poll); err != nil {
			return false, err
		}
	}
	return false, c.failure(c.ctx, c.what, actionRead, unread) // not seen is not the same as not there
}

// online follows target and operation until the target is online. The target is the truth; the operation tells why it
// failed, and once it has ended the target must show.
func (c *copying) online(lost error) error {
	var seen bool
	for missing := 0; ; {
		over, err := c.ask()
		if err != nil {
			return err
		}
		d, there, err := c.get(c.ctx, c.target)
		switch info := infoOf(d); {
		case err != nil && (c.ctx.Err() != nil || refused(err)):
			return c.failure(c.ctx, c.what, actionRead, err)
		case err != nil:
			c.state = "not readable"
		case !there && seen:
			return bacvault.Fail(bacvault.CodeCopyFailed, "%s: it was there and vanished; the service gave the copy up", c.what)
		case !there && over:
			if missing++; missing >= settleLooks {
				return bacvault.Fail(bacvault.CodeCopyFailed, "%s: it did not appear after its operation ended", c.what)
			}
		case there:
			seen, c.state = true, info.State
			switch info.State {
			case "ONLINE":
				return nil
			case "SUSPECT", "EMERGENCYMODE", "INACCESSIBLE", "DISABLED":
				f := bacvault.Fail(bacvault.CodeCopyFailed, "%s: it is in state %s", c.what, info.State)
				f.Err = lost
				return f
			}
		}
		if err := sleep(c.ctx, c.cfg.Poll); err != nil {
			return err
		}
	}
}

// ask looks at the operation once. That it can't be asked is no failure of the copy: the right to read operations
// (Microsoft.Sql/locations/*/read) is another than that to copy.
func (c *copying) ask() (over bool, err error) {
	if c.op == nil {
		return false, nil
	}
	if !c.op.Done() {
		if _, err := c.op.Poll(c.ctx); err != nil {
			if refused(err) {
				c.op = nil
			}
			return false, nil
		}
	}
	if !c.op.Done() {
		return false, nil
	}
	_, err = c.op.Result(c.ctx)
	var r *azcore.ResponseError
	if !errors.As(err, &r) || r.StatusCode >= 300 {
		return true, nil // the copy ended well; what failed is the last read of the target
	}
	f := bacvault.Fail(bacvault.CodeCopyFailed, "%s: the operation ended with %s%s", c.what, r.ErrorCode, said(r))
	if code, known := managementCodes[r.ErrorCode]; known {
		f = bacvault.Fail(code, "%s", f.Detail)
	}
	f.Err = err
	return true, f
}

// ended says what may exist beside what went wrong.
func (c *copying) ended(err error) error {
	may := c.target + " may exist on the server"
	var f *bacvault.Failure
	switch {
	case err == nil:
		return nil
	case c.caller.Err() != nil && c.sent:
		return fmt.Errorf("%s: stopped, and %s: %w", c.what, may, context.Cause(c.caller))
	case c.caller.Err() != nil:
		return fmt.Errorf("%s: %w", c.what, context.Cause(c.caller))
	case c.ctx.Err() != nil:
		t := bacvault.Fail(bacvault.CodeCopyTimeout, "%s: not online within %s; last seen %s", c.what, c.wait, c.state)
		if t.Err = err; c.sent {
			t.Exists = may
		}
		return t
	case errors.As(err, &f) && c.sent:
		f.Exists = may
	}
	return err
}
