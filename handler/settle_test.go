package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/promote"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/google/go-cmp/cmp"
)

var errNet = errors.New("connection reset by peer")

func manifest() bacvault.Manifest {
	db := bacvault.Database{Server: "srv", Name: "db"}
	return bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: db, Slot: night, Blob: bacvault.Blob{Name: db.BlobName(night), Size: 5, SHA256: "abc"},
		Consistency: bacvault.ConsistencyCopy, ProtectedTo: night.Time().AddDate(0, 0, 90), Degraded: []string{"weaker"},
		Tables: []bacvault.TableRows{
			{Table: bacvault.Table{Schema: "dbo", Name: "a"}, Source: 3, Archive: 3, Verdict: bacvault.VerdictOK},
			{Table: bacvault.Table{Schema: "dbo", Name: "b"}, Source: 4, Archive: 4, Verdict: bacvault.VerdictOK},
			{Table: bacvault.Table{Schema: "dbo", Name: "odd"}, Source: 5, Archive: -1, Verdict: bacvault.VerdictUnverified},
		},
	}
}

// outcomes is the table of what one delivery may come to, for each kind of run.
func TestEachOutcomeHasItsEventAndItsSettlement(t *testing.T) {
	const (
		completeIt = "complete Q-requests " + lockToken
		deadletter = "deadletter Q-requests " + lockToken + " "
	)
	for _, c := range []struct {
		name    string
		attempt string // in the body
		err     error
		want    []string // K is the kind's event prefix, Q its queue's
	}{
		{"done", "", nil, []string{"publish GOOD", completeIt}},
		{"refused", "", bacvault.Fail(bacvault.CodeGateUnlocked, "unlocked"), []string{"publish BAD", completeIt}},
		{"failed for good", "", bacvault.Fail(bacvault.CodeVerifyRows, "rows"), []string{"publish BAD", completeIt}},
		{"a passing fault", "", bacvault.Fail(bacvault.CodeVaultWrite, "503"), []string{"send Q-requests r-1.2.0", completeIt}},
		{"an unknown error passes too", "", errNet, []string{"send Q-requests r-1.2.0", completeIt}},
		{"a passing fault, second attempt", `,"attempt":2`, errNet, []string{"send Q-requests r-1.3.0", completeIt}},
		{"a passing fault, attempts used up", `,"attempt":3`, errNet, []string{"publish BAD", deadletter + "unknown"}},
		{"requeued after that, the number counts on", `,"attempt":4`, bacvault.Fail(bacvault.CodeSQLUnreachable, "x"), []string{"publish BAD", deadletter + "sql.unreachable"}},
		{"another run is at work", "", &backup.Busy{Holder: backup.Holder{Run: "x"}}, []string{"send Q-requests r-1.1.1", completeIt}},
		{"it still is", `,"deferrals":7,"attempt":3`, &backup.Busy{Holder: backup.Holder{Run: "x"}}, []string{"send Q-requests r-1.3.8", completeIt}},
	} {
		for _, k := range []struct{ name, function, queue, good, bad string }{
			{"backup", "backup", "backup", string(bacvault.BackupCompleted), string(bacvault.BackupFailed)},
			{"restore", "restore", "restore", string(bacvault.RestoreCompleted), string(bacvault.RestoreFailed)},
			{"drill", "restore", "restore", string(bacvault.DrillPassed), string(bacvault.DrillFailed)},
			{"promote", "restore", "restore", string(bacvault.PromoteCompleted), string(bacvault.PromoteFailed)},
		} {
			t.Run(k.name+": "+c.name, func(t *testing.T) {
				a := fakeRuns(c.err)
				h, _ := newHandler(a)
				body := backupBody(c.attempt)
				if k.name != "backup" {
					body = restoreBody(`,"kind":"` + k.name + `"` + c.attempt)
				}
				if k.name == "promote" {
					body = restoreBody(`,"kind":"promote","action":"apply"` + c.attempt)
				}
				if code, _ := post(t, h, k.function, delivery(t, body)); code != http.StatusOK {
					t.Fatalf("%d after %v", code, a.calls)
				}
				var want []string
				for _, w := range c.want {
					want = append(want, strings.NewReplacer("Q", k.queue, "GOOD", k.good, "BAD", k.bad).Replace(w))
				}
				if d := cmp.Diff(want, a.calls); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// fakeRuns ends every run of every kind with err.
func fakeRuns(err error) *fakeApp {
	rerr, perr := err, err
	if busy := (*backup.Busy)(nil); errors.As(err, &busy) {
		rerr, perr = &restore.Busy{Holder: "run x"}, &promote.Busy{Holder: "run x"}
	}
	return &fakeApp{
		backup: func(context.Context, bacvault.BackupRequest) (backup.Result, error) {
			return backup.Result{Manifest: manifest()}, err
		},
		restore: func(context.Context, bacvault.RestoreRequest) (restore.Result, error) { return restore.Result{}, rerr },
		drill:   func(context.Context, bacvault.RestoreRequest) (bacvault.Proof, error) { return bacvault.Proof{}, rerr },
		promote: func(context.Context, bacvault.RestoreRequest) (bacvault.Promotion, error) {
			return bacvault.Promotion{}, perr
		},
	}
}

func TestLaterCopyIsFrozenAndComesLater(t *testing.T) {
	for _, c := range []struct {
		name, extra string
		err         error
		wait        time.Duration
		attempt     int
		deferrals   int
	}{
		{"first retry", "", errNet, 5 * time.Minute, 2, 0},
		{"second retry", `,"attempt":2`, errNet, 10 * time.Minute, 3, 0},
		{"first deferral", "", &backup.Busy{}, time.Minute, 1, 1},
		{"later deferral", `,"deferrals":4`, &backup.Busy{}, 5 * time.Minute, 1, 5},
		{"a long wait is bounded", `,"deferrals":99`, &backup.Busy{}, longestDeferral, 1, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := fakeRuns(c.err)
			h, _ := newHandler(a)
			before := time.Now()
			// No id and no slot: both are frozen from the first delivery.
			body := `{"schema":"bacvault.backup-request.v1","server":"srv","database":"db","requestedBy":"me","reason":"why"` + c.extra + `}`
			if code, _ := post(t, h, "backup", delivery(t, body)); code != http.StatusOK || len(a.sent) != 1 {
				t.Fatalf("%d, %d copies", code, len(a.sent))
			}
			m := a.sent[0]
			if late := m.At.Sub(before); late < c.wait || late > c.wait+time.Minute {
				t.Errorf("it comes after %s, want %s", late, c.wait)
			}
			r, err := bacvault.ParseBackupRequest(m.Body, bacvault.Delivery{MessageID: "other", Enqueued: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if r.ID != "m-1" || r.Slot.String() != "2026-11-24T16:51:08Z" || r.Attempt != c.attempt || r.Deferrals != c.deferrals || r.RequestedBy != "me" || r.Reason != "why" {
				t.Errorf("the copy is %s", m.Body)
			}
			if m.ID != r.MessageID() {
				t.Errorf("it is sent as %s, its id is %s", m.ID, r.MessageID())
			}
		})
	}
}

func TestBackOffDoublesUpToADay(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: 5 * time.Minute, 2: 10 * time.Minute, 3: 20 * time.Minute, 9: 1280 * time.Minute, 10: 24 * time.Hour, 99: 24 * time.Hour} {
		if got := backOff(5*time.Minute, attempt); got != want {
			t.Errorf("after attempt %d: %s, want %s", attempt, got, want)
		}
	}
}

func TestCompletedBackupTellsWhatIsInTheManifest(t *testing.T) {
	a := fakeRuns(nil)
	a.backup = func(_ context.Context, r bacvault.BackupRequest) (backup.Result, error) {
		return backup.Result{Manifest: manifest(), AlreadyDone: true, Findings: []string{"clean-up: x"}}, nil
	}
	h, _ := newHandler(a)
	post(t, h, "backup", delivery(t, backupBody(`,"attempt":2`)))
	if len(a.events) != 1 {
		t.Fatalf("%d events", len(a.events))
	}
	e, d := a.events[0], a.events[0].Data
	if e.ID != "r-1.2.bacvault.backup.completed.v1" || e.Subject != "srv/db" || !d.AlreadyDone || d.Final || d.Failure != nil {
		t.Errorf("the event is %+v", e)
	}
	if d.Blob.SHA256 != "abc" || d.Manifest != bacvault.ManifestName(d.Blob.Name) || d.Consistency != "copy" || !d.ProtectedTo.Equal(night.Time().AddDate(0, 0, 90)) || len(d.Degraded) != 1 || len(d.Findings) != 1 {
		t.Errorf("the event's data is %+v", d)
	}
	three, four, five := int64(3), int64(4), int64(5)
	want := []bacvault.TableCheck{
		{Table: bacvault.Table{Schema: "dbo", Name: "a"}, Source: &three, Archive: &three},
		{Table: bacvault.Table{Schema: "dbo", Name: "b"}, Source: &four, Archive: &four},
		{Table: bacvault.Table{Schema: "dbo", Name: "odd"}, Source: &five}, // not counted in the archive, so no number
	}
	if diff := cmp.Diff(want, d.Tables); diff != "" {
		t.Error(diff)
	}
}

func TestFailedRunTellsWhyAndCarriesTheRequest(t *testing.T) {
	f := bacvault.Fail(bacvault.CodeVerifyRows, "rows are missing")
	f.Stage, f.Exists = bacvault.StageVerify, "nothing was written"
	for function, body := range map[string]string{"backup": backupBody(`,"reason":"CHG1"`), "restore": restoreBody(`,"reason":"CHG1"`)} {
		a := fakeRuns(f)
		h, out := newHandler(a)
		post(t, h, function, delivery(t, body))
		if len(a.events) != 1 {
			t.Fatalf("%d events", len(a.events))
		}
		d := a.events[0].Data
		want := &bacvault.FailureData{Code: f.Code, Class: f.Class, Stage: f.Stage, Detail: f.Detail, Exists: f.Exists, Next: f.Next}
		if diff := cmp.Diff(want, d.Failure); diff != "" || !d.Final {
			t.Errorf("%s, final %t", diff, d.Final)
		}
		var req bacvault.Envelope
		if err := json.Unmarshal(d.Request, &req); err != nil || req.ID != "r-1" || req.Reason != "CHG1" || req.Attempt != 2 {
			t.Errorf("the request is %s, %v: sent again as it is, it must have an outcome of its own", d.Request, err)
		}
		line := logged(t, out)[0]
		for k, want := range map[string]any{"code": "verify.rows_differ", "stage": "verify", "db": "srv/db", "request": "r-1", "attempt": 1.0, "level": "error", "msg": "rows are missing"} {
			if line[k] != want {
				t.Errorf("%s: the log says %s %v, want %v", function, k, line[k], want)
			}
		}
	}
}

func TestRequestThatIsNotUnderstoodIsRejectedWithItsWords(t *testing.T) {
	for _, c := range []struct {
		name, function, body string
		carried              bool
	}{
		{"no JSON", "backup", `{"schema"`, false},
		{"an unknown field", "backup", backupBody(`,"databse":"x"`), true},
		{"another queue's request", "restore", backupBody(""), true},
		{"a long body", "backup", `{"x":"` + strings.Repeat("y", 5000) + `"}`, false},
		{"an empty body", "restore", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &fakeApp{}
			h, _ := newHandler(a)
			if code, _ := post(t, h, c.function, delivery(t, c.body)); code != http.StatusOK {
				t.Fatalf("%d", code)
			}
			want := []string{"publish bacvault.request.rejected.v1", "deadletter " + c.function + "-requests " + lockToken + " request.malformed"}
			if d := cmp.Diff(want, a.calls); d != "" {
				t.Fatal(d)
			}
			e := a.events[0]
			if e.Data.Failure.Class != bacvault.Rejected || e.Data.Failure.Detail != a.described || !e.Data.Final || e.ID != "m-1.1.bacvault.request.rejected.v1" {
				t.Errorf("the event is %+v, the description %q", e, a.described)
			}
			if got := len(e.Data.Request) > 0; got != c.carried {
				t.Errorf("the request is carried: %t", got)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("the event does not encode: %v", err)
			}
		})
	}
}

// No event, no settlement: the message must come again.
func TestNothingIsSettledUntilWhatComesFirstIsOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		run    error
		failAt string
		err    error
		want   []string // kinds of call
		code   int
	}{
		{"the event is not published", nil, "publish", errNet, []string{"publish"}, http.StatusInternalServerError},
		{"the failure is not published", bacvault.Fail(bacvault.CodeVerifyRows, "x"), "publish", errNet, []string{"publish"}, http.StatusInternalServerError},
		{"the later copy is not sent", errNet, "send", errNet, []string{"send"}, http.StatusInternalServerError},
		{"the message is not completed", nil, "complete", errNet, []string{"publish", "complete"}, http.StatusInternalServerError},
		{"the lock was lost", nil, "complete", bus.ErrLockLost, []string{"publish", "complete"}, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := fakeRuns(c.run)
			a.failAt, a.err = c.failAt, c.err
			h, out := newHandler(a)
			code, _ := post(t, h, "backup", delivery(t, backupBody("")))
			var kinds []string
			for _, call := range a.calls {
				kind, _, _ := strings.Cut(call, " ")
				kinds = append(kinds, kind)
			}
			if d := cmp.Diff(c.want, kinds); d != "" || code != c.code {
				t.Errorf("%d, %s", code, d)
			}
			if !strings.Contains(out.String(), c.err.Error()) {
				t.Errorf("the log does not say why: %s", out)
			}
		})
	}
}

func TestStoppedRunIsLeftToComeAgain(t *testing.T) {
	for function, body := range map[string]string{"backup": backupBody(""), "restore": restoreBody("")} {
		ctx, cancel := context.WithCancel(t.Context())
		a := fakeRuns(errNet)
		a.backup = func(ctx context.Context, _ bacvault.BackupRequest) (backup.Result, error) {
			cancel()
			return backup.Result{}, ctx.Err()
		}
		a.restore = func(ctx context.Context, _ bacvault.RestoreRequest) (restore.Result, error) {
			cancel()
			return restore.Result{}, ctx.Err()
		}
		h, _ := newHandler(a)
		w := httptest.NewRecorder()
		h.routes().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+function, strings.NewReader(delivery(t, body))))
		if w.Code != http.StatusInternalServerError || len(a.calls) > 0 {
			t.Errorf("%s: %d after %v", function, w.Code, a.calls)
		}
	}
}
