package vault_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

func TestCommitIsOneCreateOnlyWriteWithEverythingInIt(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	data := pattern(3 * 64 * kib)
	st := stage(t, v, name, data)
	got, err := v.Commit(t.Context(), st, map[string]string{"run": "r1", "who": "Zoë"}, "Cool")
	if err != nil {
		t.Fatal(err)
	}
	h := s.headers["PUT blocklist"]
	for header, want := range map[string]string{
		"If-None-Match": "*", "x-ms-access-tier": "Cool", "x-ms-meta-run": "r1", "x-ms-meta-sha256": hexSum(data), "x-ms-meta-who": "Zo%C3%AB",
	} {
		if h.Get(header) != want {
			t.Errorf("%s is %q, want %q", header, h.Get(header), want)
		}
	}
	if diff := cmp.Diff(st.BlockIDs, s.lists); diff != "" {
		t.Errorf("block list (-staged +sent):\n%s", diff)
	}
	want := vault.Stored{
		Blob:     bacvault.Blob{Name: name, Size: int64(len(data)), SHA256: hexSum(data), ETag: etag(data)},
		Created:  got.Created,
		Metadata: map[string]string{"run": "r1", "sha256": hexSum(data), "who": "Zo%C3%AB"},
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Created.IsZero() {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if n := s.count("PUT blocklist"); n != 1 {
		t.Errorf("%d commits were sent", n)
	}
}

// Each row spoils the one answer to the commit. Whatever it was, exactly one commit may have been sent, and the verdict
// must be what lies in the store.
func TestCommitSettlesByLooking(t *testing.T) {
	type row struct {
		name string
		// lost is a fault before the commit takes effect, spoilt one after it.
		lost, spoilt func(w http.ResponseWriter)
		other        *object
		code         bacvault.Code
		class        bacvault.Class
	}
	answer := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { refuse(w, status, code) }
	}
	rows := []row{
		{name: "500 after effect", spoilt: answer(500, "InternalError")},
		{name: "503 after effect", spoilt: answer(503, "ServerBusy")},
		{name: "cut after effect", spoilt: cut},
		{name: "409 BlobAlreadyExists for what is ours", spoilt: answer(409, "BlobAlreadyExists")},
		{name: "409 BlobImmutableDueToPolicy for what is ours", spoilt: answer(409, "BlobImmutableDueToPolicy")},
		{name: "409 BlobImmutableDueToLegalHold for what is ours", spoilt: answer(409, "BlobImmutableDueToLegalHold")},
		{name: "409 BlobHasBeenModified for what is ours", spoilt: answer(409, "BlobHasBeenModified")},
		{name: "412 for what is ours", spoilt: answer(412, "ConditionNotMet")},
		{name: "500 without effect", lost: answer(500, "InternalError"), code: bacvault.CodeVaultWrite, class: bacvault.Retry},
		{name: "cut without effect", lost: cut, code: bacvault.CodeVaultWrite, class: bacvault.Retry},
		{name: "other content", code: bacvault.CodeVaultConflict, class: bacvault.Terminal,
			other: &object{data: []byte("other"), header: http.Header{"X-Ms-Meta-Sha256": {hexSum([]byte("other"))}}}},
		{name: "other content of the same size", code: bacvault.CodeVaultConflict, class: bacvault.Terminal,
			other: &object{data: make([]byte, 2*64*kib), header: http.Header{"X-Ms-Meta-Sha256": {hexSum(nil)}}}},
		{name: "content that nobody vouches for", code: bacvault.CodeVaultConflict, class: bacvault.Terminal,
			other: &object{data: pattern(2 * 64 * kib)}},
		{name: "the same content of an earlier run",
			other: &object{data: pattern(2 * 64 * kib), header: http.Header{"X-Ms-Meta-Sha256": {hexSum(pattern(2 * 64 * kib))}, "X-Ms-Meta-Run": {"r1"}}}},
		{name: "denied", lost: answer(403, "AuthorizationPermissionMismatch"), code: bacvault.CodeVaultDenied, class: bacvault.Terminal},
		{name: "staged blocks lapsed", lost: answer(400, "InvalidBlockList"), code: bacvault.CodeVaultWrite, class: bacvault.Retry},
	}
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{BlockSize: 64 * kib})
			data := pattern(2 * 64 * kib)
			st := stage(t, v, name, data)
			spoil := func(f func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request, string) bool {
				return func(w http.ResponseWriter, _ *http.Request, call string) bool {
					hit := f != nil && strings.HasPrefix(call, "PUT blocklist")
					if hit {
						f(w)
					}
					return hit
				}
			}
			s.before, s.after = spoil(c.lost), spoil(c.spoilt)
			if c.other != nil {
				s.blobs[name] = c.other
			}
			got, err := v.Commit(t.Context(), st, map[string]string{"run": "r1"}, "")
			if n := s.count("PUT blocklist"); n != 1 {
				t.Errorf("%d commits were sent", n)
			}
			if c.code != "" {
				if f := wantCode(t, err, c.code); f.Class != c.class || f.Exists == "" {
					t.Errorf("class %q, exists %q", f.Class, f.Exists)
				}
				return
			}
			if err != nil || !got.Existing || got.Blob.SHA256 != hexSum(data) || got.Metadata["run"] != "r1" {
				t.Errorf("%+v, %v", got, err)
			}
			if !bytes.Equal(s.blobs[name].data, data) {
				t.Error("the stored bytes are not the archive's")
			}
		})
	}
}

func TestCommitThatTookNoEffectCanBeSentAgain(t *testing.T) {
	t.Parallel()
	v, s := open(t, vault.Config{})
	st := stage(t, v, name, pattern(1000))
	s.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		hit := strings.HasPrefix(call, "PUT blocklist") && s.count("PUT blocklist") == 1
		if hit {
			refuse(w, 500, "InternalError")
		}
		return hit
	}
	_, err := v.Commit(t.Context(), st, nil, "")
	wantCode(t, err, bacvault.CodeVaultWrite)
	if got, err := v.Commit(t.Context(), st, nil, ""); err != nil || got.Existing {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCommitIsNotSentOnceTheLeaseIsLost(t *testing.T) {
	v, s := open(t, vault.Config{})
	st := stage(t, v, name, pattern(1000))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(bacvault.Fail(bacvault.CodeLeaseLost, "gone"))
	_, err := v.Commit(ctx, st, nil, "")
	wantCode(t, err, bacvault.CodeLeaseLost)
	if n := s.count("PUT blocklist"); n != 0 {
		t.Errorf("%d commits were sent", n)
	}
}

func TestCommitCancelledOnTheWayIsStillSettled(t *testing.T) {
	v, s := open(t, vault.Config{})
	st := stage(t, v, name, pattern(1000))
	ctx, cancel := context.WithCancel(t.Context())
	s.after = func(w http.ResponseWriter, r *http.Request, call string) bool {
		if strings.HasPrefix(call, "PUT blocklist") {
			cancel()
			silent(r)
		}
		return false
	}
	got, err := v.Commit(ctx, st, nil, "")
	if err != nil || !got.Existing {
		t.Errorf("%+v, %v: the blob is there", got, err)
	}
}

func TestCommitReadsBackWhatItMade(t *testing.T) {
	v, s := open(t, vault.Config{})
	st := stage(t, v, name, pattern(1000))
	s.after = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if strings.HasPrefix(call, "PUT blocklist") {
			s.blobs[name].data = s.blobs[name].data[:999]
		}
		return false
	}
	_, err := v.Commit(t.Context(), st, nil, "")
	wantCode(t, err, bacvault.CodeVerifyHash, "999 bytes")
}

func TestCommitRefusesMetadataThatHTTPWouldFold(t *testing.T) {
	v, s := open(t, vault.Config{})
	st := stage(t, v, name, pattern(1000))
	if _, err := v.Commit(t.Context(), st, map[string]string{"RunId": "x"}, ""); err == nil || s.count("PUT blocklist") != 0 {
		t.Errorf("%v after %d commits", err, s.count("PUT blocklist"))
	}
}
