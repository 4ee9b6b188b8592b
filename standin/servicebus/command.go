package servicebus

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// Command is `standin servicebus`: it serves DefaultEntities to clients of the official emulator until ctx ends, and prints
// "ready" with the connection string once it listens.
func Command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("servicebus", flag.ContinueOnError)
	flags.SetOutput(stdout)
	listen := flags.String("listen", "127.0.0.1:0", "host:port to listen on")
	plain := flags.Bool("plain", false, "plain AMQP, any SAS key, as the official emulator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !*plain || flags.NArg() > 0 {
		return errors.New("servicebus alone needs --plain and nothing else: tokens and TLS come with the whole stack")
	}
	s, err := Start(Config{Entities: DefaultEntities(), AnyKey: true, Listen: *listen})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "ready", s.ConnectionString()); err != nil {
		return errors.Join(err, s.Close())
	}
	<-ctx.Done()
	return s.Close()
}
