package funchost

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

const guid = "4e773554-f6b7-4ea2-b07d-4c5fd5aba741"

func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func jobSys(t *testing.T) sysData {
	return sysData{method: "RunJob", now: at(t, "2026-11-24T16:51:08.640002Z"), guid: guid}
}

func TestTimerPayloadIsTheDocumentedOne(t *testing.T) {
	st := &scheduleStatus{Last: at(t, "2026-11-24T16:50:00.0016534Z"), Next: at(t, "2026-11-24T16:55:00Z"), LastUpdated: at(t, "2026-11-24T16:50:00.0016534Z")}
	sys := sysData{method: "NightlyRun", now: at(t, "2026-11-24T16:55:00.0041275Z"), guid: "35e6e68c-5583-436c-a277-5aec2b416ba8"}
	if diff := cmp.Diff(golden(t, "timer.json"), string(timerPayload("timer", st, false, sys, nil))); diff != "" {
		t.Error(diff)
	}
}

func TestFirstTimerPayloadHasYearOne(t *testing.T) {
	got := string(timerPayload("timer", &scheduleStatus{Next: at(t, "2026-11-24T16:55:00Z")}, true, jobSys(t), &retryContext{count: 2, max: 3, cause: "x"}))
	for _, want := range []string{`"Last":"0001-01-01T00:00:00+00:00"`, `"IsPastDue":true`, `"RetryContext":{"RetryCount":2,"MaxRetryCount":3,`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if got := string(timerPayload("timer", nil, false, jobSys(t), nil)); !strings.Contains(got, `"ScheduleStatus":null`) {
		t.Errorf("a timer without monitor shows a status: %s", got)
	}
}

func jobMessage(t *testing.T) *azservicebus.ReceivedMessage {
	return &azservicebus.ReceivedMessage{
		Body: []byte(`{"runId":"r-1","attempt":2,"full":true,"opts":{"a":1},"tags":["x"]}`), MessageID: "m-1", DeliveryCount: 1,
		LockToken: uuid.MustParse(guid), EnqueuedTime: to.Ptr(at(t, "2026-11-24T16:51:08.512Z")), ExpiresAt: to.Ptr(at(t, "2026-12-08T16:51:08.512Z")),
		TimeToLive: to.Ptr(14 * 24 * time.Hour), ContentType: to.Ptr("application/json"), SequenceNumber: to.Ptr(int64(12)),
		CorrelationID: to.Ptr("c-1"), ApplicationProperties: map[string]any{"tenant": "t1"},
	}
}

func TestQueuePayloadIsTheDocumentedOne(t *testing.T) {
	client := busClient{namespace: "ns.servicebus.windows.net", identifier: "ns.servicebus.windows.net-" + guid}
	for name, binary := range map[string]bool{"queue-text.json": false, "queue-binary.json": true} {
		if diff := cmp.Diff(golden(t, name), string(queuePayload("job", binary, jobMessage(t), client, jobSys(t)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTextBodyOverwritesMetadata(t *testing.T) {
	m := jobMessage(t)
	m.Body = []byte(`{"messageId":"x","deliveryCount":7,"SYS":{"a":"é"},"none":null,"when":"2026-11-24T16:51:08Z","myTrigger":1}`)
	for _, c := range []struct {
		name   string
		binary bool
		want   map[string]string
	}{
		{"text", false, map[string]string{"MessageId": `"\"x\""`, "DeliveryCount": `"\"7\""`, "sys": `{"a":"é"}`, "when": `"\"11/24/2026 16:51:08\""`}},
		{"binary", true, map[string]string{"MessageId": `"\"m-1\""`, "DeliveryCount": `"1"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var doc struct{ Metadata map[string]json.RawMessage }
			if err := json.Unmarshal(queuePayload("job", c.binary, m, busClient{}, jobSys(t)), &doc); err != nil {
				t.Fatal(err)
			}
			for k, want := range c.want {
				if got := string(doc.Metadata[k]); got != want {
					t.Errorf("Metadata.%s is %s, want %s", k, got, want)
				}
			}
			for _, k := range []string{"none", "myTrigger", "messageId"} {
				if v, ok := doc.Metadata[k]; ok {
					t.Errorf("Metadata.%s is there: %s", k, v)
				}
			}
		})
	}
}

func TestMessageWithoutTimeToLiveNeverExpires(t *testing.T) {
	m := jobMessage(t)
	m.TimeToLive, m.ExpiresAt = to.Ptr(time.Duration(0)), m.EnqueuedTime
	got := string(queuePayload("job", true, m, busClient{}, jobSys(t)))
	if !strings.Contains(got, `"ExpiresAtUtc":"9999-12-31T23:59:59","ExpiresAt":"9999-12-31T23:59:59+00:00"`) {
		t.Error(got)
	}
}

func TestHTTPPayloadIsTheDocumentedOne(t *testing.T) {
	r := httptest.NewRequest("POST", "http://localhost:7071/api/runs?x=1", strings.NewReader(`{"id":1}`))
	r.Header.Set("Content-Type", "application/json")
	got, err := httpPayload("req", r, nil, jobSys(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden(t, "http.json"), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPPayloadBodyAndRoute(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/runs/7", strings.NewReader("\x00\xff"))
	r.Header.Set("Content-Type", "application/octet-stream")
	got, err := httpPayload("req", r, []member{{"id", "7"}}, jobSys(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Body":"AP8="`, `"Params":{"id":"7"}`, `"id":"\"7\""`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	r = httptest.NewRequest("GET", "/api/runs", nil)
	if got, err = httpPayload("req", r, nil, jobSys(t)); err != nil || strings.Contains(string(got), `"Body"`) {
		t.Errorf("a request without a body has one: %s, %v", got, err)
	}
}

func TestQuoteEscapesLikeJSONNET(t *testing.T) {
	if got, want := quote("<é\u2028\"\x01\n\\'>"), `"<é\u2028\"\u0001\n\\'>"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
