package sqlpackage_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/sqlpackage"
)

const identity = "Authentication=Active Directory Managed Identity;User Id=11111111-2222-3333-4444-555555555555;" +
	"Encrypt=True;TrustServerCertificate=False;Connect Timeout=60"

func TestExportCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := tool("args", dir, sqlpackage.Config{}).Export(t.Context(), exportSpec(dir, nil)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/Action:Export",
		"/SourceConnectionString:Server=tcp:srv.database.windows.net,1433;Database=Orders;" + identity,
		"/TargetFile:" + dir + "/Orders.partial.bacpac",
		"/OverwriteFiles:False",
		"/DiagnosticsFile:" + dir + "/export.log",
		"/p:CommandTimeout=3600",
		"/p:LongRunningCommandTimeout=0",
		"/p:DatabaseLockTimeout=60",
		"/p:VerifyExtraction=True",
		"/p:CompressionOption=Fast",
		"/p:TempDirectoryForTableData=" + dir + "/tmp",
	}
	if diff := cmp.Diff(want, readLines(t, dir, "args")); diff != "" {
		t.Error("arguments (-want +got):\n" + diff)
	}
	env := readLines(t, dir, "environ")
	for _, v := range []string{
		"TMPDIR=" + dir + "/tmp", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=false", "IDENTITY_ENDPOINT=http://127.0.0.1:1/token", "IDENTITY_HEADER=h",
	} {
		if !slices.Contains(env, v) {
			t.Errorf("%s is not in the tool's environment %q", v, env)
		}
	}
}

func TestImportCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		edition, objective string
		gb                 int
		props              []string
	}{
		"objective, edition and size": {"Standard", "S9", 100, []string{"/p:DatabaseEdition=Standard", "/p:DatabaseServiceObjective=S9", "/p:DatabaseMaximumSize=100"}},
		"objective alone":             {"", "GP_Gen5_2", 0, []string{"/p:DatabaseServiceObjective=GP_Gen5_2"}},
		"nothing":                     {"", "", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			spec := importSpec(dir)
			spec.Edition, spec.ServiceObjective, spec.MaxSizeGB = c.edition, c.objective, c.gb
			if _, err := tool("args", dir, sqlpackage.Config{}).Import(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			want := slices.Concat([]string{
				"/Action:Import",
				"/SourceFile:" + dir + "/Orders.bacpac",
				"/TargetConnectionString:Server=tcp:srv.database.windows.net,1500;Database=Orders_RESTORE;" + identity,
				"/DiagnosticsFile:" + dir + "/import.log",
			}, c.props, []string{"/p:CommandTimeout=3600", "/p:LongRunningCommandTimeout=0", "/p:RebuildIndexesOfflineForDataPhase=True"})
			if diff := cmp.Diff(want, readLines(t, dir, "args")); diff != "" {
				t.Error("arguments (-want +got):\n" + diff)
			}
		})
	}
}

// A database's name stays one value of the connection string whatever it holds.
func TestDatabaseNameIsQuoted(t *testing.T) {
	for name, want := range map[string]string{
		`Orders-2_x.y`:            `Orders-2_x.y`,
		`two words`:               `"two words"`,
		`a;Encrypt=False`:         `"a;Encrypt=False"`,
		`it's`:                    `"it's"`,
		`say "hi"`:                `'say "hi"'`,
		`both ' and "; User Id=x`: `"both ' and ""; User Id=x"`,
		`{braces}`:                `{braces}`,
		`=`:                       `"="`,
		`Größe`:                   `Größe`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			spec := exportSpec(dir, nil)
			spec.Database = name
			if _, err := tool("args", dir, sqlpackage.Config{}).Export(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			want := "/SourceConnectionString:Server=tcp:srv.database.windows.net,1433;Database=" + want + ";" + identity
			if got := readLines(t, dir, "args")[1]; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestBadSpecsStartNothing(t *testing.T) {
	dir := t.TempDir()
	tl := tool("args", dir, sqlpackage.Config{})
	for name, change := range map[string]func(*sqlpackage.ImportSpec){
		"empty database":          func(s *sqlpackage.ImportSpec) { s.Database = "" },
		"newline in the database": func(s *sqlpackage.ImportSpec) { s.Database = "a\nb" },
		"address with a comma":    func(s *sqlpackage.ImportSpec) { s.Address = "srv,1433;x" },
		"port 0":                  func(s *sqlpackage.ImportSpec) { s.Address = "srv:0" },
		"no address":              func(s *sqlpackage.ImportSpec) { s.Address = "" },
		"relative file":           func(s *sqlpackage.ImportSpec) { s.File = "x.bacpac" },
		"relative work folder":    func(s *sqlpackage.ImportSpec) { s.WorkDir = "w" },
		"objective with a blank":  func(s *sqlpackage.ImportSpec) { s.ServiceObjective = "S9 x" },
		"edition with a quote":    func(s *sqlpackage.ImportSpec) { s.Edition = "Standard'" },
	} {
		spec := importSpec(dir)
		change(&spec)
		if _, err := tl.Import(t.Context(), spec); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "args")); !os.IsNotExist(err) {
		t.Errorf("the tool was started: %v", err)
	}
}

func readLines(t *testing.T, dir, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

func TestToolSignsInAsTheMachineIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := sqlpackage.ImportSpec{Address: "srv.database.windows.net", Database: "Orders", File: dir + "/a.bacpac", WorkDir: dir}
	if _, err := tool("args", dir, sqlpackage.Config{Login: sqlpackage.LoginDefault}).Import(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	want := "/TargetConnectionString:Server=tcp:srv.database.windows.net,1433;Database=Orders;Authentication=Active Directory Default;" +
		"Encrypt=True;TrustServerCertificate=False;Connect Timeout=60"
	if args := readLines(t, dir, "args"); !slices.Contains(args, want) {
		t.Errorf("%q is not among %q", want, args)
	}
}

func TestSignInThatIsNoneIsRefusedBeforeTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := sqlpackage.ImportSpec{Address: "srv", Database: "Orders", File: dir + "/a.bacpac", WorkDir: dir}
	for name, cfg := range map[string]sqlpackage.Config{
		"another way":           {Login: "password", ClientID: "id"},
		"an identity unnamed":   {Login: sqlpackage.LoginManagedIdentity},
		"an identity in pieces": {ClientID: "id\nid"},
	} {
		cfg.Path = filepath.Join(dir, "never-started")
		if _, err := sqlpackage.New(cfg).Import(t.Context(), spec); err == nil || strings.Contains(err.Error(), "never-started") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
