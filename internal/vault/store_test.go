package vault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/bacvault/bacvault/internal/vault"
)

// token is a credential that always has the same token.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

type object struct {
	data    []byte
	header  http.Header
	tier    string
	created time.Time
}

// store is as much of a blob container with a locked policy as the tests need, with the wire's faults in before and after.
type store struct {
	mu     sync.Mutex
	blobs  map[string]*object
	blocks map[string]map[string][]byte
	// calls lists every request as "PUT block a/b.bacpac"; headers has the last of each kind.
	calls   []string
	headers map[string]http.Header
	lists   []string
	// versioned makes the store that of version-level immutability: an overwrite is a new version, not an error.
	versioned bool
	// before may answer in the store's place, after may spoil the answer of what took effect; true means answered.
	before, after func(w http.ResponseWriter, r *http.Request, call string) bool
}

func open(t *testing.T, cfg vault.Config) (*vault.Vault, *store) {
	t.Helper()
	s := &store{blobs: map[string]*object{}, blocks: map[string]map[string][]byte{}, headers: map[string]http.Header{}}
	srv := httptest.NewTLSServer(s)
	t.Cleanup(srv.Close)
	cfg.ContainerURL, cfg.Credential, cfg.Transport = srv.URL+"/acct/vault", token{}, srv.Client()
	v, err := vault.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
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

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/acct/vault"), "/")
	q := r.URL.Query()
	call := strings.TrimSpace(r.Method + " " + q.Get("comp") + " " + name)
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.headers[r.Method+" "+q.Get("comp")] = r.Header.Clone()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil && before(w, r, call) {
		return
	}
	rec := httptest.NewRecorder()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.serve(rec, r, name, body)
	s.mu.Unlock()
	if after != nil && after(w, r, call) {
		return
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (s *store) serve(w *httptest.ResponseRecorder, r *http.Request, name string, body []byte) {
	q := r.URL.Query()
	if sum := r.Header.Get("x-ms-content-crc64"); sum != "" {
		want := binary.LittleEndian.AppendUint64(nil, crc64.Checksum(body, crc64.MakeTable(0x9A6C9329AC4BC9B5)))
		if sum != base64.StdEncoding.EncodeToString(want) {
			refuse(w, 400, "Crc64Mismatch")
			return
		}
	}
	switch key := r.Method + " " + q.Get("comp"); key {
	case "PUT block":
		if s.blobs[name] != nil && !s.versioned {
			refuse(w, 409, "BlobImmutableDueToPolicy")
			return
		}
		if s.blocks[name] == nil {
			s.blocks[name] = map[string][]byte{}
		}
		for id := range s.blocks[name] {
			if len(id) != len(q.Get("blockid")) {
				refuse(w, 400, "InvalidBlobOrBlock")
				return
			}
		}
		s.blocks[name][q.Get("blockid")] = body
		w.WriteHeader(201)
	case "PUT blocklist":
		var list struct{ Latest []string }
		if err := xml.Unmarshal(body, &list); err != nil {
			refuse(w, 400, "InvalidXmlDocument")
			return
		}
		s.lists = list.Latest
		var whole []byte
		for _, id := range list.Latest {
			b, ok := s.blocks[name][id]
			if !ok && s.blobs[name] == nil {
				refuse(w, 400, "InvalidBlockList")
				return
			}
			whole = append(whole, b...)
		}
		s.create(w, r, name, whole)
	case "PUT ":
		s.create(w, r, name, body)
	case "GET blocklist":
		s.blockList(w, name)
	case "GET list":
		s.list(w, q.Get("prefix"), q.Get("delimiter"))
	case "HEAD ", "GET ":
		s.read(w, r, name)
	default:
		refuse(w, 501, "NotForThisTest")
	}
}

// create is Put Blob and Put Block List over a locked policy: a name is written once.
func (s *store) create(w *httptest.ResponseRecorder, r *http.Request, name string, data []byte) {
	if s.blobs[name] != nil && (!s.versioned || r.Header.Get("If-None-Match") == "*") {
		if r.Header.Get("If-None-Match") == "*" {
			refuse(w, 409, "BlobAlreadyExists")
		} else {
			refuse(w, 409, "BlobImmutableDueToPolicy")
		}
		return
	}
	s.blobs[name] = &object{data: data, header: r.Header.Clone(), created: time.Now().UTC(), tier: r.Header.Get("x-ms-access-tier")}
	delete(s.blocks, name)
	w.Header().Set("ETag", etag(data))
	w.Header().Set("Last-Modified", s.blobs[name].created.Format(http.TimeFormat))
	w.WriteHeader(201)
}

func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"0x` + hex.EncodeToString(sum[:8]) + `"`
}

func (s *store) blockList(w *httptest.ResponseRecorder, name string) {
	if s.blobs[name] == nil && len(s.blocks[name]) == 0 {
		refuse(w, 404, "BlobNotFound")
		return
	}
	var b strings.Builder
	for id, data := range s.blocks[name] {
		fmt.Fprintf(&b, "<Block><Name>%s</Name><Size>%d</Size></Block>", id, len(data))
	}
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, "<BlockList><UncommittedBlocks>%s</UncommittedBlocks></BlockList>", b.String())
}

func (s *store) read(w *httptest.ResponseRecorder, r *http.Request, name string) {
	o := s.blobs[name]
	if o == nil {
		// A HEAD's answer may come without a code.
		w.WriteHeader(404)
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != etag(o.data) {
		refuse(w, 412, "ConditionNotMet")
		return
	}
	for k, v := range o.header {
		if strings.HasPrefix(k, "X-Ms-Meta-") {
			w.Header()[k] = v
		}
	}
	w.Header().Set("ETag", etag(o.data))
	w.Header().Set("Last-Modified", o.created.Format(http.TimeFormat))
	w.Header().Set("x-ms-creation-time", o.created.Format(http.TimeFormat))
	if o.tier != "" {
		w.Header().Set("x-ms-access-tier", o.tier)
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Length", fmt.Sprint(len(o.data)))
		return
	}
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("x-ms-range"), "bytes=%d-%d", &from, &to); n == 2 {
		w.WriteHeader(206)
		w.Write(o.data[from : to+1])
		return
	}
	w.Write(o.data)
}

func (s *store) list(w *httptest.ResponseRecorder, prefix, delimiter string) {
	var names []string
	for n := range s.blobs {
		if strings.HasPrefix(n, prefix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	seen := map[string]bool{}
	for _, n := range names {
		if i := strings.Index(n[len(prefix):], "/"); delimiter == "/" && i >= 0 {
			if p := n[:len(prefix)+i+1]; !seen[p] {
				seen[p] = true
				fmt.Fprintf(&b, "<BlobPrefix><Name>%s</Name></BlobPrefix>", p)
			}
			continue
		}
		o := s.blobs[n]
		fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Creation-Time>%s</Creation-Time><Content-Length>%d</Content-Length><AccessTier>%s</AccessTier></Properties></Blob>",
			n, o.created.Format(http.TimeFormat), len(o.data), o.tier)
	}
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, "<EnumerationResults><Blobs>%s</Blobs><NextMarker/></EnumerationResults>", b.String())
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-ms-error-code", code)
	// azcore honours this, which keeps the tests quick.
	w.Header().Set("x-ms-retry-after-ms", "1")
	w.Header().Set("x-ms-request-id", "rid")
	w.WriteHeader(status)
}

// cut drops the connection without an answer.
func cut(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

// silent gives no answer for as long as the client waits, and none then: a handler that returned would answer 200, which a client
// that is just closing its connection can still take for one.
func silent(r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// pattern is content in which every block differs.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>10) ^ byte(i*7)
	}
	return b
}

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func stage(t *testing.T, v *vault.Vault, name string, data []byte) vault.Staged {
	t.Helper()
	s, err := v.Stage(t.Context(), name, bytes.NewReader(data), int64(len(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
