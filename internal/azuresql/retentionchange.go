package azuresql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// retentionChange is one policy that is to become another.
type retentionChange struct {
	what, action string
	read         func(context.Context) (same bool, now string, err error)
	send         func(context.Context) (longRunning, error)
}

// longRunning is an operation of the plane that was taken.
type longRunning interface {
	// poll looks once; over with an error is an operation that failed.
	poll(context.Context) (over bool, err error)
}

// running is an operation of armsql.
type running[T any] struct{ *runtime.Poller[T] }

func (r running[T]) poll(ctx context.Context) (over bool, err error) {
	if !r.Done() {
		if _, err := r.Poll(ctx); err != nil {
			return false, err
		}
	}
	if !r.Done() {
		return false, nil
	}
	_, err = r.Result(ctx)
	return true, err
}

// endedError is an operation that was taken and failed.
type endedError struct{ r *azcore.ResponseError }

func (e *endedError) Error() string { return "the operation ended with " + e.r.ErrorCode + said(e.r) }

// settle makes a policy the one that is wanted. The policy is the truth: an answer that was lost is settled by reading it, and
// the put, which is the same each time, is sent again only where the policy stays the old one.
func (m *Management) settle(ctx context.Context, c retentionChange) error {
	if same, _, err := c.read(ctx); same || err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, retentionLimit, errWaitOver)
	defer cancel()
	err := m.put(ctx, c)
	if err != nil && ctx.Err() != nil && caller.Err() == nil {
		f := bacvault.Fail(bacvault.CodePromoteFailed, "%s: not done within %s", c.what, retentionLimit)
		f.Err = err
		return f
	}
	return err
}

func (m *Management) put(ctx context.Context, c retentionChange) error {
	for sends := 1; ; sends++ {
		op, err := c.send(ctx)
		if err == nil {
			err = m.end(ctx, c, op)
		} else if refused(err) {
			return m.failure(ctx, c.what, c.action, err)
		}
		if errors.As(err, new(*bacvault.Failure)) {
			return err
		}
		same, now, lookErr := m.appears(ctx, c, retryAfter(err))
		switch {
		case lookErr != nil:
			return errors.Join(lookErr, m.failure(ctx, c.what, c.action, err))
		case same:
			return nil
		case sends < mostSends:
		case errors.As(err, new(*endedError)):
			return bacvault.Fail(bacvault.CodePromoteFailed, "%s: tried %d times: %v", c.what, sends, err)
		case err != nil:
			return m.failure(ctx, c.what, c.action, err)
		default:
			return bacvault.Fail(bacvault.CodePromoteFailed, "%s: the service took it %d times, and the database shows %s", c.what, sends, now)
		}
	}
}

// appears looks for the policy a few times.
func (m *Management) appears(ctx context.Context, c retentionChange, first time.Duration) (same bool, now string, err error) {
	if err := sleep(ctx, first); err != nil {
		return false, "", fmt.Errorf("%s: %w", c.what, err)
	}
	for range settleLooks {
		if same, now, err = c.read(ctx); same || err != nil {
			return same, now, err
		}
		if err := sleep(ctx, m.cfg.Poll); err != nil {
			return false, now, fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return false, now, nil
}

// end waits for an operation, or for the policy where that shows first. A Failure is one that failed for good, another error leaves open what it did. That it can't be
// asked is no failure: the right to read operations (Microsoft.Sql/locations/*/read) is another than that to write policies.
func (m *Management) end(ctx context.Context, c retentionChange, op longRunning) error {
	for unread := 0; ; {
		over, err := op.poll(ctx)
		var r *azcore.ResponseError
		switch {
		case over && errors.As(err, &r) && r.StatusCode < 300:
			code, known := managementCodes[r.ErrorCode]
			ended := &endedError{r}
			if !known {
				return ended
			}
			return bacvault.Fail(code, "%s: %v", c.what, ended)
		case over, refused(err): // it ended well, and what may have failed is the last read of the policy; or we may not ask
			return nil
		case err != nil && unread >= settleLooks:
			return err
		case err != nil:
			unread++
		}
		if same, _, lookErr := c.read(ctx); lookErr == nil && same {
			return nil
		}
		if err := sleep(ctx, max(m.cfg.Poll, retryAfter(err))); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
}
