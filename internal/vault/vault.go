// Package vault is the WORM container: every object in it is written exactly once, and nothing here rewrites or deletes.
package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const (
	mib = 1 << 20
	// memory bounds the block buffers of one transfer.
	memory = 40 * mib
	// defaultBlock is large enough for Azure's high-throughput block blobs (more than 4 MiB) and small enough to fail cheaply.
	defaultBlock   = 8 * mib
	defaultWorkers = 8
	// maxSmall bounds what is read whole: manifests and proofs.
	maxSmall = 64 * mib
)

// Config is what a Vault needs.
type Config struct {
	// ContainerURL is https://<account>.blob.core.windows.net/<container>, or path-style https://<host>:<port>/<account>/<container>.
	ContainerURL string
	Credential   azcore.TokenCredential
	// Concurrency is the number of blocks in flight and BlockSize their size in bytes; 0 fits both to the blob's size.
	Concurrency, BlockSize int
	// NoProgress bounds one try of one block or call, 0 is two minutes: without it azcore waits for a hung connection for ever.
	// A fetch gives up when nothing of a range came for as long.
	NoProgress time.Duration
	// Transport is for tests; nil is a client of its own with as many idle connections as blocks in flight.
	Transport policy.Transporter
}

// Vault reads and writes one WORM container. It is safe for concurrent use.
type Vault struct {
	c                  *container.Client
	account, container string
	workers            int
	block              int64
	noProgress         time.Duration
	// looks are the waits before each look that settles an ambiguous commit: the store may still be working on it.
	looks []time.Duration
}

// New checks the configuration; it does not call the store.
func New(cfg Config) (*Vault, error) {
	account, name, err := splitContainerURL(cfg.ContainerURL)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	if cfg.Credential == nil {
		return nil, errors.New("vault: no credential")
	}
	if cfg.Concurrency < 0 || cfg.BlockSize < 0 || int64(cfg.BlockSize) > blockblob.MaxStageBlockBytes {
		return nil, fmt.Errorf("vault: concurrency %d or block size %d is out of range", cfg.Concurrency, cfg.BlockSize)
	}
	v := &Vault{
		account: account, container: name, workers: cfg.Concurrency, block: int64(cfg.BlockSize), noProgress: cfg.NoProgress,
		looks: []time.Duration{0, time.Second, 2 * time.Second},
	}
	if v.workers == 0 {
		v.workers = defaultWorkers
	}
	if v.block == 0 {
		v.block = defaultBlock
	}
	if v.noProgress <= 0 {
		v.noProgress = 2 * time.Minute
	}
	opts := &container.ClientOptions{}
	opts.Transport = cfg.Transport
	if opts.Transport == nil {
		opts.Transport = newTransport(v.workers)
	}
	opts.Retry = policy.RetryOptions{TryTimeout: v.noProgress, ShouldRetry: passing}
	if v.c, err = container.NewClient(strings.TrimRight(cfg.ContainerURL, "/"), cfg.Credential, opts); err != nil {
		return nil, fmt.Errorf("vault: client for container %s: %w", name, err)
	}
	return v, nil
}

// newTransport keeps a connection open for each block in flight; azcore's own keeps ten.
func newTransport(workers int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = workers + 2
	return &http.Client{Transport: t}
}

// passing says which tries azcore repeats: its own status codes and lost connections, and a block that was damaged on the
// way, which azcore takes for the caller's mistake because its status is 400.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	if resp.StatusCode == http.StatusBadRequest {
		return slices.Contains([]string{"Crc64Mismatch", "Md5Mismatch"}, resp.Header.Get("x-ms-error-code"))
	}
	return passingStatus(resp.StatusCode)
}

func passingStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// fit chooses block size and blocks in flight: at most 50,000 blocks, at most `memory` bytes of buffers (one block where a
// block is larger than that).
func (v *Vault) fit(size int64) (block int64, workers int, err error) {
	block = v.block
	if size > block*blockblob.MaxBlocks {
		block = (size + blockblob.MaxBlocks - 1) / blockblob.MaxBlocks
		block = (block + mib - 1) / mib * mib
	}
	if block > blockblob.MaxStageBlockBytes {
		return 0, 0, fmt.Errorf("%d bytes are more than one block blob holds", size)
	}
	return block, int(max(1, min(int64(v.workers), memory/block))), nil
}

// splitContainerURL takes account and container out of both URL styles. A query is refused: a SAS is a secret.
func splitContainerURL(s string) (account, name string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", "", errors.New("the container's URL is not https://<account>.<suffix>/<container> without a query")
	}
	switch parts := strings.Split(strings.Trim(u.Path, "/"), "/"); {
	case len(parts) == 1 && parts[0] != "":
		account, _, _ = strings.Cut(u.Hostname(), ".")
		return account, parts[0], nil
	case len(parts) == 2 && parts[0] != "" && parts[1] != "":
		return parts[0], parts[1], nil
	}
	return "", "", fmt.Errorf("the container's URL %s does not name one container", u.Redacted())
}
