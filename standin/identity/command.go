package identity

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Command runs one endpoint until ctx ends. It prints the two variables that a process needs.
func Command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("identity", flag.ContinueOnError)
	flags.SetOutput(stdout)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to listen on")
	clients := flags.String("clients", "", "comma-separated client `ids` that have an identity here")
	lifetime := flags.Duration("lifetime", time.Hour, "how long a token is good")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *clients == "" {
		return errors.New("identity: name at least one client id with --clients")
	}
	s, err := Start(Config{
		Listen: *listen, Clients: strings.Split(*clients, ","), TokenLifetime: *lifetime,
		Log: func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "IDENTITY_ENDPOINT=%s\nIDENTITY_HEADER=%s\n", s.Endpoint(), s.Header())
	<-ctx.Done()
	return s.Close()
}
