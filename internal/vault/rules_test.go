package vault_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

// request is what one call put on the wire.
type request struct {
	call   string
	header http.Header
	bytes  int64
}

// wholeLife stages, commits, reads back and fetches an archive, writes manifest and proof, and gives every request.
func wholeLife(t *testing.T, v *vault.Vault, s *store) (all []request) {
	t.Helper()
	var mu sync.Mutex
	s.before = func(_ http.ResponseWriter, r *http.Request, call string) bool {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, request{call, r.Header.Clone(), r.ContentLength})
		return false
	}
	slot := slotAt(2)
	data := pattern(3*64*kib + 5)
	m := manifest(slot)
	m.Blob.Size, m.Blob.SHA256 = int64(len(data)), hexSum(data)
	st := stage(t, v, m.Blob.Name, data)
	if _, err := v.Commit(t.Context(), st, map[string]string{"run": "r1"}, "Cool"); err != nil {
		t.Fatal(err)
	}
	if err := v.PutManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	p := bacvault.Proof{Schema: bacvault.ProofSchema, Database: db, Slot: slot, Blob: m.Blob.Name, Passed: true, At: slotAt(12).Time()}
	if err := v.PutProof(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Fetch(t.Context(), m.Blob.Name, target(t), st.Size, nil); err != nil {
		t.Fatal(err)
	}
	if sum, err := v.ReadBack(t.Context(), m.Blob.Name, st.Size, nil); err != nil || sum != st.SHA256 {
		t.Fatalf("read back %s, %v", sum, err)
	}
	mu.Lock()
	defer mu.Unlock()
	return all
}

func writes(all []request) (out []request) {
	for _, r := range all {
		if !strings.HasPrefix(r.call, "GET") && !strings.HasPrefix(r.call, "HEAD") {
			out = append(out, r)
		}
	}
	return out
}

// The SDK's UploadFile and UploadBuffer drop the condition on their commit of more than 256 MiB and so overwrite
// (azure-sdk-for-go issue 27031).
func TestAnArchiveOver256MiBIsCommittedCreateOnly(t *testing.T) {
	const size = 257 << 20
	n := &counter{size: size, block: make([]byte, 8<<20)}
	var condition []string
	v, err := vault.New(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c", Credential: token{}, Transport: doer(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("comp") == "blocklist" && r.Method == http.MethodPut {
			condition = append(condition, r.Header.Get("If-None-Match"))
			return &http.Response{StatusCode: 403, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return n.Do(r)
	})})
	if err != nil {
		t.Fatal(err)
	}
	st, err := v.Stage(t.Context(), name, zeros{}, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Commit(t.Context(), st, nil, "")
	wantCode(t, err, bacvault.CodeVaultDenied)
	if !slices.Equal(condition, []string{"*"}) || n.blocks.Load() != 33 {
		t.Errorf("%d blocks, commits with If-None-Match %q", n.blocks.Load(), condition)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// A call after the commit would be refused by the policy, so metadata, type and tier go with it; no name is written twice,
// nor first made and then filled, as Azure's own export and SQL's backup to a URL do.
func TestEachNameIsWrittenByOneCreatingCallWithEverythingInIt(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	made := map[string]int{}
	for _, r := range writes(wholeLife(t, v, s)) {
		if strings.HasPrefix(r.call, "PUT block ") {
			continue // makes no blob
		}
		verb, blob, _ := strings.Cut(strings.Replace(r.call, "PUT blocklist ", "PUT+list ", 1), " ")
		if verb != "PUT" && verb != "PUT+list" {
			t.Errorf("%s creates nothing", r.call)
		}
		made[blob]++
		if r.header.Get("If-None-Match") != "*" || r.bytes <= 0 {
			t.Errorf("%s: If-None-Match %q, %d bytes", r.call, r.header.Get("If-None-Match"), r.bytes)
		}
		if verb == "PUT+list" && (r.header.Get("x-ms-meta-sha256") == "" || r.header.Get("x-ms-access-tier") != "Cool" || r.header.Get("x-ms-blob-content-type") == "") {
			t.Errorf("%s lacks metadata, tier or type: %v", r.call, r.header)
		}
	}
	if len(made) != 3 {
		t.Errorf("made %v, want archive, manifest and proof", made)
	}
	for blob, n := range made {
		if n != 1 {
			t.Errorf("%s was written %d times", blob, n)
		}
	}
}

// Such headers need immutableStorage/runAsSuperUser, which could undo an unlocked policy; the container's policy is enough.
func TestNoCallAsksForAPolicyOfItsOwn(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	for _, r := range wholeLife(t, v, s) {
		for _, h := range []string{"x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "x-ms-legal-hold"} {
			if r.header.Get(h) != "" {
				t.Errorf("%s carries %s", r.call, h)
			}
		}
		if strings.Contains(r.call, "immutabilityPolicies") || strings.Contains(r.call, "legalhold") || strings.HasPrefix(r.call, "DELETE") {
			t.Errorf("%s was called", r.call)
		}
	}
}

// The version is the SDK's own, on every call: a store that is older refuses (which emulators must be told to let pass), and
// never takes one call in one version's meaning and the next in another's.
func TestEveryCallSpeaksOneVersion(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	versions := map[string]bool{}
	for _, r := range wholeLife(t, v, s) {
		versions[strings.Join(r.header.Values("x-ms-version"), ",")] = true
	}
	if len(versions) != 1 || versions[""] || versions["2021-08-06"] {
		t.Errorf("versions %v", versions)
	}
}

// Azurite stores the frames of a structured message as the blob's bytes, without an error. The plain CRC64 header is refused
// or checked, never stored.
func TestNoBodyIsFramed(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	for _, r := range wholeLife(t, v, s) {
		if r.header.Get("x-ms-structured-body") != "" || r.header.Get("x-ms-structured-content-length") != "" {
			t.Errorf("%s carries a structured body", r.call)
		}
		if strings.HasPrefix(r.call, "PUT") && !strings.HasPrefix(r.call, "PUT blocklist") && r.header.Get("x-ms-content-crc64") == "" {
			t.Errorf("%s goes without a checksum", r.call)
		}
	}
	if got := s.blobs[db.BlobName(slotAt(2))].data; !bytes.Equal(got, pattern(3*64*kib+5)) {
		t.Error("the stored bytes are not the archive's")
	}
}

// Who may only add blobs can't stage blocks, but can write manifests and proofs; each refusal names the right that its own
// call needs.
func TestOnlyArchivesNeedTheRightToWrite(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		denied := strings.HasPrefix(call, "PUT block")
		if denied {
			refuse(w, 403, "AuthorizationPermissionMismatch")
		}
		return denied
	}
	_, err := v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
	wantCode(t, err, bacvault.CodeVaultDenied, "containers/blobs/write")
	if err := v.PutManifest(t.Context(), manifest(slotAt(2))); err != nil {
		t.Errorf("a manifest needs more than to add: %v", err)
	}
	s.before = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		refuse(w, 403, "AuthorizationPermissionMismatch")
		return true
	}
	wantCode(t, v.PutManifest(t.Context(), manifest(slotAt(3))), bacvault.CodeVaultDenied, "containers/blobs/add/action")
}

// In a container with version-level immutability the store refuses no overwrite by itself: only our condition does.
func TestAnOverwriteIsRefusedWhereTheStoreWouldTakeIt(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	s.versioned = true
	first, second := pattern(64*kib), pattern(64*kib+1)
	if _, err := v.Commit(t.Context(), stage(t, v, name, first), nil, ""); err != nil {
		t.Fatal(err)
	}
	m := manifest(slotAt(2))
	if err := v.PutManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	_, err := v.Commit(t.Context(), stage(t, v, name, second), nil, "")
	wantCode(t, err, bacvault.CodeVaultConflict)
	m.Degraded = []string{"x"}
	wantCode(t, v.PutManifest(t.Context(), m), bacvault.CodeVaultConflict)
	if !bytes.Equal(s.blobs[name].data, first) {
		t.Error("the blob was overwritten")
	}
}
