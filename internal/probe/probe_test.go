package probe_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/probe"
)

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// store answers as a container does; what it answers to an overwrite and to a delete is the test's.
type store struct {
	now               func() time.Time
	blobs             map[string]time.Time
	overwrite, remove reply
	calls             []string
}

type reply struct {
	status int
	code   string
}

func (s *store) Do(r *http.Request) (*http.Response, error) {
	name := strings.TrimPrefix(r.URL.Path, "/vault/")
	body, kind := "", reply{status: 201}
	switch {
	case r.URL.Query().Get("comp") == "list":
		kind.status = 200
		for n, at := range s.blobs {
			if strings.HasPrefix(n, r.URL.Query().Get("prefix")) {
				body += fmt.Sprintf("<Blob><Name>%s</Name><Properties><Creation-Time>%s</Creation-Time></Properties></Blob>", n, at.UTC().Format(http.TimeFormat))
			}
		}
		body = "<EnumerationResults><Blobs>" + body + "</Blobs><NextMarker/></EnumerationResults>"
	case r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*":
		s.calls = append(s.calls, "lay "+name)
		if _, ok := s.blobs[name]; ok {
			kind = reply{409, "BlobAlreadyExists"}
		}
		s.blobs[name] = s.now()
	case r.Method == http.MethodPut:
		s.calls = append(s.calls, "overwrite "+name)
		kind = s.overwrite
	case r.Method == http.MethodDelete:
		s.calls = append(s.calls, "delete "+name)
		kind = s.remove
	default:
		kind = reply{501, "NotForThisTest"}
	}
	h := http.Header{"Content-Type": {"application/xml"}}
	if kind.code != "" {
		h.Set("x-ms-error-code", kind.code)
	}
	h.Set("x-ms-request-id", "id-"+r.Method)
	return &http.Response{StatusCode: kind.status, Status: fmt.Sprint(kind.status), Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

var (
	policed   = reply{409, "BlobImmutableDueToPolicy"}
	held      = reply{409, "BlobImmutableDueToLegalHold"}
	noRight   = reply{403, "AuthorizationPermissionMismatch"}
	taken     = reply{201, ""}
	deleted   = reply{202, ""}
	leased    = reply{412, "LeaseIdMissing"}
	exhausted = reply{503, "ServerBusy"}
)

func TestOnlyTheRefusalThatProtectsPasses(t *testing.T) {
	for _, c := range []struct {
		name              string
		overwrite, remove reply
		passed, fails     bool
	}{
		{"policy, right", policed, noRight, true, false},
		{"policy, policy", policed, policed, true, false},
		{"legal hold", held, held, true, false},
		{"the overwrite is taken", taken, noRight, false, false},
		{"the delete is taken", policed, deleted, false, false},
		{"the overwrite is refused by the right alone", noRight, noRight, false, false},
		{"the overwrite is refused for another reason", leased, noRight, false, false},
		{"the delete is refused for another reason", policed, leased, false, false},
		{"no answer", exhausted, noRight, false, true},
		{"no answer to the delete", policed, exhausted, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			s := &store{now: func() time.Time { return now }, blobs: map[string]time.Time{"srv/db/srv-db_2026-11-24_020000.bacpac": now}, overwrite: c.overwrite, remove: c.remove}
			p, err := probe.New(probe.Config{ContainerURL: "https://acct.blob.core.windows.net/vault", Credential: token{}, Transport: s, Now: s.now})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Run(t.Context(), bacvault.Posture{PeriodDays: 365})
			if (err != nil) != c.fails || r.Passed != c.passed {
				t.Fatalf("%+v, %v", r, err)
			}
			for _, call := range s.calls {
				if !strings.Contains(call, " .bacvault/canary-") {
					t.Errorf("it aimed at %s", call)
				}
			}
			if c.fails {
				return
			}
			if len(r.Tries) != 2 || r.Tries[0].Status != c.overwrite.status && c.overwrite != taken || r.Tries[1].Code != c.remove.code {
				t.Errorf("tries %+v", r.Tries)
			}
			if c.passed && (r.Tries[0].RequestID != "id-PUT" || r.Tries[1].RequestID != "id-DELETE") {
				t.Errorf("request ids %+v", r.Tries)
			}
		})
	}
}

// One canary serves for as long as it is protected; then another takes its place.
func TestTheCanaryIsRenewedBeforeItsProtectionEnds(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &store{now: func() time.Time { return now }, blobs: map[string]time.Time{}, overwrite: policed, remove: noRight}
	p, err := probe.New(probe.Config{ContainerURL: "https://acct.blob.core.windows.net/vault", Credential: token{}, Transport: s, Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range 61 {
		r, err := p.Run(t.Context(), bacvault.Posture{PeriodDays: 30})
		if err != nil || !r.Passed {
			t.Fatal(r, err)
		}
		seen[r.Canary]++
		now = now.AddDate(0, 0, 1)
	}
	if len(seen) != 3 || seen[".bacvault/canary-2026-11-24_120000.txt"] != 28 {
		t.Errorf("canaries %v", seen)
	}
}
