package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func peeked(t *testing.T, sequence int64, typ bacvault.EventType, d bacvault.EventData) app.Peeked {
	t.Helper()
	e := bacvault.NewEvent(typ, "r1", 1, "/x", "srv/db", time.Date(2026, 11, 24, 2, 30, 0, 0, time.UTC), d)
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return app.Peeked{Sequence: sequence, Event: &e, Body: b}
}

func TestEventsAreOneLineEach(t *testing.T) {
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	all := []app.Peeked{
		peeked(t, 3, bacvault.BackupCompleted, bacvault.EventData{Slot: &slot}),
		peeked(t, 4, bacvault.RestoreCompleted, bacvault.EventData{Target: &bacvault.Database{Name: "db_RESTORE"}}),
		peeked(t, 9, bacvault.BackupFailed, bacvault.EventData{Failure: &bacvault.FailureData{Code: bacvault.CodeGateUnlocked, Detail: "it is not locked"}}),
		peeked(t, 10, bacvault.FindingRaised, bacvault.EventData{Finding: &bacvault.Finding{Kind: bacvault.FoundUnprotected, Detail: "nobody backs it up"}}),
		peeked(t, 11, bacvault.RequestRejected, bacvault.EventData{}),
	}
	f := &fake{events: func(from int64) ([]app.Peeked, error) {
		if from == 0 {
			return all, nil
		}
		return nil, nil
	}}
	text, doc := enter(t, f, onTerminal, "events"), enter(t, f, nil, "events", "--subscription", "failures")
	missing := lacks(text.out, "2026-11-24T02:30:00Z  bacvault.backup.completed.v1  srv/db  slot 2026-11-24T02:00:00Z, request r1", "as db_RESTORE", "gate.unlocked: it is not locked",
		"nobody backs it up", "bacvault.request.rejected.v1  srv/db  request r1")
	if text.code != exitOK || missing != nil || strings.Count(text.out, "\n") != len(all) {
		t.Errorf("lacks %v: %+v", missing, text)
	}
	lines := strings.Split(strings.TrimSpace(doc.out), "\n")
	if doc.code != exitOK || len(lines) != len(all) {
		t.Fatalf("%+v", doc)
	}
	for i, l := range lines {
		if e := decode[bacvault.Event](t, l); e.Type != all[i].Event.Type {
			t.Errorf("line %d is %s", i, l)
		}
	}
	if !slices.Equal(f.from, []int64{0, 12, 0, 12}) {
		t.Errorf("peeked from %v", f.from)
	}
}

func TestWhatIsNoEventIsShownAndCounts(t *testing.T) {
	f := &fake{events: func(from int64) ([]app.Peeked, error) {
		if from > 0 {
			return nil, nil
		}
		return []app.Peeked{{Sequence: 1, Body: []byte("hello\x00")}}, nil
	}}
	text, doc := enter(t, f, onTerminal, "events"), enter(t, f, nil, "events")
	if text.code != exitPartial || !strings.Contains(text.out, `not an event: "hello\x00"`) {
		t.Errorf("%+v", text)
	}
	if got := decode[map[string]any](t, doc.out); doc.code != exitPartial || got["unknown"] != "hello\x00" {
		t.Errorf("%+v", doc)
	}
	f.events = func(int64) ([]app.Peeked, error) { return nil, errors.New("401 on failures") }
	if got := enter(t, f, nil, "events"); got.code != exitFault || !strings.Contains(got.words, "401") {
		t.Errorf("%+v", got)
	}
}

func TestEventsAreFollowedUntilCtrlC(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	f := &fake{events: func(from int64) ([]app.Peeked, error) {
		switch looks++; looks {
		case 2: // nothing for a while
			return nil, nil
		case 4:
			cancel()
			return nil, nil
		}
		return []app.Peeked{peeked(t, from+1, bacvault.BackupCompleted, bacvault.EventData{})}, nil
	}}
	c, out, _ := desk(nil, f, "events", "--follow")
	if code := run(ctx, c); code != exitCancelled || strings.Count(out.String(), "\n") != 2 || !slices.Equal(f.from, []int64{0, 2, 2, 4}) {
		t.Errorf("exit %d, peeked from %v: %s", code, f.from, out)
	}
}
