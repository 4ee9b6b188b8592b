package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/spf13/cobra"
)

// report is what verify prints as JSON.
type report struct {
	Verdict string        `json:"verdict"` // ok, unverified, broken or differs
	Why     string        `json:"why,omitempty"`
	File    string        `json:"file"`
	Size    int64         `json:"size"`
	SHA256  string        `json:"sha256"`
	Rows    int64         `json:"rows"`
	Tables  []tableReport `json:"tables"`
	Notes   []string      `json:"notes,omitempty"`
}

type tableReport struct {
	bacvault.Table
	Rows    int64  `json:"rows"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

func (c *cli) verifyCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "verify --offline FILE.bacpac [MANIFEST.json]", Short: "Check an archive, and its manifest against it; changes nothing",
		Long:    "Reads the whole archive on disk: parts, checksums, and the rows of each table. With a manifest, size, SHA-256 and rows are held\nagainst it. Nothing outside is asked. Exit 3: broken, different, or not sure.",
		Example: "  bacvault verify --offline sqlsvr-x-DToSDB_2026-11-24_020000.bacpac sqlsvr-x-DToSDB_2026-11-24_020000.manifest.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: c.does(func(ctx context.Context, files []string) error {
			if !offline {
				return usageError("verify reads files on disk so far: say --offline")
			}
			rep, err := check(ctx, files)
			if err != nil {
				return err
			}
			if err := c.print(rep, rep.text); err != nil {
				return err
			}
			if rep.Verdict != "ok" {
				return verdict{exitBad, rep.Verdict + ": " + rep.Why}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "check files on disk; nothing outside is asked")
	return cmd
}

func check(ctx context.Context, words []string) (report, error) {
	f, err := os.Open(words[0])
	if err != nil {
		return report{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return report{}, err
	}
	rep := report{Verdict: "ok", File: words[0], Size: info.Size(), Tables: []tableReport{}}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return report{}, err
	}
	rep.SHA256 = hex.EncodeToString(h.Sum(nil))
	r, err := bacpac.Verify(ctx, f, info.Size(), bacpac.Options{AllowUnverified: true})
	if err != nil {
		if ctx.Err() != nil {
			return report{}, err
		}
		rep.Verdict, rep.Why = "broken", bacvault.AsFailure(err, bacvault.StageVerify).Detail
		return rep, nil
	}
	rep.Notes = r.Notes
	for _, t := range r.Tables {
		rep.Tables = append(rep.Tables, tableReport{Table: t.Table, Rows: t.Rows, Verdict: t.Verdict, Why: t.Why})
		rep.Rows += t.Rows
		if t.Verdict != "ok" && rep.Verdict == "ok" {
			rep.Verdict, rep.Why = "unverified", t.Table.String()+": "+t.Why
		}
	}
	if len(words) == 2 {
		if why, err := against(words[1], rep, r.Rows()); err != nil {
			return report{}, err
		} else if why != "" {
			rep.Verdict, rep.Why = "differs", why
		}
	}
	return rep, nil
}

// against says in what the archive is not the manifest's.
func against(manifest string, rep report, rows bacvault.Rows) (string, error) {
	b, err := os.ReadFile(manifest)
	if err != nil {
		return "", err
	}
	m, err := bacvault.DecodeManifest(b)
	if err != nil {
		return err.Error(), nil // it was looked at, and it is not good
	}
	switch diff := bacvault.Compare(m.Rows(), rows.Without(m.Unverified())); {
	case m.Blob.Size != rep.Size:
		return fmt.Sprintf("the manifest says %d bytes, the file has %d", m.Blob.Size, rep.Size), nil
	case m.Blob.SHA256 != rep.SHA256:
		return fmt.Sprintf("the manifest says SHA-256 %s, the file has %s", m.Blob.SHA256, rep.SHA256), nil
	case len(diff) > 0:
		return bacvault.Describe(diff), nil
	}
	return "", nil
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
