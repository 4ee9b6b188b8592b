package state_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
)

const (
	leaseTime = 30 * time.Second
	key       = "backup/srv/db"
)

func holder(run string) state.Holder {
	at := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	return state.Holder{Run: run, Request: "q-" + run, Slot: bacvault.SlotAt(at), Since: at, Host: "h"}
}

var sameHolder = cmp.Comparer(func(a, b bacvault.Slot) bool { return a.Time().Equal(b.Time()) })

func acquire(t *testing.T, s *state.State, run string) *state.Lease {
	t.Helper()
	l, h, err := s.Acquire(t.Context(), key, holder(run))
	if err != nil || l == nil || h != nil {
		t.Fatalf("acquire for %s: lease %v, holder %+v, %v", run, l, h, err)
	}
	return l
}

// refused acquires in vain and gives the holder that is named.
func refused(t *testing.T, s *state.State, run string) state.Holder {
	t.Helper()
	l, h, err := s.Acquire(t.Context(), key, holder(run))
	if err != nil || l != nil || h == nil {
		t.Fatalf("acquire for %s: lease %v, holder %+v, %v", run, l, h, err)
	}
	return *h
}

func TestLeaseKeepsOthersOffWhileItsRunLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, st := open(t, 30)
		st.missing = true // the first lease makes the container and its blob
		l := acquire(t, s, "a")
		held, stop := l.Run(t.Context())
		for range 20 {
			time.Sleep(leaseTime / 2)
			if diff := cmp.Diff(holder("a"), refused(t, s, "b"), sameHolder); diff != "" {
				t.Fatalf("holder (-want +got):\n%s", diff)
			}
		}
		if err := errors.Join(held.Err(), l.Held(t.Context())); err != nil {
			t.Errorf("ten lease times on: %v", err)
		}
		stop()
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		acquire(t, s, "b")
	})
}

func TestLeaseOfADeadRunLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, 30)
		dead := acquire(t, s, "a")
		time.Sleep(leaseTime - time.Second)
		refused(t, s, "b")
		time.Sleep(2 * time.Second)
		acquire(t, s, "b")
		wantCode(t, dead.Held(t.Context()), bacvault.CodeLeaseLost)
		if err := dead.Release(t.Context()); err != nil {
			t.Errorf("release of a lost lease: %v", err)
		}
		if h := refused(t, s, "c"); h.Run != "b" {
			t.Errorf("the dead run's release touched the new holder's lease: %+v", h)
		}
	})
}

// Whoever takes a dead run's lease up removes what that run said of itself: it would be taken for a running one.
func TestADeadRunsProgressEndsWhenItsLeaseIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, 30)
		for _, run := range []string{"a", "b", "other"} {
			if err := s.SaveProgress(t.Context(), bacvault.Progress{Run: run, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		runs := func() (out []string) {
			list, err := s.Progress(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				out = append(out, p.Run)
			}
			return out
		}
		acquire(t, s, "a")
		refused(t, s, "b")
		if d := cmp.Diff([]string{"a", "b", "other"}, runs()); d != "" {
			t.Errorf("while it lives: %s", d)
		}
		time.Sleep(leaseTime + time.Second)
		if err := acquire(t, s, "b").Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		acquire(t, s, "c")
		if d := cmp.Diff([]string{"b", "other"}, runs()); d != "" {
			t.Errorf("after it died, and another ended in order: %s", d)
		}
	})
}

// A holder that took the lease and has not signed yet must not be mistaken for the dead one before it: a redelivered
// message would be completed on behalf of a run that is no more.
func TestLeaseNeverNamesAHolderThatIsNoMore(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *state.State){
		"lapsed":   func(t *testing.T, s *state.State) { acquire(t, s, "a"); time.Sleep(leaseTime + time.Second) },
		"released": func(t *testing.T, s *state.State) { _ = acquire(t, s, "a").Release(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, st := open(t, 30)
				before(t, s)
				st.mu.Lock()
				b := st.blobs["leases/"+key]
				b.lease, b.until = "another", time.Now().Add(leaseTime)
				st.mu.Unlock()
				if h := refused(t, s, "c"); h.Run != "" {
					t.Errorf("named %s, who is no more", h.Run)
				}
			})
		})
	}
}

func TestRunIsCancelledWhenTheLeaseIsLost(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    func(st *store) func(*http.Request, string) (*http.Response, error)
		min, max time.Duration
	}{
		{"another took it", func(st *store) func(*http.Request, string) (*http.Response, error) {
			return func(r *http.Request, call string) (*http.Response, error) {
				if strings.Contains(call, "renew") {
					return answer(r, 409, "LeaseIdMismatchWithLeaseOperation"), nil
				}
				return nil, nil
			}
		}, leaseTime / 3, leaseTime/3 + time.Second},
		{"the store does not answer", func(st *store) func(*http.Request, string) (*http.Response, error) {
			return func(r *http.Request, _ string) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
		}, leaseTime / 2, leaseTime - time.Second},
		{"the network is down", func(st *store) func(*http.Request, string) (*http.Response, error) {
			return func(*http.Request, string) (*http.Response, error) { return nil, errors.New("no route") }
		}, leaseTime / 2, leaseTime - time.Second},
		{"the store is busy", func(st *store) func(*http.Request, string) (*http.Response, error) {
			return func(r *http.Request, _ string) (*http.Response, error) { return answer(r, 503, "ServerBusy"), nil }
		}, leaseTime / 2, leaseTime - time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, st := open(t, 30)
				l := acquire(t, s, "a")
				start := time.Now()
				held, stop := l.Run(t.Context())
				defer stop()
				st.setFault(c.fault(st))
				<-held.Done()
				wantCode(t, context.Cause(held), bacvault.CodeLeaseLost)
				if d := time.Since(start); d < c.min || d > c.max {
					t.Errorf("cancelled after %s, want %s to %s: before the lease can be another's, and not at the first fault", d, c.min, c.max)
				}
				wantCode(t, l.Held(t.Context()), bacvault.CodeLeaseLost)
			})
		})
	}
}

func TestRunOutlivesAShortFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, st := open(t, 30)
		l := acquire(t, s, "a")
		held, stop := l.Run(t.Context())
		time.Sleep(leaseTime / 4)
		st.setFault(func(*http.Request, string) (*http.Response, error) { return nil, errors.New("no route") })
		time.Sleep(leaseTime / 4)
		st.setFault(nil)
		time.Sleep(5 * leaseTime)
		if held.Err() != nil {
			t.Errorf("lost: %v", context.Cause(held))
		}
		stop()
		if context.Cause(held) != context.Canceled {
			t.Errorf("cause after stop: %v", context.Cause(held))
		}
		calls := st.count("")
		time.Sleep(5 * leaseTime)
		if st.count("") != calls {
			t.Error("it is still renewed after stop")
		}
	})
}

func TestHeldKeepsTheCauseOfACancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, 30)
		l := acquire(t, s, "a")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(bacvault.Fail(bacvault.CodeExportDeadline, "too long"))
		wantCode(t, l.Held(ctx), bacvault.CodeExportDeadline)
	})
}

func TestAcquireThatCannotSignLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, st := open(t, 30)
		_ = acquire(t, s, "a").Release(t.Context())
		st.setFault(func(r *http.Request, call string) (*http.Response, error) {
			if strings.HasPrefix(call, "PUT leases/") || strings.HasPrefix(call, "PUT  leases/") {
				return answer(r, 403, "AuthorizationPermissionMismatch"), nil
			}
			return nil, nil
		})
		_, _, err := s.Acquire(t.Context(), key, holder("b"))
		wantCode(t, err, bacvault.CodeVaultDenied)
		st.setFault(nil)
		acquire(t, s, "c")
	})
}
