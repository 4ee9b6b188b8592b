// Command subject does one measured thing and ends, so that the kernel's account of the process is that thing's cost.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacpac"
)

const usage = `subject timed <report> <command> <argument>...   run the command and write its cost as JSON to the file <report>
subject store <file> <container URL> <blob>      the product's Stage and Commit, with the token of a managed identity
subject store-sink <file> <MiB a second>         the same into memory that forgets, over a wire of that width; 0 is no wire
subject upload <file> <container URL> <blob>     the SDK's UploadFile, blocks of 8 MiB, four at a time
subject fetch <file> <container URL> <blob>      the product's Fetch into a new file
subject download <file> <container URL> <blob>   the SDK's DownloadFile, ranges of 8 MiB, four at a time
subject hash <file>                              SHA-256 alone
subject verify <archive>                         the product's Verify
subject inflate <archive>                        inflates every part with the library that Verify uses, and nothing else
subject both <archive> <container URL> <blob>    Verify and Stage side by side, as a backup does
subject both-sink <archive> <MiB a second>       the same into memory that forgets`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) >= 3 && args[0] == "timed" {
		return timed(args[1], args[2:])
	}
	if len(args) < 2 {
		return errors.New(usage)
	}
	if len(args) == 4 {
		switch args[0] {
		case "fetch":
			return fetch(ctx, args[1], args[2], args[3], stdout)
		case "download":
			return download(ctx, args[1], args[2], args[3])
		}
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	in := input{f, info.Size()}
	switch verb, rest := args[0], args[2:]; {
	case verb == "hash":
		return hash(in, stdout)
	case verb == "verify":
		return verify(ctx, in, stdout)
	case verb == "inflate":
		return inflate(in, stdout)
	case verb == "upload" && len(rest) == 2:
		return upload(ctx, in, rest[0], rest[1])
	case verb == "store" && len(rest) == 2, verb == "store-sink" && len(rest) == 1:
		return store(ctx, in, rest, stdout)
	case verb == "both" && len(rest) == 2, verb == "both-sink" && len(rest) == 1:
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return verify(ctx, in, stdout) })
		group.Go(func() error { return store(ctx, in, rest, stdout) })
		return group.Wait()
	}
	return errors.New(usage)
}

type input struct {
	*os.File
	size int64
}

// verify prints how many rows there are, so that a run that read nothing is seen.
func verify(ctx context.Context, in input, stdout io.Writer) error {
	report, err := bacpac.Verify(ctx, in, in.size, bacpac.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "rows %d\n", report.Rows().Total())
	return nil
}
