package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

// Input is what a model is made of.
type Input struct {
	Snapshot watch.Snapshot
	Source   Source
	Running  []bacvault.Progress
	// Gone names the runs whose lease is free or another's: nothing more comes of them.
	Gone map[string]bool
	Now  time.Time
	// Silence is how long a run that works may show no sign of life, RunLimit how long it may take in all.
	Silence, RunLimit time.Duration
	Version           string
	// Unread is what the reader of the model could not read, beside what the look could not.
	Unread []string
}

// New makes the model. Lists that are empty are lists, not null.
func New(in Input) Model {
	s := in.Snapshot
	m := Model{
		Schema: Schema, At: in.Now.UTC(), LookedAt: s.At.UTC(), Source: in.Source, Version: in.Version, Vault: s.Vault,
		MaxBackupAge: s.MaxBackupAge, MaxProofAge: s.MaxProofAge, Posture: s.Posture, Baseline: s.Baseline, Probe: s.Probe,
		Databases: make([]Database, 0, len(s.Databases)), Running: make([]Run, 0, len(in.Running)),
		Findings: make([]bacvault.Finding, 0, len(s.Findings)), Overdue: []watch.Overdue{},
		Unread: append(slices.Clone(in.Unread), s.Unread...),
	}
	m.Findings = append(m.Findings, s.Findings...)
	slices.SortStableFunc(m.Findings, func(a, b bacvault.Finding) int {
		return cmp.Or(rank(a.Severity)-rank(b.Severity), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	found := map[bacvault.Database][]bacvault.Finding{}
	for _, f := range m.Findings {
		d := bacvault.Database{Server: f.Server, Name: f.Database}
		found[d] = append(found[d], f)
		if f.Kind == bacvault.FoundUnprotected {
			m.Unprotected = append(m.Unprotected, d)
		}
	}
	for _, d := range s.Databases {
		row := database(d)
		row.State = m.state(row, found[d.Database])
		if row.State == StateOverdue || has(found[d.Database], bacvault.FoundOverdueBackup) {
			m.Overdue = append(m.Overdue, overdue(row, m.At))
		}
		m.Databases = append(m.Databases, row)
	}
	for _, p := range in.Running {
		if p.Ended { // it is over, and its record is about to go
			continue
		}
		m.Running = append(m.Running, Run{Progress: p, State: runState(p, in)})
	}
	return m
}

func rank(s bacvault.Severity) int {
	if s == bacvault.Alarm {
		return 0
	}
	return 1
}

func has(fs []bacvault.Finding, kind bacvault.FindingKind) bool {
	return slices.ContainsFunc(fs, func(f bacvault.Finding) bool { return f.Kind == kind })
}

func overdue(d Database, now time.Time) watch.Overdue {
	o := watch.Overdue{Database: d.Database}
	if d.Newest != nil {
		o.Newest, o.Age = &d.Newest.Slot, max(now.Sub(d.Newest.Slot.Time()), 0)
	}
	return o
}

// state takes the look's own judgement; what was looked at too long ago has none.
func (m Model) state(d Database, fs []bacvault.Finding) State {
	alarm := slices.ContainsFunc(fs, func(f bacvault.Finding) bool {
		return f.Severity == bacvault.Alarm && f.Kind != bacvault.FoundOverdueProof && f.Kind != bacvault.FoundUnread
	})
	switch {
	case m.Stale():
		return StateUnknown
	case has(fs, bacvault.FoundOverdueBackup):
		return StateOverdue
	case alarm:
		return StateAlarm
	case d.Newest == nil:
		return StateNone
	case has(fs, bacvault.FoundOverdueProof):
		return StateUnproven
	case len(fs) > 0:
		return StateWarning
	case m.Source == Direct:
		return StateTaken
	case d.NewestProof == nil:
		return StateUnproven
	}
	return StateOK
}

func database(d watch.Database) Database {
	row := Database{
		Database: d.Database, ID: id(d.Database), Backups: d.Backups, Orphans: d.Orphans, Bytes: d.Bytes,
		Newest: (*Backup)(d.Newest), NewestProof: drill(d.NewestProof), LastDrill: drill(d.LastDrill), Next: d.Next,
		Slots: make([]Slot, len(d.Slots)),
	}
	for i, s := range d.Slots {
		row.Slots[i] = Slot{Slot: s.Slot, State: s.State, Size: s.Size, Code: s.Code, Detail: s.Detail, RestoreSec: s.RestoreSec}
	}
	return row
}

func drill(p *bacvault.Proof) *Drill {
	if p == nil {
		return nil
	}
	d := &Drill{Slot: p.Slot, At: p.At, Passed: p.Passed, RestoreSec: p.RestoreSec, Tables: p.Tables, Rows: p.Rows, Choice: p.Choice}
	if p.Failure != nil {
		d.Code, d.Detail = p.Failure.Code, p.Failure.Detail
	}
	if p.Negative != nil {
		d.NegativeTried, d.NegativeDetected = p.Negative.Tried, p.Negative.Detected
	}
	return d
}
