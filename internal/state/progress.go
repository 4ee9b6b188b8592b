package state

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	runs    = "runs/"
	pending = "pending/"
)

func runName(run string) string { return runs + url.PathEscape(run) + ".json" }

// SaveProgress writes where a run stands over what was there before.
func (s *State) SaveProgress(ctx context.Context, p bacvault.Progress) error {
	if p.Run == "" {
		return errors.New("save progress: the run has no name")
	}
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("save progress of %s: %w", p.Run, err)
	}
	return s.write(ctx, runName(p.Run), b)
}

// Progress lists the runs that have not ended, the oldest report first; a run that died stays in it until EndProgress. What
// cannot be read is told in the error, and the others are still listed.
func (s *State) Progress(ctx context.Context) ([]bacvault.Progress, error) {
	var out []bacvault.Progress
	var errs []error
	pager := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(runs)})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if bloberror.HasCode(err, bloberror.ContainerNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, s.failure(ctx, "list "+runs, rightRead, err)
		}
		if page.Segment == nil {
			continue
		}
		for _, it := range page.Segment.BlobItems {
			if it.Name == nil {
				continue
			}
			o, found, err := s.get(ctx, *it.Name)
			if err != nil {
				return nil, err
			}
			var p bacvault.Progress
			switch {
			case !found: // it ended between the two calls
			case json.Unmarshal(o.data, &p) != nil || p.Run == "":
				errs = append(errs, fmt.Errorf("%s%s is not the progress of a run", s.container, *it.Name))
			default:
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b bacvault.Progress) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Run, b.Run)) })
	return out, errors.Join(errs...)
}

// EndProgress forgets a run.
func (s *State) EndProgress(ctx context.Context, run string) error {
	return s.remove(ctx, runName(run))
}

func pendingName(d bacvault.Database, slot bacvault.Slot) string {
	return pending + bacvault.ManifestName(d.BlobName(slot))
}

// SavePending keeps a manifest as it was prepared just before the commit, so that a run that was killed between commit and
// manifest can be finished by the redelivered message.
func (s *State) SavePending(ctx context.Context, m bacvault.Manifest) error {
	b, err := m.Encode()
	if err == nil {
		_, err = bacvault.DecodeManifest(b)
	}
	if err != nil {
		return fmt.Errorf("save the pending manifest: %w", err)
	}
	return s.write(ctx, pendingName(m.Database, m.Slot), b)
}

// Pending reads the manifest that was prepared for a slot: false if there is none.
func (s *State) Pending(ctx context.Context, d bacvault.Database, slot bacvault.Slot) (bacvault.Manifest, bool, error) {
	o, found, err := s.get(ctx, pendingName(d, slot))
	if err != nil || !found {
		return bacvault.Manifest{}, false, err
	}
	m, err := bacvault.DecodeManifest(o.data)
	if err != nil {
		return bacvault.Manifest{}, false, fmt.Errorf("read the pending manifest of %s %s: %w", d, slot, err)
	}
	return m, true, nil
}

// DropPending forgets a prepared manifest.
func (s *State) DropPending(ctx context.Context, d bacvault.Database, slot bacvault.Slot) error {
	return s.remove(ctx, pendingName(d, slot))
}
