package vault_test

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/vault"
)

const benchSize = 1 << 30

// cpu is the user and system time of this process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f over 1 GiB for each iteration and reports CPU seconds for each GiB beside the rate.
func measure(b *testing.B, f func() error) {
	b.Helper()
	b.SetBytes(benchSize)
	before := cpu(b)
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/GiB")
}

// BenchmarkStage is staging into a sink beside SHA-256 alone, which every way of making a manifest must pay, and over TLS on
// the loopback, where the sink's half of the CPU is in the figure. go test -run '^$' -bench Stage -benchtime 2x
func BenchmarkStage(b *testing.B) {
	b.Run("sha256 alone", func(b *testing.B) {
		measure(b, func() error {
			h := sha256.New()
			_, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(zeros{}, 0, benchSize), make([]byte, 1<<20))
			return err
		})
	})
	stage := func(cfg vault.Config) func() error {
		cfg.Credential = token{}
		return func() error {
			v, err := vault.New(cfg)
			if err == nil {
				_, err = v.Stage(b.Context(), name, zeros{}, benchSize, nil)
			}
			return err
		}
	}
	b.Run("sink in memory", func(b *testing.B) {
		sink := doer(func(r *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: 201, Header: http.Header{}, Body: http.NoBody, Request: r}
			if r.Method == http.MethodGet {
				resp.StatusCode = 404
				return resp, nil
			}
			_, err := io.Copy(io.Discard, r.Body)
			return resp, err
		})
		measure(b, stage(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c", Transport: sink}))
	})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(404)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(201)
	}))
	srv.StartTLS()
	defer srv.Close()
	for _, c := range []struct{ mib, blocks int }{{4, 8}, {8, 2}, {8, 4}, {8, 8}, {16, 4}, {32, 2}} {
		b.Run(fmt.Sprintf("loopback TLS/%d MiB x %d", c.mib, c.blocks), func(b *testing.B) {
			t := &http.Transport{TLSClientConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), MaxIdleConnsPerHost: c.blocks + 2}
			t.TLSClientConfig.MinVersion = tls.VersionTLS12
			defer t.CloseIdleConnections()
			measure(b, stage(vault.Config{
				ContainerURL: srv.URL + "/acct/vault", Transport: &http.Client{Transport: t}, BlockSize: c.mib << 20, Concurrency: c.blocks,
			}))
		})
	}
}
