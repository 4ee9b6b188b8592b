package promote_test

import (
	"context"
	"encoding/json"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/promote"
)

type lease struct{ s *side }

func (s *side) Acquire(ctx context.Context, live, restored bacvault.Database, run, request string) (out context.Context, l promote.Lease, by string, err error) {
	err = s.call("acquire", func() error {
		if by = s.w.held; by != "" {
			return nil
		}
		s.w.held, l = run+" "+request+" "+live.Name+" "+restored.Name, lease{s}
		return nil
	})
	return ctx, l, by, err
}

func (l lease) Held(context.Context) error { return l.s.call("held", func() error { return nil }) }

func (l lease) Release(context.Context) error {
	return l.s.call("release", func() error { l.s.w.held = ""; return nil })
}

func (s *side) SaveRecord(_ context.Context, live bacvault.Database, r promote.Record) error {
	return s.call("saveRecord", func() error {
		b, err := json.Marshal(r)
		s.w.records[live.Name] = b
		return err
	})
}

func (s *side) Record(_ context.Context, live bacvault.Database) (r promote.Record, ok bool, err error) {
	err = s.call("record", func() error {
		var b []byte
		if b, ok = s.w.records[live.Name]; ok {
			return json.Unmarshal(b, &r)
		}
		return nil
	})
	return r, ok, err
}

func (s *side) Reconciliation(context.Context, bacvault.Database) (rc promote.Reconciliation, ok bool, err error) {
	err = s.call("reconciliation", func() error {
		if ok = s.w.proof != nil; ok {
			rc = *s.w.proof
		}
		return nil
	})
	return rc, ok, err
}
