package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// A run that the app's end stopped comes again; one that reached its own limit has failed, and the strip must show it.
func TestARunAtItsLimitIsNotStopped(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated"))
	late, stop := context.WithTimeoutCause(t.Context(), time.Nanosecond, bacvault.Fail(bacvault.CodeExportDeadline, "too long"))
	defer stop()
	<-late.Done()
	for _, c := range []struct {
		name string
		ctx  context.Context
		want bool
	}{{"alive", t.Context(), false}, {"the app goes down", cancelled, true}, {"at its limit", late, false}} {
		if got := stopped(c.ctx); got != c.want {
			t.Errorf("%s: stopped is %t", c.name, got)
		}
	}
}
