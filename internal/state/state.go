// Package state is the mutable container in the app's own account: leases and progress, all of which the vault can rebuild.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	rights      = "Microsoft.Storage/storageAccounts/blobServices/containers/"
	rightRead   = rights + "blobs/read"
	rightWrite  = rights + "blobs/write"
	rightDelete = rights + "blobs/delete"
	rightMake   = rights + "write"
)

// maxObject bounds what is read whole.
const maxObject = 64 << 20

// ErrUnreadable is an object that is there and is not what was asked for: damaged, or another version's.
var ErrUnreadable = errors.New("it cannot be understood")

// Config is what a State needs.
type Config struct {
	// ContainerURL is https://<account>.blob.core.windows.net/<container> or path-style; the container is made when missing.
	ContainerURL string
	Credential   azcore.TokenCredential
	// LeaseSeconds is how long a dead run keeps its lease: 15 to 60, the store's limits; 0 is 60.
	LeaseSeconds int
	// Transport is for tests; nil is azcore's.
	Transport policy.Transporter
}

// State reads and writes the state container. It is safe for concurrent use.
type State struct {
	c         *container.Client
	container string
	lease     time.Duration
}

// New checks the configuration; it does not call the store.
func New(cfg Config) (*State, error) {
	u, err := url.Parse(cfg.ContainerURL)
	if err != nil || u.Scheme != "https" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("state: the container's URL is not https://<account>.<suffix>/<container> without a query")
	}
	if cfg.Credential == nil {
		return nil, errors.New("state: no credential")
	}
	if cfg.LeaseSeconds == 0 {
		cfg.LeaseSeconds = 60
	}
	if cfg.LeaseSeconds < 15 || cfg.LeaseSeconds > 60 {
		return nil, fmt.Errorf("state: a lease of %d seconds is not within 15 to 60", cfg.LeaseSeconds)
	}
	opts := &container.ClientOptions{}
	opts.Transport = cfg.Transport
	// Everything here is small: a try that takes longer than this hangs.
	opts.Retry = policy.RetryOptions{TryTimeout: 15 * time.Second, MaxRetryDelay: 15 * time.Second}
	s := &State{container: u.Redacted(), lease: time.Duration(cfg.LeaseSeconds) * time.Second}
	if s.c, err = container.NewClient(strings.TrimRight(cfg.ContainerURL, "/"), cfg.Credential, opts); err != nil {
		return nil, fmt.Errorf("state: client for %s: %w", s.container, err)
	}
	return s, nil
}

// LeaseTime is how long a dead run keeps its lease.
func (s *State) LeaseTime() time.Duration { return s.lease }

// Save writes v as JSON over what was there before. Its place is the caller's: a folder of its own and a name, such as
// "marks/srv/db"; leases/, runs/ and pending/ are taken.
func (s *State) Save(ctx context.Context, name string, v any) error {
	if err := own(name); err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	if len(b) > maxObject {
		return fmt.Errorf("save %s: its %d bytes are more than could be read again", name, len(b))
	}
	return s.write(ctx, name, b)
}

// Load reads into v what Save wrote: false if nothing is there, ErrUnreadable if it is something else.
func (s *State) Load(ctx context.Context, name string, v any) (bool, error) {
	o, found, err := s.get(ctx, name)
	if err != nil || !found {
		return false, err
	}
	if err := json.Unmarshal(o.data, v); err != nil {
		return false, fmt.Errorf("load %s: %w: %w", name, ErrUnreadable, err)
	}
	return true, nil
}

// Remove deletes what Save wrote; what is not there is fine.
func (s *State) Remove(ctx context.Context, name string) error {
	if err := own(name); err != nil {
		return err
	}
	return s.remove(ctx, name)
}

func own(name string) error {
	for _, taken := range []string{leases, runs, pending} {
		if strings.HasPrefix(name, taken) || !strings.Contains(name, "/") {
			return fmt.Errorf("%q is not a place for the state of others", name)
		}
	}
	return nil
}

func (s *State) write(ctx context.Context, name string, b []byte) error {
	if err := s.put(ctx, name, b, nil); err != nil {
		return s.failure(ctx, "write "+name, rightWrite, err)
	}
	return nil
}

// put writes an object whole, under a condition or none, and makes the container when it is not there yet.
func (s *State) put(ctx context.Context, name string, data []byte, ac *blob.AccessConditions) error {
	upload := func() error {
		_, err := s.c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(strings.NewReader(string(data))), &blockblob.UploadOptions{
			AccessConditions: ac, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
		})
		return err
	}
	err := upload()
	if !bloberror.HasCode(err, bloberror.ContainerNotFound) {
		return err
	}
	if _, err := s.c.Create(ctx, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return s.failure(ctx, "make the container", rightMake, err)
	}
	return upload()
}

// object is what get read, with the store's own times.
type object struct {
	data []byte
	// age is the store's time of day less the object's time of last writing: no clock of ours is in it.
	age  time.Duration
	etag azcore.ETag
}

// get reads an object whole: false if it, or the container, is not there.
func (s *State) get(ctx context.Context, name string) (o object, found bool, err error) {
	resp, err := s.c.NewBlobClient(name).DownloadStream(ctx, nil)
	if statusOf(err) == http.StatusNotFound {
		return object{}, false, nil
	}
	if err != nil {
		return object{}, false, s.failure(ctx, "read "+name, rightRead, err)
	}
	body := resp.NewRetryReader(ctx, nil)
	defer func() { err = errors.Join(err, body.Close()) }()
	if o.data, err = io.ReadAll(io.LimitReader(body, maxObject)); err != nil {
		return object{}, false, s.failure(ctx, "read "+name, rightRead, err)
	}
	if resp.Date != nil && resp.LastModified != nil {
		o.age = resp.Date.Sub(*resp.LastModified)
	}
	if resp.ETag != nil {
		o.etag = *resp.ETag
	}
	return o, true, nil
}

// remove deletes an object; one that is not there is fine.
func (s *State) remove(ctx context.Context, name string) error {
	_, err := s.c.NewBlobClient(name).Delete(ctx, nil)
	if err == nil || statusOf(err) == http.StatusNotFound {
		return nil
	}
	return s.failure(ctx, "remove "+name, rightDelete, err)
}

// failure translates an error of the SDK, once. A cancelled context keeps its cause.
func (s *State) failure(ctx context.Context, doing, right string, err error) error {
	var f *bacvault.Failure
	switch {
	case errors.As(err, &f):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	switch statusOf(err) {
	case http.StatusForbidden, http.StatusUnauthorized:
		f = bacvault.Fail(bacvault.CodeVaultDenied, "%s in the state container %s: the identity lacks %s, or a network rule shuts this host out (%s)",
			doing, s.container, right, brief(err))
		f.Next = "Grant the rights of docs/permissions.md on the state container to the identity."
	default:
		f = bacvault.Fail(bacvault.CodeUnknown, "%s in the state container %s: %s", doing, s.container, brief(err))
	}
	f.Err, f.Exists = err, "nothing in the vault was changed"
	return f
}

// statusOf is the HTTP status of the store's answer, 0 if there was none.
func statusOf(err error) int {
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		return re.StatusCode
	}
	return 0
}

// brief is an error in one line: azcore's own text runs over twenty lines.
func brief(err error) string {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", re.StatusCode, re.ErrorCode)
}
