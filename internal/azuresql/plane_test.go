package azuresql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/bacvault/bacvault/internal/azuresql"
)

// plane is a management plane under the real client. What it answers is scripted call by call; the last answer stays.
type plane struct {
	source, target, puts, deletes, operation []string // a state, "" for 404, "!503 Code" for an error, "lost" for no answer
	pooled                                   bool
	calls                                    func(what string, n int)

	mu     sync.Mutex
	n      map[string]int
	bodies []string // of what was put
}

// Do is the transport.
func (p *plane) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if p.mu.Lock(); len(b) > 0 {
			p.bodies = append(p.bodies, string(b))
		}
		p.mu.Unlock()
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	what, script := "GET "+name, p.target
	switch {
	case strings.Contains(r.URL.Path, "AsyncOperation"):
		what, script = "operation", p.operation
	case r.Method == http.MethodPut:
		what, script = "PUT", p.puts
	case r.Method == http.MethodDelete:
		what, script = "DELETE", p.deletes
	case name == "Orders":
		script = p.source
	}
	p.mu.Lock()
	if p.n == nil {
		p.n = map[string]int{}
	}
	p.n[what]++
	n := p.n[what]
	p.mu.Unlock()
	if p.calls != nil {
		p.calls(what, n)
	}
	if len(script) == 0 {
		return nil, fmt.Errorf("%s is not in the script", what)
	}
	return p.answer(r, what, script[min(n, len(script))-1])
}

func (p *plane) answer(r *http.Request, what, word string) (*http.Response, error) {
	reply := func(status int, body any) (*http.Response, error) {
		b, err := json.Marshal(body)
		return &http.Response{StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(string(b))), Header: http.Header{"Content-Type": {"application/json"}}}, err
	}
	refused := func(status int, code string) (*http.Response, error) {
		return reply(status, map[string]any{"error": map[string]string{"code": code, "message": "the plane's\nwords"}})
	}
	switch {
	case word == "lost":
		return nil, io.ErrUnexpectedEOF
	case strings.HasPrefix(word, "!"):
		var status int
		var code string
		if _, err := fmt.Sscanf(word, "!%d %s", &status, &code); err != nil {
			return nil, err
		}
		return refused(status, code)
	case what == "operation" && strings.HasPrefix(word, "Failed "):
		return reply(http.StatusOK, map[string]any{"status": "Failed", "error": map[string]string{"code": word[7:], "message": "it broke"}})
	case what == "operation":
		return reply(http.StatusOK, map[string]any{"status": word})
	case what == "PUT" || what == "DELETE":
		out, err := reply(http.StatusAccepted, map[string]any{})
		out.Header.Set("Azure-AsyncOperation", "https://arm.test/x/AsyncOperation/1")
		return out, err
	case word == "":
		return refused(http.StatusNotFound, "ResourceNotFound")
	}
	state, at, _ := strings.Cut(word, "@")
	properties := map[string]any{"status": state, "creationDate": created.Add(time.Duration(len(at)) * time.Second), "collation": "c"}
	if p.pooled {
		properties["elasticPoolId"] = "/pools/p"
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	return reply(http.StatusOK, map[string]any{"id": "/ids/" + name, "name": name, "location": "uksouth", "sku": map[string]any{"name": "S3"}, "properties": properties})
}

func (p *plane) count(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n[what]
}

type tokens struct{ err error }

func (t tokens) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret", ExpiresOn: time.Now().Add(time.Hour)}, t.err
}

func management(t *testing.T, p *plane, err error) *azuresql.Management {
	t.Helper()
	m, err := azuresql.NewManagement(azuresql.ManagementConfig{
		Endpoint: "https://arm.test", Audience: "https://arm.test", SubscriptionID: "sub", ResourceGroup: "rg", Server: "srv",
		Credential: tokens{err}, Poll: time.Millisecond, Transport: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
