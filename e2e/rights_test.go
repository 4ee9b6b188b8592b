package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/funchost"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// The tokens that were really issued, and the header that they are asked for with, are nowhere to be read.
func TestNoTokenIsToBeSeen(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.misbehave(
		map[string]any{"action": "Export", "do": "slow", "seconds": 1, "times": 1},
		map[string]any{"action": "Import", "do": "slow", "seconds": 1, "times": 1},
	)
	seen := map[string]string{}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { // every command line of every child that lives while the work is done
		defer close(watched)
		for ctx.Err() == nil {
			for _, line := range a.tools() {
				seen["command line"] += line + "\n"
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	a.backUp()
	a.send("restore-requests", "m1", restoreRequest("r1", "DB", nil))
	a.event(restored, "r1")
	a.sendRaw("backup-requests", "bad", []byte(`{"schema":"x"}`))
	a.event(rejected, "bad")
	a.send("backup-requests", "r3", backupRequest("r3", "nowhere", slot, nil))
	a.event(failed, "r3")
	cancel()
	<-watched
	if !strings.Contains(seen["command line"], "/Action:Export") || !strings.Contains(seen["command line"], "/Action:Import") {
		t.Fatalf("the children's command lines were not seen: %q", seen["command line"])
	}
	seen["log"] = a.output.String()
	for _, e := range a.all.All() {
		seen["event "+e.ID] = string(e.Raw)
	}
	for account, container := range map[string]string{a.Places.VaultAccount: a.Places.VaultContainer, a.Places.StateAccount: a.Places.StateContainer} {
		names, err := a.Blob.Blobs(t.Context(), account, container)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			b, err := a.Blob.Read(t.Context(), account, container, n)
			if err != nil {
				t.Fatal(err)
			}
			seen["blob "+n] = string(b)
		}
	}
	err := filepath.WalkDir(a.dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		seen["file "+p] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := a.Identity.Issued()
	if len(tokens) < 8 {
		t.Fatalf("only %d tokens were issued: the real path was not taken", len(tokens))
	}
	for where, text := range seen {
		for _, secret := range append(tokens, a.Identity.Header()) {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a token or the identity header", where)
			}
			// Without its signature a token's middle would still tell who and what for.
			if parts := strings.Split(secret, "."); len(parts) == 3 && strings.Contains(text, parts[1]) {
				t.Errorf("%s shows a token's claims", where)
			}
		}
	}
}

// Each right of the backup and the restore identity is needed: taken out of the table, a night with a backup from a copy,
// a live one, a restore and a drill does not end well.
func TestEveryRightIsNeeded(t *testing.T) {
	done := map[string]bool{}
	for _, g := range roles.Default().Grants() {
		if g.Principal != roles.Backup && g.Principal != roles.Restore {
			continue
		}
		key := nameOf(g.Principal) + " " + g.Action
		first := !done[key]
		done[key], done[key+" on "+g.Scope] = true, true
		if !soak && !(first && slices.Contains(sample, g.Action)) && !slices.Contains(sample, key+" on "+g.Scope) {
			continue
		}
		t.Run(strings.ReplaceAll(key+" on "+g.Scope, "/", "|"), func(t *testing.T) {
			why := startWithout(t, g).troubleOfANight()
			switch doubt, ok := inDoubt[g.Action]; {
			case ok && why != "":
				t.Errorf("the stand-in asks for %s now (%s): it is in doubt no more, take it off the list (%s)", g.Action, why, doubt)
			case !ok && why == "":
				t.Errorf("all went well without %s on %s: it should not be granted", g.Action, g.Scope)
			}
		})
	}
	if len(done) < 40 {
		t.Fatalf("only %d rights were looked at", len(done))
	}
	t.Run("with all of them", func(t *testing.T) {
		if why := start(t, protected(stack.Options{Settings: once})).troubleOfANight(); why != "" {
			t.Error(why)
		}
	})
}

// sample is what make test takes; a soak takes every right.
var sample = []string{
	roles.BlobWrite, roles.BusSend, roles.SQLDBManager, roles.SQLDataReader, roles.PolicyRead, "backup " + roles.BusReceive + " on queues/restore-requests",
}

// once is one attempt a request: a right that lacks does not come with time.
var once = map[string]string{"BACVAULT_MAX_ATTEMPTS": "1"}

// inDoubt are rights that the real service may ask for and the stand-in does not, with the reason to grant them all the same.
var inDoubt = map[string]string{
	roles.PolicyRead: "whether Get Container shows the policy without it is not documented",
}

// take takes one line of a table away; a name of the default places stands for the stack's own.
func take(r roles.Table, without roles.Grant) roles.Table {
	account, _, _ := strings.Cut(without.Scope, "/")
	if p := roles.DefaultPlaces(); account == p.VaultAccount || account == p.StateAccount {
		without.Scope = account + "*" // the stack's accounts have a number
	}
	return r.WithoutOn(without.Principal, without.Action, without.Scope)
}

func startWithout(t *testing.T, without roles.Grant) *azure {
	return start(t, protected(stack.Options{
		Rights:   func(r roles.Table) roles.Table { return take(r, without) },
		Settings: once,
	}))
}

func nameOf(client string) string {
	if client == roles.Backup {
		return "backup"
	}
	return "restore"
}

// troubleOfANight makes two backups, a restore, a drill and a look of the watch, and says what did not go as it should.
func (a *azure) troubleOfANight() string {
	outcome := func(id, typ string) string { // of the request whose id begins so
		ctx, cancel := context.WithTimeout(a.t.Context(), 15*time.Second)
		defer cancel()
		ev, err := a.all.Wait(ctx, func(e stack.Event) bool { return strings.HasPrefix(e.Data.RequestID, id) })
		switch {
		case err != nil:
			return id + ": no event"
		case ev.Type != typ:
			return id + ": " + ev.Data.Failure.Code
		case len(ev.Data.Findings) > 0:
			return id + ": " + ev.Data.Findings[0]
		}
		return ""
	}
	a.send("backup-requests", "copy", backupRequest("copy", "DB", slot, nil))
	if why := outcome("copy", completed); why != "" {
		return why
	}
	live, err := a.StartBackup(a.t.Context(), map[string]string{"BACVAULT_CONSISTENCY": "live"})
	if err != nil {
		return err.Error()
	}
	a.Stack.Backup.Drain()
	defer live.Close()
	// Timers ask for what they need by sending a request.
	fire := func(h *funchost.Host, timer string, at time.Time) error { // a host repeats a firing that failed, for longer than we wait
		ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
		defer cancel()
		_, _, err := h.FireTimer(ctx, timer, at, false)
		return err
	}
	if err := fire(live, "nightly", occurrence.Add(-time.Hour)); err != nil {
		return err.Error()
	}
	if why := outcome("nightly-", completed); why != "" {
		return why
	}
	a.send("restore-requests", "back", restoreRequest("back", "DB", nil))
	if why := outcome("back", restored); why != "" {
		return why
	}
	// Delivered once more it is found done, by the mark that it left.
	a.send("restore-requests", "again", restoreRequest("back", "DB", nil))
	a.idle("restore-requests")
	a.news() // waits for what is on its way
	for _, e := range a.events("back") {
		if e.Type != restored {
			return "back, once more: " + e.Data.Failure.Code
		}
	}
	if err := fire(a.Restore, "drill", occurrence.Add(-2*time.Hour)); err != nil {
		return err.Error()
	}
	if why := outcome("drill-", proven); why != "" {
		return why
	}
	if err := fire(live, "watch", time.Now()); err != nil {
		return err.Error()
	}
	switch s, ok := a.snapshot(); {
	case !ok:
		return "the watch left no snapshot"
	case len(s.Unread) > 0:
		return "the watch could not read: " + strings.Join(s.Unread, "; ")
	case s.Probe == nil || !s.Probe.Passed:
		return "the tamper probe did not pass"
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		left, err := a.Blob.Blobs(a.t.Context(), a.Places.StateAccount, a.Places.StateContainer)
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(left, func(n string) bool { return strings.HasPrefix(n, "runs/") || strings.HasPrefix(n, "pending/") }) {
			return ""
		}
		if time.Now().After(deadline) {
			return "left in the state container: " + strings.Join(left, " ")
		}
		time.Sleep(50 * time.Millisecond)
	}
}
