package app

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

// copier makes and drops databases: over T-SQL, or by the management plane.
type copier interface {
	Copy(ctx context.Context, source, target, objective string, wait time.Duration) error
	Drop(ctx context.Context, database string) error
	Exists(ctx context.Context, database string) (azuresql.Info, bool, error)
}

// server is one logical server.
type server struct {
	name    string
	address string
	sql     *azuresql.Server
	copies  copier
	plane   *azuresql.Management // nil where the settings do not say where the server lies in Azure

	copyObjective string
	copyTimeout   time.Duration
}

func newServers(c config.Config, cred azcore.TokenCredential, trace azuresql.Trace) (map[string]*server, error) {
	token := sqlToken(cred, c.SQLSuffix)
	out := map[string]*server{}
	for name, address := range c.Servers {
		s, err := azuresql.New(azuresql.Config{Address: address, Token: token, Trace: trace})
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", name, err)
		}
		out[name] = &server{name: name, address: address, sql: s, copies: s, copyObjective: c.CopyObjective, copyTimeout: c.CopyTimeout}
		if c.SQLSubscription == "" || c.SQLResourceGroup == "" || c.NoManagementPlane {
			continue
		}
		if out[name].plane, err = azuresql.NewManagement(azuresql.ManagementConfig{
			Endpoint: c.ARMEndpoint, Audience: c.ARMAudience, SubscriptionID: c.SQLSubscription, ResourceGroup: c.SQLResourceGroup,
			Server: name, Credential: cred,
		}); err != nil {
			return nil, fmt.Errorf("server %s: %w", name, err)
		}
		if c.CopyBy == "management" {
			out[name].copies = out[name].plane
		}
	}
	// The server that backups are restored on needs no management plane: it may lie in another subscription.
	if name := c.RestoreServer; name != "" && out[name] == nil {
		s, err := azuresql.New(azuresql.Config{Address: c.RestoreAddress, Token: token, Trace: trace})
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", name, err)
		}
		out[name] = &server{name: name, address: c.RestoreAddress, sql: s, copies: s}
	}
	return out, nil
}

// restoreTarget is the server that a backup of a server's database is restored on.
func (a *App) restoreTarget(of *server) *server {
	if a.cfg.RestoreServer != "" {
		return a.servers[a.cfg.RestoreServer]
	}
	return of
}

// server gives one of ours by its name, in whatever case the request spells it.
func (a *App) server(name string) (*server, error) {
	if known, ok := a.cfg.Servers.Find(name); ok {
		return a.servers[known], nil
	}
	f := bacvault.Fail(bacvault.CodeRequestUnknownDB, "%s is not a server that this app knows", name)
	f.Stage, f.Exists = bacvault.StageAdmit, "nothing was started"
	return nil, f
}

// The runs name small interfaces and the rooms return concrete types: what lies between is plain calls.

func (s *server) Copy(ctx context.Context, source, target string) error {
	return s.copies.Copy(ctx, source, target, s.copyObjective, s.copyTimeout)
}

func (s *server) Drop(ctx context.Context, database string) error {
	return s.copies.Drop(ctx, database)
}

func (s *server) Exists(ctx context.Context, database string) (bool, error) {
	_, ok, err := s.copies.Exists(ctx, database)
	return ok, err
}

func (s *server) Count(ctx context.Context, database string) (bacvault.Rows, error) {
	return s.sql.Count(ctx, database)
}

func (s *server) Statistics(ctx context.Context, database string) (bacvault.Rows, error) {
	return s.sql.Tables(ctx, database)
}

func (s *server) Preflight(ctx context.Context, database string) (backup.Facts, error) {
	f, err := s.sql.Preflight(ctx, database)
	return backup.Facts(f), err
}

func (s *server) Fingerprint(ctx context.Context, database string, tables []bacvault.Table) (map[bacvault.Table]string, []string, error) {
	return s.sql.Fingerprint(ctx, database, tables)
}
