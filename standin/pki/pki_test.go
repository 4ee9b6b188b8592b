package pki_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/pki"
)

func serve(t *testing.T, a *pki.Authority) string {
	t.Helper()
	conf, err := a.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}

func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.New(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestClientTrustsItsOwnAuthorityOnly(t *testing.T) {
	own, other := newAuthority(t), newAuthority(t)
	_, port, err := net.SplitHostPort(serve(t, own))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		conf := own.ClientTLS()
		conf.ServerName = host
		conn, err := tls.Dial("tcp", "127.0.0.1:"+port, conf)
		if err != nil {
			t.Fatalf("own authority, name %s: %v", host, err)
		}
		_ = conn.Close()
	}
	if conn, err := tls.Dial("tcp", "127.0.0.1:"+port, other.ClientTLS()); err == nil {
		_ = conn.Close()
		t.Fatal("another stack's authority was trusted")
	}
}

// The product's processes are given SSL_CERT_FILE and nothing else, so a child that knows only the variable must connect.
func TestProcessTrustsByCertFile(t *testing.T) {
	if addr := os.Getenv("PKI_TEST_ADDR"); addr != "" {
		res, err := http.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "hello" {
			t.Fatalf("body %q, %v", body, err)
		}
		return
	}
	a := newAuthority(t)
	addr := serve(t, a)
	for _, c := range []struct {
		name, file string
		ok         bool
	}{{"own", a.CAFile(), true}, {"other", newAuthority(t).CAFile(), false}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessTrustsByCertFile$")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+c.file, "SSL_CERT_DIR="+t.TempDir(), "PKI_TEST_ADDR="+addr)
		out, err := cmd.CombinedOutput()
		if c.ok != (err == nil) {
			t.Errorf("%s authority: %v\n%s", c.name, err, out)
		}
		if !c.ok && !strings.Contains(string(out), "certificate signed by unknown authority") {
			t.Errorf("%s authority: refused for another reason:\n%s", c.name, out)
		}
	}
}
