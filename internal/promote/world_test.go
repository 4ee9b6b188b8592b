package promote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
)

var (
	errNet    = errors.New("connection reset by peer")
	errKilled = errors.New("killed")

	wide   = promote.Size{Edition: "GeneralPurpose", Objective: "GP_Gen5_4", MaxSizeBytes: 250 << 30}
	narrow = promote.Size{Edition: "Standard", Objective: "S3", MaxSizeBytes: 250 << 30}

	seven = bacvault.Retention{Days: 35, DiffHours: 12, Weekly: "P4W", Monthly: "P12M", Yearly: "P7Y", WeekOfYear: 1}
	none  = bacvault.Retention{Days: 7, DiffHours: 24, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}

	born     = time.Date(2024, 3, 1, 9, 0, 0, 123000000, time.UTC)
	imported = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
)

// database is one that the server has; what identifies it in a test is what it holds.
type database struct {
	holds     string
	name      string
	state     string
	created   time.Time
	size      promote.Size
	retention bacvault.Retention
	immutable bool
	links     int
}

// world is everything outside a run; it outlives the run.
type world struct {
	live, restored string
	databases      map[string]*database
	records        map[string][]byte
	proof          *promote.Reconciliation
	held           string
	now            time.Time
	gapAfter       []string // the calls during which there was no live database
}

func newWorld(live string) *world {
	w := &world{
		live: live, restored: live + "_RESTORE", databases: map[string]*database{}, records: map[string][]byte{}, now: imported.Add(3 * time.Hour),
	}
	w.databases[w.live] = &database{holds: "production", name: w.live, state: "ONLINE", created: born, size: wide, retention: seven}
	w.restore()
	return w
}

// restore makes the restored database, as a restore of ours leaves it.
func (w *world) restore() {
	at := w.now.Add(-2 * time.Hour)
	w.databases[w.restored] = &database{holds: "backup", name: w.restored, state: "ONLINE", created: at, size: narrow, retention: none}
	w.proof = &promote.Reconciliation{
		Request: "restore-1", Source: bacvault.Database{Server: "srv", Name: w.live}, Target: bacvault.Database{Server: "srv", Name: w.restored},
		Created: at, Tables: 2, Findings: []string{"index IX_a is disabled"},
	}
}

// holds says what each name stands for.
func (w *world) holds() map[string]string {
	out := map[string]string{}
	for name, d := range w.databases {
		out[name] = d.holds
	}
	return out
}

func (w *world) record(t *testing.T) (r promote.Record) {
	t.Helper()
	b, ok := w.records[w.live]
	if !ok {
		t.Fatal("there is no record")
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// side is one run's view of the world, with what goes wrong there. Calls are labelled name#n, counted by name.
type side struct {
	w     *world
	req   bacvault.RestoreRequest
	log   []string
	count map[string]int
	notes []bacvault.Progress

	failAt string
	err    error
	after  bool
	killAt string // from this call on nothing the run does reaches the world; with after, only what follows the call
	dead   bool
	at     map[string]func() // what else happens at a call, before it

	restoresOn string
	noPlane    bool
	stale      int // how many looks the management plane shows the other database
}

func newSide(w *world, action bacvault.PromoteAction, id string) *side {
	return &side{
		w: w, count: map[string]int{}, err: errNet, restoresOn: "srv", at: map[string]func(){},
		req: bacvault.RestoreRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.RestoreRequestSchema, ID: id, Attempt: 1}, Kind: bacvault.KindPromote, Action: action,
			Database: bacvault.Database{Server: "srv", Name: w.live}, TargetDatabase: w.restored,
		},
	}
}

func (s *side) call(name string, effect func() error) error {
	s.count[name]++
	label := fmt.Sprintf("%s#%d", name, s.count[name])
	if s.dead = s.dead || label == s.killAt && !s.after; s.dead {
		return errKilled
	}
	s.log = append(s.log, label)
	if do := s.at[label]; do != nil {
		do()
	}
	if label == s.failAt && !s.after {
		return s.err
	}
	if s.w.databases[s.w.live] == nil {
		s.w.gapAfter = append(s.w.gapAfter, label)
	}
	if err := effect(); err != nil {
		return err
	}
	if s.dead = label == s.killAt; s.dead {
		return errKilled
	}
	if label == s.failAt {
		return s.err
	}
	return nil
}

func (s *side) run(ctx context.Context) (bacvault.Promotion, error) {
	p := &promote.Promote{
		Server: s, Policies: s, State: s, RestoresOn: s.restoresOn, Protects: func(server, name string) bool { return server == "srv" && name == s.w.live },
		Poll: time.Millisecond, Patience: 5 * time.Second, NewRun: func() string { return "run1" },
		Now:    func() time.Time { s.w.now = s.w.now.Add(time.Second); return s.w.now },
		Report: func(p bacvault.Progress) { s.notes = append(s.notes, p) },
	}
	if s.noPlane {
		p.Policies = nil
	}
	return p.Run(ctx, s.req)
}

// get is a database or the server's answer that there is none.
func (s *side) get(name string) (*database, error) {
	if d := s.w.databases[name]; d != nil {
		return d, nil
	}
	return nil, bacvault.Fail(bacvault.CodeSQLNotFound, "cannot open %s", name)
}

func (s *side) Exists(_ context.Context, name string) (out promote.Database, ok bool, err error) {
	err = s.call("exists", func() error {
		d := s.w.databases[name]
		if ok = d != nil; ok {
			out = promote.Database{Name: d.name, State: d.state, Created: d.created}
		}
		return nil
	})
	return out, ok, err
}

func (s *side) Size(_ context.Context, name string) (size promote.Size, err error) {
	err = s.call("size", func() error {
		d, err := s.get(name)
		if err == nil {
			size = d.size
		}
		return err
	})
	return size, err
}

func (s *side) GeoLinks(_ context.Context, name string) (n int, err error) {
	err = s.call("geo", func() error {
		d, err := s.get(name)
		if err == nil {
			n = d.links
		}
		return err
	})
	return n, err
}

// Rename is as the server's: it looks first, and it renames what was created then, or nothing.
func (s *side) Rename(ctx context.Context, from, to string, created time.Time) error {
	return s.call("rename", func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		src, dst := s.w.databases[from], s.w.databases[to]
		switch {
		case dst != nil && dst.created.Equal(created):
			return nil
		case dst != nil:
			return bacvault.Fail(bacvault.CodePromoteChanged, "the name %s is taken", to)
		case src == nil || !src.created.Equal(created):
			return bacvault.Fail(bacvault.CodePromoteChanged, "%s is not the database created %s", from, created)
		}
		delete(s.w.databases, from)
		src.name = to
		s.w.databases[to] = src
		return nil
	})
}

func (s *side) Scale(_ context.Context, name string, want promote.Size) error {
	return s.call("scale", func() error {
		d, err := s.get(name)
		if err == nil {
			d.size = want
		}
		return err
	})
}

func (s *side) Created(_ context.Context, name string) (at time.Time, ok bool, err error) {
	err = s.call("created", func() error {
		d := s.w.databases[name]
		if ok = d != nil; ok {
			at = d.created.Truncate(time.Second) // the plane's own rounding
		}
		if s.stale > 0 && s.count["rename"] > 0 {
			s.stale--
			at = born
		}
		return nil
	})
	return at, ok, err
}

func (s *side) Retention(_ context.Context, name string) (r bacvault.Retention, immutable bool, err error) {
	err = s.call("retention", func() error {
		d, err := s.get(name)
		if err == nil {
			r, immutable = d.retention, d.immutable
		}
		return err
	})
	return r, immutable, err
}

func (s *side) SetRetention(_ context.Context, name string, r bacvault.Retention) error {
	return s.call("setRetention", func() error {
		d, err := s.get(name)
		if err == nil {
			d.retention = r
		}
		return err
	})
}
