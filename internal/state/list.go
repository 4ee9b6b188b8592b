package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

// each lists what lies under a prefix. A container that is not there yet holds nothing.
func (s *State) each(ctx context.Context, prefix string, do func(name string, p *container.BlobProperties) error) error {
	pager := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(prefix)})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if bloberror.HasCode(err, bloberror.ContainerNotFound) {
			return nil
		}
		if err != nil {
			return s.failure(ctx, "list "+prefix, rightRead, err)
		}
		if page.Segment == nil {
			continue
		}
		for _, it := range page.Segment.BlobItems {
			if it.Name == nil || it.Properties == nil {
				continue
			}
			if err := do(*it.Name, it.Properties); err != nil {
				return err
			}
		}
	}
	return nil
}

// Each reads what Save wrote under a folder and what was written since a moment, by the store's clock.
func (s *State) Each(ctx context.Context, folder string, since time.Time, do func(name string, data []byte) error) error {
	folder = strings.TrimSuffix(folder, "/") + "/"
	if err := own(folder); err != nil {
		return err
	}
	return s.each(ctx, folder, func(name string, p *container.BlobProperties) error {
		if p.LastModified != nil && p.LastModified.Before(since) {
			return nil
		}
		o, found, err := s.get(ctx, name)
		if err != nil || !found {
			return err
		}
		return do(name, o.data)
	})
}

// Abandoned is a lease that lapsed: its holder died without letting it go. Signed is when it was last alive.
type Abandoned struct {
	Key string
	Holder
	Signed time.Time
}

// Abandoned lists the leases that nobody holds and that still bear a holder's name. The next run takes them; until then they
// tell of a run that ended without a word. One that cannot be understood is told in the error, and the others are still listed.
func (s *State) Abandoned(ctx context.Context) (out []Abandoned, err error) {
	var strange error
	err = s.each(ctx, leases, func(name string, p *container.BlobProperties) error {
		held := p.LeaseState != nil && *p.LeaseState != lease.StateTypeAvailable && *p.LeaseState != lease.StateTypeExpired && *p.LeaseState != lease.StateTypeBroken
		if held || p.ContentLength == nil || *p.ContentLength <= int64(len(nobody)) {
			return nil
		}
		o, found, err := s.get(ctx, name)
		if err != nil || !found {
			return err
		}
		a := Abandoned{Key: strings.TrimPrefix(name, leases)}
		if err := json.Unmarshal(o.data, &a.Holder); err != nil {
			strange = errors.Join(strange, fmt.Errorf("read the holder of lease %s: %w", a.Key, err))
			return nil
		}
		if p.LastModified != nil {
			a.Signed = p.LastModified.UTC()
		}
		if a.Run != "" {
			out = append(out, a)
		}
		return nil
	})
	return out, errors.Join(err, strange)
}

// Folder makes a part of a name safe to be one, for Save.
func Folder(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
