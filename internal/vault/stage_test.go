package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

const (
	kib  = 1 << 10
	name = "srv/db/srv-db_2026-11-24_020000.bacpac"
)

func TestStageSendsEveryBlockOnceWithItsChecksum(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 4})
	data := pattern(10*64*kib + 17)
	var seen []int64
	st, err := v.Stage(t.Context(), name, bytes.NewReader(data), int64(len(data)), func(n int64) { seen = append(seen, n) })
	if err != nil {
		t.Fatal(err)
	}
	if st.SHA256 != hexSum(data) || st.Size != int64(len(data)) || st.Skipped != 0 || len(st.BlockIDs) != 11 {
		t.Errorf("staged %+v", st)
	}
	if n := s.count("PUT block " + name); n != 11 {
		t.Errorf("%d blocks were sent, not 11", n)
	}
	if s.headers["PUT block"].Get("x-ms-content-crc64") == "" {
		t.Error("a block went without a CRC64")
	}
	for _, id := range st.BlockIDs {
		raw, err := base64.StdEncoding.DecodeString(id)
		if err != nil || len(raw) != 48 {
			t.Errorf("block id %q is %d bytes (%v), not 48", id, len(raw), err)
		}
	}
	if len(seen) != 11 || seen[10] != int64(len(data)) {
		t.Errorf("progress %v", seen)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] <= seen[i-1] {
			t.Errorf("progress went from %d to %d", seen[i-1], seen[i])
		}
	}
	if len(s.blobs) != 0 {
		t.Error("staging made a blob")
	}
}

func TestStageAgainSkipsWhatIsThere(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 1})
	data := pattern(6 * 64 * kib)
	// The fourth block is lost for good, as when a process is killed: three blocks stay.
	s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		if call == "PUT block "+name && s.count(call) > 3 {
			refuse(w, 403, "AuthorizationPermissionMismatch")
			return true
		}
		return false
	}
	_, err := v.Stage(t.Context(), name, bytes.NewReader(data), int64(len(data)), nil)
	wantCode(t, err, bacvault.CodeVaultDenied, "blobs/write", "container vault", "block 4 of 6")
	s.before = nil
	data[5*64*kib]++ // what was not sent yet may have changed
	st := stage(t, v, name, data)
	if st.Skipped != 3 || s.count("PUT block") != 4+3 {
		t.Errorf("skipped %d, sent %d in all; want 3 and 7", st.Skipped, s.count("PUT block"))
	}
	if _, err := v.Commit(t.Context(), st, nil, ""); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.blobs[name].data, data) {
		t.Error("the stored bytes are not the archive's")
	}
}

// A block's id stands for everything up to its end, so all is sent again from the first byte that differs.
func TestStageSendsAgainFromWhereContentDiffers(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib})
	data := pattern(3 * 64 * kib)
	stage(t, v, name, data)
	data[64*kib] ^= 1
	st := stage(t, v, name, data)
	if st.Skipped != 1 || s.count("PUT block") != 3+2 {
		t.Errorf("skipped %d, sent %d in all; want 1 and 5", st.Skipped, s.count("PUT block"))
	}
	if st.SkippedBytes != 64*kib || st.SentBytes != 2*64*kib || st.Took <= 0 {
		t.Errorf("%d bytes skipped, %d sent, in %s", st.SkippedBytes, st.SentBytes, st.Took)
	}
}

func TestStageSurvivesPassingFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(w http.ResponseWriter)
	}{
		{"busy", func(w http.ResponseWriter) { refuse(w, 503, "ServerBusy") }},
		{"damaged on the way", func(w http.ResponseWriter) { refuse(w, 400, "Crc64Mismatch") }},
		{"cut", cut},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 2})
			fired := make(chan struct{}, 1)
			fired <- struct{}{}
			s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
				if strings.HasPrefix(call, "PUT block ") {
					select {
					case <-fired:
						c.fault(w)
						return true
					default:
					}
				}
				return false
			}
			data := pattern(5 * 64 * kib)
			st := stage(t, v, name, data)
			if len(fired) != 0 || s.count("PUT block ") != 6 {
				t.Errorf("the fault did not fire once: %d blocks sent", s.count("PUT block "))
			}
			if _, err := v.Commit(t.Context(), st, nil, ""); err != nil || !bytes.Equal(s.blobs[name].data, data) {
				t.Errorf("commit: %v", err)
			}
		})
	}
}

func TestStageTellsWhatStandsInItsWay(t *testing.T) {
	t.Run("the name is taken", func(t *testing.T) {
		v, s := open(t, vault.Config{})
		s.blobs[name] = &object{data: []byte("x")}
		_, err := v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
		wantCode(t, err, bacvault.CodeVaultConflict, "BlobImmutableDueToPolicy")
	})
	t.Run("blocks of another program", func(t *testing.T) {
		v, s := open(t, vault.Config{})
		s.blocks[name] = map[string][]byte{"c2hvcnQ=": nil}
		_, err := v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
		if f := wantCode(t, err, bacvault.CodeVaultWrite, "another length"); f.Class != bacvault.Terminal {
			t.Errorf("class %s: trying again cannot help", f.Class)
		}
	})
	t.Run("no container", func(t *testing.T) {
		v, s := open(t, vault.Config{})
		s.before = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			refuse(w, 404, "ContainerNotFound")
			return true
		}
		_, err := v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
		wantCode(t, err, bacvault.CodeVaultMissing, "container does not exist")
	})
	t.Run("the file is shorter than its size", func(t *testing.T) {
		v, _ := open(t, vault.Config{})
		_, err := v.Stage(t.Context(), name, strings.NewReader("abc"), 4, nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v", err)
		}
	})
	t.Run("an empty file", func(t *testing.T) {
		v, s := open(t, vault.Config{})
		if _, err := v.Stage(t.Context(), name, strings.NewReader(""), 0, nil); err == nil || len(s.calls) != 0 {
			t.Errorf("%v after %v", err, s.calls)
		}
	})
	t.Run("the lease is lost meanwhile", func(t *testing.T) {
		v, s := open(t, vault.Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		s.before = func(http.ResponseWriter, *http.Request, string) bool {
			cancel(bacvault.Fail(bacvault.CodeLeaseLost, "gone"))
			return false
		}
		_, err := v.Stage(ctx, name, strings.NewReader("abc"), 3, nil)
		wantCode(t, err, bacvault.CodeLeaseLost, "gone")
	})
}

// wantCode checks a failure's code and that its words are there.
func wantCode(t *testing.T, err error, code bacvault.Code, words ...string) *bacvault.Failure {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) || f.Code != code {
		t.Fatalf("error %v, want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(f.Detail, w) {
			t.Errorf("detail %q does not say %q", f.Detail, w)
		}
	}
	return f
}
