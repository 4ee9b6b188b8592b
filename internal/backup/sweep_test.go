package backup_test

import (
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// calls lists the labels of every call of an undisturbed run.
func calls(t *testing.T) []string {
	t.Helper()
	s := newSide(newWorld(t))
	if _, err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.log) < 20 {
		t.Fatalf("the sweep would cover only %v", s.log)
	}
	return order(s.log)
}

// forgiven is what a backup is as good without, and what a finished run does last: a fault there is a finding, not a failure.
var forgiven = map[string]bool{"source#1": true, "drop#1": true, "dropPending#1": true, "release#1": true}

func TestAnyCallMayFailAndTheSameRequestEndsRight(t *testing.T) {
	for _, label := range calls(t) {
		for _, after := range []bool{false, true} {
			name := label + " before its effect"
			if after {
				name = label + " after its effect"
			}
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				s := newSide(w)
				s.failAt, s.after = label, after
				res, err := s.run(t.Context())
				if err != nil {
					f := failure(t, err)
					if f.Stage == "" || f.Exists == "" || f.Class != bacvault.Retry || f.Next == "" {
						t.Errorf("%v: class %s, exists %q, next %q", f, f.Class, f.Exists, f.Next)
					}
				} else if !forgiven[label] || len(res.Findings) != 1 {
					t.Errorf("the run succeeded with the findings %v", res.Findings)
				}
				if len(w.blobs) > 1 || len(w.manifests) > len(w.blobs) {
					t.Errorf("%d blobs, %d manifests", len(w.blobs), len(w.manifests))
				}
				if len(w.copies()) > 0 && label != "drop#1" {
					t.Errorf("left behind: %v", w.copies())
				}
				if w.holder != nil && label != "release#1" && label != "acquire#1" {
					t.Errorf("the lease is still held by %+v", w.holder)
				}
				if left := files(t, w.workDir); len(left) > 0 {
					t.Errorf("left in the work folder: %v", left)
				}
				w.lapse()
				again, err := newSide(w).run(t.Context())
				if err != nil {
					t.Fatalf("the same request again: %v", err)
				}
				complete(t, w, again)
			})
		}
	}
}

func TestKilledAtAnyCallTheRedeliveredRequestEndsRight(t *testing.T) {
	for _, label := range calls(t) {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.killAt = label
			_, _ = s.run(t.Context()) // nobody hears what a dead run says
			w.lapse()
			res, err := newSide(w).run(t.Context())
			if err != nil {
				t.Fatalf("the redelivered request: %v", err)
			}
			complete(t, w, res)
		})
	}
}

// The first run dies before each call that leaves something behind; the second at any call.
func TestKilledTwiceTheThirdDeliveryEndsRight(t *testing.T) {
	all := calls(t)
	for _, first := range []string{"preflight#1", "commit#1", "putManifest#1", "drop#1", "dropPending#1"} {
		for _, second := range append([]string{"pending#1"}, all...) {
			w := newWorld(t)
			for _, label := range []string{first, second} {
				s := newSide(w)
				s.killAt = label
				_, _ = s.run(t.Context())
				w.lapse()
			}
			res, err := newSide(w).run(t.Context())
			if err != nil {
				t.Fatalf("killed at %s, then at %s: %v", first, second, err)
			}
			complete(t, w, res)
		}
	}
}
