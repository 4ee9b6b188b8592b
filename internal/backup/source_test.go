package backup_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// What only a restore's defaults need never costs a night's backup; that the run must end still ends it.
func TestASourceThatDoesNotTellItsStateIsBackedUpAllTheSame(t *testing.T) {
	for name, err := range map[string]error{
		"a right is missing":   bacvault.Fail(bacvault.CodeSQLDenied, "no VIEW DATABASE STATE"),
		"it does not answer":   bacvault.Fail(bacvault.CodeSQLUnreachable, "timeout"),
		"an unknown fault":     errNet,
		"it is gone meanwhile": bacvault.Fail(bacvault.CodeSQLNotFound, "no db"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := newSide(w)
			s.failAt, s.err = "source#1", err
			res, err := s.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			complete(t, w, res)
			if res.Manifest.Source != nil || len(res.Findings) != 1 || !strings.Contains(res.Findings[0], "could be read") {
				t.Errorf("source %+v, findings %q", res.Manifest.Source, res.Findings)
			}
		})
	}
}

func TestWhatTheSourceToldIsKept(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.failAt, s.err, s.after = "source#1", bacvault.Fail(bacvault.CodeSQLDenied, "no right to see its size"), true
	res, err := s.run(t.Context())
	if err != nil || res.Manifest.Source == nil || *res.Manifest.Source != stateOf || len(res.Findings) != 1 {
		t.Errorf("source %+v, findings %q, error %v", res.Manifest.Source, res.Findings, err)
	}
}

func TestALeaseLostWhileTheSourceIsAskedEndsTheRun(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.failAt = "source#1"
	s.at["source#1"] = func() { s.lose(bacvault.Fail(bacvault.CodeLeaseLost, "lapsed")) }
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeLeaseLost || len(w.blobs) > 0 {
		t.Errorf("%v, %d blobs", f, len(w.blobs))
	}
}
