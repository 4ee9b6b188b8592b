package sqlpackage_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/sqlpackage"
)

// sqlError is the form of a statement that the server refused.
func sqlError(text string) string {
	return importing + "Error SQL72014: Core Microsoft SqlClient Data Provider: " + text +
		"\nError SQL72045: Script execution error.  The executed script:\nCREATE TABLE [dbo].[t] ([i] INT NOT NULL);"
}

// Each row has lines as they were reported, the class, and a word of the advice.
func TestImportFailuresAreClassed(t *testing.T) {
	const notEmpty = "Data cannot be imported into target because it contains one or more user objects. Import should be performed against a new, empty database."
	for name, c := range map[string]struct {
		err   string
		code  bacvault.Code
		class bacvault.Class
		next  string
	}{
		"not empty":              {"*** Error importing database:" + notEmpty + "\nError SQL71659: " + notEmpty, bacvault.CodeImportNotEmpty, bacvault.Refused, "does not exist"},
		"not empty, older build": {importing + "Error SQL0: " + notEmpty, bacvault.CodeImportNotEmpty, bacvault.Refused, "does not exist"},
		"token expired": {importing + "Error SQL72016: Login failed for user '<token-identified principal>'. Token is expired.",
			bacvault.CodeImportFailed, bacvault.Retry, "last lines"},
		"SQL error": {sqlError("Msg 1934, Level 16, State 1, Line 1 CREATE INDEX failed."), bacvault.CodeImportFailed, bacvault.Terminal, "last lines"},
		"script that holds telling words": {importing + "Error SQL72014: Msg 50000\nError SQL72045: Script execution error.  The executed script:\nRAISERROR('Login failed for user', 16, 1)",
			bacvault.CodeImportFailed, bacvault.Terminal, "last lines"},
		"damaged file": {"*** Error importing database:Could not load package from 'x'.\nFile contains corrupted data.",
			bacvault.CodeImportFailed, bacvault.Terminal, "another .NET build"},
		"no Origin.xml": {importing + "'Origin.xml' is missing from the dacpac package.", bacvault.CodeImportFailed, bacvault.Terminal, "not whole"},
		"plan": {"*** Error importing database:An error occurred during deployment plan generation. Deployment cannot continue.",
			bacvault.CodeImportFailed, bacvault.Terminal, "plan the import"},
		"login": {importing + "Login failed for user 'x'.", bacvault.CodeSQLDenied, bacvault.Terminal, "permissions"},
		"no way to master": {importing + "Unable to connect to master or target server 'pocdb'. You must have a user with the same password in master or target server 'pocdb'.",
			bacvault.CodeSQLUnreachable, bacvault.Retry, "master"},
		"firewall": {importing + "Cannot open server 'x' requested by the login. Client with IP address '1.2.3.4' is not allowed to access the server.",
			bacvault.CodeSQLUnreachable, bacvault.Retry, "firewall"},
		"reference":        {importing + "Error SQL71501: x has an unresolved reference", bacvault.CodeImportFailed, bacvault.Terminal, "last lines"},
		"unnamed defaults": {sqlError("Msg 2714, Level 16, State 5, Line 1 There is already an object named 'DF_x' in the database."), bacvault.CodeImportFailed, bacvault.Terminal, "DEFAULT constraints"},
		"json column": {sqlError("Msg 4002, Level 16, State 2, Line 1 The incoming tabular data stream (TDS) protocol stream is incorrect."),
			bacvault.CodeImportFailed, bacvault.Terminal, "json column"},
		"vector column": {importing + "String values exceeding Int32.MaxValue are not supported.", bacvault.CodeImportFailed, bacvault.Terminal, "vector column"},
		"vector index":  {sqlError("Msg 42266, Level 16, State 1, Line 1 Cannot create the vector index."), bacvault.CodeImportFailed, bacvault.Terminal, "vector index"},
		"rows that contradict each other": {sqlError(`Msg 547, Level 16, State 0, Line 1 The ALTER TABLE statement conflicted with the FOREIGN KEY constraint "FK_x".`),
			bacvault.CodeImportFailed, bacvault.Terminal, "live export"},
		"trigger time-out": {importing + "Error SQL72014: Core Microsoft SqlClient Data Provider: Msg -2, Level 11, State 0, Line 0 Execution Timeout Expired.",
			bacvault.CodeImportFailed, bacvault.Retry, "last lines"},
		"deadlock": {sqlError("Msg 1205, Level 13, State 51, Line 1 Transaction (Process ID 64) was deadlocked on lock resources with another process and has been chosen as the deadlock victim."),
			bacvault.CodeImportFailed, bacvault.Retry, "last lines"},
		"memory-optimized tables": {sqlError("Msg 40536, Level 16, State 2, Line 1 'MEMORY_OPTIMIZED tables' is not supported in this service tier of the database."),
			bacvault.CodeImportFailed, bacvault.Refused, "Business Critical"},
		"edition and objective": {importing + "Error SQL72014: Msg 40808, Level 16, State 1, Line 1 The edition 'Standard' does not support the service objective 'P6'.",
			bacvault.CodeImportFailed, bacvault.Refused, "SQL_SERVICE_OBJECTIVE"},
		"Entra user by a SQL login": {sqlError("Msg 33159, Level 16, State 1, Line 1 Principal 'x' could not be created. Only connections established with Active Directory accounts can create other Active Directory users."),
			bacvault.CodeSQLDenied, bacvault.Terminal, "Entra identity"},
		"Entra user that the server can't look up": {sqlError("Msg 33134, Level 16, State 1, Line 1 Principal 'x' could not be resolved. Error message: 'Server identity is not configured.'"),
			bacvault.CodeSQLDenied, bacvault.Terminal, "Directory Readers"},
		"Entra user's SID": {sqlError("Msg 15000, Level 16, State 1, Line 1 Supplied parameter sid should be binary(16)."), bacvault.CodeImportFailed, bacvault.Terminal, "SID"},
		"old JSON form":    {importing + "Json serialization is not supported on .NET Core", bacvault.CodeImportFailed, bacvault.Terminal, "old JSON form"},
		"disk":             {"*** An unexpected failure occurred: No space left on device : '/work/tmp/x'.", bacvault.CodeDiskFull, bacvault.Terminal, "BACVAULT_WORK_DIR"},
		"memory":           {"*** An unexpected failure occurred: Exception of type 'System.OutOfMemoryException' was thrown..", bacvault.CodeToolKilled, bacvault.Retry, "more"},
		"bad argument":     {"*** 'TempDirectoryForTableData' is not a valid argument for the 'Import' action.", bacvault.CodeImportFailed, bacvault.Terminal, "170.5.96"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := tool("print", dir, sqlpackage.Config{}, envErr+"="+c.err, envExit+"=1").Import(t.Context(), importSpec(dir))
			if f := wantFailure(t, err, c.code, c.class); !strings.Contains(f.Next, c.next) {
				t.Errorf("advice %q does not say %q", f.Next, c.next)
			}
		})
	}
}

// A file that sqlpackage left half-written is never opened: here it is a pipe, and whoever opened it to read would wait for
// ever.
func TestPartialFileIsNeverOpened(t *testing.T) {
	for name, c := range map[string]struct {
		mode string
		env  []string
		code bacvault.Code
	}{
		"failed":        {"print", []string{envExit + "=1", envErr + "=" + exporting + "x"}, bacvault.CodeExportFailed},
		"killed":        {"suicide", nil, bacvault.CodeToolKilled},
		"stalled":       {"hang", nil, bacvault.CodeExportStalled},
		"token expired": {"expired", nil, bacvault.CodeExportFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			spec := exportSpec(dir, nil)
			if err := syscall.Mkfifo(spec.File, 0o600); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := tool(c.mode, dir, sqlpackage.Config{Stall: 400 * time.Millisecond, Grace: 200 * time.Millisecond}, c.env...).Export(t.Context(), spec)
				done <- err
			}()
			select {
			case err := <-done:
				wantFailure(t, err, c.code, bacvault.Retry)
			case <-time.After(20 * time.Second):
				t.Fatal("the partial file was opened")
			}
		})
	}
}

// Warnings look like errors. A run that ended well keeps them, from either stream.
func TestWarningsOfASuccessAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const one, two = "*** A project which specifies SQL Server 2022 may experience compatibility issues.", "*** The object [data_0] exists in the target, but it will not be dropped."
	r, err := tool("print", dir, sqlpackage.Config{}, envOut+"="+one+"\nSuccessfully imported database.\n", envErr+"="+two+"\n").Import(t.Context(), importSpec(dir))
	if err != nil || len(r.Warnings) != 2 || !slices.Contains(r.Warnings, one) || !slices.Contains(r.Warnings, two) {
		t.Errorf("warnings %q, %v", r.Warnings, err)
	}
}
