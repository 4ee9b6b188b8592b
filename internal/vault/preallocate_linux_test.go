package vault_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

func TestFetchTakesItsRoomBeforeTheFirstByte(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 2})
	data := pattern(40 * 64 * kib)
	s.blobs[name] = &object{data: data}
	f := target(t)
	var taken int64
	s.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		var st syscall.Stat_t
		if strings.HasPrefix(call, "GET ") && taken == 0 {
			if err := syscall.Stat(f.Name(), &st); err != nil {
				t.Error(err)
			}
			taken = 512 * st.Blocks
		}
		return false
	}
	if _, err := v.Fetch(t.Context(), name, f, int64(len(data)), nil); err != nil {
		t.Fatal(err)
	}
	if taken < int64(len(data)) {
		t.Errorf("the file had %d bytes of the disk at the first range, want %d", taken, len(data))
	}
}

func TestFetchTellsAFullDiskBeforeTheFirstByte(t *testing.T) {
	v, s := open(t, vault.Config{})
	s.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		head := strings.HasPrefix(call, "HEAD ")
		if head {
			w.Header().Set("Content-Length", "109951162777600") // 100 TiB
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Last-Modified", "Tue, 24 Nov 2026 02:00:00 GMT")
		}
		return head
	}
	f := target(t)
	_, err := v.Fetch(t.Context(), name, f, 100<<40, nil)
	wantCode(t, err, bacvault.CodeDiskFull, "109951162777600 bytes are needed")
	info, err := f.Stat()
	if err != nil || info.Size() != 0 || s.count("GET ") != 0 {
		t.Errorf("%d bytes taken, %d ranges asked for, %v", info.Size(), s.count("GET "), err)
	}
}
