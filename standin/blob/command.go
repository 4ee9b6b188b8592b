package blob

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bacvault/bacvault/standin/azurite"
	"github.com/bacvault/bacvault/standin/pki"
)

// Command runs one gateway with an Azurite of its own until ctx ends. It prints the service URL of the account.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("blob", flag.ContinueOnError)
	flags.SetOutput(stdout)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to listen on")
	modules := flags.String("azurite", "standin/azurite", "`folder` that holds Azurite's node_modules")
	account := flags.String("account", "bacvaultvault", "storage account `name`")
	container := flags.String("container", "sql-backups", "container to create")
	days := flags.Int("days", 0, "retention `days` of the container's policy, 0 for none")
	locked := flags.Bool("locked", false, "lock that policy")
	anyToken := flags.Bool("any-token", false, "take any bearer token as an administrator's, where no identity is running")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if !*anyToken {
		return errors.New("blob: alone there is no identity to ask, so every token would be refused: give --any-token")
	}
	log := func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) }

	dir, err := os.MkdirTemp("", "bacvault-blob-")
	if err != nil {
		return fmt.Errorf("make a folder for the certificate: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ca, err := pki.New(dir, time.Now())
	if err != nil {
		return err
	}
	tlsConfig, err := ca.ServerTLS()
	if err != nil {
		return err
	}
	key, err := azurite.NewKey()
	if err != nil {
		return err
	}
	accounts := map[string]string{*account: key}
	store, err := azurite.Start(ctx, azurite.Config{Dir: *modules, Accounts: accounts})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s, err := Start(Config{
		Listen: *listen, TLS: tlsConfig, Azurite: store.Addr(), Accounts: accounts, Log: log,
		Authenticate: func(string, string) (string, error) { return "anyone", nil },
		Allow:        func(string, string, string) bool { return true },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.CreateContainer(ctx, *account, *container, ContainerLevel); err != nil {
		return err
	}
	if *days > 0 {
		if err := s.Policies().Protect(*account, *container, *days, *locked); err != nil {
			return err
		}
	}
	log("SSL_CERT_FILE=%s\n%s/%s", ca.CAFile(), s.URL(*account), *container)
	<-ctx.Done()
	return nil
}
