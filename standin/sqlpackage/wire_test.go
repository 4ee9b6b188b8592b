package sqlpackage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// stack is what all tests share, because azidentity keeps tokens and crypto/x509 keeps the roots for the whole process.
var stack struct {
	authority *pki.Authority
	identity  *identity.Server
}

func TestMain(m *testing.M) {
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
	if err := s.Load("source", source(t, bacpac)); err != nil {
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

// source is a real bacpac with one value of pubs put right, which no varchar on the wire can bring to a Go program: byte 0x81 of
// code page 1252 is U+0081 to Windows and DacFx, but U+FFFD to go-mssqldb.
func source(t *testing.T, bacpac string) *bacpacfile.File {
	t.Helper()
	file := read(t, filepath.Join(realBacpacs, bacpac+".bacpac"))
	for _, table := range file.Tables {
		for _, row := range table.Rows {
			for i, v := range row {
				if v == "M\u0081nchen" {
					row[i] = "München"
				}
			}
		}
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

func (f *fixture) act(ctx context.Context, args ...string) result {
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

func TestExportAndImportKeepEveryRow(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(realBacpacs, "*.bacpac"))
	if err != nil || len(paths) != 5 {
		t.Fatalf("%d real bacpacs (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".bacpac")
		t.Run(name, func(t *testing.T) {
			f := start(t, name)
			if got := f.export(t.Context(), "source", "a.bacpac"); got.code != 0 || got.stderr != "" {
				t.Fatalf("export: %+v", got)
			}
			if got := f.importInto(t.Context(), "copy", "a.bacpac", "/p:DatabaseEdition=Standard", "/p:DatabaseServiceObjective=S9", "/p:DatabaseMaximumSize=100"); got.code != 0 || got.stderr != "" {
				t.Fatalf("import: %+v", got)
			}
			if got := f.export(t.Context(), "copy", "b.bacpac"); got.code != 0 {
				t.Fatalf("export of the import: %+v", got)
			}
			want := source(t, name)
			for database, file := range map[string]string{"source": "a.bacpac", "copy": "b.bacpac"} {
				want.DatabaseName = database
				if got := read(t, f.path(file)); !reflect.DeepEqual(want, got) {
					t.Errorf("%s (-original +exported):\n%.4000s", file, cmp.Diff(want, got))
				}
			}
		})
	}
}

func TestOutputOfExport(t *testing.T) {
	f := start(t, "coursecompanion-empty")
	f.user = reader
	got := f.export(t.Context(), "source", "a.bacpac")
	lines := strings.Split(got.stdout, "\n")
	lines[len(lines)-2] = strings.TrimRight(lines[len(lines)-2], "0123456789.")
	want := []string{"This is bacvault's stand-in for sqlpackage, not Microsoft's tool.",
		"Connecting to database 'source' on server 'tcp:" + strings.Replace(f.Addr(), ":", ",", 1) + "'.",
		"Extracting schema", "Extracting schema from database", "Resolving references in schema model", "Validating schema model",
		"Validating schema model for data package", "Validating schema", "Processing tables for data extraction", "Exporting data from database",
		"Exporting data", "Processing Export."}
	for _, table := range read(t, f.path("a.bacpac")).Model.Tables {
		want = append(want, "Processing Table '["+table.Schema+"].["+table.Name+"]'.")
	}
	want = append(want, "Successfully exported database and saved it to file '"+f.path("a.bacpac")+"'.", "Time elapsed 0:00:", "")
	if diff := cmp.Diff(want, lines); diff != "" || got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q, stdout (-want +got):\n%s", got.code, got.stderr, diff)
	}
}

func TestOutputOfImport(t *testing.T) {
	f := start(t, "wingtip-contosoconcerthall")
	copyFile(t, filepath.Join(realBacpacs, "wingtip-contosoconcerthall.bacpac"), f.path("a.bacpac"))
	got := f.importInto(t.Context(), "new", "a.bacpac")
	var seen []string
	for _, line := range strings.Split(got.stdout, "\n") {
		if !strings.HasPrefix(line, "Processing Table '[dbo].[") {
			seen = append(seen, strings.TrimRight(line, "0123456789."))
		}
	}
	want := []string{"This is bacvault's stand-in for sqlpackage, not Microsoft's tool",
		"Importing to database 'new' on server 'tcp:" + strings.Replace(f.Addr(), ":", ",", 1) + "'", "Creating deployment plan", "Initializing deployment",
		"Verifying deployment plan", "Analyzing deployment plan", "Importing package schema and data into database", "Updating database", "Importing data",
		"Processing Import", "Disabling indexes", "Enabling indexes", "Successfully imported database", "Time elapsed 0:00:", ""}
	if diff := cmp.Diff(want, seen); diff != "" || got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q, stdout (-want +got):\n%s", got.code, got.stderr, diff)
	}
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

func TestFailuresAreToldAsTheToolTellsThem(t *testing.T) {
	f := start(t, "pubs")
	copyFile(t, filepath.Join(realBacpacs, "pubs.bacpac"), f.path("pubs.bacpac"))
	const refused = "Data cannot be imported into target because it contains one or more user objects. Import should be performed against a new, empty database."
	for _, tt := range []struct {
		name, user string
		run        func() result
		want       []string // of stderr
	}{
		{"export of an unknown database", owner, func() result { return f.export(t.Context(), "none", "x.bacpac") },
			[]string{`*** Error exporting database:Cannot open database "none" requested by the login. The login failed.`, "Login failed for user '<token-identified principal>'."}},
		{"export without a login", nobody, func() result { return f.export(t.Context(), "source", "x.bacpac") },
			[]string{"*** Error exporting database:Login failed for user '<token-identified principal>'."}},
		{"export over a file", owner, func() result { return f.export(t.Context(), "source", "pubs.bacpac") },
			[]string{"already exists"}},
		{"identity that is not known", "a0000000-0000-4000-8000-0000000000ff", func() result { return f.export(t.Context(), "source", "x.bacpac") },
			[]string{"*** Error exporting database:Could not extract package from specified database.", "ManagedIdentityCredential authentication failed: "}},
		{"import over objects", owner, func() result { return f.importInto(t.Context(), "source", "pubs.bacpac") },
			[]string{"*** Error importing database:" + refused + "\n", "Error SQL71659: " + refused + "\n\n"}},
		{"import without the right to create", reader, func() result { return f.importInto(t.Context(), "other", "pubs.bacpac") },
			[]string{"*** Error importing database:Could not import package.", "Error SQL72014: Core Microsoft SqlClient Data Provider: Msg 262, Level ", "Error SQL72045: Script execution error.  The executed script:", "CREATE DATABASE [other];"}},
		{"import with an objective of another edition", owner, func() result {
			return f.importInto(t.Context(), "other", "pubs.bacpac", "/p:DatabaseEdition=Standard", "/p:DatabaseServiceObjective=P6")
		}, []string{"*** Error importing database:Could not import package.", "CREATE DATABASE [other] (EDITION = 'Standard', SERVICE_OBJECTIVE = 'P6');"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.user = tt.user
			before, _ := f.Rows("source")
			got := tt.run()
			if got.code != 1 || !strings.Contains(got.stdout, "\nTime elapsed 0:00:0") {
				t.Errorf("%+v, want exit 1 and the time elapsed", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, got.stderr)
				}
			}
			after, _ := f.Rows("source")
			if _, err := os.Stat(f.path("x.bacpac")); err == nil || !cmp.Equal(before, after) || len(f.Databases()) != 1 {
				t.Errorf("something was left behind: %v %v", err, f.Databases())
			}
			for _, token := range stack.identity.Issued() {
				if strings.Contains(got.stdout+got.stderr, token) {
					t.Error("a token was printed")
				}
			}
		})
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	f := start(t, "pubs")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := f.export(t.Context(), "source", "x.bacpac")
	if got.code != 1 || !strings.Contains(got.stderr, "*** Error exporting database:Could not extract package from specified database. A network-related or instance-specific error occurred while establishing a connection to SQL Server.") {
		t.Errorf("%+v", got)
	}
}
