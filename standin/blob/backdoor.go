package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// CreateContainer makes a container without asking for rights: the management plane's and the stack's way.
func (s *Server) CreateContainer(ctx context.Context, account, name string, kind Kind) error {
	res, err := s.direct(ctx, http.MethodPut, account, "/"+account+"/"+name, "restype=container", nil, nil)
	if err != nil {
		return fmt.Errorf("create container %s: %w", name, err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusCreated:
		s.cfg.Policies.Add(account, name, kind)
		return nil
	case http.StatusConflict:
		return &Refusal{409, "ContainerAlreadyExists", "The specified container already exists."}
	}
	return fmt.Errorf("create container %s: the store answers %s", name, res.Status)
}

// DeleteContainer is the management plane's way: a container with a policy or hold goes only when it is empty.
func (s *Server) DeleteContainer(ctx context.Context, account, name string) error {
	state, ok := s.cfg.Policies.Get(account, name)
	if !ok {
		return &Refusal{404, "ContainerNotFound", "The specified container does not exist."}
	}
	if n := s.count(account, name); n > 0 && (state.Policy != nil || len(state.Holds) > 0 || state.Kind == VersionLevel) {
		return &Refusal{409, "ContainerProtectedFromDeletion", fmt.Sprintf(
			"The storage account %s container %s is protected from deletion due to ImmutabilityPolicy.", account, name)}
	}
	res, err := s.direct(ctx, http.MethodDelete, account, "/"+account+"/"+name, "restype=container", nil, nil)
	if err != nil {
		return fmt.Errorf("delete container %s: %w", name, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("delete container %s: the store answers %s", name, res.Status)
	}
	s.forget(account, name)
	return nil
}

// Replace is a test's back door: it changes a committed blob's bytes behind everyone's back, policy or not. Its metadata,
// content headers and times stay as they were; its ETag cannot.
func (s *Server) Replace(ctx context.Context, account, container, name string, body []byte) error {
	path := "/" + account + "/" + container + "/" + name
	was, err := s.direct(ctx, http.MethodHead, account, path, "", nil, nil)
	if err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	_ = was.Body.Close()
	if was.StatusCode != http.StatusOK {
		return fmt.Errorf("replace %s: the store answers %s", name, was.Status)
	}
	put := http.Header{"X-Ms-Blob-Type": {"BlockBlob"}}
	properties := http.Header{}
	for k, v := range was.Header {
		if strings.HasPrefix(k, "X-Ms-Meta-") {
			put[k] = v
		}
	}
	for _, k := range []string{"Content-Type", "Content-Encoding", "Content-Disposition", "Content-MD5"} {
		if v := was.Header.Get(k); v != "" {
			properties.Set("x-ms-blob-"+k, v)
		}
	}
	res, err := s.direct(ctx, http.MethodPut, account, path, "", put, body)
	if err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("replace %s: the store answers %s", name, res.Status)
	}
	// A write checks an MD5 that it is given; setting it afterwards keeps the old bytes' sum over the new bytes.
	res, err = s.direct(ctx, http.MethodPut, account, path, "comp=properties", properties, nil)
	if err != nil {
		return fmt.Errorf("replace %s: set its headers again: %w", name, err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("replace %s: set its headers again: the store answers %s", name, res.Status)
	}
	return nil
}

// Read is a blob's bytes, whoever may read it.
func (s *Server) Read(ctx context.Context, account, container, name string) ([]byte, error) {
	res, err := s.direct(ctx, http.MethodGet, account, "/"+account+"/"+container+"/"+name, "", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read %s: the store answers %s", name, res.Status)
	}
	return io.ReadAll(res.Body)
}

// Blobs lists the committed blobs of a container in order.
func (s *Server) Blobs(ctx context.Context, account, name string) ([]string, error) {
	client, err := s.client(account, name)
	if err != nil {
		return nil, err
	}
	var out []string
	for pager := client.NewListBlobsFlatPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the blobs of %s: %w", name, err)
		}
		for _, item := range page.Segment.BlobItems {
			out = append(out, *item.Name)
		}
	}
	return out, nil
}

// Versions is how often a blob of a container with version-level immutability was written.
func (s *Server) Versions(account, container, name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[account+"/"+container+"/"+name].versions
}

// LapseLeases ends every blob lease of a container, as if their holders had let their time run out. Azurite's leases live
// in the machine's time, so moving the stack's clock does not end them. It returns the names of the blobs.
func (s *Server) LapseLeases(ctx context.Context, account, name string) ([]string, error) {
	names, err := s.Blobs(ctx, account, name)
	if err != nil {
		return nil, err
	}
	var out []string
	var failed error
	header := http.Header{"X-Ms-Lease-Action": {"break"}, "X-Ms-Lease-Break-Period": {"0"}}
	for _, blob := range names {
		res, err := s.direct(ctx, http.MethodPut, account, "/"+account+"/"+name+"/"+blob, "comp=lease", header, nil)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("break the lease of %s: %w", blob, err))
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusAccepted { // 409 where there is no lease
			out = append(out, blob)
		}
	}
	return out, failed
}

func (s *Server) client(account, name string) (*container.Client, error) {
	target, refusal := s.store(account, "/"+account+"/"+name, "")
	if refusal != nil {
		return nil, refusal
	}
	client, err := container.NewClientWithNoCredential(target, nil)
	if err != nil {
		return nil, fmt.Errorf("make a client of the store: %w", err)
	}
	return client, nil
}
