package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Vault is the catalogue of what is stored. A look lists each database once and reads only what no look has read before.
type Vault interface {
	// Catalogue lists the stored archives of a database, oldest slot first.
	Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error)
	ReadManifest(ctx context.Context, blob string) (bacvault.Manifest, bool, error)
	ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error)
}

// Entry is one stored archive, or a manifest without one.
type Entry struct {
	Blob        string
	Slot        bacvault.Slot
	Size        int64
	Created     time.Time
	HasManifest bool
	ManifestAt  time.Time
	NoArchive   bool     // a manifest alone: Created is its own
	ProofNames  []string // oldest first; of drills that passed and of such that failed
}

// ErrStrange is a last snapshot that is there and cannot be understood: another version's, or damaged.
var ErrStrange = errors.New("the last look's snapshot cannot be understood")

// State is where the last look left its result.
type State interface {
	// Load gives the last snapshot: false if there is none, ErrStrange if it cannot be understood.
	Load(ctx context.Context) (Snapshot, bool, error)
	Save(ctx context.Context, s Snapshot) error
}

// DeadLetter is a message that a queue put aside.
type DeadLetter struct {
	Queue, ID           string
	Sequence            int64
	Reason, Description string
	At                  time.Time // when it was enqueued
	Database            bacvault.Database
}

// Lost is a lease whose holder has gone without letting it go.
type Lost struct {
	Key, Run, Request string
	Since             time.Time
}

// Failed is a slot whose backup ended in a failure.
type Failed struct {
	Database bacvault.Database
	Slot     bacvault.Slot
	Code     bacvault.Code
	Detail   string
	At       time.Time
}

// Watch looks at everything that could be wrong, from what is stored and not from what runs say of themselves.
type Watch struct {
	Vault Vault
	State State

	Protected   func(ctx context.Context) ([]bacvault.Database, error)
	Unprotected func(ctx context.Context) ([]bacvault.Database, error)
	Observe     func(ctx context.Context) (bacvault.Posture, error)
	DeadLetters func(ctx context.Context) ([]DeadLetter, error)
	// Copies lists the databases that bear the name of a consistent copy of ours.
	Copies func(ctx context.Context) ([]bacvault.Database, []time.Time, error)
	Leases func(ctx context.Context) ([]Lost, error)
	Runs   func(ctx context.Context) ([]bacvault.Progress, error)
	// Forget removes what a run that died said of itself.
	Forget func(ctx context.Context, run string) error
	// Failures lists what failed since a moment.
	Failures func(ctx context.Context, since time.Time) ([]Failed, error)
	Probed   func(ctx context.Context) (Probe, bool, error)
	// Publish sends an event; the same one again where it is not known whether it arrived.
	Publish func(ctx context.Context, t bacvault.EventType, id, subject string, d bacvault.EventData) error
	// QueueMissed asks once more for a slot that was missed; nil leaves it to a person.
	QueueMissed func(ctx context.Context, d bacvault.Database, s bacvault.Slot) error

	Schedule Schedule
	Limits   Limits
	Version  string
	Place    string // the vault's URL
	Now      func() time.Time
}

// Limits is what is judged by. The ages are those of the newest backup and of the newest proof.
type Limits struct {
	BackupAge, ProofAge time.Duration
	CopyAge             time.Duration // from which a copy is left over
	ProbeAge            time.Duration // from which the tamper probe is overdue; 0: it is not used
	// Silence is how long a run may show no sign of life.
	Silence time.Duration
}

// Schedule gives the occurrences of the nightly timer.
type Schedule interface {
	// Between lists those after from and not after to, in order.
	Between(from, to time.Time) []time.Time
	Next(after time.Time) time.Time
}

// tellLimit bounds the last write of a look whose time is up.
const tellLimit = time.Minute

// Look makes one look: it reads, judges, tells what began and what ended, and leaves a snapshot. What could not be read is told
// too, and what was found there before stays found: not seen is not over. Where the last snapshot cannot be understood the watch
// starts anew, and tells that.
func (w *Watch) Look(ctx context.Context) (Snapshot, error) {
	last, _, err := w.State.Load(ctx)
	strange := errors.Is(err, ErrStrange)
	if err != nil && !strange {
		return Snapshot{}, fmt.Errorf("load the last snapshot: %w", err)
	}
	if strange {
		last = Snapshot{}
	}
	seen, err := w.observe(ctx, last)
	if err != nil {
		return Snapshot{}, err
	}
	if strange {
		seen.miss("the last look's snapshot", errors.New("it is another version's or damaged; the watch starts anew, and takes the policy of now for the baseline"))
	}
	asked := w.requeue(ctx, seen, last)
	s := w.judge(seen, last)
	s.Requeued = asked
	// Saved before it is told, with what is still to be told: a look that is killed here is told by the next one, under the
	// same ids.
	if err := w.State.Save(ctx, s); err != nil {
		return s, fmt.Errorf("save the snapshot: %w", err)
	}
	terr := w.tell(ctx, &s)
	// What was told must be struck off although the look's time is up: the topic drops a repeat for ten minutes only.
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellLimit)
	defer cancel()
	if err := w.State.Save(out, s); err != nil {
		return s, errors.Join(terr, fmt.Errorf("save the snapshot: %w", err))
	}
	return s, terr
}
