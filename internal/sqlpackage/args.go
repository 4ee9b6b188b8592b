package sqlpackage

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/bacvault/bacvault/internal/bacvault"
)

type action string

const (
	export action = "export"
	imprt  action = "import"
)

// exportArgs is the command line of an export: one element for each argument, no shell, no secret. The property names are
// those of Microsoft's "SqlPackage Export parameters and properties"; the default command timeout of 60 s is a known cause
// of failed exports.
func exportArgs(l signIn, s ExportSpec) ([]string, error) {
	conn, err := connectionString(s.Address, s.Database, l)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if err := checkPaths(s.File, s.WorkDir); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return []string{
		"/Action:Export",
		"/SourceConnectionString:" + conn,
		"/TargetFile:" + s.File,
		"/OverwriteFiles:False",
		"/DiagnosticsFile:" + filepath.Join(s.WorkDir, "export.log"),
		"/p:CommandTimeout=3600",
		"/p:LongRunningCommandTimeout=0",
		"/p:DatabaseLockTimeout=60",
		"/p:VerifyExtraction=True",
		"/p:CompressionOption=Fast",
		"/p:TempDirectoryForTableData=" + tempDir(s.WorkDir),
	}, nil
}

// importArgs is the command line of an import. TempDirectoryForTableData is left out: whether Import knows it differs by
// release, and an unknown property ends the run.
func importArgs(l signIn, s ImportSpec) ([]string, error) {
	conn, err := connectionString(s.Address, s.Database, l)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	if err := checkPaths(s.File, s.WorkDir); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	args := []string{
		"/Action:Import",
		"/SourceFile:" + s.File,
		"/TargetConnectionString:" + conn,
		"/DiagnosticsFile:" + filepath.Join(s.WorkDir, "import.log"),
	}
	for _, p := range []struct{ name, value string }{{"DatabaseEdition", s.Edition}, {"DatabaseServiceObjective", s.ServiceObjective}} {
		if p.value == "" {
			continue
		}
		if !word.MatchString(p.value) {
			return nil, bacvault.Fail(bacvault.CodeRequestMalformed, "%s %q is not letters, digits and _ alone", p.name, p.value)
		}
		args = append(args, "/p:"+p.name+"="+p.value)
	}
	if s.MaxSizeGB > 0 {
		args = append(args, "/p:DatabaseMaximumSize="+strconv.Itoa(s.MaxSizeGB))
	}
	return append(args, "/p:CommandTimeout=3600", "/p:LongRunningCommandTimeout=0", "/p:RebuildIndexesOfflineForDataPhase=True"), nil
}

var (
	word     = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)
)

// signIn is how sqlpackage logs in, without a secret.
type signIn struct {
	login    Login
	clientID string
}

// authentication is the part of a connection string that says who we are, in the words of SqlClient's "Connect to Azure SQL
// with Microsoft Entra authentication". Active Directory Default takes no User Id but a managed identity's, so it gets none.
func (l signIn) authentication() (string, error) {
	switch {
	case l.login == LoginDefault:
		return "Authentication=Active Directory Default", nil
	case l.login != LoginManagedIdentity:
		return "", fmt.Errorf("%q is no way to sign in", l.login)
	case l.clientID == "" || strings.ContainsFunc(l.clientID, unicode.IsControl):
		return "", fmt.Errorf("client id %q is empty or holds a control character", l.clientID)
	}
	return "Authentication=Active Directory Managed Identity;User Id=" + quoteValue(l.clientID), nil
}

// connectionString holds a way to sign in instead of a secret: sqlpackage then gets a fresh token for each connection, which
// /AccessToken cannot.
func connectionString(address, database string, l signIn) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, "1433"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || !hostName.MatchString(host) {
		return "", fmt.Errorf("server address %q is not host or host:port", address)
	}
	if database == "" || strings.ContainsFunc(database, unicode.IsControl) {
		return "", fmt.Errorf("database %q is empty or holds a control character", database)
	}
	auth, err := l.authentication()
	if err != nil {
		return "", err
	}
	return "Server=" + quoteValue("tcp:"+host+","+port) + ";Database=" + quoteValue(database) + ";" + auth +
		";Encrypt=True;TrustServerCertificate=False;Connect Timeout=60", nil
}

// quoteValue quotes by the rules of .NET's DbConnectionStringBuilder: a value with a quote, =, ; or white space stands in
// double quotes, doubled inside, or in single quotes where it holds double ones alone. Braces mean something to ODBC only.
func quoteValue(v string) string {
	plain := !strings.ContainsFunc(v, func(r rune) bool {
		return strings.ContainsRune(`"'=;`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
	})
	switch {
	case plain:
		return v
	case strings.Contains(v, `"`) && !strings.Contains(v, `'`):
		return `'` + v + `'`
	}
	return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
}

func checkPaths(file, workDir string) error {
	for _, f := range []struct{ what, v string }{{"file", file}, {"work folder", workDir}} {
		// The child runs in the work folder, so a relative path would mean two things.
		if !filepath.IsAbs(f.v) || strings.ContainsFunc(f.v, unicode.IsControl) {
			return fmt.Errorf("%s %q is not an absolute path", f.what, f.v)
		}
	}
	return nil
}
