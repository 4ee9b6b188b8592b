package azuresql_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
)

const (
	database  = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Sql/servers/srv/databases/a%5Db%27c"
	shortPath = database + "/backupShortTermRetentionPolicies/default?api-version=2021-02-01-preview"
	longPath  = database + "/backupLongTermRetentionPolicies/default?api-version=2020-11-01-preview"
	immutPath = database + "/backupLongTermRetentionPolicies/default?api-version=2025-01-01"
)

// policies is the management plane with the retention policies of one database. A call is answered by its script, and by what is
// stored once the script is over: "ok" is that too, "!503 Code" an error, "lost" no answer. A put is stored for "ok" (a running
// operation), "now" (done at once), "taken, lost"; it is not for "ignored" (a running operation) and "failed Code" (one that fails).
type policies struct {
	stored map[string]map[string]any // by path without the version: properties
	immut  map[string]any            // what the newer version adds
	script map[string][]string       // by what: "GET short"
	calls  func(what string, n int)

	mu     sync.Mutex
	n      map[string]int
	ops    []string // answer of each operation
	bodies []string
}

var kindsOfCall = map[string]string{shortPath: "short", longPath: "long", immutPath: "immutability"}

func newPolicies() *policies {
	return &policies{
		stored: map[string]map[string]any{
			"short": {"retentionDays": 7, "diffBackupIntervalInHours": 12},
			"long":  {"weeklyRetention": "PT0S", "monthlyRetention": "PT0S", "yearlyRetention": "PT0S", "weekOfYear": 0},
		},
		script: map[string][]string{}, n: map[string]int{},
	}
}

func (p *policies) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	kind := kindsOfCall[r.URL.EscapedPath()+"?"+r.URL.RawQuery]
	if strings.HasPrefix(r.URL.Path, "/operations/") {
		kind = "operation"
	}
	what := r.Method + " " + kind
	p.mu.Lock()
	p.n[what]++
	n := p.n[what]
	p.mu.Unlock()
	if p.calls != nil {
		p.calls(what, n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var body string
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if body = string(b); body != "" {
			p.bodies = append(p.bodies, kind+" "+body)
		}
	}
	word := "ok"
	if s := p.script[what]; len(s) > 0 {
		word = s[min(n, len(s))-1]
	}
	var status int
	var code string
	switch {
	case kind == "":
		return nil, fmt.Errorf("nobody serves %s %s", r.Method, r.URL)
	case word == "lost":
		return nil, io.ErrUnexpectedEOF
	case strings.HasPrefix(word, "!"):
		if _, err := fmt.Sscanf(word, "!%d %s", &status, &code); err != nil {
			return nil, err
		}
		return answer(r, status, map[string]any{"error": map[string]string{"code": code, "message": "the plane's\nwords"}})
	case kind == "operation":
		return p.operation(r, n, word)
	case r.Method == http.MethodPut:
		return p.put(r, kind, word, body)
	case kind == "immutability":
		all := maps.Clone(p.stored["long"])
		maps.Copy(all, p.immut)
		return answer(r, http.StatusOK, map[string]any{"properties": all})
	}
	return answer(r, http.StatusOK, map[string]any{"properties": p.stored[kind]})
}

func answer(r *http.Request, status int, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	return &http.Response{StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(string(b))), Header: http.Header{"Content-Type": {"application/json"}}}, err
}

// operation runs for two looks.
func (p *policies) operation(r *http.Request, n int, word string) (*http.Response, error) {
	if word == "running" || n%2 == 1 {
		return answer(r, http.StatusOK, map[string]any{"status": "InProgress"})
	}
	if code, failed := strings.CutPrefix(p.ops[len(p.ops)-1], "failed "); failed {
		return answer(r, http.StatusOK, map[string]any{"status": "Failed", "error": map[string]string{"code": code, "message": "it broke"}})
	}
	return answer(r, http.StatusOK, map[string]any{"status": "Succeeded"})
}

func (p *policies) put(r *http.Request, kind, word, sent string) (*http.Response, error) {
	var body struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(sent), &body); err != nil {
		return nil, err
	}
	if week, there := body.Properties["weekOfYear"]; kind == "long" && (!there || week.(float64) < 1 || week.(float64) > 52) {
		return answer(r, http.StatusBadRequest, map[string]any{"error": map[string]string{"code": "LongTermRetentionMissingWeekOfYear"}})
	}
	if word != "ignored" && !strings.HasPrefix(word, "failed") {
		if body.Properties["yearlyRetention"] == "PT0S" {
			body.Properties["weekOfYear"] = 0 // as the service shows it
		}
		p.stored[kind] = body.Properties
	}
	switch word {
	case "now":
		return answer(r, http.StatusOK, map[string]any{"properties": p.stored[kind]})
	case "taken, lost":
		return nil, io.ErrUnexpectedEOF
	}
	p.ops = append(p.ops, word)
	out, err := answer(r, http.StatusAccepted, map[string]any{})
	out.Header.Set("Azure-AsyncOperation", "https://arm.test/operations/"+fmt.Sprint(len(p.ops)))
	return out, err
}

func (p *policies) management(t *testing.T, poll time.Duration, noToken error) *azuresql.Management {
	t.Helper()
	m, err := azuresql.NewManagement(azuresql.ManagementConfig{
		Endpoint: "https://arm.test", Audience: "https://arm.test", SubscriptionID: "sub", ResourceGroup: "rg", Server: "srv",
		Credential: tokens{noToken}, Poll: poll, Transport: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
