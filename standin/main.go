// Command standin runs local Azure: one stand-in alone, or the whole stack with the product in it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/demo"
	"github.com/bacvault/bacvault/standin/funchost"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/servicebus"
	"github.com/bacvault/bacvault/standin/sqlpackage"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const usage = `standin <name> [flags]    one stand-in alone, on loopback:
    servicebus  sqlserver  identity  blob  arm  funchost  sqlpackage
standin up                the whole stack with the product, until Ctrl-C
standin demo [--bacpac F] one backup and one restore, checked; exit 0 only if all of it held
`

func main() {
	// The product starts its tool by the name of a file; a link of that name to this program is the tool's stand-in.
	if filepath.Base(os.Args[0]) == "sqlpackage" {
		os.Exit(sqlpackage.Main(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "sqlpackage" {
		os.Exit(sqlpackage.Main(context.Background(), os.Args[2:], os.Getenv, os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	commands := map[string]func(context.Context, []string, io.Writer) error{
		"servicebus": servicebus.Command, "sqlserver": sqlserver.Command, "identity": identity.Command,
		"blob": blob.Command, "arm": arm.Command, "funchost": funchost.Command, "up": demo.Up, "demo": demo.Demo,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no such stand-in")
	}
	return commands[args[0]](ctx, args[1:], stdout)
}
