package sqlpackage_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/sqlpackage"
)

const goodConnection = "Server=tcp:127.0.0.1,1;Database=db;Authentication=Active Directory Managed Identity;User Id=client;Encrypt=True;TrustServerCertificate=False;Connect Timeout=5"

type result struct {
	code           int
	stdout, stderr string
}

// act runs the stand-in without an identity endpoint, so that nothing goes over a wire.
func act(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := sqlpackage.Main(t.Context(), args, func(name string) string { return env[name] }, &out, &err)
	return result{code, out.String(), err.String()}
}

func TestVersionIsBareOnStdout(t *testing.T) {
	got := act(t, nil, "/Version")
	if got.code != 0 || got.stdout != "170.5.96.0\n" || !strings.Contains(got.stderr, "stand-in") {
		t.Errorf("%+v", got)
	}
}

func TestArgumentsAreRefusedBeforeAnythingHappens(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x.bacpac")
	export := func(more ...string) []string {
		return append([]string{"/Action:Export", "/SourceConnectionString:" + goodConnection, "/TargetFile:" + target}, more...)
	}
	withConnection := func(s string) []string {
		return []string{"/Action:Export", "/TargetFile:" + target, "/SourceConnectionString:" + s}
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"unknown property":        {export("/p:ExportAllTableData=True"), "*** 'ExportAllTableData' is not a valid argument for the 'Export' action.\n"},
		"unknown parameter":       {export("/Nonsense:1"), "*** 'Nonsense' is not a valid argument for the 'Export' action.\n"},
		"an import's property":    {export("/p:DatabaseEdition=Standard"), "*** 'DatabaseEdition' is not a valid argument for the 'Export' action.\n"},
		"an export's parameter":   {[]string{"/a:import", "/tf:x"}, "*** 'tf' is not a valid argument for the 'Import' action.\n"},
		"import temp folder":      {[]string{"/a:import", "/p:TempDirectoryForTableData=/tmp"}, "*** 'TempDirectoryForTableData' is not a valid argument for the 'Import' action.\n"},
		"no action":               {[]string{"/TargetFile:x"}, "'Action' is missing"},
		"unknown action":          {[]string{"/Action:Publish"}, "does not know the action 'Publish'"},
		"no slash":                {export("TargetFile:x"), "unrecognized command line argument"},
		"no value":                {export("/p:CommandTimeout="), "'CommandTimeout' has no value"},
		"not a number":            {export("/p:CommandTimeout=long"), "'long' is not a valid value"},
		"not a boolean":           {export("/OverwriteFiles:maybe"), "'maybe' is not a valid value"},
		"unknown compression":     {export("/p:CompressionOption=Zip"), "'Zip' is not a valid value"},
		"twice":                   {export("/tf:y"), "'tf' was given twice"},
		"file backed model":       {export("/p:Storage=File"), "file backed model"},
		"temp folder missing":     {export("/p:TempDirectoryForTableData=" + filepath.Join(dir, "none")), "no such file"},
		"token":                   {export("/AccessToken:secret"), "does not act on 'AccessToken'"},
		"password parameter":      {export("/SourcePassword:secret"), "does not act on 'SourcePassword'"},
		"no connection":           {[]string{"/Action:Export", "/TargetFile:x"}, "needs a bacpac file and a connection string"},
		"password":                {withConnection(goodConnection + ";Password=secret"), "refuses a connection string with a password"},
		"sql login":               {withConnection("Server=s;Database=d;User Id=sa"), "SQL logins are not known"},
		"clear text":              {withConnection(goodConnection + ";Encrypt=False"), "demands an encrypted connection"},
		"any certificate":         {withConnection(goodConnection + ";Trust Server Certificate=True"), "refuses TrustServerCertificate"},
		"unknown keyword":         {withConnection(goodConnection + ";Colour=blue"), "*** Keyword not supported: 'colour'.\n"},
		"open quote":              {withConnection(goodConnection + `;Application Name="a`), "Format of the initialization string"},
		"text after a quote":      {withConnection(goodConnection + `;Application Name="a"b`), "Format of the initialization string"},
		"no pair":                 {withConnection("hello"), "Format of the initialization string"},
		"bad port":                {withConnection(strings.Replace(goodConnection, ",1;", ",x;", 1)), "no valid port"},
		"no database":             {withConnection(strings.Replace(goodConnection, "Database=db;", "", 1)), "names no server or no database"},
		"response file not there": {[]string{"@" + filepath.Join(dir, "none.rsp")}, "read the response file"},
		"edition":                 {[]string{"/a:Import", "/sf:x", "/tcs:" + goodConnection, "/p:DatabaseEdition=Gold"}, "'Gold' is not a valid value"},
		"objective":               {[]string{"/a:Import", "/sf:x", "/tcs:" + goodConnection, "/p:DatabaseServiceObjective=S9'"}, "is not a valid value"},
	} {
		t.Run(name, func(t *testing.T) {
			got := act(t, nil, tt.args...)
			if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, "*** ") || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v, want exit 1 and only %q", got, tt.want)
			}
			if strings.Contains(got.stderr, "secret") {
				t.Errorf("the secret was repeated: %s", got.stderr)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("files were touched: %v %v", left, err)
	}
}

func TestArgumentsAreUnderstoodInEveryForm(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x.bacpac")
	response := filepath.Join(dir, "args.rsp")
	if err := os.WriteFile(response, []byte("\"/SourceConnectionString:"+strings.ReplaceAll(goodConnection, "Database=db", `Database=\""d""b;\""`)+"\"\r\n\n/TargetFile:"+target+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted := strings.NewReplacer("Server=", "Data Source = ", "Database=db", `Initial Catalog='d"b;'`, "User Id", "UID").Replace(goodConnection)
	for name, tt := range map[string]struct {
		args     []string
		database string
	}{
		"long":  {[]string{"/Action:Export", "/SourceConnectionString:" + goodConnection, "/TargetFile:" + target, "/OverwriteFiles=False", "/p:CommandTimeout=3600", "/p:CompressionOption=fast"}, "db"},
		"short": {[]string{"/A:export", "/scs:" + quoted, "/TF:" + target, "/P:verifyextraction=true"}, `d"b;`},
		"file":  {[]string{"/Action:Export", "@" + response}, `d"b;`},
	} {
		t.Run(name, func(t *testing.T) {
			got := act(t, nil, tt.args...)
			// Without an identity endpoint the run ends at the login, after its first lines.
			wantOut := "Connecting to database '" + tt.database + "' on server 'tcp:127.0.0.1,1'.\nTime elapsed 0:00:00.0"
			wantErr := "*** Error exporting database:Could not extract package from specified database.\nManagedIdentityCredential authentication failed: No Managed Identity endpoint found.\n"
			if got.code != 1 || !strings.Contains(got.stdout, wantOut) || got.stderr != wantErr {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestQuietAndDiagnostics(t *testing.T) {
	log := filepath.Join(t.TempDir(), "export.log")
	got := act(t, nil, "/Action:Export", "/scs:"+goodConnection, "/tf:x.bacpac", "/Quiet:True", "/DiagnosticsFile:"+log)
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "*** Error exporting database:") {
		t.Errorf("%+v", got)
	}
	for _, line := range []string{"Connecting to database 'db'", "*** Error exporting database:", "Time elapsed"} {
		if !strings.Contains(string(raw), line) {
			t.Errorf("the log lacks %q:\n%s", line, raw)
		}
	}
}

func TestImportOfWhatIsNoBacpac(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.bacpac")
	if err := os.WriteFile(broken, []byte("PK\x03\x04"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, reason := range map[string]string{broken: "File contains corrupted data.", filepath.Join(dir, "none"): "no such file"} {
		got := act(t, nil, "/Action:Import", "/SourceFile:"+file, "/TargetConnectionString:"+goodConnection)
		if got.code != 1 || !strings.HasPrefix(got.stderr, "*** Error importing database:Could not load package from '"+file+"'.\n") || !strings.Contains(got.stderr, reason) ||
			!strings.Contains(got.stdout, "Importing to database 'db' on server 'tcp:127.0.0.1,1'.\nTime elapsed 0:00:00") {
			t.Errorf("%+v", got)
		}
	}
}

func TestFaultPlansThatAreWrongAreLoud(t *testing.T) {
	for name, plan := range map[string]string{
		"not json":       `{`,
		"unknown field":  `[{"action":"Export","do":"hang","colour":"blue"}]`,
		"unknown do":     `[{"action":"Export","do":"explode"}]`,
		"other action":   `[{"action":"Export","do":"not-empty"}]`,
		"unknown action": `[{"action":"Extract","do":"hang"}]`,
		"no rows":        `[{"action":"Export","do":"lose-rows","table":"dbo.X"}]`,
		"no table":       `[{"action":"Export","do":"lose-table"}]`,
		"needless table": `[{"action":"Export","do":"hang","table":"dbo.X"}]`,
		"no seconds":     `[{"action":"Import","do":"slow"}]`,
		"negative times": `[{"action":"Import","do":"hang","times":-1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "faults.json")
			if err := os.WriteFile(path, []byte(plan), 0o600); err != nil {
				t.Fatal(err)
			}
			got := act(t, map[string]string{"STANDIN_SQLPACKAGE_FAULTS": path}, "/Action:Export", "/scs:"+goodConnection, "/tf:x.bacpac")
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, "FAULT PLAN IS WRONG") {
				t.Errorf("%+v", got)
			}
		})
	}
}
