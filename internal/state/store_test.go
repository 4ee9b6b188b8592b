package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
)

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// blob is an object with its lease.
type blob struct {
	data     []byte
	modified time.Time
	version  int
	lease    string
	until    time.Time
}

// store is a mutable container with leases, in process, so that it lives in the tests' time.
type store struct {
	mu      sync.Mutex
	missing bool // the container is not there yet
	blobs   map[string]*blob
	calls   []string
	// fault may answer in the store's place.
	fault func(r *http.Request, call string) (*http.Response, error)
}

func open(t *testing.T, seconds int) (*state.State, *store) {
	t.Helper()
	s := &store{blobs: map[string]*blob{}}
	st, err := state.New(state.Config{ContainerURL: "https://acct.blob.core.windows.net/state", Credential: token{}, LeaseSeconds: seconds, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return st, s
}

func (s *store) setFault(f func(r *http.Request, call string) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *store) Do(r *http.Request) (*http.Response, error) {
	// azblob sets its headers under lower-case keys; on the wire that makes no difference.
	for k, v := range r.Header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/state"), "/")
	call := strings.TrimSpace(r.Method + " " + strings.Trim(r.URL.Query().Get("comp")+" "+r.Header.Get("x-ms-lease-action"), " ") + " " + name)
	s.mu.Lock()
	fault := s.fault
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if fault != nil {
		if resp, err := fault(r, call); resp != nil || err != nil {
			return resp, err
		}
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(r, name, body), nil
}

func (s *store) serve(r *http.Request, name string, body []byte) *http.Response {
	q := r.URL.Query()
	if q.Get("restype") == "container" && r.Method == http.MethodPut {
		s.missing = false
		return answer(r, 201, "")
	}
	if s.missing {
		return answer(r, 404, "ContainerNotFound")
	}
	b := s.blobs[name]
	if b != nil && !time.Now().Before(b.until) {
		// The id stays: a lapsed lease that nobody took can be renewed.
		b.until = time.Time{}
	}
	switch {
	case q.Get("comp") == "list":
		return s.list(r, q.Get("prefix"))
	case q.Get("comp") == "lease":
		return s.leasing(r, b)
	case r.Method == http.MethodPut:
		return s.put(r, name, b, body)
	case b == nil:
		return answer(r, 404, "BlobNotFound")
	case r.Method == http.MethodDelete:
		delete(s.blobs, name)
		return answer(r, 202, "")
	}
	resp := answer(r, 200, "")
	resp.Body = io.NopCloser(bytes.NewReader(slices.Clone(b.data)))
	resp.ContentLength = int64(len(b.data))
	resp.Header.Set("Content-Length", fmt.Sprint(len(b.data)))
	resp.Header.Set("Last-Modified", b.modified.UTC().Format(http.TimeFormat))
	resp.Header.Set("ETag", fmt.Sprintf(`"%d"`, b.version))
	return resp
}

func (s *store) put(r *http.Request, name string, b *blob, body []byte) *http.Response {
	id := r.Header.Get("x-ms-lease-id")
	switch {
	case b == nil && id != "":
		return answer(r, 412, "LeaseNotPresentWithBlobOperation")
	case b == nil:
		b = &blob{}
		s.blobs[name] = b
	case r.Header.Get("If-None-Match") == "*":
		return answer(r, 409, "BlobAlreadyExists")
	case !b.until.IsZero() && id == "":
		return answer(r, 412, "LeaseIdMissing")
	case !b.until.IsZero() && id != b.lease:
		return answer(r, 412, "LeaseIdMismatchWithBlobOperation")
	case b.until.IsZero() && id != "":
		return answer(r, 412, "LeaseLost")
	}
	b.data, b.modified, b.version = body, time.Now(), b.version+1
	return answer(r, 201, "")
}

func (s *store) leasing(r *http.Request, b *blob) *http.Response {
	if b == nil {
		return answer(r, 404, "BlobNotFound")
	}
	free := b.until.IsZero()
	var seconds int
	_, _ = fmt.Sscan(r.Header.Get("x-ms-lease-duration"), &seconds)
	switch action, id := r.Header.Get("x-ms-lease-action"), r.Header.Get("x-ms-lease-id"); action {
	case "acquire":
		if proposed := r.Header.Get("x-ms-proposed-lease-id"); free || proposed == b.lease {
			b.lease, b.until = proposed, time.Now().Add(time.Duration(seconds)*time.Second)
			return answer(r, 201, "")
		}
		return answer(r, 409, "LeaseAlreadyPresent")
	case "renew":
		if id != b.lease {
			return answer(r, 409, "LeaseIdMismatchWithLeaseOperation")
		}
		b.until = time.Now().Add(leaseTime)
		return answer(r, 200, "")
	case "release":
		if id != b.lease {
			return answer(r, 409, "LeaseIdMismatchWithLeaseOperation")
		}
		b.lease, b.until = "", time.Time{}
		return answer(r, 200, "")
	}
	return answer(r, 501, "NotForThisTest")
}

func (s *store) list(r *http.Request, prefix string) *http.Response {
	var b strings.Builder
	for name, o := range s.blobs {
		if strings.HasPrefix(name, prefix) {
			state := "available"
			if o.lease != "" && time.Now().Before(o.until) {
				state = "leased"
			}
			fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Content-Length>%d</Content-Length><Last-Modified>%s</Last-Modified><LeaseState>%s</LeaseState></Properties></Blob>",
				name, len(o.data), o.modified.UTC().Format(http.TimeFormat), state)
		}
	}
	resp := answer(r, 200, "")
	resp.Header.Set("Content-Type", "application/xml")
	resp.Body = io.NopCloser(strings.NewReader("<EnumerationResults><Blobs>" + b.String() + "</Blobs><NextMarker/></EnumerationResults>"))
	return resp
}

func answer(r *http.Request, status int, code string) *http.Response {
	h := http.Header{}
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if code != "" {
		h.Set("x-ms-error-code", code)
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: h, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1}
}

func (s *store) count(call string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if strings.HasPrefix(c, call) {
			n++
		}
	}
	return n
}

func wantCode(t *testing.T, err error, code bacvault.Code) {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) || f.Code != code {
		t.Errorf("error %v, want %s", err, code)
	}
}
