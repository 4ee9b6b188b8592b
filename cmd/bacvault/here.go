package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// local is a restore in this process.
type local struct {
	here                 bool
	from, targetServer   string
	auth, identity       string
	sqlpackage, workDir  string
	suffix               string
	fromQueue, fromLocal []string // the names of flags that go with one way only
}

const (
	authManaged = "managed-identity"
	authDefault = "default"
)

func (l *local) flags(cmd *cobra.Command, c *cli) {
	f := cmd.Flags()
	f.BoolVar(&l.here, "here", false, "restore in this process, with the vault and a server alone")
	f.StringVar(&l.from, "from", "", "the vault: https://<account>.blob.core.windows.net/<container>")
	f.StringVar(&l.targetServer, "target-server", "", "the server to restore on: NAME, a full name or an address, with :port if it is not 1433")
	f.StringVar(&l.auth, "auth", "", "managed-identity or default (az login and the like); by what this machine offers when absent")
	f.StringVar(&l.identity, "identity", c.setting("MANAGED_IDENTITY_CLIENT_ID", ""), "client id of the managed identity")
	f.StringVar(&l.sqlpackage, "sqlpackage", c.setting("BACVAULT_SQLPACKAGE", "sqlpackage"), "the sqlpackage program")
	f.StringVar(&l.workDir, "work-dir", c.setting("BACVAULT_WORK_DIR", "/tmp/bacvault"), "folder for the archive; needs twice its size")
	f.StringVar(&l.suffix, "sql-dns-suffix", c.setting("BACVAULT_SQL_DNS_SUFFIX", "database.windows.net"), "what follows a short server name")
	l.fromLocal = []string{"from", "target-server", "auth", "identity", "sqlpackage", "work-dir", "sql-dns-suffix"}
	l.fromQueue = []string{"wait", "timeout", "by", "id", "server"}
}

// check refuses what would be silently of no effect.
func (l *local) check(cmd *cobra.Command) error {
	wrong, why := l.fromLocal, "goes with --here alone"
	if l.here {
		wrong, why = l.fromQueue, "is for a request by the queue, not for --here"
	}
	for _, name := range wrong {
		if cmd.Flags().Changed(name) {
			return usageError("--" + name + " " + why)
		}
	}
	return nil
}

// config reads the flags.
func (l *local) config(c *cli, database bacvault.Database) (app.HereConfig, error) {
	var none app.HereConfig
	switch {
	case l.from == "" || l.targetServer == "":
		return none, usageError("--here needs --from and --target-server")
	case strings.ContainsAny(l.from, "?@"): // it is not repeated
		return none, usageError("--from is the container's address and nothing more: no key, no signature")
	case !strings.HasPrefix(l.from, "https://"):
		return none, usageError("--from " + l.from + " does not begin with https://")
	case database.Server == "" || database.Name == "":
		return none, usageError("--here needs --database SERVER/NAME: the folders that the backups lie in")
	case l.auth != "" && l.auth != authManaged && l.auth != authDefault:
		return none, usageError("--auth " + l.auth + " is not managed-identity or default")
	case l.auth == authManaged && l.identity == "":
		return none, usageError("--auth managed-identity needs --identity: the client id")
	}
	name, address, err := l.address()
	if err != nil {
		return none, err
	}
	dir, err := filepath.Abs(l.workDir)
	if err != nil {
		return none, fmt.Errorf("--work-dir: %w", err)
	}
	out := app.HereConfig{Container: l.from, TargetName: name, TargetAddress: address, SQLSuffix: l.cloud(), SQLPackage: program(l.sqlpackage), WorkDir: dir, Environ: c.environ}
	if l.auth == authManaged || l.auth == "" && l.identity != "" && c.setting("IDENTITY_ENDPOINT", "") != "" {
		out.ClientID = l.identity
	}
	return out, nil
}

// program finds sqlpackage: it runs in a folder of its own, so a relative path must not stay one.
func program(path string) string {
	if found, err := exec.LookPath(path); err == nil {
		path = found
	}
	if abs, err := filepath.Abs(path); err == nil && strings.ContainsRune(path, filepath.Separator) {
		return abs
	}
	return path // what can't be found is said when it is started
}

// address gives the target server's short name and the host:port that it is reached at.
func (l *local) address() (name, address string, err error) {
	host, port, err := net.SplitHostPort(l.targetServer)
	if err != nil {
		host, port = l.targetServer, "1433"
	}
	if host == "" || strings.ContainsAny(host, "/:=,; ") && net.ParseIP(host) == nil {
		return "", "", usageError(fmt.Sprintf("--target-server %q is not a server's name, with :port if it is not 1433", l.targetServer))
	}
	if net.ParseIP(host) != nil {
		return host, net.JoinHostPort(host, port), nil
	}
	name, _, full := strings.Cut(host, ".")
	if !full && host != "localhost" {
		host += "." + l.suffix
	}
	return name, net.JoinHostPort(host, port), nil
}

// cloud is the domain that tells the target's cloud: that of a full name, or else what is set.
func (l *local) cloud() string {
	if _, domain, _ := strings.Cut(strings.ToLower(l.targetServer), "."); strings.Contains("."+domain, ".database.") {
		domain, _, _ = strings.Cut(domain, ":")
		return domain
	}
	return l.suffix
}

// restoreHere restores in this process.
func (c *cli) restoreHere(ctx context.Context, r restoring, req bacvault.RestoreRequest) error {
	cfg, err := r.config(c, req.Database)
	if err != nil {
		return err
	}
	show := c.watch()
	defer show.close()
	cfg.Report = show.take
	h, err := c.openHere(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }() // connections that end with the process
	who := "whoever this machine is signed in as (az login and the like)"
	if cfg.ClientID != "" {
		who = "managed identity " + cfg.ClientID
	}
	c.say("restoring here, as %s: %s from %s to %s", who, req.Database, cfg.Container, cfg.TargetAddress)
	if r.plan {
		p, err := h.Plan(ctx, req)
		return c.printRestorePlan(p, err)
	}
	c.say("there is no lease: let nobody else restore to this name meanwhile")
	if req.ServiceObjective == "" {
		c.say("no --objective: the server gives the new database its default, which may be dear")
	}
	res, err := h.Restore(ctx, req)
	if err != nil {
		return err
	}
	return c.printRestored(res)
}
