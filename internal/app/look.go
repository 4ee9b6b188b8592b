package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/watch"
)

const (
	// lookLimit bounds one look: the next one comes after 15 minutes.
	lookLimit = 12 * time.Minute
	// probeAge is from when on the daily tamper probe is overdue.
	probeAge = 50 * time.Hour
	// silence is how long a run may show no sign of life: several times the beat of its progress.
	silence = 15 * time.Minute
	// mostDeadLetters is how many of a queue's are told.
	mostDeadLetters = 500
)

// The places of the watch in the state container.
const (
	snapshotName   = "watch/snapshot"
	probeName      = "watch/probe"
	failuresFolder = "failures"
)

// ErrLooking says that another instance is just looking.
var ErrLooking = errors.New("another instance is making a look")

// Look makes one look of the watch, publishes what began and what ended, and leaves the snapshot that the page shows.
func (a *App) Look(ctx context.Context) (watch.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	l, by, err := a.state.Acquire(ctx, "watch", state.Holder{Run: "watch-" + newRun(), Since: a.now(), Host: host()})
	if err != nil {
		return watch.Snapshot{}, err
	}
	if by != nil {
		return watch.Snapshot{}, ErrLooking
	}
	ctx, stop := l.Run(ctx)
	s, err := a.watch().Look(ctx)
	return s, errors.Join(err, heldLease{l, stop}.Release(context.WithoutCancel(ctx)))
}

func (a *App) watch() *watch.Watch {
	w := &watch.Watch{
		Vault: watchVault{a}, State: watchState{a}, Protected: a.Protected, Unprotected: a.Unprotected, Observe: a.gate.Observe,
		DeadLetters: a.deadLetters, Copies: a.copies, Leases: a.abandoned, Runs: a.state.Progress, Forget: a.state.EndProgress,
		Failures: a.failures,
		Probed: func(ctx context.Context) (p watch.Probe, ok bool, err error) {
			ok, err = a.state.Load(ctx, probeName, &p)
			return p, ok, err
		},
		Publish: func(ctx context.Context, t bacvault.EventType, id, subject string, d bacvault.EventData) error {
			return a.Publish(ctx, a.Event(t, id, 1, subject, d))
		},
		Schedule: a.nightly, Version: a.opts.Version, Place: a.cfg.VaultURL(), Now: a.now,
		Limits: watch.Limits{
			BackupAge: a.cfg.MaxBackupAge, ProofAge: a.cfg.MaxProofAge, CopyAge: a.cfg.JanitorAfter, Silence: silence,
		},
	}
	if a.cfg.Probe == "on" {
		w.Limits.ProbeAge = probeAge
	}
	if a.cfg.RequeueMissed == "yes" {
		w.QueueMissed = a.queueMissed
	}
	return w
}

// schedule is the nightly timer's. Without the setting, as in the restore app, no slot is expected.
func schedule(text string) (watch.Schedule, error) {
	if text == "" {
		return watch.NoSchedule{}, nil
	}
	s, err := watch.ParseSchedule(text)
	if err != nil {
		return nil, fmt.Errorf("BACKUP_SCHEDULE: %w", err)
	}
	return s, nil
}

// now is the machine's time, unless a test has its own.
func (a *App) now() time.Time {
	if a.opts.Now != nil {
		return a.opts.Now().UTC()
	}
	return time.Now().UTC()
}

func (a *App) deadLetters(ctx context.Context) (out []watch.DeadLetter, err error) {
	for _, queue := range []string{bacvault.BackupQueue, bacvault.RestoreQueue} {
		list, lerr := a.bus.DeadLetters(ctx, queue, mostDeadLetters)
		err = errors.Join(err, lerr)
		for _, d := range list {
			out = append(out, watch.DeadLetter{
				Queue: queue, ID: d.ID, Sequence: d.Sequence, Reason: d.Reason, Description: d.Description, At: d.Enqueued, Database: databaseOf(d),
			})
		}
	}
	return out, err
}

// databaseOf reads whom a message was about; it may be one that nobody could read.
func databaseOf(d bus.DeadLetter) (db bacvault.Database) {
	if json.Unmarshal(d.Body, &db) != nil {
		return bacvault.Database{}
	}
	return db
}

func (a *App) copies(ctx context.Context) (dbs []bacvault.Database, created []time.Time, err error) {
	for _, name := range a.cfg.Servers.Names() {
		list, lerr := a.servers[name].sql.Copies(ctx)
		if lerr != nil {
			err = errors.Join(err, fmt.Errorf("list the copies on %s: %w", name, lerr))
		}
		for _, c := range list {
			dbs, created = append(dbs, bacvault.Database{Server: name, Name: c.Name}), append(created, c.Created)
		}
	}
	return dbs, created, err
}

func (a *App) abandoned(ctx context.Context) (out []watch.Lost, err error) {
	list, err := a.state.Abandoned(ctx)
	for _, l := range list {
		out = append(out, watch.Lost{Key: l.Key, Run: l.Run, Request: l.Request, Since: l.Signed})
	}
	return out, err
}

// queueMissed sends a request of its own id: that of the timer may have been answered already.
func (a *App) queueMissed(ctx context.Context, d bacvault.Database, s bacvault.Slot) error {
	_, err := a.RequestBackup(ctx, bacvault.BackupRequest{
		Envelope: bacvault.Envelope{ID: "missed-" + slotRequestID(d, s), RequestedBy: "watch", Reason: "the slot was missed"}, Database: d, Slot: &s,
	})
	return err
}

// failedSlots are the last failures of one database, newest last.
type failedSlots struct {
	Failures []watch.Failed `json:"failures"`
}

// keptFailures is how many of them are kept: a month of nights, and some that were asked for.
const keptFailures = 40

// stopped says that a run's context ended because the app goes down. One that ended at the run's limit is a failure.
func stopped(ctx context.Context) bool {
	var f *bacvault.Failure
	return ctx.Err() != nil && !errors.As(context.Cause(ctx), &f)
}

// noteFailure remembers that the backup of a slot failed, for the strip of the page. Nothing depends on it, so nothing waits long.
func (a *App) noteFailure(ctx context.Context, req bacvault.BackupRequest, err error) {
	if req.Slot == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	name := state.Folder(failuresFolder, req.Server, req.Name)
	var of failedSlots
	if _, lerr := a.state.Load(ctx, name, &of); lerr != nil && !errors.Is(lerr, state.ErrUnreadable) {
		return
	}
	f := bacvault.AsFailure(err, "")
	of.Failures = append(of.Failures, watch.Failed{Database: req.Database, Slot: *req.Slot, Code: f.Code, Detail: f.Detail, At: a.now()})
	of.Failures = of.Failures[max(0, len(of.Failures)-keptFailures):]
	_ = a.state.Save(ctx, name, of) // the event of the failure is what counts
}

// failures reads what failed since a moment; one file that can't be understood does not hide the others.
func (a *App) failures(ctx context.Context, since time.Time) (out []watch.Failed, err error) {
	var strange error
	err = a.state.Each(ctx, failuresFolder, since, func(name string, b []byte) error {
		var of failedSlots
		if err := json.Unmarshal(b, &of); err != nil {
			strange = errors.Join(strange, fmt.Errorf("%s: %w", name, err))
			return nil
		}
		out = append(out, of.Failures...)
		return nil
	})
	return out, errors.Join(err, strange)
}

type watchVault struct{ *App }

func (v watchVault) Catalogue(ctx context.Context, d bacvault.Database) (out []watch.Entry, err error) {
	list, phantoms, err := v.vault.Listing(ctx, d)
	for _, e := range list {
		out = append(out, watch.Entry{
			Blob: e.Blob, Slot: e.Slot, Size: e.Size, Created: e.Created, HasManifest: e.HasManifest, ManifestAt: e.ManifestAt, ProofNames: e.ProofNames,
		})
	}
	for _, p := range phantoms {
		out = append(out, watch.Entry{Blob: p.Blob, Slot: p.Slot, Created: p.Created, NoArchive: true})
	}
	return out, err
}

func (v watchVault) ReadManifest(ctx context.Context, blob string) (bacvault.Manifest, bool, error) {
	return v.vault.ReadManifest(ctx, blob)
}

func (v watchVault) ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error) {
	return v.vault.ReadProof(ctx, name)
}

type watchState struct{ *App }

func (s watchState) Load(ctx context.Context) (snap watch.Snapshot, ok bool, err error) {
	ok, err = s.state.Load(ctx, snapshotName, &snap)
	switch {
	case errors.Is(err, state.ErrUnreadable):
		err = fmt.Errorf("%w: %w", watch.ErrStrange, err)
	case ok && snap.Schema != watch.SnapshotSchema:
		err = fmt.Errorf("%w: its schema is %q, not %q", watch.ErrStrange, snap.Schema, watch.SnapshotSchema)
	}
	return snap, ok, err
}

func (s watchState) Save(ctx context.Context, snap watch.Snapshot) error {
	return s.state.Save(ctx, snapshotName, snap)
}
