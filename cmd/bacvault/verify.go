package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
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

// verify checks an archive on disk, and a manifest against it.
func verify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("verify", flag.ContinueOnError)
	offline := fs.Bool("offline", false, "check files on disk; nothing outside is asked")
	output := fs.String("o", "text", "text or json")
	words, err := parse(fs, args, stderr)
	if err != nil {
		return err
	}
	if !*offline || len(words) < 1 || len(words) > 2 || (*output != "text" && *output != "json") {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	rep, err := check(ctx, words)
	if err != nil {
		return err
	}
	if *output == "json" {
		b, err := json.MarshalIndent(rep, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(b))
	} else {
		rep.text(stdout)
	}
	if rep.Verdict != "ok" {
		return verdict{exitBad, rep.Verdict + ": " + rep.Why}
	}
	return nil
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
	for _, t := range r.Tables {
		fmt.Fprintf(w, "%12d  %-10s  %s\n", t.Rows, t.Verdict, t.Table)
	}
	fmt.Fprintf(w, "%12d  %-10s  total of %d tables, sha256 %s\n", r.Rows, r.Verdict, len(r.Tables), r.SHA256)
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
}
