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
	// HasManifest tells a backup from an orphan.
	HasManifest bool
	// Proofs counts the drills' results and ProofNames names them, oldest first. A proof may be that of a drill that failed:
	// read it.
	Proofs     int
	ProofNames []string
	Archived   bool
}

// Catalogue lists the stored archives of a database, newest slot last. Names that are not ours are left out. The store gives
// 5,000 names a call: a year of nights with manifests and proofs is one call, ten years are three.
func (v *Vault) Catalogue(ctx context.Context, d bacvault.Database) ([]Entry, error) {
	byName := map[string]*Entry{}
	var others []string
	pager := v.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(d.Prefix())})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, v.failure(ctx, reading("list the backups of %s", d), err)
		}
		if page.Segment == nil {
			continue
		}
		for _, it := range page.Segment.BlobItems {
			if it.Name == nil || it.Properties == nil {
				continue
			}
			if owner, slot, err := bacvault.ParseBlobName(*it.Name); err == nil && owner == d {
				byName[*it.Name] = entry(*it.Name, slot, it.Properties)
			} else {
				others = append(others, *it.Name)
			}
		}
	}
	for _, name := range others {
		if bacvault.IsManifest(name) {
			if e := byName[bacvault.ArchiveName(name)]; e != nil {
				e.HasManifest = true
			}
		} else if e := byName[provenBlob(name)]; e != nil {
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
	return out, nil
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
