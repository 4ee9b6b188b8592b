package funchost_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

func (a *app) get(method, path, body string) (int, string, http.Header) {
	a.t.Helper()
	req, err := http.NewRequest(method, "http://"+a.host.Addr()+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestHTTPFront(t *testing.T) {
	a := newApp(t, map[string]string{"status": web, "off": strings.ReplaceAll(web, "status", "off")})
	a.cfg.Env["AzureWebJobs_off_Disabled"] = "true"
	a.start()
	page := `raw {"Outputs":{"res":{"statusCode":"202","headers":{"Content-Type":"text/html","X-N":1},"body":"<p>hé</p>"}}}`
	for _, c := range []struct {
		name, behaviour, method, path string
		status                        int
		body, contentType, rest       string
	}{
		{"page", page, "GET", "/api/status", 202, "<p>hé</p>", "text/html", `"Params":{}`},
		{"json below it", page, "GET", "/api/status/status.json", 202, "<p>hé</p>", "text/html", `"Params":{"rest":"status.json"}`},
		{"object body is indented text", `raw {"Outputs":{"res":{"body":{"a":[1]}}}}`, "GET", "/api/status", 200, "{\n  \"a\": [\n    1\n  ]\n}", "text/plain; charset=utf-8", ""},
		{"status alone is ignored", `raw {"Outputs":{"res":{"status":404,"body":"x"}}}`, "GET", "/api/STATUS/", 200, "x", "text/plain; charset=utf-8", ""},
		{"return value's members are outputs", `raw {"ReturnValue":{"res":{"body":"r"}}}`, "GET", "/api/status", 200, "r", "text/plain; charset=utf-8", ""},
		{"no output", `raw {}`, "GET", "/api/status", 200, "", "", ""},
		{"output is no object", `raw {"Outputs":{"res":"x"}}`, "GET", "/api/status", 500, "", "", ""},
		{"output is null", `raw {"Outputs":{"res":null}}`, "GET", "/api/status", 500, "", "", ""},
		{"failure", "status 503", "GET", "/api/status", 500, "", "", ""},
		{"method", page, "POST", "/api/status", 404, "404 page not found\n", "text/plain; charset=utf-8", ""},
		{"disabled", page, "GET", "/api/off", 404, "404 page not found\n", "text/plain; charset=utf-8", ""},
		{"no prefix", page, "GET", "/status", 404, "404 page not found\n", "text/plain; charset=utf-8", ""},
		{"ping", "", "GET", "/admin/host/ping", 200, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.behave(c.behaviour)
			status, body, header := a.get(c.method, c.path, "")
			if status != c.status || body != c.body || header.Get("Content-Type") != c.contentType {
				t.Errorf("got %d %q %q, want %d %q %q", status, body, header.Get("Content-Type"), c.status, c.body, c.contentType)
			}
			if c.rest != "" && !strings.Contains(string(a.lastCall().Body), c.rest) {
				t.Errorf("%s is not in the envelope", c.rest)
			}
		})
	}
}

// lastCall drains what the handler saw.
func (a *app) lastCall() (c call) {
	for c = a.next(); ; {
		select {
		case c = <-a.seen:
		case <-time.After(20 * time.Millisecond):
			return c
		}
	}
}

func TestDrainStopsTimersAndLetsCallsEnd(t *testing.T) {
	a := newApp(t, map[string]string{"nightly": nightly})
	a.cfg.Clock = &clock.Clock{}
	a.start()
	a.behave("hang")
	failed := make(chan error, 1)
	go func() { _, _, err := a.fire(); failed <- err }()
	a.next()
	if status, _, _ := a.get("POST", "/admin/host/drain", ""); status != 202 {
		t.Fatal(status)
	}
	state := func() string {
		_, body, _ := a.get("GET", "/admin/host/drain/status", "")
		var doc struct{ State string }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		return doc.State
	}
	if got := state(); got != "InProgress" {
		t.Errorf("state %s while a call runs", got)
	}
	if err := a.host.KillHandler(); err != nil {
		t.Fatal(err)
	}
	<-failed
	eventually(t, "drained", func() bool { return state() == "Completed" })
	a.behave("")
	a.cfg.Clock.Advance(48 * time.Hour)
	a.quiet(50 * time.Millisecond)
}
