package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Holder is the run that has a lease. Its Run is empty where it is not known, for the lease was taken a moment ago or the
// holder has shown no sign of life lately: treat it as another run of another slot.
type Holder struct {
	Run     string        `json:"run"`
	Request string        `json:"request"`
	Slot    bacvault.Slot `json:"slot"`
	Since   time.Time     `json:"since"`
	Host    string        `json:"host"`
}

// Lease is the right to work on one key. It lasts while Run renews it; a dead run's lapses by itself.
type Lease struct {
	s      *State
	key    string
	client *lease.BlobClient
	holder []byte

	mu sync.Mutex
	// end is when the lease lapses if nothing renews it, by our monotonic clock and counted from before the call.
	end time.Time
}

const leases = "leases/"

func leaseName(key string) string { return leases + key }

// nobody is what a lease's blob holds while nobody has it.
const nobody = "{}"

// Acquire takes the lease of a key, or gives the present holder and no lease. That holder may have died less than LeaseTime
// ago: nothing may be given up on its behalf.
func (s *State) Acquire(ctx context.Context, key string, h Holder) (*Lease, *Holder, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	client, err := lease.NewBlobClient(s.c.NewBlobClient(leaseName(key)), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	l := &Lease{s: s, key: key, client: client, holder: b}
	// azcore may repeat the call: the same id acquires its own lease again.
	err = l.acquire(ctx)
	if statusOf(err) == http.StatusNotFound {
		only := &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
		if perr := s.put(ctx, leaseName(key), []byte(nobody), only); perr != nil && !bloberror.HasCode(perr, bloberror.BlobAlreadyExists, bloberror.LeaseIDMissing) {
			return nil, nil, s.failure(ctx, "make the blob of lease "+key, rightWrite, perr)
		}
		err = l.acquire(ctx)
	}
	if bloberror.HasCode(err, bloberror.LeaseAlreadyPresent, bloberror.LeaseIsBreakingAndCannotBeAcquired) {
		present, err := s.present(ctx, key)
		return nil, present, err
	}
	if err != nil {
		return nil, nil, s.failure(ctx, "acquire lease "+key, rightWrite, err)
	}
	s.bury(ctx, key, h.Run)
	if err := l.sign(ctx, l.holder); err != nil {
		out := context.WithoutCancel(ctx)
		return nil, nil, errors.Join(s.failure(ctx, "sign lease "+key, rightWrite, err), l.Release(out))
	}
	return l, nil, nil
}

// bury removes the progress of the run that had a lease before and died: whoever looks would take it for a running one until it has
// been silent for long. Progress is for people, so that an error costs no run: the watch forgets it later.
func (s *State) bury(ctx context.Context, key, heir string) {
	if dead, _, err := s.signature(ctx, key); err == nil && dead.Run != "" && dead.Run != heir {
		_ = s.EndProgress(ctx, dead.Run)
	}
}

func (l *Lease) acquire(ctx context.Context) error {
	start := time.Now()
	_, err := l.client.AcquireLease(ctx, int32(l.s.lease/time.Second), nil)
	if err == nil {
		l.extend(start)
	}
	return err
}

// sign writes who has the lease into its blob, under the lease.
func (l *Lease) sign(ctx context.Context, who []byte) error {
	return l.s.put(ctx, leaseName(l.key), who, &blob.AccessConditions{LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: l.client.LeaseID()}})
}

// present reads who holds a lease. What lies there may be the name of a run that died, until the new holder has signed: a
// holder signs again at every renewal, so an old signature is nobody's.
func (s *State) present(ctx context.Context, key string) (*Holder, error) {
	for try := range 3 {
		if try > 0 {
			if err := pause(ctx, time.Second); err != nil {
				return nil, err
			}
		}
		h, o, err := s.signature(ctx, key)
		if err != nil {
			return nil, err
		}
		if h.Run != "" && o.age < s.lease*2/3 {
			return &h, nil
		}
	}
	return &Holder{}, nil
}

func (s *State) signature(ctx context.Context, key string) (h Holder, o object, err error) {
	o, found, err := s.get(ctx, leaseName(key))
	if err != nil || !found {
		return h, o, err
	}
	if err := json.Unmarshal(o.data, &h); err != nil {
		return Holder{}, o, fmt.Errorf("read the holder of lease %s: %w", key, err)
	}
	return h, o, nil
}

// Run renews the lease at a third of its time until stop, which waits for the last renewal. The context that it gives is
// cancelled by stop, and with the cause lease.lost when the lease is another's or could not be renewed to shortly before
// its end.
func (l *Lease) Run(ctx context.Context) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.keep(held); err != nil {
			cancel(err)
		}
	}()
	return held, func() {
		cancel(context.Canceled)
		<-done
	}
}

// keep gives an error when the lease is lost, and nil when ctx is over.
func (l *Lease) keep(ctx context.Context) error {
	margin := l.s.lease / 12
	wait := l.s.lease / 3
	var last error
	for {
		left := time.Until(l.lapses().Add(-margin))
		if left <= 0 {
			return l.lost("could not be renewed in time", last)
		}
		if pause(ctx, min(wait, left)) != nil {
			return nil
		}
		left = time.Until(l.lapses().Add(-margin))
		if left <= 0 {
			continue
		}
		try, cancel := context.WithTimeout(ctx, min(left, l.s.lease/4))
		last = l.renew(try)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case last == nil:
			wait = l.s.lease / 3
		case gone(last):
			return l.lost("is no longer ours", last)
		default:
			wait = margin
		}
	}
}

// Held asks the store now, and renews: nil only if the lease is ours at this moment. Call it right before what must not be
// done by two.
func (l *Lease) Held(ctx context.Context) error {
	try, cancel := context.WithTimeout(ctx, l.s.lease/3)
	defer cancel()
	if err := l.renew(try); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("ask for lease %s: %w", l.key, context.Cause(ctx))
		}
		if gone(err) {
			return l.lost("is no longer ours", err)
		}
		return l.lost("could not be confirmed", err)
	}
	return nil
}

// Release lets the lease go. One that is lost already is no error.
func (l *Lease) Release(ctx context.Context) error {
	err := l.sign(ctx, []byte(nobody))
	if gone(err) {
		return nil
	}
	if err != nil {
		err = l.s.failure(ctx, "sign off lease "+l.key, rightWrite, err)
	}
	if _, rerr := l.client.ReleaseLease(ctx, nil); rerr != nil && !gone(rerr) {
		err = errors.Join(err, l.s.failure(ctx, "release lease "+l.key, rightWrite, rerr))
	}
	return err
}

// renew renews once, without azcore's repeats: the caller knows how much time is left.
func (l *Lease) renew(ctx context.Context) error {
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
	start := time.Now()
	if _, err := l.client.RenewLease(once, nil); err != nil {
		return err
	}
	l.extend(start)
	// The lease is renewed even if the signature is not: others then take its holder for unknown, which only makes them wait.
	if err := l.sign(once, l.holder); gone(err) {
		return err
	}
	return nil
}

func (l *Lease) extend(start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = start.Add(l.s.lease)
}

func (l *Lease) lapses() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

func (l *Lease) lost(how string, err error) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodeLeaseLost, "lease %s %s", l.key, how)
	if err != nil {
		f.Detail, f.Err = f.Detail+": "+brief(err), err
	}
	return f
}

// gone says that the store knows the lease as another's or as nobody's.
func gone(err error) bool {
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed:
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
