package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fetch times ours, the SDK's own download and azcopy with the same blob, store, TLS and kind of credential, onto the same disk.
func (b *bench) fetch(ctx context.Context) ([]row, error) {
	file, err := b.noise(b.size)
	if err != nil {
		return nil, err
	}
	want, err := sum(file)
	if err != nil {
		return nil, err
	}
	runs := map[string][]cost{}
	contenders := []string{"fetch", "download", "azcopy"}
	for i := range b.pairs {
		turn := append(slices.Clone(contenders[i%3:]), contenders[:i%3]...) // nobody is always first
		if err := b.fetchRound(ctx, turn, file, want, runs); err != nil {
			return nil, err
		}
		fmt.Fprintf(b.words, "fetch, round %d of %d: ours %.2f s, DownloadFile %.2f s, azcopy %.2f s\n",
			i+1, b.pairs, runs["fetch"][i].Wall, runs["download"][i].Wall, runs["azcopy"][i].Wall)
	}
	const library = "azblob 1.8.3 DownloadFile 8 MiB x 4"
	ours, sdk, azcopy := runs["fetch"], runs["download"], runs["azcopy"]
	name := "fetch " + size(b.size) + ": "
	return []row{
		versus(name+"wall", "s", azcopyVersion, 0.7, ours, azcopy, wall),
		versus(name+"wall", "s", library, 0, ours, sdk, wall),
		versus(name+"CPU", "s", azcopyVersion, 0.3, ours, azcopy, cpu),
		versus(name+"CPU", "s", library, 0, ours, sdk, cpu),
		within(name+"peak memory", "MiB", 64, ours, peak),
		versus(name+"peak memory", "MiB", azcopyVersion, 0, ours, azcopy, peak),
		versus(name+"peak memory", "MiB", library, 0, ours, sdk, peak),
	}, nil
}

// fetchRound puts the blob into a fresh store and has each one bring it back. A file that is not the blob is an error, whoever
// wrote it; looking is not timed.
func (b *bench) fetchRound(ctx context.Context, turn []string, file, want string, runs map[string][]cost) (err error) {
	p, err := b.newPlace(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	const name = "fetch.bacpac"
	if _, err := b.ours(ctx, p.env, "", "upload", file, p.url, name); err != nil {
		return err
	}
	warm := filepath.Join(b.scratch, "warm.bacpac")
	for i, who := range append([]string{"download"}, turn...) {
		to := filepath.Join(b.scratch, who+".bacpac")
		if i == 0 {
			to = warm
		}
		c, err := b.fetchOnce(ctx, p, who, to, name)
		if err != nil {
			return err
		}
		got, err := sum(to)
		if err := errors.Join(err, os.Remove(to)); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s brought other bytes than were stored", who)
		}
		if i > 0 {
			runs[who] = append(runs[who], c)
		}
	}
	return nil
}

func (b *bench) fetchOnce(ctx context.Context, p *place, who, to, name string) (cost, error) {
	if who != "azcopy" {
		return b.ours(ctx, p.env, "", who, to, p.url, name)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(p.url, "https://"), "/")
	c, _, err := b.timed(ctx, p.env, b.azcopy, "copy", p.url+"/"+name, to, "--from-to=BlobLocal", "--trusted-microsoft-suffixes="+host, "--log-level=NONE")
	return c, err
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
