package vault_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

func target(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.bacpac"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFetchBringsBackEveryByte(t *testing.T) {
	for _, size := range []int{1, 64 * kib, 20*64*kib + 3} {
		v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 5})
		data := pattern(size)
		s.blobs[name] = &object{data: data}
		f := target(t)
		var last int64
		sum, err := v.Fetch(t.Context(), name, f, int64(size), func(n int64) {
			if n <= last {
				t.Errorf("progress went from %d to %d", last, n)
			}
			last = n
		})
		if err != nil || sum != hexSum(data) || last != int64(size) {
			t.Fatalf("size %d: sum %s, progress %d, %v", size, sum, last, err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("size %d: the file differs (%v)", size, err)
		}
		if s.headers["GET "].Get("If-Match") != etag(data) {
			t.Error("a range was read without naming the version")
		}
		last = 0
		sum, err = v.ReadBack(t.Context(), name, int64(size), func(n int64) { last = n })
		if err != nil || sum != hexSum(data) || last != int64(size) {
			t.Errorf("size %d read back: sum %s, progress %d, %v", size, sum, last, err)
		}
	}
}

func TestFetchAsksForTheRestWhereAnAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 3})
	data := pattern(8 * 64 * kib)
	s.blobs[name] = &object{data: data}
	var asked []string
	s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.HasPrefix(call, "GET ") {
			return false
		}
		asked = append(asked, r.Header.Get("x-ms-range"))
		hit := r.Header.Get("x-ms-range") == "bytes=131072-196607"
		if hit {
			w.Header().Set("Content-Length", "65536")
			w.Header().Set("ETag", etag(data))
			w.WriteHeader(206)
			_, _ = w.Write(data[131072 : 131072+100])
			_ = http.NewResponseController(w).Flush()
			cut(w)
		}
		return hit
	}
	sum, err := v.Fetch(t.Context(), name, target(t), int64(len(data)), nil)
	if err != nil || sum != hexSum(data) {
		t.Errorf("sum %s, %v", sum, err)
	}
	if len(asked) != 9 || !slices.Contains(asked, "bytes=131172-196607") {
		t.Errorf("asked for %q, want the rest of the range that broke off, once", asked)
	}
}

// While the network is down for longer than azcore's own repeats last, what has landed stays; nothing is carried twice.
func TestFetchOutlastsANetworkThatIsDown(t *testing.T) {
	t.Parallel()
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 3, NoProgress: 4 * time.Second})
	data := pattern(12*64*kib + 7)
	s.blobs[name] = &object{data: data}
	var carried, refused int
	var back time.Time
	s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.HasPrefix(call, "GET ") {
			return false
		}
		if carried >= 5*64*kib && back.IsZero() {
			back = time.Now().Add(1500 * time.Millisecond)
		}
		if time.Now().Before(back) {
			refused++
			cut(w)
			return true
		}
		var from, to int
		if _, err := fmt.Sscanf(r.Header.Get("x-ms-range"), "bytes=%d-%d", &from, &to); err != nil {
			t.Errorf("range %q: %v", r.Header.Get("x-ms-range"), err)
		}
		carried += to + 1 - from
		return false
	}
	f := target(t)
	sum, err := v.Fetch(t.Context(), name, f, int64(len(data)), nil)
	if err != nil || sum != hexSum(data) {
		t.Fatalf("sum %s, %v", sum, err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the file differs (%v)", err)
	}
	if carried != len(data) || refused == 0 {
		t.Errorf("%d bytes of %d were carried, %d calls refused", carried, len(data), refused)
	}
}

// It gives up only after both: the time without a byte, which four tries that are cut at once do not fill, and four tries, of which a
// silent one alone takes that time.
func TestFetchGivesUpWhenNothingComes(t *testing.T) {
	t.Parallel()
	const noProgress = time.Second // of a try too, which must have come to the store by then
	for name, end := range map[string]func(http.ResponseWriter, *http.Request){
		"cut":    func(w http.ResponseWriter, _ *http.Request) { cut(w) },
		"silent": func(_ http.ResponseWriter, r *http.Request) { silent(r) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{NoProgress: noProgress})
			s.blobs["read"] = &object{data: pattern(1000)}
			s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
				down := strings.HasPrefix(call, "GET ")
				if down {
					end(w, r)
				}
				return down
			}
			began := time.Now()
			_, err := v.Fetch(t.Context(), "read", target(t), 1000, nil)
			wantCode(t, err, bacvault.CodeVaultRead)
			if n, took := s.count("GET "), time.Since(began); n < 4 || took < noProgress || took > 20*time.Second {
				t.Errorf("gave up after %d tries and %s", n, took)
			}
		})
	}
}

// A cache before the store may not heed If-Match: bytes of two versions must not be mixed even then.
func TestFetchLooksAtTheVersionOfEachAnswer(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 1})
	data := pattern(3 * 64 * kib)
	s.blobs[name] = &object{data: data}
	s.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		other := strings.HasPrefix(call, "GET ") && r.Header.Get("x-ms-range") != "bytes=0-65535"
		if other {
			w.Header().Set("ETag", `"another"`)
			w.Header().Set("Content-Length", "65536")
			w.WriteHeader(206)
			_, _ = w.Write(data[:64*kib])
		}
		return other
	}
	_, err := v.Fetch(t.Context(), name, target(t), int64(len(data)), nil)
	wantCode(t, err, bacvault.CodeVaultRead, "changed while it was read")
	if n := s.count("GET "); n != 2 {
		t.Errorf("%d ranges were asked for, want the first and the one that was of another version", n)
	}
}

func TestFetchRefuses(t *testing.T) {
	data := pattern(1000)
	for _, c := range []struct {
		name  string
		spoil func(*store)
		size  int64
		code  bacvault.Code
		class bacvault.Class
		words string
	}{
		{"no such blob", func(s *store) { delete(s.blobs, name) }, 1000, bacvault.CodeVaultMissing, bacvault.Refused, "no such blob"},
		{"another size", func(*store) {}, 999, bacvault.CodeVerifyHash, bacvault.Terminal, "1000 bytes, expected 999"},
		{"archived", func(s *store) { s.blobs[name].tier = "Archive" }, 1000, bacvault.CodeVaultRead, bacvault.Refused, "archive tier"},
		{"changed while it was read", func(s *store) {
			s.after = func(http.ResponseWriter, *http.Request, string) bool {
				s.blobs[name].data = pattern(1001)[1:]
				return false
			}
		}, 1000, bacvault.CodeVaultRead, bacvault.Retry, "changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, s := open(t, vault.Config{})
			s.blobs[name] = &object{data: data}
			c.spoil(s)
			_, err := v.Fetch(t.Context(), name, target(t), c.size, nil)
			f := wantCode(t, err, c.code, c.words)
			if f.Class != c.class {
				t.Errorf("class %s, want %s", f.Class, c.class)
			}
			if c.name != "changed while it was read" { // it stays as it is now
				_, err := v.ReadBack(t.Context(), name, c.size, nil)
				if g := wantCode(t, err, c.code, c.words); g.Class != c.class {
					t.Errorf("read back: class %s, want %s", g.Class, c.class)
				}
			}
			if c.name == "archived" && !strings.Contains(f.Next, "az storage blob set-tier --auth-mode login --account-name acct --container-name vault --name '"+name+"'") {
				t.Errorf("next %q", f.Next)
			}
		})
	}
}

// What the store hands out is what is told, not what the metadata promises.
func TestReadBackTellsRot(t *testing.T) {
	v, s := open(t, vault.Config{BlockSize: 64 * kib, Concurrency: 3})
	data := pattern(5 * 64 * kib)
	st := stage(t, v, name, data)
	if _, err := v.Commit(t.Context(), st, nil, ""); err != nil {
		t.Fatal(err)
	}
	s.blobs[name].data[3*64*kib+7] ^= 1
	sum, err := v.ReadBack(t.Context(), name, int64(len(data)), nil)
	if err != nil || sum == st.SHA256 || sum != hexSum(s.blobs[name].data) {
		t.Errorf("sum %s of what was staged as %s, %v", sum, st.SHA256, err)
	}
}
