package vault_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/vault"
)

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	for _, c := range []struct{ name, url, word string }{
		{"plain http", "http://a.blob.core.windows.net/c", "https"},
		{"a SAS", "https://a.blob.core.windows.net/c?sig=secret", "query"},
		{"no container", "https://a.blob.core.windows.net/", "one container"},
		{"a blob", "https://h/a/b/c", "one container"},
	} {
		_, err := vault.New(vault.Config{ContainerURL: c.url, Credential: token{}})
		if err == nil || !strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := vault.New(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c"}); err == nil {
		t.Error("no credential was accepted")
	}
}

// zeros is a file without bytes of its own.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// counter answers every block and range itself, without keeping anything, and knows how many bytes were on the way at once.
type counter struct {
	size        int64
	now, peak   atomic.Int64
	blocks      atomic.Int64
	block       []byte
	peakHeapMiB atomic.Int64
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: 201, Header: http.Header{}, Body: http.NoBody, Request: r}
	switch comp := r.URL.Query().Get("comp"); {
	case comp == "blocklist" && r.Method == http.MethodGet:
		resp.StatusCode = 404
	case comp == "block":
		c.carry(r.ContentLength)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		c.now.Add(-r.ContentLength)
	case r.Method == http.MethodHead:
		resp.StatusCode, resp.ContentLength = 200, c.size
		resp.Header.Set("Content-Length", "209715200")
		resp.Header.Set("ETag", `"e"`)
		resp.Header.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	case r.Method == http.MethodGet:
		c.carry(int64(len(c.block)))
		c.now.Add(-int64(len(c.block)))
		resp.StatusCode = 206
		resp.Header.Set("ETag", `"e"`)
		resp.Header.Set("Content-Length", "8388608")
		resp.Body = io.NopCloser(io.LimitReader(zeroReader{}, int64(len(c.block))))
	}
	return resp, nil
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (c *counter) carry(n int64) {
	c.blocks.Add(1)
	now := c.now.Add(n)
	for p := c.peak.Load(); now > p && !c.peak.CompareAndSwap(p, now); p = c.peak.Load() {
	}
	time.Sleep(2 * time.Millisecond)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	heap := int64(m.HeapInuse >> 20)
	for p := c.peakHeapMiB.Load(); heap > p && !c.peakHeapMiB.CompareAndSwap(p, heap); p = c.peakHeapMiB.Load() {
	}
}

func TestTransfersKeepWithinTheirMemory(t *testing.T) {
	t.Parallel()
	const size = 200 << 20
	whole := sha256.New()
	if _, err := io.Copy(whole, io.LimitReader(zeroReader{}, size)); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(whole.Sum(nil))
	for _, c := range []struct {
		name string
		run  func(v *vault.Vault) (string, error)
	}{
		{"stage", func(v *vault.Vault) (string, error) {
			s, err := v.Stage(t.Context(), name, zeros{}, size, nil)
			return s.SHA256, err
		}},
		{"fetch", func(v *vault.Vault) (string, error) {
			f, err := os.Create(filepath.Join(t.TempDir(), "x"))
			if err != nil {
				return "", err
			}
			defer func() { _ = f.Close() }()
			return v.Fetch(t.Context(), name, f, size, nil)
		}},
		{"read back", func(v *vault.Vault) (string, error) { return v.ReadBack(t.Context(), name, size, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.GC()
			n := &counter{size: size, block: make([]byte, 8<<20)}
			v, err := vault.New(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c", Credential: token{}, Transport: n})
			if err != nil {
				t.Fatal(err)
			}
			sum, err := c.run(v)
			if err != nil {
				t.Fatal(err)
			}
			if sum != want {
				t.Errorf("sha256 %s, want %s", sum, want)
			}
			if n.blocks.Load() != 25 || n.peak.Load() > 64<<20 || n.peakHeapMiB.Load() > 120 {
				t.Errorf("%d blocks, at most %d MiB on the way, heap up to %d MiB", n.blocks.Load(), n.peak.Load()>>20, n.peakHeapMiB.Load())
			}
		})
	}
}

func TestBlocksGrowWhereFiftyThousandWouldNotDo(t *testing.T) {
	n := &counter{block: make([]byte, 1)}
	v, err := vault.New(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c", Credential: token{}, Transport: n, BlockSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Stage(t.Context(), name, zeros{}, 50_001, nil)
	if err != nil || len(s.BlockIDs) != 1 {
		t.Errorf("%d blocks, %v", len(s.BlockIDs), err)
	}
	if _, err := v.Stage(t.Context(), name, zeros{}, 50_000*4000<<20+1, nil); err == nil || n.blocks.Load() != 1 {
		t.Errorf("more than a blob holds: %v after %d blocks", err, n.blocks.Load())
	}
}
