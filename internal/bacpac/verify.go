// Package bacpac reads a .bacpac archive, proves that it is whole, and counts the rows of every table in it.
package bacpac

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Options say how Verify works. The zero value is good.
type Options struct {
	Workers int // parts that are read at once; 0 is GOMAXPROCS. Each takes one window of 256 KiB and one input buffer
	Limits  Limits
	// Progress takes the uncompressed bytes of data parts that were walked so far. It is called by one worker at a time, and
	// must not block.
	Progress func(bytes int64)
	// AllowUnverified lets an archive pass that holds types whose form is not confirmed; their tables stay "unverified".
	AllowUnverified bool
}

// Report is what Verify found.
type Report struct {
	Tables     []TableReport // in the order of the model
	Origin     Origin
	Model      ModelInfo
	Schema     bacvault.Schema
	Bytes      int64    // of data parts, uncompressed
	Unverified []string // "dbo.T: column c: type json"
	Notes      []string // what a person may want to know, and what is no proof of anything broken
}

// The verdicts on a table.
const (
	VerdictOK         = "ok"
	VerdictUnverified = "unverified"
)

// TableReport is one table of the model.
type TableReport struct {
	bacvault.Table
	Rows    int64 // over all of its parts; -1 where they could not be counted
	Parts   int   // data parts; an empty table has none
	Verdict string
	Why     string // why it is unverified
}

// Rows gives every table of the model, empty ones with 0. A table whose rows could not be counted is left out, so that a
// comparison tells it.
func (r Report) Rows() bacvault.Rows {
	rows := make(bacvault.Rows, len(r.Tables))
	for _, t := range r.Tables {
		if t.Rows >= 0 {
			rows[t.Table] = t.Rows
		}
	}
	return rows
}

// Verify reads the whole archive: zip structure with local headers, the CRC-32 of every part, checksum and counts of
// Origin.xml, relationships both ways, and every field of every row. It does not prove that rows are missing where
// a part and its relationships were both taken out, or a part was cut between two rows: compare Rows with the source.
//
// A broken archive, a lie and a limit end in a *bacvault.Failure with CodeVerifyBroken; a type whose form is not confirmed, in
// a table that has rows, in one with CodeVerifyUnverified, beside the full Report. The end of ctx and a fault of r end in
// another error, which says nothing about the archive.
func Verify(ctx context.Context, r io.ReaderAt, size int64, o Options) (Report, error) {
	o.Limits = o.Limits.withDefaults()
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	report, err := verify(&source{ctx: ctx, r: r, size: size}, o)
	var f *bacvault.Failure
	switch {
	case err == nil:
		return report, nil
	case ctx.Err() != nil:
		return report, fmt.Errorf("verify archive: %w", ctx.Err())
	case errors.As(err, &f):
		return report, f
	}
	return report, fmt.Errorf("verify archive: %w", err)
}

// verify reads top to bottom: structure, the small parts, the model, then all of the rest side by side.
func verify(src *source, o Options) (Report, error) {
	var report Report
	entries, err := readArchive(src, o.Limits)
	if err != nil {
		return report, err
	}
	pkg, err := readPackage(src, entries, o.Limits)
	if err != nil {
		return report, err
	}
	report.Origin, report.Model, report.Schema = pkg.origin, pkg.model.info, pkg.model.schema
	if err := pkg.origin.check(pkg.model); err != nil {
		return report, err
	}
	plans, err := makePlans(pkg, &report.Notes)
	if err != nil {
		return report, err
	}
	if report.Bytes, err = walkAll(src, plans.jobs, o); err != nil {
		return report, err
	}
	for _, p := range plans.tables {
		t, err := p.verdict(&report.Notes)
		if err != nil {
			return report, err
		}
		report.Tables = append(report.Tables, t)
		if t.Verdict != VerdictOK {
			report.Unverified = append(report.Unverified, fmt.Sprintf("%s: %s", t.Table, t.Why))
		}
	}
	noteTotal(&report)
	report.Notes = shortened(report.Notes)
	if len(report.Unverified) > 0 && !o.AllowUnverified {
		f := bacvault.Fail(bacvault.CodeVerifyUnverified, "%s", strings.Join(shortened(report.Unverified), "; "))
		f.Stage = bacvault.StageVerify
		return report, f
	}
	return report, nil
}

// maxLines is what a person reads of a list; an archive could make it as long as it likes.
const maxLines = 50

func shortened(lines []string) []string {
	if len(lines) <= maxLines {
		return lines
	}
	return append(slices.Clone(lines[:maxLines]), fmt.Sprintf("and %d more", len(lines)-maxLines))
}

// noteTotal compares with Origin.xml's total. It comes from statistics taken before the data and is known to be wrong in
// sound archives, so it decides nothing.
func noteTotal(r *Report) {
	total := int64(0)
	for _, t := range r.Tables {
		if t.Rows < 0 {
			return
		}
		total += t.Rows
	}
	if r.Origin.Rows >= 0 && r.Origin.Rows != total {
		r.Notes = append(r.Notes, fmt.Sprintf("Origin.xml estimated %d rows in all, the archive holds %d; the estimate is no proof", r.Origin.Rows, total))
	}
}

// plan is one table with its parts and what walking each of them gave.
type plan struct {
	table   *table
	layouts []layout
	doubts  []string
	parts   []*job
}

// verdict adds the parts up. Where a table has two possible layouts, the one that fits every part counts, and only if
// the other one does not.
func (p *plan) verdict(notes *[]string) (TableReport, error) {
	t := TableReport{Table: p.table.Table, Parts: len(p.parts), Verdict: VerdictOK}
	doubts := slices.Clone(p.doubts)
	var fits []int
	var rows []int64
	var first *job
	for i := range p.layouts {
		sum, bad := int64(0), (*job)(nil)
		for _, j := range p.parts {
			sum += j.walks[i].rows
			if j.walks[i].err != nil && bad == nil {
				bad = j
			}
		}
		if bad == nil {
			fits, rows = append(fits, i), append(rows, sum)
		}
		first = cmp.Or(first, bad)
	}
	switch {
	case len(p.layouts) == 0 && len(doubts) > 0:
		t.Rows = -1
	case len(p.layouts) == 0:
	case len(fits) == 0 && len(doubts) == 0:
		return t, first.broken(p.table)
	case len(fits) == 0:
		t.Rows = -1
		doubts = append(doubts, "the rows could not be counted: "+first.detail(p.table))
	case len(fits) == 2 && rows[0] != rows[1]:
		t.Rows = -1
		doubts = append(doubts, fmt.Sprintf("fixed types behind an alias: it can be read as %d rows or as %d", rows[0], rows[1]))
	case len(fits) == 2 && rows[0] > 0:
		t.Rows = rows[0]
		doubts = append(doubts, "fixed types behind an alias can be read in two ways")
	default:
		t.Rows = rows[0]
		if fits[0] == 1 {
			*notes = append(*notes, fmt.Sprintf("table %s: fixed types behind an alias have a prefix", t.Table))
		}
	}
	for _, j := range p.parts {
		j.note(notes)
	}
	if len(doubts) > 0 {
		t.Verdict, t.Why = VerdictUnverified, strings.Join(doubts, ", ")
	}
	return t, nil
}
