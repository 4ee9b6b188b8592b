package sqlpackage_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/sqlpackage"
)

const (
	exporting = "*** Error exporting database:"
	importing = "*** Error importing database:Could not import package.\n"
)

func TestExportFailuresAreClassed(t *testing.T) {
	for name, c := range map[string]struct {
		err   string
		code  bacvault.Code
		class bacvault.Class
		says  string
	}{
		"file stream": {exporting + "One or more unsupported elements were found in the schema used as part of a data package.\n" +
			"Error SQL71630: The element SqlFilegroup: [x] has property DoesContainFileStream set to a value that is not supported in Microsoft Azure SQL Database v12.",
			bacvault.CodeExportSchema, bacvault.Terminal, "SqlFilegroup"},
		"Windows principal": {"Error SQL71627: The element User: [NT AUTHORITY\\SYSTEM] has property AuthenticationType set to a value that is not supported in Microsoft Azure SQL Database v12.",
			bacvault.CodeExportSchema, bacvault.Terminal, "SYSTEM"},
		"unknown element": {"Error SQL71626: The element 'xyz' is not supported in Microsoft Azure SQL Database v12.",
			bacvault.CodeExportSchema, bacvault.Terminal, "xyz"},
		"external reference": {exporting + "x\nError SQL71562: Error validating element [dbo].[X]: Procedure: [dbo].[X] has an unresolved reference to object [tempdb].[dbo].[SysObjects].",
			bacvault.CodeExportSchema, bacvault.Terminal, "tempdb"},
		"orphaned user": {"Error SQL71564: Error validating element [dwuser]: The element [dwuser] has been orphaned from its login and cannot be deployed.",
			bacvault.CodeExportSchema, bacvault.Terminal, "dwuser"},
		"login": {exporting + "Could not extract package from specified database.\nLogin failed for user '<token-identified principal>'.",
			bacvault.CodeExportDenied, bacvault.Terminal, "Login failed"},
		"permission": {exporting + "Could not extract package from specified database.\nThe SELECT permission was denied on the object 'T', database 'D', schema 'dbo'.",
			bacvault.CodeExportDenied, bacvault.Terminal, "SELECT permission"},
		"token expired": {exporting + "x\nLogin failed for user '<token-identified principal>'. Token is expired.",
			bacvault.CodeExportFailed, bacvault.Retry, "expired"},
		"network": {exporting + "Could not extract package from specified database. A network-related or instance-specific error occurred while establishing a connection to SQL Server. (provider: TCP Provider, error: 35 - An internal exception was caught)",
			bacvault.CodeSQLUnreachable, bacvault.Retry, "network-related"},
		"time-out": {"An unexpected failure occurred: Data plan execution failed with message Unable to reconnect to database: Execution Timeout Expired.\nUnhandled Exception: Microsoft.SqlServer.Dac.Data.DataException: x",
			bacvault.CodeExportFailed, bacvault.Retry, "Execution Timeout Expired"},
		"firewall": {exporting + "x\nCannot open server 'x' requested by the login. Client with IP address '1.2.3.4' is not allowed to access the server.",
			bacvault.CodeSQLUnreachable, bacvault.Retry, "1.2.3.4"},
		"bad argument": {"*** 'ExportAllTableData' is not a valid argument for the 'Export' action.",
			bacvault.CodeExportFailed, bacvault.Terminal, "ExportAllTableData"},
		"disk": {"*** An unexpected failure occurred: No space left on device : '/work/tmp/x'.",
			bacvault.CodeDiskFull, bacvault.Terminal, "No space"},
		"memory": {"*** An unexpected failure occurred: Exception of type 'System.OutOfMemoryException' was thrown..",
			bacvault.CodeToolKilled, bacvault.Retry, "OutOfMemory"},
		"no ICU": {"Process terminated. Couldn't find a valid ICU package installed on the system.",
			bacvault.CodeToolMissing, bacvault.Terminal, "ICU"},
		"bad text in the data": {exporting + "The surrogate pair (0xDBA4, 0x69) is invalid. A high surrogate character (0xD800 - 0xDBFF) must always be paired.",
			bacvault.CodeExportFailed, bacvault.Terminal, "surrogate"},
		"external reference of a column": {"Error SQL71561: Error validating element [dbo].[t].[label]: Computed Column: [dbo].[t].[label] has an unresolved reference to object [DB].[dbo].[t].[label]. External references are not supported when creating a package from this platform.",
			bacvault.CodeExportSchema, bacvault.Terminal, "[label]"},
		"missing object": {exporting + "x\nError SQL71501: Error validating element [dbo].[hideObject]: Procedure: [dbo].[hideObject] has an unresolved reference to object [dbo].[checkRights].[1].",
			bacvault.CodeExportSchema, bacvault.Terminal, "checkRights"},
		"encrypted module": {"Error SQL71564: Error validating element [s].[p]: The element [s].[p] cannot be deployed as the script body is encrypted.",
			bacvault.CodeExportSchema, bacvault.Terminal, "encrypted"},
		"Windows user": {"Error SQL71564: The element User: [windows_user] has property AuthenticationType set to a value that is not supported in Microsoft Azure SQL Database v12.",
			bacvault.CodeExportSchema, bacvault.Terminal, "windows_user"},
		"a part too large for the release": {"*** An unexpected failure occurred: Stream was too long..",
			bacvault.CodeExportFailed, bacvault.Terminal, "too long"},
		"token of a long connection": {exporting + "x\nError SQL72014: Core Microsoft SqlClient Data Provider: Msg 37396, Level 16, State 1, Line 1 Query cannot be executed, access token is expired.",
			bacvault.CodeExportFailed, bacvault.Retry, "expired"},
		"no .NET": {"You must install or update .NET to run this application.", bacvault.CodeToolMissing, bacvault.Terminal, "install or update"},
		"invariant mode": {"*** An unexpected failure occurred: Globalization Invariant Mode is not supported..",
			bacvault.CodeToolMissing, bacvault.Terminal, "Invariant"},
		"model in a file": {"*** An unexpected failure occurred: .NET Core should not be using a file backed model..",
			bacvault.CodeExportFailed, bacvault.Retry, "file backed"},
		"nothing said": {"", bacvault.CodeExportFailed, bacvault.Retry, "exit status 1"},
		"a fault got over before the fatal one": {"*** Login failed for user '<token-identified principal>'. Token is expired.\n" + exporting + "x\nError SQL71626: The element 'xyz' is not supported.",
			bacvault.CodeExportSchema, bacvault.Terminal, "xyz"},
		"a table with a telling name": {"Processing Table '[dbo].[Login failed for user]'.\n" + exporting + "The surrogate pair is invalid.",
			bacvault.CodeExportFailed, bacvault.Retry, "surrogate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, err := tool("print", dir, sqlpackage.Config{}, envOut+"=Extracting schema\nTime elapsed 0:00:01\n", envErr+"="+c.err, envExit+"=1").Export(t.Context(), exportSpec(dir, nil))
			f := wantFailure(t, err, c.code, c.class)
			if !strings.Contains(f.Detail, c.says) || f.Exists == "" || f.Next == "" {
				t.Errorf("failure does not say enough: %+v", f)
			}
			if len(r.Tail) == 0 || r.Elapsed <= 0 || len(r.Warnings) > 0 {
				t.Errorf("result beside the failure is empty: %+v", r)
			}
		})
	}
}

func TestKilledToolIsToldApart(t *testing.T) {
	for name, env := range map[string][]string{"suicide": nil, "print": {envExit + "=137", envOut + "=Extracting schema\nProcessing Table '[dbo].[a]'.\n"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := tool(name, dir, sqlpackage.Config{}, env...).Export(t.Context(), exportSpec(dir, nil))
			f := wantFailure(t, err, bacvault.CodeToolKilled, bacvault.Retry)
			if env != nil && !strings.Contains(f.Detail, "[dbo].[a]") {
				t.Errorf("does not say where it was: %s", f.Detail)
			}
		})
	}
}

// The fatal line must not be lost behind a long script that sqlpackage prints after it.
func TestFatalLineSurvivesALongScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := importing + "Error SQL71659: x\nError SQL72045: Script execution error.  The executed script:\n" + strings.Repeat("SELECT 1;\n", 10_000)
	_, got := tool("print", dir, sqlpackage.Config{MaxOutput: 4 << 10}, envErr+"="+err, envExit+"=1").Import(t.Context(), importSpec(dir))
	wantFailure(t, got, bacvault.CodeImportNotEmpty, bacvault.Refused)
}

func TestNoSecretLeavesTheRoom(t *testing.T) {
	t.Parallel()
	const jwt = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
	dir := t.TempDir()
	text := strings.Join([]string{
		exporting + "token " + jwt + " refused",
		"Server=x;Password=hunter2;Database=y", "Pwd = 'hunter2 two'", `AccessToken: "hunter2"`, "Authorization: Bearer hunter2",
		"client_secret=hunter2", "https://x/y?sv=1&sig=hunter2%3D&se=2", strings.Repeat("y", 4080) + jwt,
	}, "\n")
	var seen strings.Builder
	r, err := tool("print", dir, sqlpackage.Config{}, envErr+"="+text, envExit+"=1").Export(t.Context(), exportSpec(dir, func(l sqlpackage.Line) {
		seen.WriteString(l.Text + "\n")
	}))
	f := wantFailure(t, err, bacvault.CodeExportFailed, bacvault.Retry)
	for where, s := range map[string]string{
		"report": seen.String(), "tail": strings.Join(r.Tail, "\n"), "warnings": strings.Join(r.Warnings, "\n"), "failure": f.Detail,
	} {
		for _, secret := range []string{"hunter2", "eyJ0", "c2ln", "eyJhdWQ"} {
			if strings.Contains(s, secret) {
				t.Errorf("%s holds %q: %s", where, secret, s)
			}
		}
	}
	if !strings.Contains(seen.String(), "Database=y") || !strings.Contains(seen.String(), "&se=2") {
		t.Errorf("more than the secrets was taken out: %s", seen.String())
	}
}
