package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Damage is one way to damage an archive. Quick says that a sound verification notices before it has read all of it.
type Damage struct {
	Name  string
	Quick bool
	Open  func(ctx context.Context) (Copy, error)
}

// Copy is a damaged view of an archive. Unmade says why the archive has nothing to damage so; there is then no view.
type Copy struct {
	io.ReaderAt
	Size          int64
	Where, Unmade string
}

// Negative proves that the verification can fail: it shows it damaged copies of an archive that it found sound. Nothing of
// this ever goes near the vault.
type Negative struct {
	Damages func(ctx context.Context, r io.ReaderAt, size int64, counted func(bacvault.Table) bool) ([]Damage, error)
	// Verify, RowsAgree and HashAgree are those that a restore trusts.
	Verify    func(ctx context.Context, r io.ReaderAt, size int64) (bacvault.Archive, error)
	RowsAgree func(m bacvault.Manifest, a bacvault.Archive) error
	HashAgree func(m bacvault.Manifest, sha256 string) error
	// Limit bounds the time for what only a full read can tell, and for copies on disk; what is left then is told.
	Limit time.Duration
	// DiskBytes is the largest archive that a copy is written to disk of.
	DiskBytes int64
}

// errLimit ends what was not done in time.
var errLimit = errors.New("the time for it was over")

// trial is one run of the damaged copies.
type trial struct {
	Negative
	m        bacvault.Manifest
	a        bacvault.Archive
	cases    []bacvault.NegativeCase
	findings []string
}

// Run shows every damaged copy of the archive in f to the verification. One that passes, or none at all tried, ends in
// drill.blind beside the result; any other error says nothing about the verification.
func (n Negative) Run(ctx context.Context, f *os.File, size int64, m bacvault.Manifest, a bacvault.Archive) (bacvault.NegativeDrill, []string, error) {
	t := &trial{Negative: n, m: m, a: a}
	err := t.all(ctx, f, size)
	out := bacvault.NegativeDrill{Tried: len(t.cases), Cases: t.cases}
	var passed []string
	for _, c := range t.cases {
		if c.Detected {
			out.Detected++
		} else {
			passed = append(passed, c.Damage+" ("+c.Where+")")
		}
	}
	switch {
	case len(passed) > 0:
		err = bacvault.Fail(bacvault.CodeDrillBlind, "%d of %d damaged copies of the archive passed the verification: %s", len(passed), out.Tried, strings.Join(passed, "; "))
	case err == nil && out.Tried == 0:
		err = bacvault.Fail(bacvault.CodeDrillBlind, "no damaged copy of the archive could be made: nothing shows that the verification can fail")
	}
	return out, t.findings, err
}

// all tries what is told at once first, then what takes a full read, for as long as there is time.
func (t *trial) all(ctx context.Context, f *os.File, size int64) error {
	if err := t.wrongManifests(); err != nil {
		return err
	}
	damages, err := t.Damages(ctx, f, size, t.counted)
	if err != nil {
		return err
	}
	for _, d := range damages {
		if !d.Quick {
			continue
		}
		if err := t.try(ctx, d); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, t.Limit, errLimit)
	defer cancel()
	for _, d := range damages {
		if d.Quick {
			continue
		}
		if err := t.inTime(ctx, limited, d.Name, t.try(limited, d)); err != nil {
			return err
		}
	}
	return t.inTime(ctx, limited, "a copy on disk", t.onDisk(limited, damages, f, size))
}

// inTime makes a finding of what had no time. The end of the drill itself is an error.
func (t *trial) inTime(ctx, limited context.Context, what string, err error) error {
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(limited), errLimit) {
		return err
	}
	t.leave(what, fmt.Sprintf("%v after %s", errLimit, t.Limit))
	return nil
}

func (t *trial) leave(what, why string) {
	t.findings = append(t.findings, fmt.Sprintf("negative drill: %s was left out: %s", what, why))
}

// counted says that rows lost from a table must show: both sides counted it.
func (t *trial) counted(table bacvault.Table) bool {
	_, here := t.a.Rows[table]
	_, there := t.m.Rows()[table]
	return here && there
}

// try makes one damaged copy and shows it to the verification.
func (t *trial) try(ctx context.Context, d Damage) error {
	c, err := d.Open(ctx)
	if err != nil {
		return err
	}
	if c.ReaderAt == nil {
		t.leave(d.Name, c.Unmade)
		return nil
	}
	return t.verdict(ctx, d.Name, c.Where, c, c.Size)
}

// verdict is what a restore would say of a copy.
func (t *trial) verdict(ctx context.Context, name, where string, r io.ReaderAt, size int64) error {
	got, err := t.Verify(ctx, r, size)
	if err == nil {
		err = t.RowsAgree(t.m, got)
	}
	return t.record(name, where, err)
}

// record takes down what the verification said. Only its own codes are a verdict: another error says nothing about the copy.
func (t *trial) record(name, where string, err error) error {
	c := bacvault.NegativeCase{Damage: name, Where: where, Detail: "it passed as sound"}
	if err != nil {
		var f *bacvault.Failure
		if !errors.As(err, &f) || !judged(f.Code) {
			return fmt.Errorf("verify a damaged copy (%s, %s): %w", name, where, err)
		}
		c.Detected, c.Code, c.Detail = true, f.Code, f.Detail
	}
	t.cases = append(t.cases, c)
	return nil
}

// judged says that a code is a verdict on an archive.
func judged(c bacvault.Code) bool {
	switch c {
	case bacvault.CodeVerifyBroken, bacvault.CodeVerifyRows, bacvault.CodeVerifyHash, bacvault.CodeVerifyUnverified:
		return true
	}
	return false
}

// wrongManifests holds the sound archive against manifests that are not its own.
func (t *trial) wrongManifests() error {
	other := t.m
	other.Blob.SHA256 = otherDigit(t.m.Blob.SHA256)
	if err := t.record("wrong-manifest", "another SHA-256", t.HashAgree(other, t.m.Blob.SHA256)); err != nil {
		return err
	}
	i := slices.IndexFunc(t.m.Tables, func(r bacvault.TableRows) bool { return t.counted(r.Table) })
	if i < 0 {
		t.leave("wrong-manifest", "the archive has no table that both sides counted")
		return nil
	}
	table := t.m.Tables[i].Table
	other = t.m
	other.Tables = slices.Clone(t.m.Tables)
	other.Tables[i].Archive++
	if err := t.record("wrong-manifest", "one more row of table "+table.String(), t.RowsAgree(other, t.a)); err != nil {
		return err
	}
	less := bacvault.Archive{Rows: t.a.Rows.Without(map[bacvault.Table]string{table: ""}), Unverified: t.a.Unverified}
	return t.record("wrong-manifest", "table "+table.String()+", which the archive lacks", t.RowsAgree(t.m, less))
}

// otherDigit changes the first digit of a hash.
func otherDigit(hash string) string {
	if strings.HasPrefix(hash, "0") {
		return "1" + hash[1:]
	}
	return "0" + hash[min(1, len(hash)):]
}
