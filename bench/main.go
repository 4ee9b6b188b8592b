// Command bench measures us beside others in one run, as ratios. See make bench and bench/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of the cases.
type bench struct {
	subject, azcopy, azurite, app, standin string
	source                                 string // the real bacpac whose rows are repeated
	out                                    string // archives are kept here
	scratch                                string // gone with this run
	size                                   int64
	pairs                                  int
	pace                                   float64 // of exports, MiB of rows a second
	words                                  io.Writer
}

// run measures every case or those named by -only. A goal that is not met is a line in the table and no error; a case that
// could not be measured is an error, after the others.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	b := &bench{words: stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&b.subject, "subject", ".build/subject", "the built bench/subject")
	flags.StringVar(&b.azcopy, "azcopy", "bench/azcopy/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64", "azcopy's binary")
	flags.StringVar(&b.azurite, "azurite", "standin/azurite", "folder that holds Azurite's node_modules")
	flags.StringVar(&b.app, "app", ".build/app", "the packaged app")
	flags.StringVar(&b.standin, "standin", ".build/standin", "the built stand-ins, one of which is sqlpackage")
	flags.StringVar(&b.source, "source", "testdata/bacpacs/adventureworkslt-2025.bacpac", "bacpac whose rows are repeated")
	flags.StringVar(&b.out, "out", "bench/out", "folder for results and made archives")
	flags.IntVar(&b.pairs, "pairs", 6, "how often ours and each peer are measured in turn")
	mib := flags.Int64("mib", 1024, "size of what is stored and of the rows that are verified")
	large := flags.Int64("large-mib", 10240, "size of the rows of the largest archive that is verified")
	whole := flags.Int64("backup-mib", 1024, "size of the rows of the database of whole backups")
	flags.Float64Var(&b.pace, "export-mib-s", 12, "MiB of rows a second at which whole backups are exported")
	only := flags.String("only", "store,fetch,sink,verify,memory,both,handler,backup", "cases to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.size = *mib << 20
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	if b.scratch, err = os.MkdirTemp("", "bacvault-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	cases := map[string]func(context.Context) ([]row, error){
		"store": b.store, "fetch": b.fetch, "sink": b.sink, "verify": b.verify, "both": b.both, "handler": b.handler,
		"memory": func(ctx context.Context) ([]row, error) { return b.memory(ctx, *large<<20) },
		"backup": func(ctx context.Context) ([]row, error) { return b.backup(ctx, *whole<<20) },
	}
	head := fmt.Sprintf("%s, %d cores, %s, %s", time.Now().UTC().Format(time.RFC3339), runtime.GOMAXPROCS(0), runtime.Version(), load())
	var rows []row
	var failed error
	for name := range strings.SplitSeq(*only, ",") {
		do, known := cases[name]
		if !known {
			return fmt.Errorf("no case is called %q", name)
		}
		got, err := do(ctx)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
		}
		rows = append(rows, got...)
	}
	return errors.Join(failed, report(stdout, b.out, head+"; at the end "+load(), rows))
}

// load is what else the machine does; a table from a busy machine says so itself.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + strings.Join(strings.Fields(string(raw))[:3], " ")
}

// archive gives an archive of the product's own testdata grown to size bytes of rows. It is made once and kept.
func (b *bench) archive(size int64, parts int) (made, error) {
	path := filepath.Join(b.out, fmt.Sprintf("rows-%dMiB-%d.bacpac", size>>20, parts))
	if m, err := kept(path); err == nil {
		return m, nil
	}
	fmt.Fprintf(b.words, "making %s\n", path)
	return makeKept(path, b.source, size, parts)
}
