// Command handler is the custom handler process: the Functions host starts it, sends it each invocation over loopback
// HTTP, and kills it without warning.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/config"
)

// The exit codes. The host restarts a handler that ends with an error and gives up after the third; it never restarts
// one that ends with 0, so we never do.
const (
	exitFault      = 1
	exitTerminated = 128 + int(syscall.SIGTERM)
)

// shutdownLimit is what the host grants after SIGTERM, less a margin for the exit itself.
const shutdownLimit = 8 * time.Second

func main() {
	err := run(context.Background(), os.Environ(), os.Stdout)
	if errors.Is(err, errTerminated) {
		os.Exit(exitTerminated)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitFault)
}

var errTerminated = errors.New("terminated by SIGTERM")

// run serves until a signal or a fault ends it; it never returns nil.
func run(ctx context.Context, environ []string, stdout io.Writer) error {
	c, err := config.Load(environ)
	if err != nil {
		return err
	}
	if c.Port == 0 {
		return errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: this program is started by the Azure Functions host")
	}
	log := newLog(stdout, c.LogLevel)
	a, err := app.New(c, app.Options{Version: app.BuildVersion(), Environ: environ, Report: log.progress})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("listen for the Functions host: %w", err)
	}
	// No write time-out: a backup answers after hours. The base context ends every run when we are told to stop.
	h := &handler{
		app: a, model: func(ctx context.Context) statusModel { return a.Status(ctx) }, log: log, attempts: c.MaxAttempts,
		retryDelay: c.RetryDelay, runLimit: c.RunTimeout, deferral: time.Duration(c.LeaseSeconds) * time.Second,
	}
	srv := &http.Server{
		Handler:     h.routes(),
		BaseContext: func(net.Listener) context.Context { return ctx }, ReadHeaderTimeout: time.Minute,
	}
	log.ready(c, app.BuildVersion(), ln.Addr().String())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	ticks := time.NewTicker(time.Minute)
	defer ticks.Stop()
	for {
		select {
		case err := <-served:
			return fmt.Errorf("serve the Functions host: %w", err)
		case <-ticks.C:
			log.stillWorking()
		case <-ctx.Done():
			down, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
			defer cancel()
			err := srv.Shutdown(down)
			return errors.Join(errTerminated, err, a.Close(down))
		}
	}
}
