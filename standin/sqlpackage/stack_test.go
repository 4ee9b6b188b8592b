package sqlpackage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/sqlpackage"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const realBacpacs = "../../testdata/bacpacs"

// The clients of the tests, by client id; the reader has only what an export needs.
const (
	owner  = "a0000000-0000-4000-8000-000000000001"
	reader = "a0000000-0000-4000-8000-000000000002"
	nobody = "a0000000-0000-4000-8000-000000000003"
)

// asTool makes the test binary the tool's stand-in.
const asTool = "TEST_AS_SQLPACKAGE"

// stack is what all tests share, because azidentity keeps tokens and crypto/x509 keeps the roots for the whole process.
var stack struct {
	authority *pki.Authority
	identity  *identity.Server
}

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" { // a test started this binary as the tool
		os.Exit(sqlpackage.Main(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	code, err := withStack(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withStack(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "sqlpackage")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if stack.authority, err = pki.New(dir, time.Now()); err != nil {
		return 0, err
	}
	if stack.identity, err = identity.Start(identity.Config{Clients: []string{owner, reader, nobody}}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stack.identity.Close()) }()
	for name, value := range map[string]string{
		"SSL_CERT_FILE": stack.authority.CAFile(), "IDENTITY_ENDPOINT": stack.identity.Endpoint(), "IDENTITY_HEADER": stack.identity.Header(),
	} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

type fixture struct {
	*sqlserver.Server
	dir  string // of the plan and of the bacpacs
	user string
}

// start serves one real bacpac as database "source".
func start(t *testing.T, bacpac string) *fixture {
	t.Helper()
	tlsConfig, err := stack.authority.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlserver.Start(sqlserver.Config{
		Listen: "127.0.0.1:0", TLS: tlsConfig, Authenticate: stack.identity.Authenticate, Log: t.Logf,
		Allow: func(principal, action, scope string) bool {
			return principal == owner || principal == reader && (action == "sql/login" || scope == "source" && action != "sql/admin")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Load("source", read(t, filepath.Join(realBacpacs, bacpac+".bacpac"))); err != nil {
		t.Fatal(err)
	}
	return &fixture{s, t.TempDir(), owner}
}

func read(t *testing.T, path string) *bacpacfile.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := bacpacfile.Decode(f, info.Size())
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return file
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

// plan writes the fault plan.
func (f *fixture) plan(t *testing.T, faults ...map[string]any) {
	t.Helper()
	raw, err := json.Marshal(faults)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path("faults.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) fired(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(f.path("faults.json.fired"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

func (f *fixture) connection(database string) string {
	return "ConnectionString:Server=tcp:" + strings.Replace(f.Addr(), ":", ",", 1) + ";Database=" + database +
		";Authentication=Active Directory Managed Identity;User Id=" + f.user + ";Encrypt=True;TrustServerCertificate=False;Connect Timeout=10"
}

// act runs the stand-in; no run of a test may last for more than a minute.
func (f *fixture) act(ctx context.Context, args ...string) result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var out, err bytes.Buffer
	getenv := func(name string) string {
		if name == "STANDIN_SQLPACKAGE_FAULTS" {
			return f.path("faults.json")
		}
		return os.Getenv(name)
	}
	code := sqlpackage.Main(ctx, args, getenv, &out, &err)
	return result{code, out.String(), err.String()}
}

func (f *fixture) export(ctx context.Context, database, file string) result {
	return f.act(ctx, "/Action:Export", "/Source"+f.connection(database), "/TargetFile:"+f.path(file), "/OverwriteFiles:False", "/p:CompressionOption=Fast")
}

func (f *fixture) importInto(ctx context.Context, database, file string, more ...string) result {
	return f.act(ctx, append([]string{"/Action:Import", "/SourceFile:" + f.path(file), "/Target" + f.connection(database)}, more...)...)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
