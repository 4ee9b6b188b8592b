package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// container is a state container that holds what a test put there. A folder is listed with its blobs' lease state.
type container struct {
	blobs  map[string]string
	leased map[string]string // "leased" or "expired"
	asked  []string
	status int // of every answer, where it is not 0
}

func (c *container) Do(r *http.Request) (*http.Response, error) {
	name := strings.TrimPrefix(r.URL.Path, "/state/")
	prefix := r.URL.Query().Get("prefix")
	c.asked = append(c.asked, name+prefix)
	answer := func(code int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: r}, nil
	}
	if c.status != 0 {
		return answer(c.status, "")
	}
	if r.URL.Query().Get("comp") == "list" {
		var b strings.Builder
		for blob, text := range c.blobs {
			if strings.HasPrefix(blob, prefix) {
				fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Content-Length>%d</Content-Length><LeaseState>%s</LeaseState></Properties></Blob>", blob, len(text), c.leased[blob])
			}
		}
		return answer(http.StatusOK, `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>`+b.String()+`</Blobs><NextMarker/></EnumerationResults>`)
	}
	if text, ok := c.blobs[name]; ok {
		return answer(http.StatusOK, text)
	}
	return answer(http.StatusNotFound, "")
}

type anyToken struct{}

func (anyToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// withState is an App whose state container is c; nothing else answers.
func withState(t *testing.T, c *container, now time.Time) *App {
	t.Helper()
	a := wired(t, nil)
	t.Cleanup(func() {
		if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	var err error
	if a.state, err = state.New(state.Config{ContainerURL: "https://127.0.0.1:1/state", Credential: anyToken{}, Transport: c}); err != nil {
		t.Fatal(err)
	}
	a.opts.Now = func() time.Time { return now }
	return a
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStatusIsTheSnapshotAndTheRunsOfTheMoment(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 40, 0, 0, time.UTC)
	db := bacvault.Database{Server: "srv", Name: "db"}
	snap := watch.Snapshot{
		Schema: watch.SnapshotSchema, At: now.Add(-10 * time.Minute), Vault: "https://v", Posture: &bacvault.Posture{State: "Locked", PeriodDays: 90},
		Databases: []watch.Database{{Database: db, Newest: &watch.Backup{Slot: bacvault.SlotAt(now.Add(-6 * time.Hour))}}},
	}
	c := &container{
		blobs: map[string]string{
			"watch/snapshot": text(t, snap),
			"runs/r1.json":   text(t, bacvault.Progress{Run: "r1", At: now.Add(-time.Minute)}),
			"runs/r2.json":   text(t, bacvault.Progress{Run: "r2", At: now.Add(-20 * time.Minute)}),
			"runs/r3.json":   text(t, bacvault.Progress{Run: "r3", At: now.Add(-time.Hour)}),
			"leases/a":       text(t, state.Holder{Run: "r1"}), "leases/b": text(t, state.Holder{Run: "r2"}),
		},
		leased: map[string]string{"leases/a": "leased", "leases/b": "expired"},
	}
	m := withState(t, c, now).Status(t.Context())
	if m.Source != status.FromWatch || m.Verdict() != status.VerdictOK || !m.At.Equal(now) || !m.LookedAt.Equal(snap.At) || len(m.Databases) != 1 || m.Version != "1.0" || len(m.Unread) > 0 {
		t.Errorf("the model is %+v", m)
	}
	got := map[string]status.RunState{}
	for _, r := range m.Running {
		got[r.Run] = r.State
	}
	for run, want := range map[string]status.RunState{"r1": status.Running, "r2": status.Failed, "r3": status.Stalled} {
		if got[run] != want {
			t.Errorf("%s is %q, want %q", run, got[run], want)
		}
	}
	if n := len(c.asked); n > 8 {
		t.Errorf("a view asks %d times: %v", n, c.asked)
	}
}

func TestStatusOfAnOldSnapshotIsUnknown(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 40, 0, 0, time.UTC)
	c := &container{blobs: map[string]string{"watch/snapshot": text(t, watch.Snapshot{
		Schema: watch.SnapshotSchema, At: now.Add(-time.Hour), Posture: &bacvault.Posture{State: "Locked"}, Databases: []watch.Database{{Newest: &watch.Backup{Slot: bacvault.SlotAt(now)}}},
	})}}
	m := withState(t, c, now).Status(t.Context())
	if _, why := m.Words(); m.Verdict() != status.VerdictUnknown || m.Source != status.FromWatch || !strings.Contains(why, "has not looked since 2026-11-24 07:40") {
		t.Errorf("%s: %s", m.Verdict(), why)
	}
}

// Without a snapshot that can be read, everything is looked at directly; here nothing answers, and each of it is told.
func TestStatusLooksDirectlyWhereThereIsNoSnapshot(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 40, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		state  *container
		unread string
	}{
		{"none yet", &container{}, "the vault's immutability"},
		{"of another form", &container{blobs: map[string]string{"watch/snapshot": `{"schema":"bacvault.watch.v9"}`}}, `cannot be understood: its schema is "bacvault.watch.v9"`},
		{"cut short", &container{blobs: map[string]string{"watch/snapshot": `{"schema":`}}, "cannot be understood: load watch/snapshot"},
		{"not to be read", &container{status: http.StatusForbidden}, "the running runs: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			m := withState(t, c.state, now).Status(ctx)
			if m.Source != status.Direct || m.Verdict() != status.VerdictUnknown || !m.LookedAt.Equal(now) {
				t.Errorf("%q from %q, looked %s", m.Verdict(), m.Source, m.LookedAt)
			}
			if all := strings.Join(m.Unread, "\n"); !strings.Contains(all, c.unread) || !strings.Contains(all, "the backups of srv/db") {
				t.Errorf("it could not be read, and is told as %s", all)
			}
		})
	}
}
