package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, payload string) (inv invocation) {
	t.Helper()
	if err := json.Unmarshal([]byte(payload), &inv); err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestMessageIsReadFromTheHostsPayload(t *testing.T) {
	inv := parse(t, strings.Replace(golden(t, "queue-binary.json"), `"job"`, `"message"`, 1))
	m, err := inv.message()
	if err != nil {
		t.Fatal(err)
	}
	want := message{
		Delivery:  bacvault.Delivery{MessageID: "m-1", Count: 1, Enqueued: time.Date(2026, 11, 24, 16, 51, 8, 0, time.UTC)},
		LockToken: lockToken, Body: []byte(`{"runId":"r-1","attempt":2,"full":true,"opts":{"a":1},"tags":["x"]}`),
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
}

func TestMessageRefusesWhatItCannotSettleOrTrust(t *testing.T) {
	binary := strings.Replace(golden(t, "queue-binary.json"), `"job"`, `"message"`, 1)
	for _, c := range []struct{ name, payload, want string }{
		{"a text body", strings.Replace(golden(t, "queue-text.json"), `"job"`, `"message"`, 1), "dataType binary"},
		{"another binding name", golden(t, "queue-binary.json"), "dataType binary"},
		{"no lock token", strings.Replace(binary, `"LockToken"`, `"Token"`, 1), "LockToken"},
		{"no delivery count", strings.Replace(binary, `"DeliveryCount"`, `"Count"`, 1), "DeliveryCount"},
		{"no enqueued time", strings.Replace(binary, `"EnqueuedTime"`, `"Time"`, 1), "EnqueuedTime"},
		{"a time without a zone", strings.Replace(binary, `"EnqueuedTime":"2026-11-24T16:51:08+00:00"`, `"EnqueuedTime":"2026-11-24T16:51:08"`, 1), "EnqueuedTime"},
		{"metadata that is no string", strings.Replace(binary, `"MessageId":"\"m-1\""`, `"MessageId":7`, 1), "MessageId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parse(t, c.payload).message(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that names %s", err, c.want)
			}
			a := &fakeApp{}
			h, _ := newHandler(a)
			if code, _ := post(t, h, "backup", c.payload); code != http.StatusInternalServerError || len(a.calls) > 0 {
				t.Errorf("%d after %v: the host must take the message back", code, a.calls)
			}
		})
	}
}

func TestTextIsReadEncodedOnceOrTwice(t *testing.T) {
	for raw, want := range map[string]string{
		`"abc"`: "abc", `"\"abc\""`: "abc", `"\"a\\\"b\""`: `a"b`, `"1"`: "1", `"\"unfinished"`: `"unfinished`, `""`: "", `"\"\""`: "",
	} {
		inv := invocation{Metadata: map[string]json.RawMessage{"k": json.RawMessage(raw)}}
		if got, err := inv.text("k"); err != nil || got != want {
			t.Errorf("%s reads as %q, %v, want %q", raw, got, err, want)
		}
	}
	if got, err := (invocation{}).text("k"); got != "" || err != nil {
		t.Errorf("what is not there reads as %q, %v", got, err)
	}
}

func TestTimerNamesTheSlotOfItsSchedule(t *testing.T) {
	due := golden(t, "timer.json")
	const next = `"Next":"2026-11-24T16:55:00+00:00"`
	for _, c := range []struct {
		name, payload string
		slot          string
		by            string
	}{
		{"on time", due, "2026-11-24T16:55:00Z", "timer"},
		{"late", strings.Replace(due, "T16:55:00.0041275Z", "T17:20:31.5Z", 1), "2026-11-24T16:55:00Z", "timer"},
		{"in another zone", strings.Replace(due, next, `"Next":"2026-11-24T17:55:00+01:00"`, 1), "2026-11-24T16:55:00Z", "timer"},
		{"a little early", strings.Replace(due, "T16:55:00.0041275Z", "T16:54:59.9Z", 1), "2026-11-24T16:55:00Z", "timer"},
		{"past due", strings.Replace(strings.Replace(due, `"IsPastDue":false`, `"IsPastDue":true`, 1), "T16:55:00.0041275Z", "T23:00:00Z", 1), "2026-11-24T16:55:00Z", "timer, past due"},
		{"by hand", strings.Replace(due, "T16:55:00.0041275Z", "T10:00:00.7Z", 1), "2026-11-24T10:00:00Z", "timer, started by hand"},
		{"without a status", strings.Replace(due, due[strings.Index(due, `{"Last"`):strings.Index(due, `,"IsPastDue"`)], "null", 1), "2026-11-24T16:55:00Z", "timer, started by hand"},
		{"with a status that names no time", strings.Replace(due, next, `"Next":"0001-01-01T00:00:00+00:00"`, 1), "2026-11-24T16:55:00Z", "timer, started by hand"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &fakeApp{}
			h, _ := newHandler(a)
			code, got := post(t, h, "nightly", c.payload)
			if code != http.StatusOK || len(a.queued) != 1 || a.queued[0].String() != c.slot || a.by != c.by {
				t.Errorf("%d, queued %v by %q, want %s by %q", code, a.queued, a.by, c.slot, c.by)
			}
			if len(got.Logs) != 1 || !strings.Contains(got.Logs[0], "2 backup requests") {
				t.Errorf("the host's log gets %v", got.Logs)
			}
		})
	}
}

func TestTimerFailsWhenNotAllWasQueued(t *testing.T) {
	a := &fakeApp{failAt: "queue", err: errors.New("bus is away")}
	h, out := newHandler(a)
	if code, _ := post(t, h, "nightly", golden(t, "timer.json")); code != http.StatusInternalServerError {
		t.Errorf("%d: the host would not repeat it", code)
	}
	if !strings.Contains(out.String(), "bus is away") {
		t.Errorf("the log does not say why: %s", out)
	}
	for _, bad := range []string{`{"Data":{},"Metadata":{}}`, `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{}}`} {
		if code, _ := post(t, h, "nightly", bad); code != http.StatusInternalServerError {
			t.Errorf("%d for %s", code, bad)
		}
	}
}

func TestStatusAnswersPeopleAndMachines(t *testing.T) {
	for _, c := range []struct{ name, url, accept, want string }{
		{"a browser", "http://x/api/status", "text/html,application/json", "text/html; charset=utf-8"},
		{"nothing said", "http://x/api/status", "", "text/html; charset=utf-8"},
		{"by header", "http://x/api/status", "application/json", "application/json"},
		{"by suffix", "http://x/api/status.json", "", "application/json"},
		{"by folder", "http://x/api/status/json?x=1", "", "application/json"},
		{"by query", "http://x/api/status?format=json", "text/html", "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := newHandler(&fakeApp{})
			payload := golden(t, "http.json")
			payload = strings.Replace(payload, "http://localhost:7071/api/runs?x=1", c.url, 1)
			payload = strings.Replace(payload, `"Content-Type":["application/json"]`, `"accept":["`+c.accept+`"]`, 1)
			code, a := post(t, h, "status", payload)
			res, _ := a.Outputs["res"].(map[string]any)
			head, _ := res["headers"].(map[string]any)
			if code != http.StatusOK || res["statusCode"] != 200.0 || head["Content-Type"] != c.want || head["Cache-Control"] != "no-store" {
				t.Fatalf("%d, %v", code, a.Outputs)
			}
			if want := map[string]string{"application/json": `{"verdict":"ok"}`}[c.want]; want != "" && res["body"] != want {
				t.Errorf("body %v", res["body"])
			}
		})
	}
	h, _ := newHandler(&fakeApp{})
	h.model = func(context.Context) statusModel { return model{err: errors.New("template")} }
	if code, _ := post(t, h, "status", golden(t, "http.json")); code != http.StatusInternalServerError {
		t.Errorf("%d for a page that failed", code)
	}
}

func TestMalformedInvocationsAreAnsweredAndTheProcessLives(t *testing.T) {
	h, out := newHandler(&fakeApp{backup: func(context.Context, bacvault.BackupRequest) (backup.Result, error) { panic("a bug") }})
	for _, c := range []struct {
		name, function, payload string
		want                    int
	}{
		{"no JSON", "backup", "{", http.StatusBadRequest},
		{"nothing", "backup", "", http.StatusBadRequest},
		{"another shape", "backup", `{"Data":[]}`, http.StatusBadRequest},
		{"too long", "backup", `{"Data":{"message":"` + strings.Repeat("A", maxInvocation) + `"}}`, http.StatusBadRequest},
		{"no data", "restore", `{}`, http.StatusInternalServerError},
		{"no request", "status", `{}`, http.StatusInternalServerError},
		{"a panic", "backup", delivery(t, backupBody("")), http.StatusInternalServerError},
		{"and again", "backup", delivery(t, backupBody("")), http.StatusInternalServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, _ := post(t, h, c.function, c.payload); code != c.want {
				t.Errorf("%d, want %d", code, c.want)
			}
		})
	}
	var panics int
	for _, l := range logged(t, out) {
		if strings.Contains(l["msg"].(string), "panic: a bug") {
			panics++
			if l["function"] != "backup" || l["invocation"] != "inv-1" || !strings.Contains(l["stack"].(string), "backup.go") {
				t.Errorf("the line does not say where: %v", l)
			}
		}
	}
	if panics != 2 {
		t.Errorf("%d panics are logged", panics)
	}
}

func TestHostsReadinessProbeIsAnswered(t *testing.T) {
	h, _ := newHandler(&fakeApp{})
	w := httptest.NewRecorder()
	h.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != "{}" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The host starts what functions/ names and posts to that name: a folder without a route, a route without a folder or
// another binding name would only show in Azure.
func TestFunctionsFolderMatchesTheRouteTable(t *testing.T) {
	type binding struct {
		Type, Direction, Name, QueueName, TopicName, SubscriptionName, Connection, DataType, Cardinality string
		AutoCompleteMessages                                                                             *bool
	}
	off, on := false, true
	queue := func(name string) []binding {
		return []binding{{"serviceBusTrigger", "in", "message", name, "", "", "ServiceBusConnection", "binary", "one", &off}}
	}
	want := map[string][]binding{
		"nightly": {{Type: "timerTrigger", Direction: "in", Name: "timer"}},
		"backup":  queue(bacvault.BackupQueue),
		"restore": queue(bacvault.RestoreQueue),
		"drill":   {{Type: "timerTrigger", Direction: "in", Name: "timer"}},
		"watch":   {{Type: "timerTrigger", Direction: "in", Name: "timer"}},
		"notify":  {{"serviceBusTrigger", "in", "message", "", bacvault.EventTopic, "notify", "ServiceBusConnection", "binary", "one", &on}},
		"status":  {{Type: "httpTrigger", Direction: "in", Name: "req"}, {Type: "http", Direction: "out", Name: "res"}},
	}
	got := map[string][]binding{}
	dirs, err := filepath.Glob("../functions/*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range dirs {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Bindings []binding }
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got[filepath.Base(filepath.Dir(file))] = f.Bindings
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	routes := (&handler{}).functions()
	for name := range got {
		if routes[name] == nil {
			t.Errorf("functions/%s has no route", name)
		}
	}
	for name := range routes {
		if got[name] == nil {
			t.Errorf("the route %s has no folder in functions/", name)
		}
	}
}
