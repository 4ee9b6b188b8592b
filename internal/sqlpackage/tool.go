// Package sqlpackage runs Microsoft's sqlpackage: arguments, progress, signs of life, and what its failures mean.
package sqlpackage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Config is what the tool needs. The zero value of a duration or size takes the default that is named.
type Config struct {
	// Path is the sqlpackage program itself. A wrapping script must exec it: only the direct child is sure to die with us.
	Path string
	// Login is how sqlpackage signs in; the zero value is LoginManagedIdentity.
	Login Login
	// ClientID is the managed identity that sqlpackage logs in with; of no use to another way to sign in.
	ClientID string
	// Stall is how long sqlpackage may show no sign of life; 30 minutes. An import that rebuilds an index on the server shows
	// none for as long as that takes.
	Stall time.Duration
	// Grace lies between SIGTERM and SIGKILL; 5 seconds, for the Functions host leaves the handler about 10.
	Grace time.Duration
	// Env is the environment that sqlpackage inherits. It must hold IDENTITY_ENDPOINT and IDENTITY_HEADER, or the managed
	// identity is out of its reach. Nil is an empty environment.
	Env func() []string
	// MaxOutput is how much of the output is kept, in bytes; 64 KiB.
	MaxOutput int
}

// Login is a way to sign in that needs no secret of ours.
type Login string

const (
	// LoginManagedIdentity is a user-assigned managed identity.
	LoginManagedIdentity Login = "managed-identity"
	// LoginDefault is whoever the machine is signed in as, such as by az login: SqlClient's Active Directory Default, which
	// SqlPackage takes because it "authenticates using methods available in SqlClient" (Microsoft, SqlPackage).
	LoginDefault Login = "default"
)

// Tool runs sqlpackage.
type Tool struct{ cfg Config }

// New makes a Tool; it does not look at the program yet.
func New(cfg Config) *Tool {
	if cfg.Stall <= 0 {
		cfg.Stall = 30 * time.Minute
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 5 * time.Second
	}
	if cfg.MaxOutput <= 0 {
		cfg.MaxOutput = 64 << 10
	}
	if cfg.Login == "" {
		cfg.Login = LoginManagedIdentity
	}
	if cfg.Env == nil {
		cfg.Env = func() []string { return nil }
	}
	return &Tool{cfg}
}

// ExportSpec is one export. File must not exist: sqlpackage is told never to overwrite.
type ExportSpec struct {
	Address  string // host or host:port; the port is 1433 by default
	Database string
	File     string // ends in .partial.bacpac
	WorkDir  string // gets tmp/ and export.log
	// Report takes every line that sqlpackage prints, one at a time. It must not block. Nil is none.
	Report func(Line)
}

// ImportSpec is one import into a database that does not exist. Empty or 0 leaves a property out.
type ImportSpec struct {
	Address          string
	Database         string
	File             string
	WorkDir          string
	ServiceObjective string
	Edition          string
	MaxSizeGB        int
	Report           func(Line)
}

// Result is what sqlpackage said. It is filled as far as known beside an error too. Exit code 0 is all that a nil error
// claims: not that the archive is whole, nor that the rows arrived.
type Result struct {
	Tables   []bacvault.Table // in the order of the output
	Elapsed  time.Duration
	Tail     []string // the last lines
	Warnings []string // of a run that ended well: lines that begin with "*** ", as sqlpackage's errors do
}

// Export writes a database into spec.File.
func (t *Tool) Export(ctx context.Context, spec ExportSpec) (Result, error) {
	args, err := exportArgs(signIn{t.cfg.Login, t.cfg.ClientID}, spec)
	if err != nil {
		return Result{}, err
	}
	return t.run(ctx, job{action: export, args: args, database: spec.Database, file: spec.File, workDir: spec.WorkDir, report: spec.Report})
}

// Import creates spec.Database from spec.File.
func (t *Tool) Import(ctx context.Context, spec ImportSpec) (Result, error) {
	args, err := importArgs(signIn{t.cfg.Login, t.cfg.ClientID}, spec)
	if err != nil {
		return Result{}, err
	}
	return t.run(ctx, job{action: imprt, args: args, database: spec.Database, file: spec.File, workDir: spec.WorkDir, report: spec.Report})
}

// versionTimeout is generous: a cold .NET start from a slow disk takes seconds.
const versionTimeout = time.Minute

var versionLine = regexp.MustCompile(`\d+\.\d+`)

// Version is the line that the program answers /Version with.
func (t *Tool) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out := newOutput(t.cfg.MaxOutput, nil)
	cmd := exec.Command(t.cfg.Path, "/Version")
	cmd.Env = append(slices.Clone(t.cfg.Env()), invariant)
	cmd.Stdout, cmd.Stderr = out.stream(Stdout), out.stream(Stderr)
	p, err := start(cmd)
	if err != nil {
		return "", startFailure(t.cfg.Path, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.end(t.cfg.Grace)
		return "", fmt.Errorf("sqlpackage /Version: %w", ctx.Err())
	}
	out.flush()
	if p.err != nil {
		return "", bacvault.Fail(bacvault.CodeToolMissing, "%s /Version ended with %v: %s", t.cfg.Path, p.err, brief(out.all.lines()))
	}
	for _, l := range out.all.lines() {
		if versionLine.MatchString(l) {
			return strings.TrimSpace(l), nil
		}
	}
	return "", bacvault.Fail(bacvault.CodeToolMissing, "%s /Version does not name a version: %s", t.cfg.Path, brief(out.all.lines()))
}

// startFailure tells a program that is not there, or not one, from a machine that can't start any.
func startFailure(path string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, exec.ErrDot) {
		return bacvault.Fail(bacvault.CodeToolMissing, "sqlpackage can't be started at %q: %v", path, err)
	}
	return fmt.Errorf("start sqlpackage: %w", err)
}

// invariant undoes what some base images set: SqlClient opens no connection in globalization-invariant mode.
const invariant = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=false"

// childEnv adds to the inherited environment. TMPDIR holds what the table data's own setting does not cover, imports above all.
func childEnv(inherited []string, tmp string) []string {
	return append(slices.Clone(inherited), "TMPDIR="+tmp, invariant)
}

func tempDir(workDir string) string { return filepath.Join(workDir, "tmp") }
