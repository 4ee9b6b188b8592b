// Package stack starts every stand-in of one local Azure and the product's two apps in it, wired as the real ones are;
// only endpoints differ.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"time"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/funchost"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/servicebus"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

// The names of the one local Azure.
const (
	ServerName    = "sqlsvr-local"
	Subscription  = "a0000000-0000-4000-8000-000000000000"
	ResourceGroup = "rg-bacvault-local"
	Schedule      = "0 0 2 * * *"
	DrillSchedule = "0 0 6 * * 0"
)

// Options says what to start.
type Options struct {
	Dir        string // everything of the stack lies here; the caller removes it
	Root       string // the packaged app: host.json, function folders and handler
	SQLPackage string // the tool's stand-in
	Store      *Store

	// Databases maps names to bacpacs; all of them are protected.
	Databases map[string]string
	// MoreServers are SQL servers beside the first one, by name, each with databases of its own.
	MoreServers map[string]map[string]string
	// PolicyDays and Unlocked describe the vault's policy; 0 days is none.
	PolicyDays int
	Unlocked   bool
	// Rights changes the table of who may do what; nil keeps the least that each identity needs.
	Rights func(roles.Table) roles.Table
	// Settings come on top of both apps' own.
	Settings map[string]string
	// TokenLifetime is how long a token is good by the stack's clock; 0 is an hour. A test that moves the clock by days needs more.
	TokenLifetime time.Duration
	// NoApps leaves the apps out: the caller starts them, with StartBackup and StartRestore.
	NoApps bool
	// BlobListen and the like fix an address; empty is any free port.
	HTTPListen string

	Log    func(format string, args ...any)
	Output io.Writer // the apps' lines as their hosts log them
}

// Stack is a running local Azure.
type Stack struct {
	Clock    *clock.Clock
	Faults   *faults.Plan
	PKI      *pki.Authority
	Identity *identity.Server
	Bus      *servicebus.Server
	Policies *blob.Policies
	Blob     *blob.Server
	ARM      *arm.Server
	SQL      *sqlserver.Server
	More     map[string]*sqlserver.Server // beside SQL, by name
	Places   roles.Places
	Backup   *funchost.Host
	Restore  *funchost.Host

	opts   Options
	closes []func() error
}

// Start brings everything up, or nothing.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Stack{Clock: &clock.Clock{}, Faults: &faults.Plan{}, opts: o}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	if s.Places, err = s.opts.Store.take(); err != nil {
		return err
	}
	table := roles.For(s.Places)
	if s.opts.Rights != nil {
		table = s.opts.Rights(table)
	}
	if s.PKI, err = pki.New(s.opts.Dir, s.Clock.Now()); err != nil {
		return err
	}
	cert, err := s.PKI.ServerTLS()
	if err != nil {
		return err
	}
	if s.Identity, err = identity.Start(identity.Config{Clients: roles.All(), TokenLifetime: s.opts.TokenLifetime, Clock: s.Clock, Faults: s.Faults, Log: s.opts.Log}); err != nil {
		return err
	}
	s.closes = append(s.closes, s.Identity.Close)
	if s.Bus, err = servicebus.Start(servicebus.Config{
		Entities: servicebus.DefaultEntities(), TLS: cert, Authenticate: s.Identity.Authenticate, Allow: table.Allow, Clock: s.Clock, Faults: s.Faults, Log: s.opts.Log,
	}); err != nil {
		return err
	}
	s.closes = append(s.closes, s.Bus.Close)
	if err := s.startStorage(ctx, cert, table); err != nil {
		return err
	}
	if err := s.startServers(cert, table); err != nil {
		return err
	}
	if s.opts.NoApps {
		return nil
	}
	if s.Backup, err = s.StartBackup(ctx, nil); err != nil {
		return err
	}
	s.Restore, err = s.StartRestore(ctx, nil)
	return err
}

// StartBackup runs the backup app under its own identity. settings come last.
func (s *Stack) StartBackup(ctx context.Context, settings map[string]string) (*funchost.Host, error) {
	return s.app(ctx, "backup", roles.Backup, []string{"restore", "drill"}, s.opts.HTTPListen, settings)
}

// StartRestore runs the restore app under its own identity.
func (s *Stack) StartRestore(ctx context.Context, settings map[string]string) (*funchost.Host, error) {
	return s.app(ctx, "restore", roles.Restore, []string{"nightly", "backup", "status", "watch", "notify"}, "", settings)
}

func (s *Stack) app(ctx context.Context, name, client string, disabled []string, listen string, settings map[string]string) (*funchost.Host, error) {
	env := s.Settings(client)
	env["BACVAULT_WORK_DIR"] = filepath.Join(s.opts.Dir, "work-"+name)
	for _, f := range disabled {
		env["AzureWebJobs_"+f+"_Disabled"] = "true"
	}
	for k, v := range settings {
		env[k] = v
	}
	h, err := funchost.Start(ctx, funchost.Config{
		Root: s.opts.Root, Env: env, Credential: s.Identity.Credential(client), BusTLS: s.PKI.ClientTLS(), Clock: s.Clock, Listen: listen,
		Log:    func(format string, args ...any) { s.opts.Log("host of "+name+": "+format, args...) },
		Output: s.opts.Output, StatusDir: filepath.Join(s.opts.Dir, "timers-"+name),
	})
	if err != nil {
		return nil, fmt.Errorf("start the %s app: %w", name, err)
	}
	s.closes = append(s.closes, h.Close)
	return h, nil
}

// Settings are the app settings of a process that runs under a client id.
func (s *Stack) Settings(client string) map[string]string {
	env := map[string]string{
		"FUNCTIONS_WORKER_RUNTIME": "custom", "AzureWebJobs_notify_Disabled": "true", "BACKUP_SCHEDULE": Schedule, "BACVAULT_DRILL_SCHEDULE": DrillSchedule,
		"STORAGE_ACCOUNT_NAME": s.Places.VaultAccount, "STORAGE_CONTAINER_NAME": s.Places.VaultContainer,
		"BACVAULT_BLOB_ENDPOINT": s.Blob.URL(s.Places.VaultAccount), "BACVAULT_STATE_ENDPOINT": s.Blob.URL(s.Places.StateAccount),
		"AzureWebJobsStorage__accountName": s.Places.StateAccount, "BACVAULT_STATE_CONTAINER": s.Places.StateContainer,
		"MANAGED_IDENTITY_CLIENT_ID": client, "TARGET_SUBSCRIPTION_ID": Subscription, "BACVAULT_VAULT_RESOURCE_GROUP": ResourceGroup,
		"BACVAULT_ARM_ENDPOINT": "https://" + s.ARM.Addr(), "BACVAULT_ARM_AUDIENCE": "https://management.azure.com/",
		"ServiceBusConnection__fullyQualifiedNamespace": s.Bus.Addr(), "ServiceBusConnection__clientId": client,
		"BACVAULT_SQLPACKAGE": s.opts.SQLPackage, "BACVAULT_WORK_DIR": filepath.Join(s.opts.Dir, "work"),
		"SSL_CERT_FILE": s.PKI.CAFile(), "IDENTITY_ENDPOINT": s.Identity.Endpoint(), "IDENTITY_HEADER": s.Identity.Header(),
	}
	maps.Copy(env, s.serverSettings())
	maps.Copy(env, s.opts.Settings)
	return env
}

// Close ends everything, the apps first.
func (s *Stack) Close() error {
	var errs []error
	for i := len(s.closes) - 1; i >= 0; i-- {
		errs = append(errs, s.closes[i]())
	}
	s.closes = nil
	return errors.Join(errs...)
}
