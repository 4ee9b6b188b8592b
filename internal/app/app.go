// Package app is the composition: settings and a credential in, wired runs out, in plain statements.
package app

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/gate"
	"github.com/bacvault/bacvault/internal/notify"
	"github.com/bacvault/bacvault/internal/probe"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/state"
	"github.com/bacvault/bacvault/internal/vault"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/google/uuid"
)

// Options is what a main gives beside the settings.
type Options struct {
	Version string
	Environ []string        // for sqlpackage, which finds the managed identity's endpoint there
	Report  bacvault.Report // must not block
	// Operator is a person at a command line, who may sign in by other means than the app's managed identity.
	Operator bool
	// Trace hears of every statement that a server was sent; nil is nobody.
	Trace azuresql.Trace
	// Now is for tests; nil is the machine's time.
	Now func() time.Time
}

// App is everything wired. It is safe for concurrent use.
type App struct {
	cfg      config.Config
	opts     Options
	bus      *bus.Bus
	vault    *vault.Vault
	gate     *gate.Gate
	state    *state.State
	servers  map[string]*server // by the configured short name
	tool     *sqlpackage.Tool
	progress *progressWriter
	nightly  watch.Schedule
	prober   *probe.Probe
	notifier *notify.Notifier // nil: nobody is notified
}

// New wires the rooms. It calls nothing outside, so that the handler is ready in milliseconds.
func New(c config.Config, o Options) (*App, error) {
	cred, err := credential(c.ClientID, o)
	if err != nil {
		return nil, err
	}
	a := &App{cfg: c, opts: o}
	if a.nightly, err = schedule(c.BackupSchedule); err != nil {
		return nil, err
	}
	if a.bus, err = bus.New(bus.Config{Namespace: c.BusNamespace, Credential: cred, ConnectionString: c.BusEmulator}); err != nil {
		return nil, err
	}
	if a.vault, err = vault.New(vault.Config{ContainerURL: c.VaultURL(), Credential: cred, NoProgress: c.StoreStallTimeout}); err != nil {
		return nil, err
	}
	if a.gate, err = gate.New(gate.Config{
		ManagementEndpoint: c.ARMEndpoint, ManagementAudience: c.ARMAudience, SubscriptionID: c.VaultSubscription, ResourceGroup: c.VaultResourceGroup,
		Account: c.VaultAccount, Container: c.VaultContainer, ContainerURL: c.VaultURL(), Credential: cred, NoManagementPlane: c.NoManagementPlane,
	}); err != nil {
		return nil, err
	}
	if a.prober, err = probe.New(probe.Config{ContainerURL: c.VaultURL(), Credential: cred, Now: o.Now}); err != nil {
		return nil, err
	}
	if a.notifier, err = newNotifier(c); err != nil {
		return nil, err
	}
	if a.state, err = state.New(state.Config{ContainerURL: c.StateURL(), Credential: cred, LeaseSeconds: c.LeaseSeconds}); err != nil {
		return nil, err
	}
	if a.servers, err = newServers(c, cred, o.Trace); err != nil {
		return nil, err
	}
	a.tool = sqlpackage.New(sqlpackage.Config{
		Path: c.SQLPackage, Login: toolLogin(c.ClientID, o), ClientID: c.ClientID, Stall: c.StallTimeout, Env: func() []string { return withoutWebhook(o.Environ) },
	})
	a.progress = newProgressWriter(a.state, a.now)
	return a, nil
}

// Close ends what is open.
func (a *App) Close(ctx context.Context) error {
	a.progress.close(ctx)
	for _, s := range a.servers {
		s.sql.Close()
	}
	return a.bus.Close(ctx)
}

// report tells the main and, without waiting, the state container.
func (a *App) report(p bacvault.Progress) {
	if a.opts.Report != nil {
		a.opts.Report(p)
	}
	a.progress.take(p)
}

// Event makes an event of ours. Its source is the vault, where every backup that it may speak of lies.
func (a *App) Event(t bacvault.EventType, request string, attempt int, subject string, d bacvault.EventData) bacvault.Event {
	return bacvault.NewEvent(t, request, attempt, "/bacvault/"+a.cfg.VaultAccount+"/"+a.cfg.VaultContainer, subject, time.Now(), d)
}

// Publish sends an event to the topic.
func (a *App) Publish(ctx context.Context, e bacvault.Event) error { return a.bus.Publish(ctx, e) }

// Send puts a request into a queue.
func (a *App) Send(ctx context.Context, queue string, m bus.Message) error {
	return a.bus.Send(ctx, queue, m)
}

// Complete takes a message off its queue.
func (a *App) Complete(ctx context.Context, queue, lockToken string) error {
	return a.bus.Complete(ctx, queue, lockToken)
}

// DeadLetter puts a message aside.
func (a *App) DeadLetter(ctx context.Context, queue, lockToken, reason, description string) error {
	return a.bus.DeadLetter(ctx, queue, lockToken, reason, description)
}

// newRun names a run.
func newRun() string { return uuid.NewString()[:8] }

// host is what the lease's holder is called.
func host() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}

// errNothingProtected is a nightly run that would have been silent.
var errNothingProtected = errors.New("the servers show no database to protect")
