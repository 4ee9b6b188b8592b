package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// alreadyDone finds a finished backup of the slot. A manifest alone is no proof of one: whoever may write to the vault can lay
// one under the name of a night to come, and an archive can be deleted once its protection ended. So the archive is looked
// at, once, before anything is called done. Archives come before their manifests, so that no kill leaves a manifest alone.
func (r *run) alreadyDone(ctx context.Context) (bool, error) {
	m, ok, err := r.Vault.Manifest(ctx, r.req.Database, r.slot)
	if err != nil {
		return false, r.notUnderstood(err)
	}
	if !ok {
		return false, nil
	}
	stored, there, err := r.Vault.Head(ctx, r.req.BlobName(r.slot))
	if err != nil {
		return false, err
	}
	if why := r.phantom(m, stored, there); why != "" {
		f := bacvault.Fail(bacvault.CodeVaultPhantom, "the manifest of slot %s of %s is no proof of a backup: %s", r.slot, r.req.Database, why)
		f.Exists = "nothing was written; the manifest " + bacvault.ManifestName(r.req.BlobName(r.slot)) + " stays as it was found"
		return false, f
	}
	r.result = Result{Manifest: m, AlreadyDone: true}
	return true, nil
}

// createdApart is how far the creation that the manifest reckoned with may be from the store's: both are the store's own time.
const createdApart = time.Minute

// phantom says why a manifest that lies under the slot's name is not that of the archive beside it; empty if it is.
func (r *run) phantom(m bacvault.Manifest, stored Stored, there bool) string {
	blob := r.req.BlobName(r.slot)
	switch {
	case m.Database != r.req.Database || m.Slot != r.slot || m.Blob.Name != blob:
		return fmt.Sprintf("it names %s, slot %s, blob %s", m.Database, m.Slot, m.Blob.Name)
	case !there:
		return "there is no archive " + blob
	case stored.Blob.Size != m.Blob.Size:
		return fmt.Sprintf("it promises %d bytes, the archive has %d bytes", m.Blob.Size, stored.Blob.Size)
	case !strings.EqualFold(stored.Blob.SHA256, m.Blob.SHA256):
		return fmt.Sprintf("it promises SHA-256 %s, the archive was stored with %q", m.Blob.SHA256, stored.Blob.SHA256)
	case m.Blob.ETag != "" && stored.Blob.ETag != m.Blob.ETag:
		return fmt.Sprintf("it promises ETag %s, the archive has %s", m.Blob.ETag, stored.Blob.ETag)
	case !m.ProtectedTo.IsZero() && m.Posture.ProtectedUntil(stored.Created).Sub(m.ProtectedTo).Abs() > createdApart:
		// What we write there is the archive's creation and the period: an archive of another time has another end.
		return fmt.Sprintf("it promises protection until %s, which is not that of an archive created at %s",
			m.ProtectedTo.UTC().Format(time.RFC3339), stored.Created.UTC().Format(time.RFC3339))
	}
	return ""
}

// notUnderstood adds what to do to a manifest that can't be read by any try: the slot is lost by it.
func (r *run) notUnderstood(err error) error {
	var f *bacvault.Failure
	if !errors.As(err, &f) || f.Code != bacvault.CodeVaultRead || f.Class != bacvault.Terminal {
		return err
	}
	told := *f
	told.Next = "It is of a newer bacvault, or somebody laid it there: look at it by hand, and in the storage log who wrote it. The slot's name is taken for good: ask for a backup of now (bacvault backup)."
	return &told
}
