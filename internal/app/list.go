package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/vault"
	"github.com/bacvault/bacvault/internal/watch"
)

// The forms of what the command line prints of backups.
const (
	BackupsSchema = "bacvault.backups.v1"
	BackupSchema  = "bacvault.backup.v1"
)

// BackupFilter says which backups are asked for.
type BackupFilter struct {
	// Database is whose; an empty name is every protected one of the server, or of all, that the vault knows, and with All every
	// one that it knows.
	Database bacvault.Database
	All      bool
	Since    time.Time // oldest slot; zero: all
}

// BackupList is what lies in the vault, by database and from the oldest slot on.
type BackupList struct {
	Schema  string         `json:"schema"`
	At      time.Time      `json:"at"`
	Vault   string         `json:"vault"`
	Backups []ListedBackup `json:"backups"`
	Unread  []string       `json:"unread,omitempty"`
}

// ListedBackup is one archive, or a manifest that has none. An orphan has no manifest: it is no backup, nor is a phantom.
type ListedBackup struct {
	bacvault.Database
	Slot        bacvault.Slot        `json:"slot"`
	Blob        string               `json:"blob"`
	Size        int64                `json:"size"` // bytes
	Orphan      bool                 `json:"orphan,omitempty"`
	Phantom     string               `json:"phantom,omitempty"`  // why its manifest is not that of an archive that is there
	Archived    bool                 `json:"archived,omitempty"` // in the archive tier: it can't be read as it lies
	Consistency bacvault.Consistency `json:"consistency,omitempty"`
	Tables      int                  `json:"tables,omitempty"`
	Rows        int64                `json:"rows,omitempty"`
	ProtectedTo *time.Time           `json:"protectedUntil,omitempty"` // as the manifest has it; a policy that was extended since protects longer
	Degraded    []string             `json:"degraded,omitempty"`
	// Proven is the result of its newest drill: passed, failed or none.
	Proven   string     `json:"proven"`
	ProvenAt *time.Time `json:"provenAt,omitempty"`
	Drills   int        `json:"drills,omitempty"`
}

// What ListedBackup.Proven can say.
const (
	ProvenPassed = "passed"
	ProvenFailed = "failed"
	ProvenNone   = "none"
	ProvenUnread = "unread"
)

// readers bounds the manifests and proofs that are read at once.
const readers = 16

// Backups lists what lies in the vault. What can't be read is named in the list; that a listing itself fails is an error.
func (a *App) Backups(ctx context.Context, f BackupFilter) (BackupList, error) {
	out := BackupList{Schema: BackupsSchema, At: a.now(), Vault: a.cfg.VaultURL(), Backups: []ListedBackup{}}
	dbs, err := a.listed(ctx, f)
	if err != nil {
		return out, err
	}
	entries, err := a.catalogues(ctx, dbs, f.Since)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		out.Backups = append(out.Backups, ListedBackup{
			Database: e.of, Slot: e.Slot, Blob: e.Blob, Size: e.Size, Orphan: !e.HasManifest && e.phantom == "", Phantom: e.phantom, Archived: e.Archived, Proven: ProvenNone, Drills: e.Proofs,
		})
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, e := range entries {
		g.Go(func() error {
			for _, what := range a.describe(gctx, &out.Backups[i], e.Entry) {
				mu.Lock()
				out.Unread = append(out.Unread, what)
				mu.Unlock()
			}
			return gctx.Err()
		})
	}
	err = g.Wait()
	slices.Sort(out.Unread)
	return out, err
}

// owned is an entry and the database that it is one of.
type owned struct {
	vault.Entry
	of      bacvault.Database
	phantom string
}

// catalogues lists databases side by side, and keeps their order.
func (a *App) catalogues(ctx context.Context, dbs []bacvault.Database, since time.Time) ([]owned, error) {
	lists := make([][]owned, len(dbs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, d := range dbs {
		g.Go(func() error {
			list, phantoms, err := a.vault.Listing(gctx, d)
			for _, e := range list {
				lists[i] = append(lists[i], owned{e, d, ""})
			}
			for _, p := range phantoms {
				lists[i] = append(lists[i], owned{vault.Entry{Blob: p.Blob, Slot: p.Slot}, d, watch.WhyNoArchive})
			}
			slices.SortStableFunc(lists[i], func(a, b owned) int { return a.Slot.Time().Compare(b.Slot.Time()) })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []owned
	for _, list := range lists {
		for _, e := range list {
			if !e.Slot.Time().Before(since) {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func (a *App) listed(ctx context.Context, f BackupFilter) ([]bacvault.Database, error) {
	if f.Database.Name != "" {
		d, err := a.named(f.Database)
		return []bacvault.Database{d}, err
	}
	dbs, err := a.vault.Databases(ctx)
	return slices.DeleteFunc(dbs, func(d bacvault.Database) bool {
		other := f.Database.Server != "" && !strings.EqualFold(d.Server, f.Database.Server)
		return other || !f.All && !a.cfg.Protects(d.Server, d.Name)
	}), err
}

// named gives a database its server: the only one, or the configured spelling. The vault may know servers that are no more.
func (a *App) named(d bacvault.Database) (bacvault.Database, error) {
	if d.Server = cmp.Or(d.Server, a.onlyServer()); d.Server == "" {
		f := bacvault.Fail(bacvault.CodeRequestMalformed, "the app has several servers: name the database as SERVER/%s", d.Name)
		f.Exists = "nothing was asked of anybody"
		return d, f
	}
	if known, ok := a.cfg.Servers.Find(d.Server); ok {
		d.Server = known
	}
	return d, nil
}

// describe reads what the manifest and the newest proof say, and gives what could not be read.
func (a *App) describe(ctx context.Context, b *ListedBackup, e vault.Entry) (unread []string) {
	if e.HasManifest {
		switch m, ok, err := a.vault.ReadManifest(ctx, e.Blob); {
		case err != nil:
			unread = append(unread, "the manifest of "+e.Blob+": "+bacvault.AsFailure(err, "").Detail)
		case ok:
			b.Consistency, b.Tables, b.Rows, b.Degraded = m.Consistency, len(m.Tables), m.Rows().Total(), m.Degraded
			if !m.ProtectedTo.IsZero() {
				b.ProtectedTo = &m.ProtectedTo
			}
			if m.Blob.Size != e.Size {
				b.Phantom = fmt.Sprintf("the manifest promises %d bytes, the archive has %d", m.Blob.Size, e.Size)
			}
		}
	}
	if len(e.ProofNames) == 0 {
		return unread
	}
	name := e.ProofNames[len(e.ProofNames)-1]
	switch p, ok, err := a.vault.ReadProof(ctx, name); {
	case err != nil || !ok:
		b.Proven = ProvenUnread
		unread = append(unread, fmt.Sprintf("the proof %s: %v", name, err))
	case p.Passed:
		b.Proven, b.ProvenAt = ProvenPassed, &p.At
	default:
		b.Proven, b.ProvenAt = ProvenFailed, &p.At
	}
	return unread
}

// Backup is one backup whole.
type Backup struct {
	Schema   string            `json:"schema"`
	Manifest bacvault.Manifest `json:"manifest"`
	Proofs   []bacvault.Proof  `json:"proofs"` // oldest first
	Unread   []string          `json:"unread,omitempty"`
}

// ShowBackup reads the manifest and the proofs of the backup that a request chooses, as a restore would.
func (a *App) ShowBackup(ctx context.Context, req bacvault.RestoreRequest) (Backup, error) {
	out := Backup{Schema: BackupSchema, Proofs: []bacvault.Proof{}}
	p, err := a.choose(ctx, req)
	if err != nil {
		return out, err
	}
	m, ok, err := a.vault.ReadManifest(ctx, p.Blob.Name)
	if err == nil && !ok {
		err = bacvault.Fail(bacvault.CodeVaultOrphan, "blob %s has no manifest: it is not a backup", p.Blob.Name)
	}
	if err != nil {
		return out, err
	}
	out.Manifest = m
	list, err := a.vault.Catalogue(ctx, m.Database)
	if err != nil {
		return out, err
	}
	for _, e := range list {
		if e.Blob != m.Blob.Name {
			continue
		}
		for _, name := range e.ProofNames {
			proof, ok, err := a.vault.ReadProof(ctx, name)
			if err != nil || !ok {
				out.Unread = append(out.Unread, fmt.Sprintf("the proof %s: %v", name, err))
				continue
			}
			out.Proofs = append(out.Proofs, proof)
		}
	}
	return out, nil
}

// choose lets a restore's own run choose, so that what is shown or verified is what would be restored. A database that nobody
// protects any more has its backups all the same.
func (a *App) choose(ctx context.Context, req bacvault.RestoreRequest) (RestorePlan, error) {
	var err error
	if req.Database, err = a.named(req.Database); err != nil {
		return RestorePlan{}, err
	}
	if req, err = complete(req); err != nil {
		return RestorePlan{}, err
	}
	return a.planRestore(ctx, &restore.Restore{
		Vault: restoreVault{a}, Protects: func(string, string) bool { return true }, Now: time.Now, NewRun: newRun,
	}, req)
}
