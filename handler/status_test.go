package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// views is a whole status model that tells what it was asked.
type views struct{ model }

func (v views) Page(q url.Values) ([]byte, error) { return []byte("page of " + q.Get("db")), v.err }
func (v views) Metrics() ([]byte, error)          { return []byte("metrics"), v.err }
func (v views) Headers() map[string]string {
	return map[string]string{"Content-Security-Policy": "default-src 'none'"}
}

func TestStatusHasAViewForEachReader(t *testing.T) {
	const html, json, metrics = "text/html; charset=utf-8", "application/json", "text/plain; version=0.0.4; charset=utf-8"
	for _, c := range []struct{ name, url, accept, kind, body string }{
		{"a person", "http://x/api/status", "text/html", html, "page of "},
		{"a person who filters", "http://x/api/status?db=0a1b&code=k", "text/html", html, "page of 0a1b"},
		{"a script", "http://x/api/status?format=json", "*/*", json, `{"verdict":"ok"}`},
		{"Prometheus by path", "http://x/api/status/metrics", "application/openmetrics-text", metrics, "metrics"},
		{"Prometheus by query", "http://x/api/status?format=metrics", "", metrics, "metrics"},
		{"metrics before an Accept of JSON", "http://x/api/status/metrics?code=k", "application/json", metrics, "metrics"},
		{"a word that is no form", "http://x/api/status?format=xml", "", html, "page of "},
		{"a URL that is none", "http://x/%zz", "application/json", html, "page of "},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := newHandler(&fakeApp{})
			h.model = func(context.Context) statusModel { return views{} }
			payload := strings.Replace(golden(t, "http.json"), "http://localhost:7071/api/runs?x=1", c.url, 1)
			payload = strings.Replace(payload, `"Content-Type":["application/json"]`, `"accept":["`+c.accept+`"]`, 1)
			code, a := post(t, h, "status", payload)
			res, _ := a.Outputs["res"].(map[string]any)
			head, _ := res["headers"].(map[string]any)
			if code != http.StatusOK || head["Content-Type"] != c.kind || res["body"] != c.body || head["Cache-Control"] != "no-store" {
				t.Errorf("%d, %v", code, a.Outputs)
			}
			if guarded := head["Content-Security-Policy"] != nil; guarded != (c.kind == html) {
				t.Errorf("the headers are %v", head)
			}
		})
	}
}

func TestStatusViewThatFailsIsAnError(t *testing.T) {
	for _, path := range []string{"", "/metrics", ".json"} {
		h, out := newHandler(&fakeApp{})
		h.model = func(context.Context) statusModel { return views{model{errors.New("template")}} }
		payload := strings.Replace(golden(t, "http.json"), "http://localhost:7071/api/runs?x=1", "http://x/api/status"+path, 1)
		if code, _ := post(t, h, "status", payload); code != http.StatusInternalServerError || !strings.Contains(out.String(), "template") {
			t.Errorf("%q: %d, log %s", path, code, out)
		}
	}
}
