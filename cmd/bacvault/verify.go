package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// report is what verify prints as JSON.
type report struct {
	Verdict string `json:"verdict"` // ok, unverified, broken or differs
	Why     string `json:"why,omitempty"`
	File    string `json:"file"` // the blob's name where it is a stored one
	// Slot is that of the manifest which a stored archive was held against.
	Slot   *bacvault.Slot `json:"slot,omitempty"`
	Size   int64          `json:"size"`
	SHA256 string         `json:"sha256"`
	Rows   int64          `json:"rows"`
	Tables []tableReport  `json:"tables"`
	Notes  []string       `json:"notes,omitempty"`
}

type tableReport struct {
	bacvault.Table
	Rows    int64  `json:"rows"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

func (c *cli) verifyCommand() *cobra.Command {
	var offline bool
	var database, server string
	var choose which
	cmd := &cobra.Command{
		Use: "verify (--offline FILE.bacpac [MANIFEST.json] | --database NAME)", Short: "Check an archive, and its manifest against it; changes nothing",
		Long: "Reads a whole archive: parts, checksums, and the rows of each table. With a manifest, size, SHA-256 and rows are held against it.\n\n" +
			"--offline reads files on disk; nothing outside is asked. Exit 3: broken, different, or not sure.\n\n" +
			"--database fetches a stored backup into BACVAULT_WORK_DIR, which needs room for it, and removes it afterwards. Exit 9: broken,\n" +
			"different, or not sure; 4: not sure of tables that the manifest is not sure of either; 6: it is not there.",
		Example: "  bacvault verify --offline sqlsvr-x-DToSDB_2026-11-24_020000.bacpac sqlsvr-x-DToSDB_2026-11-24_020000.manifest.json\n" +
			"  bacvault verify --database DToSDB --backup oldest",
		Args: cobra.MaximumNArgs(2),
		RunE: c.does(func(ctx context.Context, files []string) error {
			switch {
			case offline && (database != "" || server != "" || choose != which{}):
				return usageError("--offline is for files: it goes with no other flag")
			case offline && len(files) == 0:
				return usageError("which file?")
			case offline:
				return c.verifyFiles(ctx, files)
			case len(files) > 0:
				return usageError("files on disk are checked with --offline")
			case database == "":
				return usageError("say --offline and a file, or --database: whose stored backup is to be verified")
			}
			r := bacvault.RestoreRequest{Kind: bacvault.KindRestore, Database: asked{database: database}.source(server)}
			if err := choose.into(&r); err != nil {
				return err
			}
			return c.verifyStored(ctx, r)
		}),
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "check files on disk; nothing outside is asked")
	cmd.Flags().StringVar(&database, "database", "", "whose stored backup")
	cmd.Flags().StringVar(&server, "server", "", "its server, where the app has several")
	choose.flags(cmd)
	return cmd
}

func (c *cli) verifyFiles(ctx context.Context, files []string) error {
	rep, rows, err := check(ctx, files[0])
	if err != nil {
		return err
	}
	if len(files) == 2 && rep.Verdict != "broken" {
		b, err := os.ReadFile(files[1])
		if err != nil {
			return err
		}
		switch m, err := bacvault.DecodeManifest(b); {
		case err != nil:
			rep.Verdict, rep.Why = "differs", err.Error() // it was looked at, and it is not good
		default:
			rep.against(m, rows)
		}
	}
	return c.printReport(rep, exitBad)
}

// verifyStored fetches, checks and removes. The archive is hashed as it lies on this disk, so a fault on the way shows too.
func (c *cli) verifyStored(ctx context.Context, r bacvault.RestoreRequest) error {
	show := c.watch()
	ended := false
	end := func() {
		if !ended {
			ended = true
			show.close()
		}
	}
	defer end()
	return c.showing(ctx, show.take, func(a operator) (err error) {
		f, err := a.FetchBackup(ctx, r)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Remove()) }()
		show.take(bacvault.Progress{Stage: bacvault.StageVerify, Note: f.Blob.Name})
		rep, rows, err := check(ctx, f.File)
		end()
		if err != nil {
			return err
		}
		rep.File = f.Blob.Name
		bad := exitVerify
		if f.Manifest == nil {
			rep.Notes = append(rep.Notes, "the file has no manifest: its rows have nothing to be held against")
		} else {
			rep.Slot = &f.Manifest.Slot
			rep.against(*f.Manifest, rows)
			if rep.Verdict == "unverified" && rep.known(f.Manifest.Unverified()) {
				bad = exitPartial // as it was when the backup was let pass, degraded
			}
		}
		return c.printReport(rep, bad)
	})
}

func (c *cli) printReport(rep report, bad int) error {
	if err := c.print(rep, rep.text); err != nil {
		return err
	}
	if rep.Verdict != "ok" {
		return verdict{bad, rep.Verdict + ": " + rep.Why}
	}
	return nil
}

// check reads one archive.
func check(ctx context.Context, file string) (rep report, rows bacvault.Rows, err error) {
	f, err := os.Open(file)
	if err != nil {
		return report{}, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return report{}, nil, err
	}
	rep = report{Verdict: "ok", File: file, Size: info.Size(), Tables: []tableReport{}}
	if rep.SHA256, err = hashed(ctx, f); err != nil {
		return report{}, nil, err
	}
	r, err := bacpac.Verify(ctx, f, info.Size(), bacpac.Options{AllowUnverified: true})
	if err != nil {
		if ctx.Err() != nil {
			return report{}, nil, err
		}
		rep.Verdict, rep.Why = "broken", bacvault.AsFailure(err, bacvault.StageVerify).Detail
		return rep, nil, nil
	}
	rep.Notes = r.Notes
	for _, t := range r.Tables {
		rep.Tables = append(rep.Tables, tableReport{Table: t.Table, Rows: t.Rows, Verdict: t.Verdict, Why: t.Why})
		rep.Rows += t.Rows
		if t.Verdict != "ok" && rep.Verdict == "ok" {
			rep.Verdict, rep.Why = "unverified", t.Table.String()+": "+t.Why
		}
	}
	return rep, r.Rows(), nil
}

// hashed reads in pieces, so that Ctrl-C need not wait for the end of a large archive.
func hashed(ctx context.Context, f io.Reader) (string, error) {
	const piece = 64 << 20
	h := sha256.New()
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		switch _, err := io.CopyN(h, f, piece); {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", err
		}
	}
}

// against says in what the archive is not the manifest's. Other bytes count before what is wrong in them.
func (r *report) against(m bacvault.Manifest, rows bacvault.Rows) {
	diff := bacvault.Compare(m.Rows(), rows.Without(m.Unverified()))
	switch {
	case m.Blob.Size != r.Size:
		r.Verdict, r.Why = "differs", fmt.Sprintf("the manifest says %d bytes, the file has %d", m.Blob.Size, r.Size)
	case m.Blob.SHA256 != r.SHA256:
		r.Verdict, r.Why = "differs", fmt.Sprintf("the manifest says SHA-256 %s, the file has %s", m.Blob.SHA256, r.SHA256)
	case r.Verdict != "broken" && len(diff) > 0:
		r.Verdict, r.Why = "differs", bacvault.Describe(diff)
	}
}

// known says whether the manifest already says of each table that its rows were not sure.
func (r report) known(unverified map[bacvault.Table]string) bool {
	for _, t := range r.Tables {
		if _, said := unverified[t.Table]; t.Verdict != "ok" && !said {
			return false
		}
	}
	return true
}

func (r report) text(w io.Writer) {
	fmt.Fprintln(w, "ROWS\tVERDICT\tTABLE")
	for _, t := range r.Tables {
		fmt.Fprintf(w, "%d\t%s\t%s\n", t.Rows, t.Verdict, t.Table)
	}
	fmt.Fprintf(w, "%d\t%s\ttotal of %d tables, sha256 %s\n", r.Rows, r.Verdict, len(r.Tables), r.SHA256)
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
}
