package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// parts is how many data parts an archive gets for each GiB of rows.
const parts = 12

// verify times the product's verifier beside unzip -t, which inflates and checks CRCs and knows nothing of rows, and beside
// inflating alone.
func (b *bench) verify(ctx context.Context) ([]row, error) {
	m, err := b.archive(b.size, parts)
	if err != nil {
		return nil, err
	}
	unzip, err := unzipVersion(ctx)
	if err != nil {
		return nil, err
	}
	var ours, theirs, bare []cost
	for range b.pairs {
		a, err := b.ours(ctx, nil, fmt.Sprintf("rows %d\n", m.Rows), "verify", m.Path)
		if err != nil {
			return nil, err
		}
		p, _, err := b.timed(ctx, nil, "unzip", "-tq", m.Path)
		if err != nil {
			return nil, err
		}
		i, err := b.ours(ctx, nil, "bytes ", "inflate", m.Path)
		if err != nil {
			return nil, err
		}
		ours, theirs, bare = append(ours, a), append(theirs, p), append(bare, i)
	}
	name := "verify " + size(b.size) + " of rows: "
	const library = "klauspost/compress 1.20.4, inflating alone"
	return []row{
		versus(name+"wall", "s", unzip, 0.5, ours, theirs, wall),
		versus(name+"wall", "s", library, 1.6, ours, bare, wall),
		versus(name+"CPU", "s", unzip, 0, ours, theirs, cpu),
		versus(name+"CPU", "s", library, 0, ours, bare, cpu),
	}, nil
}

// memory holds the peak of verifying a large archive against that of a small one.
func (b *bench) memory(ctx context.Context, large int64) ([]row, error) {
	small, err := b.archive(10<<20, parts)
	if err != nil {
		return nil, err
	}
	big, err := b.archive(large, max(parts, int(parts*large>>30)))
	if err != nil {
		return nil, err
	}
	var ours, peer []cost
	for i := range b.pairs {
		a, err := b.ours(ctx, nil, fmt.Sprintf("rows %d\n", big.Rows), "verify", big.Path)
		if err != nil {
			return nil, err
		}
		p, err := b.ours(ctx, nil, fmt.Sprintf("rows %d\n", small.Rows), "verify", small.Path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.words, "memory, round %d of %d: %.1f MiB and %.1f MiB, %.1f s\n", i+1, b.pairs, a.Peak, p.Peak, a.Wall)
		ours, peer = append(ours, a), append(peer, p)
	}
	return []row{versus("verify "+size(large)+" of rows: peak memory", "MiB", "ours with 10 MiB of rows", 1.25, ours, peer, peak)}, nil
}

// both times verify and stage side by side, as a backup runs them, against the slower of the two alone: into Azurite, which
// here takes its own share of the same cores, and over a wire of 1 Gbit/s to a store that costs nothing.
func (b *bench) both(ctx context.Context) ([]row, error) {
	m, err := b.archive(b.size, parts)
	if err != nil {
		return nil, err
	}
	var rows []row
	wire, err := b.sideBySide(ctx, m, func() (string, []string, []string, func() error, error) {
		return "-sink", []string{"119"}, nil, func() error { return nil }, nil
	})
	if err != nil {
		return nil, err
	}
	rows = append(rows, wire.row("verify and stage over 1 Gbit/s", b.size))
	free, err := b.sideBySide(ctx, m, func() (string, []string, []string, func() error, error) {
		return "-sink", []string{"0"}, nil, func() error { return nil }, nil
	})
	if err != nil {
		return rows, err
	}
	rows = append(rows, free.row("verify and stage to memory", b.size))
	local, err := b.sideBySide(ctx, m, func() (string, []string, []string, func() error, error) {
		p, err := b.newPlace(ctx)
		if err != nil {
			return "", nil, nil, nil, err
		}
		return "", []string{p.url, "both.bacpac"}, p.env, p.close, nil
	})
	if err != nil {
		return rows, err
	}
	return append(rows, local.row("verify and stage to Azurite", b.size)), nil
}

// sides are the three measurements of side by side; slower is the slower of the two alone.
type sides struct{ both, slower []cost }

func (s sides) row(name string, n int64) row {
	return versus(name+", "+size(n)+" of rows: wall", "s", "the slower of the two alone", 1.15, s.both, s.slower, wall)
}

func (b *bench) sideBySide(ctx context.Context, m made, to func() (suffix string, args, env []string, done func() error, err error)) (s sides, err error) {
	rows := fmt.Sprintf("rows %d\n", m.Rows)
	for range b.pairs {
		v, err := b.ours(ctx, nil, rows, "verify", m.Path)
		if err != nil {
			return s, err
		}
		var got []cost
		for _, verb := range []string{"store", "both"} {
			suffix, args, env, done, err := to()
			if err != nil {
				return s, err
			}
			c, err := b.ours(ctx, env, "sha256 ", append([]string{verb + suffix, m.Path}, args...)...)
			if err := errors.Join(err, done()); err != nil {
				return s, err
			}
			got = append(got, c)
		}
		slower := v
		if got[0].Wall > v.Wall {
			slower = got[0]
		}
		s.both, s.slower = append(s.both, got[1]), append(s.slower, slower)
	}
	return s, nil
}

func unzipVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "unzip", "-v").Output()
	if err != nil {
		return "", fmt.Errorf("unzip, which this case needs (Debian: unzip): %w", err)
	}
	line, _, _ := strings.Cut(string(out), " of ")
	return line + " -t", nil
}
