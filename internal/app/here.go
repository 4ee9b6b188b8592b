package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/vault"
)

// HereConfig is all that a restore needs when everything but the vault is lost: no Functions app, no Service Bus, no state
// container and no app settings.
type HereConfig struct {
	// Container is https://<account>.blob.core.windows.net/<container>, or path-style https://<host>:<port>/<account>/<container>.
	Container string
	// TargetName is the target server's short name, for people, and TargetAddress the host:port that it is reached at.
	TargetName, TargetAddress string
	// SQLSuffix is what follows a server's short name in the cloud; empty is the public cloud's.
	SQLSuffix string
	// ClientID is the managed identity to be; empty is whoever this machine is signed in as. sqlpackage signs in the same way.
	ClientID string

	SQLPackage string
	WorkDir    string        // absolute
	Stall      time.Duration // how long sqlpackage may show no sign of life; 0 is 30 minutes
	Environ    []string      // for sqlpackage
	Report     bacvault.Report
}

// Here restores in this process.
type Here struct {
	app    *App
	cfg    HereConfig
	target *server
}

// NewHere wires the rooms that are left. It calls nothing outside.
func NewHere(c HereConfig) (*Here, error) {
	cred, login, err := hereLogin(c.ClientID)
	if err != nil {
		return nil, err
	}
	h := &Here{app: &App{cfg: config.Config{WorkDir: c.WorkDir}}, cfg: c}
	if h.app.vault, err = vault.New(vault.Config{ContainerURL: c.Container, Credential: cred}); err != nil {
		return nil, err
	}
	sql, err := azuresql.New(azuresql.Config{Address: c.TargetAddress, Token: sqlToken(cred, c.SQLSuffix)})
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", c.TargetName, err)
	}
	h.target = &server{name: c.TargetName, address: c.TargetAddress, sql: sql, copies: sql}
	h.app.tool = sqlpackage.New(sqlpackage.Config{
		Path: c.SQLPackage, Login: login, ClientID: c.ClientID, Stall: c.Stall, Env: func() []string { return c.Environ },
	})
	return h, nil
}

func hereLogin(clientID string) (azcore.TokenCredential, sqlpackage.Login, error) {
	if clientID == "" {
		cred, err := defaultCredential()
		return cred, sqlpackage.LoginDefault, err
	}
	cred, err := managedIdentity(clientID)
	return cred, sqlpackage.LoginManagedIdentity, err
}

// sqlToken asks for tokens of the cloud's SQL. The server also names an audience when one logs in; it is not believed, for a server
// that lies would get a token for another service.
func sqlToken(cred azcore.TokenCredential, suffix string) func(context.Context) (string, error) {
	scope := config.SQLAudience(suffix) + ".default"
	return func(ctx context.Context) (string, error) {
		t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return t.Token, err
	}
}

// Close ends what is open.
func (h *Here) Close() error { return h.target.sql.Close() }

// Plan says what Restore would do, and changes nothing. The request's server is the one that the backup was made of.
func (h *Here) Plan(ctx context.Context, req bacvault.RestoreRequest) (RestorePlan, error) {
	req, err := complete(req)
	if err != nil {
		return RestorePlan{}, err
	}
	p, err := h.app.planRestore(ctx, h.newRestore(), req)
	if err != nil {
		return p, err
	}
	p.lookAtTarget(ctx, h.target)
	p.lookAtDisk(h.cfg.WorkDir)
	switch _, weakness, err := h.tool(ctx); {
	case err != nil:
		p.Obstacles = append(p.Obstacles, err.Error())
	case weakness != "":
		p.Notes = append(p.Notes, weakness)
	}
	return p, nil
}

// Restore brings the backup back. There is no lease without a state container: what keeps a second run off the name is that
// the database exists, so the name is looked at first of all and again right before the import.
func (h *Here) Restore(ctx context.Context, req bacvault.RestoreRequest) (RestoreResult, error) {
	req, err := complete(req)
	if err != nil {
		return RestoreResult{}, err
	}
	weakness, err := h.ready(ctx, req.TargetDatabase)
	if err != nil {
		return RestoreResult{}, err
	}
	res, err := h.newRestore().Run(ctx, req)
	if err != nil {
		return res, err
	}
	if weakness != "" {
		res.Findings = append(res.Findings, weakness)
	}
	return res, nil
}

// newRestore is the app's own run but for what is lost: the state container, and the list of protected databases. What has
// a backup may be restored.
func (h *Here) newRestore() *restore.Restore {
	r := h.app.newRestore(h.target, newRun())
	r.State, r.Report = &memory{marks: map[bacvault.Database]restore.Mark{}}, h.cfg.Report
	r.Protects = func(string, string) bool { return true }
	return r
}

// ready refuses in seconds what would otherwise fail after an hour of fetching.
func (h *Here) ready(ctx context.Context, target string) (weakness string, err error) {
	if _, weakness, err = h.tool(ctx); err != nil {
		return "", early(err)
	}
	info, taken, err := h.target.sql.Exists(ctx, target)
	if err != nil {
		return "", early(err)
	}
	if taken {
		f := bacvault.Fail(bacvault.CodeTargetExists, "a database %s exists on %s since %s", target, h.target.name, info.Created.UTC().Format("2006-01-02 15:04:05"))
		f.Stage, f.Exists = bacvault.StagePreflight, "the database "+target+" was not touched"
		return "", f
	}
	return weakness, nil
}

func early(err error) *bacvault.Failure {
	f := bacvault.AsFailure(err, bacvault.StagePreflight)
	f.Exists = "nothing was created"
	return f
}

// tool names the version of sqlpackage. An old one is told, not refused: the rows are compared anyway, and this may be the
// only one at hand.
func (h *Here) tool(ctx context.Context) (version, weakness string, err error) {
	version, err = h.app.tool.Version(ctx)
	if err != nil {
		return "", "", err
	}
	if ok, why := sqlpackage.CheckVersion(version); !ok {
		weakness = "An old sqlpackage was used: " + why
	}
	return version, weakness, nil
}

// memory is the state of a restore that has no state container: it ends with the process.
type memory struct {
	mu    sync.Mutex
	marks map[bacvault.Database]restore.Mark
}

type noLease struct{}

func (noLease) Release(context.Context) error { return nil }

func (m *memory) Acquire(ctx context.Context, _ bacvault.Database, _, _ string) (context.Context, restore.Lease, string, error) {
	return ctx, noLease{}, "", nil
}

func (m *memory) SaveMark(_ context.Context, target bacvault.Database, mark restore.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marks[target] = mark
	return nil
}

func (m *memory) Mark(_ context.Context, target bacvault.Database) (restore.Mark, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mark, ok := m.marks[target]
	return mark, ok, nil
}
