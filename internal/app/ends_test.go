package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/state"
)

// noted is an App with a state container in memory, and nothing else.
func noted(t *testing.T) (*App, *hall) {
	t.Helper()
	h := &hall{state: map[string][]byte{}, lists: map[string]int{}}
	s, err := state.New(state.Config{ContainerURL: "https://st.test/c", Credential: anyToken{}, Transport: h})
	if err != nil {
		t.Fatal(err)
	}
	return &App{cfg: config.Config{MaxAttempts: 4}, state: s}, h
}

func TestAFailedRunLeavesItsEndForWhoeverWaits(t *testing.T) {
	a, h := noted(t)
	d := bacvault.Database{Server: "SRV", Name: "a/b"}
	began := time.Now()
	note := func(ctx context.Context, id string, attempt int, err error) {
		a.noteEnd(ctx, KindBackup, d, bacvault.Envelope{ID: id, Attempt: attempt}, err)
	}
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated"))
	note(t.Context(), "r", 1, nil)
	note(t.Context(), "r", 1, fmt.Errorf("wait: %w", &backup.Busy{}))
	note(t.Context(), "r", 1, &restore.Busy{})
	note(stopped, "r", 1, errors.New("the app goes down"))
	note(t.Context(), "", 1, errors.New("typed by a person"))
	if len(h.state) != 0 {
		t.Fatalf("what has not failed left %v", h.state)
	}
	late, stop := context.WithTimeoutCause(t.Context(), time.Nanosecond, bacvault.Fail(bacvault.CodeExportDeadline, "too long"))
	defer stop()
	<-late.Done()
	for _, c := range []struct {
		ctx     context.Context
		attempt int
		err     error
		code    bacvault.Code
		final   bool
	}{
		{t.Context(), 1, bacvault.Fail(bacvault.CodeSQLUnreachable, "no route"), bacvault.CodeSQLUnreachable, false},
		{t.Context(), 3, errors.New("who knows"), bacvault.CodeUnknown, false},
		{t.Context(), 4, errors.New("who knows"), bacvault.CodeUnknown, true}, // of 4
		{t.Context(), 1, bacvault.Fail(bacvault.CodeGateUnlocked, "not locked"), bacvault.CodeGateUnlocked, true},
		{late, 1, context.Cause(late), bacvault.CodeExportDeadline, true},
	} {
		note(c.ctx, "r", c.attempt, c.err)
		e, err := a.LastEnd(t.Context(), KindBackup, d, "r", began)
		if err != nil || e == nil || e.Attempt != c.attempt || e.Final != c.final || e.Failed().Code != c.code {
			t.Errorf("%v: %+v, %v", c.err, e, err)
		}
	}
	for what, e := range map[string]func() (*End, error){
		"another request":  func() (*End, error) { return a.LastEnd(t.Context(), KindBackup, d, "q", began) },
		"another kind":     func() (*End, error) { return a.LastEnd(t.Context(), "drill", d, "r", began) },
		"an earlier asker": func() (*End, error) { return a.LastEnd(t.Context(), KindBackup, d, "r", time.Now().Add(time.Hour)) },
	} {
		if got, err := e(); got != nil || err != nil {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	for i := range 50 {
		note(t.Context(), fmt.Sprintf("r%d", i), 1, errors.New("again"))
	}
	var of ends
	if _, err := a.state.Load(t.Context(), endsName(KindBackup, d), &of); err != nil || len(of.Ends) != keptEnds || of.Ends[keptEnds-1].Request != "r49" || len(h.state) != 1 {
		t.Errorf("%d are kept in %d places, %v", len(of.Ends), len(h.state), err)
	}
}

// What somebody else left under the name is told to whoever waits, stops no run, and is written over by the next one.
func TestABrokenListOfEndsIsWrittenAnew(t *testing.T) {
	d := bacvault.Database{Server: "srv", Name: "db"}
	for _, broken := range []string{"", "{", "[]", `{"ends":[{"request":7}]}`, `{"ends":null}`} {
		a, h := noted(t)
		a.noteEnd(t.Context(), KindBackup, d, bacvault.Envelope{ID: "old", Attempt: 1}, errors.New("x"))
		for name := range h.state {
			h.state[name] = []byte(broken)
		}
		_, err := a.LastEnd(t.Context(), KindBackup, d, "r", time.Time{})
		if readable := broken == `{"ends":null}`; (err == nil) != readable {
			t.Errorf("%q is read with %v", broken, err)
		}
		a.noteEnd(t.Context(), KindBackup, d, bacvault.Envelope{ID: "r", Attempt: 1}, errors.New("x"))
		if e, err := a.LastEnd(t.Context(), KindBackup, d, "r", time.Time{}); err != nil || e == nil || e.Failed().Code != bacvault.CodeUnknown {
			t.Errorf("%q: %+v, %v", broken, e, err)
		}
	}
}

// A state container that is away costs the run little time, and not its own failure.
func TestAnEndThatCanNotBeKeptIsNoFault(t *testing.T) {
	a := wired(t, nil) // nobody listens at its state container
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := a.Backup(ctx, bacvault.BackupRequest{Envelope: bacvault.Envelope{ID: "r"}, Database: bacvault.Database{Server: "nobody", Name: "db"}})
	if f := bacvault.AsFailure(err, ""); f.Code != bacvault.CodeRequestUnknownDB || ctx.Err() != nil {
		t.Error(err)
	}
}
