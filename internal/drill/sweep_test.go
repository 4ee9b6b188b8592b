package drill_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

// again is the same request's next delivery, to another process.
func (w *world) again() {
	w.killAt, w.dead, w.calls, w.log = 0, false, 0, nil
}

// sweep kills a drill at every call that it makes, before its effect and after it.
func sweep(t *testing.T, make func() *world, do func(t *testing.T, w *world)) {
	t.Helper()
	whole := make()
	_, _ = whole.drill().Run(t.Context(), request()) // what it ends in is the other tests' matter
	if whole.calls < 3 {
		t.Fatalf("the sweep would cover only %v", whole.log)
	}
	for n := 1; n <= whole.calls; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after its effect %t", whole.log[n-1], after), func(t *testing.T) {
				w := make()
				w.killAt, w.after = n, after
				_, _ = w.drill().Run(t.Context(), request()) // nobody hears what a dead run says
				w.now = w.now.Add(time.Minute)
				recorded := len(w.proofs) == 1
				w.again()
				do(t, w)
				if recorded && slices.Contains(w.log, "restore "+name) {
					t.Errorf("it was recorded, and yet drilled again: %v", w.log)
				}
			})
		}
	}
}

func TestKilledAtAnyCallTheRedeliveredDrillEndsInOneProof(t *testing.T) {
	sweep(t, newWorld, func(t *testing.T, w *world) {
		p, err := w.drill().Run(t.Context(), request())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w.proof(t), p, options); d != "" || !p.Passed || p.Negative == nil || p.RestoreSec != 80 {
			t.Errorf("passed %t after %v s with %+v; beside the recorded one: %s", p.Passed, p.RestoreSec, p.Negative, d)
		}
		if w.there {
			t.Error("the drill's database is left")
		}
	})
}

func TestKilledAtAnyCallTheRedeliveredDrillCondemnsOnce(t *testing.T) {
	for name, change := range map[string]func(*world){
		"by its restore": func(w *world) {
			w.restore = bacvault.AsFailure(bacvault.Fail(bacvault.CodeVerifyHash, "other bytes"), bacvault.StageFetch)
		},
		"by its rows": func(w *world) { *w.got.Tables[0].Source = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			make := func() *world {
				w := newWorld()
				change(w)
				return w
			}
			whole := make()
			_, want := whole.drill().Run(t.Context(), request())
			sweep(t, make, func(t *testing.T, w *world) {
				p, err := w.drill().Run(t.Context(), request())
				f, g := bacvault.AsFailure(want, ""), bacvault.AsFailure(err, "")
				if err == nil || f.Code != g.Code || f.Class != g.Class || f.Stage != g.Stage || f.Detail != g.Detail || f.Next != g.Next {
					t.Errorf("it ends in %+v, undisturbed in %+v", g, f)
				}
				if d := cmp.Diff(w.proof(t), p, options); d != "" || p.Passed {
					t.Errorf("passed %t; beside the recorded one: %s", p.Passed, d)
				}
				if w.there {
					t.Error("the drill's database is left")
				}
			})
		})
	}
}

// Whoever sends a drill again that did not pass wants another look; a proof that passed answers all attempts.
func TestAnotherAttemptLooksAgainOnlyWhereTheFirstDidNotPass(t *testing.T) {
	for _, passes := range []bool{true, false} {
		w := newWorld()
		if !passes {
			w.restore = bacvault.Fail(bacvault.CodeVerifyHash, "other bytes")
		}
		if _, err := w.drill().Run(t.Context(), request()); (err == nil) != passes {
			t.Fatal(err)
		}
		w.again()
		w.now = w.now.Add(time.Hour)
		req := request()
		req.Attempt = 2
		if _, err := w.drill().Run(t.Context(), req); (err == nil) != passes {
			t.Fatal(err)
		}
		if drilled := slices.Contains(w.log, "restore "+name); drilled == passes {
			t.Errorf("passed %t: %v", passes, w.log)
		}
	}
}

// Other drills of the same backup may end in the same second, and many lie in the vault.
func TestProofsOfOtherRequestsAreNotTakenForThisOnes(t *testing.T) {
	w := newWorld()
	for i := range 30 {
		at := w.now.Add(time.Duration(90-i*60) * time.Second)
		w.proofs[bacvault.ProofName(w.got.Blob, at)] = bacvault.Proof{Blob: w.got.Blob, At: at, Passed: true, Request: &bacvault.RequestOrigin{ID: fmt.Sprint("r-1", i), Attempt: 1}}
	}
	w.proofs["srv/db/old.proof-2020-01-01_000000.json"] = bacvault.Proof{Passed: true} // a first release wrote no request
	p, err := w.drill().Run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if want := night.Time().Add(91 * time.Second); !p.At.Equal(want) || len(w.proofs) != 32 {
		t.Errorf("the proof of %s lies among %d", p.At, len(w.proofs))
	}
	if n := len(w.log); n != 1+20+1+2+1 {
		t.Errorf("%d calls: %v", n, w.log)
	}
	w.again()
	if again, err := w.drill().Run(t.Context(), request()); err != nil || !again.At.Equal(p.At) {
		t.Errorf("redelivered it is answered with the proof of %s, %v", again.At, err)
	}
}

// A proof that can't be read is none of this release's, and so none of this request's; a store that is away is no answer.
func TestProofsThatCannotBeRead(t *testing.T) {
	damaged := bacvault.Fail(bacvault.CodeVaultRead, "a newer form")
	damaged.Class = bacvault.Terminal
	for _, c := range []struct {
		err  error
		runs bool
	}{{damaged, true}, {bacvault.Fail(bacvault.CodeVaultRead, "away"), false}, {errNet, false}} {
		w := newWorld()
		w.proofs["srv/db/x.proof-2026-11-24_000000.json"] = bacvault.Proof{}
		d := w.drill()
		d.ReadProof = func(context.Context, string) (bacvault.Proof, bool, error) { return bacvault.Proof{}, false, c.err }
		_, err := d.Run(t.Context(), request())
		if (err == nil) != c.runs || !c.runs && (bacvault.AsFailure(err, "").Class != bacvault.Retry || len(w.proofs) != 1) {
			t.Errorf("%v: %v, %d proofs", c.err, err, len(w.proofs))
		}
	}
}
