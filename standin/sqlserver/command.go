package sqlserver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

// Command runs one server until ctx ends. It has no certificate, so it takes clients with encrypt=disable; whoever brings
// an accepted token may do everything.
func Command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sqlserver", flag.ContinueOnError)
	flags.SetOutput(stdout)
	listen := flags.String("listen", "127.0.0.1:1433", "loopback `address` to listen on")
	var loads, tokens []string
	flags.Func("load", "a database to begin with, as `name=file.bacpac`; may be repeated", func(s string) error {
		loads = append(loads, s)
		return nil
	})
	flags.Func("token", "an accepted access `token`; may be repeated", func(s string) error {
		tokens = append(tokens, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	s, err := Start(Config{
		Listen: *listen,
		Authenticate: func(token, _ string) (string, error) {
			if !slices.Contains(tokens, token) {
				return "", errors.New("not one of the accepted tokens")
			}
			return "operator", nil
		},
		Allow: func(string, string, string) bool { return true },
		Log:   func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	if err := s.loadFiles(loads); err != nil {
		return errors.Join(err, s.Close())
	}
	fmt.Fprintf(stdout, "the SQL Server stand-in listens on %s with %d databases\n", s.Addr(), len(loads))
	<-ctx.Done()
	return s.Close()
}

// loadFiles loads name=file.bacpac, each.
func (s *Server) loadFiles(loads []string) error {
	for _, l := range loads {
		name, path, ok := strings.Cut(l, "=")
		if !ok {
			return fmt.Errorf("load %q: want name=file.bacpac", l)
		}
		if err := s.LoadFile(name, path); err != nil {
			return err
		}
	}
	return nil
}

// LoadFile decodes a bacpac and adds it as a database.
func (s *Server) LoadFile(name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("load database %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("load database %s: %w", name, err)
	}
	f, err := bacpacfile.Decode(file, info.Size())
	if err != nil {
		return fmt.Errorf("load database %s from %s: %w", name, path, err)
	}
	return s.Load(name, f)
}
