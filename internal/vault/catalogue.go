package vault

import (
	"context"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Entry is one stored archive of a database.
type Entry struct {
	Blob    string
	Slot    bacvault.Slot
	Size    int64
	Created time.Time
	// HasManifest tells a backup from an orphan. ManifestAt is when the store made the manifest.
	HasManifest bool
	ManifestAt  time.Time
	// Proofs counts the drills' results and ProofNames names them, oldest first. A proof may be that of a drill that failed:
	// read it.
	Proofs     int
	ProofNames []string
	Archived   bool
}

// Phantom is a manifest without its archive: it stands for nothing.
type Phantom struct {
	Blob    string // the archive that is not there
	Slot    bacvault.Slot
	Created time.Time // of the manifest
}

// Catalogue lists the stored archives of a database, newest slot last, as Listing does.
func (v *Vault) Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error) {
	list, _, err := v.Listing(ctx, d)
	return list, err
}

// Listing lists the stored archives of a database and the manifests that have none, newest slot last. Names that are not ours
// are left out. The store gives 5,000 names a call: a year of nights with manifests and proofs is one call, ten years are three.
func (v *Vault) Listing(ctx context.Context, d bacvault.Database) ([]Entry, []Phantom, error) {
	byName := map[string]*Entry{}
	manifests := map[string]time.Time{}
	var others []string
	pager := v.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(d.Prefix())})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, nil, v.failure(ctx, reading("list the backups of %s", d), err)
		}
		if page.Segment == nil {
			continue
		}
		for _, it := range page.Segment.BlobItems {
			if it.Name == nil || it.Properties == nil {
				continue
			}
			name := *it.Name
			switch owner, slot, err := bacvault.ParseBlobName(name); {
			case err == nil && owner == d:
				byName[name] = entry(name, slot, it.Properties)
			case bacvault.IsManifest(name):
				manifests[bacvault.ArchiveName(name)] = entry(name, slot, it.Properties).Created
			default:
				others = append(others, name)
			}
		}
	}
	var phantoms []Phantom
	for blob, at := range manifests {
		if e := byName[blob]; e != nil {
			e.HasManifest, e.ManifestAt = true, at
		} else if owner, slot, err := bacvault.ParseBlobName(blob); err == nil && owner == d {
			phantoms = append(phantoms, Phantom{Blob: blob, Slot: slot, Created: at})
		}
	}
	slices.SortFunc(phantoms, func(a, b Phantom) int { return a.Slot.Time().Compare(b.Slot.Time()) })
	for _, name := range others {
		if e := byName[provenBlob(name)]; e != nil {
			e.Proofs++
			e.ProofNames = append(e.ProofNames, name)
		}
	}
	out := make([]Entry, 0, len(byName))
	for _, e := range byName {
		slices.Sort(e.ProofNames)
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return a.Slot.Time().Compare(b.Slot.Time()) })
	return out, phantoms, nil
}

func entry(name string, slot bacvault.Slot, p *container.BlobProperties) *Entry {
	e := &Entry{Blob: name, Slot: slot}
	if p.ContentLength != nil {
		e.Size = *p.ContentLength
	}
	if p.CreationTime != nil {
		e.Created = p.CreationTime.UTC()
	}
	e.Archived = p.AccessTier != nil && strings.EqualFold(string(*p.AccessTier), string(blob.AccessTierArchive))
	return e
}

// provenBlob is the archive that a proof's name belongs to, or empty.
func provenBlob(name string) string {
	base, _, ok := strings.Cut(path.Base(name), ".proof-")
	if !ok || !strings.HasSuffix(name, ".json") {
		return ""
	}
	return path.Dir(name) + "/" + base + ".bacpac"
}

// Databases lists the databases that have a folder in the vault, sorted by name: one call, and one for each server.
func (v *Vault) Databases(ctx context.Context) ([]bacvault.Database, error) {
	servers, err := v.folders(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []bacvault.Database
	for _, server := range servers {
		databases, err := v.folders(ctx, server)
		if err != nil {
			return nil, err
		}
		for _, folder := range databases {
			s, err1 := url.PathUnescape(strings.TrimSuffix(server, "/"))
			n, err2 := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(folder, server), "/"))
			// A folder whose name we would not have written is not a database of ours.
			if d := (bacvault.Database{Server: s, Name: n}); err1 == nil && err2 == nil && d.Prefix() == folder {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// folders lists the folders right below a prefix, each with the prefix and the closing slash.
func (v *Vault) folders(ctx context.Context, prefix string) ([]string, error) {
	var out []string
	pager := v.c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: to.Ptr(prefix)})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, v.failure(ctx, reading("list the folders of %q", prefix), err)
		}
		if page.Segment == nil {
			continue
		}
		for _, p := range page.Segment.BlobPrefixes {
			if p.Name != nil {
				out = append(out, *p.Name)
			}
		}
	}
	return out, nil
}
