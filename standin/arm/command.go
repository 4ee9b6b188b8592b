package arm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/pki"
)

// Command runs one management plane until ctx ends. Its containers exist here only: alone it has no store behind it.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("arm", flag.ContinueOnError)
	flags.SetOutput(stdout)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to listen on")
	subscription := flags.String("subscription", "b0000000-0000-4000-8000-0000000000aa", "subscription `id`")
	group := flags.String("group", "bacvault", "resource group `name`")
	account := flags.String("account", "bacvaultvault", "storage account `name`")
	anyToken := flags.Bool("any-token", false, "take any bearer token as an administrator's, where no identity is running")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if !*anyToken {
		return errors.New("arm: alone there is no identity to ask, so every token would be refused: give --any-token")
	}
	dir, err := os.MkdirTemp("", "bacvault-arm-")
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
	policies := blob.NewPolicies(nil)
	s, err := Start(Config{
		Listen: *listen, TLS: tlsConfig, Subscription: *subscription, ResourceGroup: *group, Accounts: []string{*account}, Policies: policies,
		CreateContainer: func(_ context.Context, account, container string, kind blob.Kind) error {
			policies.Add(account, container, kind)
			return nil
		},
		DeleteContainer: func(_ context.Context, account, container string) error {
			policies.Remove(account, container)
			return nil
		},
		Authenticate: func(string, string) (string, error) { return "anyone", nil },
		Allow:        func(string, string, string) bool { return true },
		Log:          func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "SSL_CERT_FILE=%s\n%s\n", ca.CAFile(), s.Endpoint())
	<-ctx.Done()
	return s.Close()
}
