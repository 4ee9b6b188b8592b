package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/bacvault/bacvault/standin/azurite"
	gateway "github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/pki"
)

const (
	clientID      = "b0000000-0000-4000-8000-00000000be4c"
	account       = "benchvault"
	container     = "sql-backups"
	warmUp        = 64 << 20
	azcopyVersion = "azcopy 10.32.2"
	sdkVersion    = "azblob 1.8.3 UploadFile 8 MiB x 4"
)

// place is a store in this process's care: Azurite behind the gateway, over TLS, with tokens of a managed identity.
type place struct {
	url    string
	env    []string
	closes []func() error
	get    func(ctx context.Context, name string) (int64, error)
}

// newPlace starts a fresh one, so that no run finds what an earlier one left in Azurite's memory.
func (b *bench) newPlace(ctx context.Context) (p *place, err error) {
	p = &place{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	dir, err := os.MkdirTemp(b.scratch, "place-")
	if err != nil {
		return p, err
	}
	ca, err := pki.New(dir, time.Now())
	if err != nil {
		return p, err
	}
	cert, err := ca.ServerTLS()
	if err != nil {
		return p, err
	}
	key, err := azurite.NewKey()
	if err != nil {
		return p, err
	}
	accounts := map[string]string{account: key}
	store, err := azurite.Start(ctx, azurite.Config{Dir: b.azurite, Accounts: accounts})
	if err != nil {
		return p, err
	}
	p.closes = append(p.closes, store.Close)
	id, err := identity.Start(identity.Config{Clients: []string{clientID}})
	if err != nil {
		return p, err
	}
	p.closes = append(p.closes, id.Close)
	gate, err := gateway.Start(gateway.Config{
		TLS: cert, Azurite: store.Addr(), Accounts: accounts, Authenticate: id.Authenticate,
		Allow: func(string, string, string) bool { return true },
	})
	if err != nil {
		return p, err
	}
	p.closes = append(p.closes, gate.Close)
	if err := gate.CreateContainer(ctx, account, container, gateway.ContainerLevel); err != nil {
		return p, err
	}
	p.url = gate.URL(account) + "/" + container
	p.env = []string{
		"SSL_CERT_FILE=" + ca.CAFile(), "IDENTITY_ENDPOINT=" + id.Endpoint(), "IDENTITY_HEADER=" + id.Header(),
		"AZCOPY_AUTO_LOGIN_TYPE=MSI", "AZCOPY_MSI_CLIENT_ID=" + clientID, "AZCOPY_LOG_LOCATION=" + dir, "AZCOPY_JOB_PLAN_LOCATION=" + dir,
		"AZCOPY_DISABLE_SYSLOG=true",
		// Whatever a peer wants to ask of anybody but loopback ends at a closed port. Go never proxies loopback.
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1",
	}
	trust := http.DefaultTransport.(*http.Transport).Clone()
	trust.TLSClientConfig = ca.ClientTLS()
	p.get = func(ctx context.Context, name string) (int64, error) {
		o := &blob.ClientOptions{}
		o.Transport = &http.Client{Transport: trust}
		client, err := blob.NewClient(p.url+"/"+name, id.Credential(clientID), o)
		if err != nil {
			return 0, err
		}
		got, err := client.GetProperties(ctx, nil)
		if err != nil {
			return 0, err
		}
		return *got.ContentLength, nil
	}
	p.closes = append(p.closes, func() error { trust.CloseIdleConnections(); return nil })
	return p, nil
}

func (p *place) close() error {
	var errs []error
	for _, c := range slices.Backward(p.closes) {
		errs = append(errs, c())
	}
	p.closes = nil
	return errors.Join(errs...)
}

// store times ours, the SDK's own upload and azcopy with the same file, store, TLS and kind of credential.
func (b *bench) store(ctx context.Context) ([]row, error) {
	file, err := b.noise(b.size)
	if err != nil {
		return nil, err
	}
	warm, err := b.noise(warmUp)
	if err != nil {
		return nil, err
	}
	runs := map[string][]cost{}
	contenders := []string{"store", "upload", "azcopy"}
	for i := range b.pairs {
		turn := append(slices.Clone(contenders[i%3:]), contenders[:i%3]...) // nobody is always first
		if err := b.storeRound(ctx, turn, file, warm, runs); err != nil {
			return nil, err
		}
		fmt.Fprintf(b.words, "store, round %d of %d: ours %.2f s, UploadFile %.2f s, azcopy %.2f s\n",
			i+1, b.pairs, runs["store"][i].Wall, runs["upload"][i].Wall, runs["azcopy"][i].Wall)
	}
	ours, sdk, azcopy := runs["store"], runs["upload"], runs["azcopy"]
	name := "store " + size(b.size) + ": "
	return []row{
		versus(name+"wall", "s", azcopyVersion, 0.65, ours, azcopy, wall),
		versus(name+"wall", "s", sdkVersion, 1.05, ours, sdk, wall),
		versus(name+"CPU", "s", azcopyVersion, 0.25, ours, azcopy, cpu),
		versus(name+"CPU", "s", sdkVersion, 0, ours, sdk, cpu),
		within(name+"peak memory", "MiB", 64, ours, peak),
		versus(name+"peak memory", "MiB", azcopyVersion, 0, ours, azcopy, peak),
		versus(name+"peak memory", "MiB", sdkVersion, 0, ours, sdk, peak),
	}, nil
}

func (b *bench) storeRound(ctx context.Context, turn []string, file, warm string, runs map[string][]cost) (err error) {
	p, err := b.newPlace(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if _, err := b.ours(ctx, p.env, "", "upload", warm, p.url, "warm.bacpac"); err != nil {
		return err
	}
	for _, who := range turn {
		var c cost
		var err error
		name := who + ".bacpac"
		if who == "azcopy" {
			host, _, _ := strings.Cut(strings.TrimPrefix(p.url, "https://"), "/")
			c, _, err = b.timed(ctx, p.env, b.azcopy, "copy", file, p.url+"/"+name, "--from-to=LocalBlob", "--trusted-microsoft-suffixes="+host, "--log-level=NONE")
		} else {
			c, err = b.ours(ctx, p.env, "", who, file, p.url, name)
		}
		if err != nil {
			return err
		}
		if n, err := p.get(ctx, name); err != nil || n != b.size {
			return fmt.Errorf("after %s the store holds %d bytes: %w", who, n, err)
		}
		runs[who] = append(runs[who], c)
	}
	return nil
}

// sink tells what storing costs where the store costs nothing, beside the hash of which it is made.
func (b *bench) sink(ctx context.Context) ([]row, error) {
	file, err := b.noise(b.size)
	if err != nil {
		return nil, err
	}
	var ours, hash []cost
	for range b.pairs {
		a, err := b.ours(ctx, nil, "sha256 ", "store-sink", file, "0")
		if err != nil {
			return nil, err
		}
		p, err := b.ours(ctx, nil, "sha256 ", "hash", file)
		if err != nil {
			return nil, err
		}
		ours, hash = append(ours, a), append(hash, p)
	}
	name := "store to memory " + size(b.size) + ": "
	return []row{
		versus(name+"CPU", "s", "SHA-256 alone", 0, ours, hash, cpu),
		versus(name+"wall", "s", "SHA-256 alone", 0, ours, hash, wall),
		within(name+"peak memory", "MiB", 64, ours, peak),
	}, nil
}

// noise is a file that nobody can make smaller on the way. It is kept.
func (b *bench) noise(size int64) (path string, err error) {
	path = filepath.Join(b.out, "noise-"+strconv.FormatInt(size>>20, 10)+"MiB.bacpac")
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return path, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), size)
	return path, err
}

func size(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
