package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

func infos(names ...string) (out []azuresql.Info) {
	for _, n := range names {
		out = append(out, azuresql.Info{Name: n})
	}
	return out
}

// What is dropped is what this run made: not the source, not what resembles its copies, and not what had the name first.
func TestOnlyWhatTheRunMadeIsDropped(t *testing.T) {
	const live = "DB_accept_20261125020304"
	a := &acceptance{source: "DB", live: live}
	all := infos("DB", "DB_accept", "DB_accept_20261125020305", live, live+"5", "x"+live, strings.ToLower(live), live+"_RESTORE", live+"_plane", live+"_old_1", "master")
	if got, want := a.mine(all), []string{live, live + "_RESTORE", live + "_plane", live + "_old_1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	taken := bacvault.Fail(bacvault.CodeTargetExists, "a database of that name is there")
	if err := a.made(live, taken); !errors.Is(err, error(taken)) {
		t.Errorf("%v", err)
	}
	_ = a.made(live+"_plane", taken)
	_ = a.made(live+"_RESTORE", bacvault.Fail(bacvault.CodeSQLUnreachable, "no route")) // it may have been made
	if got, want := a.mine(all), []string{live + "_RESTORE", live + "_old_1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if a.unnamed(infos("DB", "DB_accept", "DB_accept_20261125020305", live+"5")) != nil || a.unnamed(infos("DB", live)) == nil || a.unnamed(infos(live+"_RESTORE")) == nil {
		t.Error("a name that is taken is not refused, or one that is free is")
	}
}

// A copy whose step broke off may show only after the first look.
func TestAStepThatBrokeOffIsSweptTwice(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("20 minutes are over"))
	for _, c := range []struct {
		ctx     context.Context
		verdict string
		late    time.Duration
		looks   int
		detail  string
		err     string
	}{
		{t.Context(), verdictPass, time.Hour, 1, "dropped: db1", "look 1"},
		{t.Context(), verdictFail, time.Millisecond, 2, "dropped: db1, db2", "look 2"},
		{over, verdictFail, time.Hour, 1, "dropped: db1", "20 minutes are over"},
	} {
		a, looks := &acceptance{late: c.late, rep: &Report{Steps: []Step{{Verdict: verdictPass}, {Verdict: c.verdict}}}}, 0
		detail, err := a.swept(c.ctx, func(context.Context) ([]string, error) {
			looks++
			return []string{fmt.Sprint("db", looks)}, fmt.Errorf("look %d", looks)
		})
		if looks != c.looks || detail != c.detail || err == nil || !strings.Contains(err.Error(), c.err) || c.looks == 2 && strings.Contains(err.Error(), "look 1") {
			t.Errorf("%+v: %d looks, %s, %v", c, looks, detail, err)
		}
	}
}

// The folder of a run is spelled as the vault spells it, whatever the database is called.
func TestBlobsOfARunAreFoundUnderTheirOwnNames(t *testing.T) {
	for _, name := range []string{"DB", "a b", "a]'b\"c", "a/b", "50%", "größe", "a#?b"} {
		a := &acceptance{live: name + mark + "20261125020304", stamp: "20261125020304", parts: app.Parts{Server: "srv"}}
		blob := a.database().BlobName(bacvault.SlotAt(time.Now()))
		if !ours(blob) || !slices.ContainsFunc(a.folders(), func(f string) bool { return strings.HasPrefix(blob, f) }) {
			t.Errorf("%s lies in none of %q, or is not taken for a run's", blob, a.folders())
		}
	}
}

// A name that the setting can't hold would make the run back up another database, or none.
func TestANameThatIsAListIsRefused(t *testing.T) {
	for name, want := range map[string]bool{"DB": true, "a]'b": true, "a/b": true, "DB,Other": false, " DB": false, "*": true, "srv/DB": false} {
		o := options{database: name}
		a := &acceptance{source: name, live: name + mark + "20261125020304"}
		var err error
		a.cfg, err = config.Load(own([]string{
			"SQL_SERVER_NAME=srv", "STORAGE_ACCOUNT_NAME=acc", "STORAGE_CONTAINER_NAME=c", "TARGET_SUBSCRIPTION_ID=s", "BACVAULT_VAULT_RESOURCE_GROUP=g", "BACVAULT_SQLPACKAGE=/x",
		}, o, a.live, time.Now()))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := a.alone(); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// taker answers everything alike, and remembers what it was asked.
type taker struct {
	status    int // 0 is no answer, -1 is Ctrl-C before there is one
	asked     []string
	meanwhile func() // Ctrl-C
}

func (k *taker) Do(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + r.URL.Query().Get("comp")
	for _, h := range []string{"x-ms-legal-hold", "x-ms-lease-action", "x-ms-immutability-policy-mode"} {
		what += " " + strings.Join(r.Header[h], "")
	}
	k.asked = append(k.asked, strings.Join(strings.Fields(what), " "))
	if k.status < 0 {
		k.meanwhile()
	}
	if k.status <= 0 {
		return nil, errors.New("no answer")
	}
	h := http.Header{"X-Ms-Request-Id": {k.asked[len(k.asked)-1]}, "X-Ms-Lease-Id": {"l"}}
	status := k.status
	if status == http.StatusCreated && len(k.asked) > 1 { // making is answered otherwise than taking back
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// Should a store take a hold, a policy or a lease, or leave it open, then it is taken back at once, after Ctrl-C too; what is written down
// is the first answer.
func TestWhatWouldStayIsTakenBack(t *testing.T) {
	for _, c := range []struct {
		what, do, undo string
		status         int
	}{
		{whatHoldOnBlob, "PUT legalhold true", "PUT legalhold false", 200},
		{whatPolicyOnBlob, "PUT immutabilityPolicies Unlocked", "DELETE immutabilityPolicies", 200},
		{whatPolicyOnPut, "PUT Unlocked", "DELETE immutabilityPolicies", 201},
		{whatLease, "PUT lease acquire", "PUT lease release", 201},
	} {
		for status, undone := range map[int]bool{c.status: true, 0: true, -1: true, 500: true, 403: false, 409: false} {
			k := &taker{status: status}
			b, err := blockblob.NewClientWithNoCredential("https://acc.test/c/b", &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: k}})
			if err != nil {
				t.Fatal(err)
			}
			a := &acceptance{rep: &Report{}, words: io.Discard}
			ctx, cancel := context.WithCancel(t.Context())
			k.meanwhile = cancel
			for _, at := range attacks(b, b) {
				if at.what != c.what {
					continue
				}
				a.try(ctx, at.what, at.want, at.do)
			}
			cancel()
			want := []string{c.do, c.undo}[:1]
			if undone {
				want = []string{c.do, c.undo}
			}
			if status == 200 || status == 201 || !undone {
				if at := a.rep.Attempts[0]; at.Status != status || at.RequestID != c.do {
					t.Errorf("%s: %+v was written down", c.what, at)
				}
			}
			if !slices.Equal(k.asked, want) {
				t.Errorf("%s, %d: asked %q, want %q", c.what, status, k.asked, want)
			}
		}
	}
}

func TestAnOwnersOwnWordsAreNotInTheReport(t *testing.T) {
	got := kept(http.Header{"X-Ms-Meta-Secret": {"s"}, "X-Ms-Request-Id": {"r"}, "Set-Cookie": {"c"}, "Etag": {"e"}})
	if len(got) != 2 || got["x-ms-request-id"] != "r" || got["etag"] != "e" {
		t.Errorf("%v", got)
	}
}

func TestAReportThatCannotBeWrittenStopsTheRunBeforeItBegins(t *testing.T) {
	var out, words strings.Builder
	if code := run(t.Context(), []string{"--yes-create-and-drop", "--database", "DB", "--report", "/dev/null/x"}, nil, &out, &words); code != exitUsage || !strings.Contains(words.String(), "could not be written") {
		t.Errorf("exit %d: %s", code, words.String())
	}
}
