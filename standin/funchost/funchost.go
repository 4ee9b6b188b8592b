// Package funchost stands in for the Azure Functions host (version 4) in front of a custom handler: it reads host.json and
// function.json, runs the handler, and fires timers, queue messages and HTTP requests at it over the host's own protocol.
package funchost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/clock"
)

// Config says what to host. Only Root is needed.
type Config struct {
	// Root is the script root: host.json, the handler, and a folder with a function.json for each function.
	Root string
	// Env is the app settings. The handler gets these, what the host adds, and PATH, HOME and TMPDIR of the machine.
	Env map[string]string
	// Listen is the address of the HTTP front; "" is a free port on 127.0.0.1.
	Listen string
	// Namespace replaces the setting <connection>__fullyQualifiedNamespace of every queue function; host or host:port.
	Namespace string
	// BusEndpoint is the host:port to dial in place of the namespace's own; "" dials the namespace.
	BusEndpoint string
	// Credential is the host's own identity at Service Bus; nil asks IDENTITY_ENDPOINT of Env, with <connection>__clientId.
	Credential azcore.TokenCredential
	// BusTLS is how the host trusts Service Bus; nil is the system's roots.
	BusTLS *tls.Config
	// Clock is the stack's time; nil is the machine's. Readiness, restarts and the grace of a stop go by the machine's.
	Clock *clock.Clock
	// Log gets the host's own messages; nil is silent.
	Log func(format string, args ...any)
	// Output gets the handler's lines with the level that the host gives them; nil drops them.
	Output io.Writer
	// StatusDir holds the timers' status files; "" keeps no status, so that nothing is ever past due.
	StatusDir string
	// StopGrace is how long Close lets running calls go on before it kills the handler; 0 is the host's 10 s.
	StopGrace time.Duration
}

// Host is a running host. It ends by Close, or by itself when the handler fails three times.
type Host struct {
	cfg       Config
	host      hostConfig
	functions []*function
	indexing  []error
	timers    map[string]*timer
	sleep     *sleeper
	sup       *supervisor
	buses     map[busSource]*azservicebus.Client
	listener  net.Listener
	server    *http.Server

	running     context.Context // ends invocations: cancelled when the handler is about to be killed for good
	kill        context.CancelFunc
	taking      context.Context // ends listeners: no new message, no new firing
	stopTaking  context.CancelFunc
	inFlight    atomic.Int64
	retries     atomic.Int64
	draining    atomic.Bool
	listeners   sync.WaitGroup // timers, queues, manual runs
	supervising sync.WaitGroup
	spawnMu     sync.Mutex
	stopping    bool

	outMu  sync.Mutex
	onLine []func(string)
	once   sync.Once
	done   chan struct{}
	err    error
}

// Start reads the script root, starts the handler, waits until it answers, and starts the listeners. ctx bounds the start
// only; the host lives until Close. A function in error is left out, as in the real host: see IndexingErrors. No function at
// all is an error.
func Start(ctx context.Context, cfg Config) (*Host, error) {
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, err
	}
	cfg.Root = root
	h := &Host{cfg: cfg, timers: map[string]*timer{}, sleep: newSleeper(cfg.Clock), buses: map[busSource]*azservicebus.Client{}, done: make(chan struct{})}
	if h.host, err = loadHostJSON(root, cfg.Env); err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	env := newSettings(cfg.Env)
	h.functions, h.indexing = loadFunctions(root, h.host, env)
	for _, err := range h.indexing {
		h.logf("%v", err)
	}
	if len(h.functions) == 0 {
		return nil, fmt.Errorf("start the functions host: no job functions found in %s: %w", root, errors.Join(h.indexing...))
	}
	listen := cfg.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if h.listener, err = net.Listen("tcp", listen); err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	h.server = &http.Server{Handler: h}
	h.running, h.kill = context.WithCancel(context.Background())
	h.taking, h.stopTaking = context.WithCancel(h.running)
	h.listeners.Add(1) // begin: a handler that fails meanwhile must not stop the host under it
	h.startHandler()
	if err := h.begin(ctx); err != nil {
		h.shutdown(err)
		<-h.done
		return nil, fmt.Errorf("start the functions host: %w", h.err)
	}
	return h, nil
}

func (h *Host) startHandler() {
	h.sup = &supervisor{limit: h.host.initTimeout, now: h.sleep.now, logf: h.logf, ready: make(chan struct{})}
	h.sup.start = func() (*process, error) {
		return startProcess(h.host, h.cfg.Root, h.cfg.Env, h.handlerLine)
	}
	h.supervising.Go(func() {
		if err := h.sup.run(h.running); err != nil {
			h.fail(err)
		}
	})
}

// begin waits for the handler and starts listeners and front.
func (h *Host) begin(ctx context.Context) error {
	defer h.listeners.Done()
	ready, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(h.running, stop)()
	if _, err := h.sup.acquire(ready); err != nil {
		return err
	}
	for _, f := range h.functions {
		if f.is("timerTrigger") {
			h.timers[f.name] = &timer{h: h, f: f, status: scheduleStatus{Next: f.schedule.next(h.sleep.now())}}
		}
	}
	for _, f := range h.functions {
		if f.disabled {
			h.logf("function %s is disabled", f.name)
			continue
		}
		if err := h.listen(f); err != nil {
			return fmt.Errorf("start the listener of %s: %w", f.name, err)
		}
	}
	h.listeners.Go(func() {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.fail(fmt.Errorf("serve http: %w", err))
		}
	})
	return nil
}

func (h *Host) listen(f *function) error {
	if t := h.timers[f.name]; t != nil {
		pastDue, err := t.begin()
		if err != nil {
			return err
		}
		h.listeners.Go(func() { t.run(h.taking, pastDue) })
		return nil
	}
	if !f.is("serviceBusTrigger") {
		return nil
	}
	source := f.bus
	if h.cfg.Namespace != "" {
		source.namespace = h.cfg.Namespace
	}
	client, name, err := h.bus(source)
	if err != nil {
		return err
	}
	receiver, err := newReceiver(client, f.trigger)
	if err != nil {
		return err
	}
	q := &queue{h: h, f: f, receiver: receiver, client: newBusClient(name)}
	h.listeners.Go(func() { q.run(h.taking) })
	return nil
}

// bus keeps one client for each connection.
func (h *Host) bus(s busSource) (*azservicebus.Client, string, error) {
	client, name, err := h.newBus(s)
	if err != nil {
		return nil, "", err
	}
	if old := h.buses[s]; old != nil {
		return old, name, client.Close(context.Background())
	}
	h.buses[s] = client
	return client, name, nil
}
