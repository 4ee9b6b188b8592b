package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// mostProofs bounds the proofs that are read to find a backup that passed a drill.
const mostProofs = 200

// admit refuses a database that is not ours, finds the backup that was asked for, and refuses one that can't be read.
func (r *run) admit(ctx context.Context) error {
	if !r.Protects(r.req.Server, r.req.Name) {
		return bacvault.Fail(bacvault.CodeRequestUnknownDB, "%s is not a database that this app protects", r.req.Database)
	}
	blob, err := r.choose(ctx)
	if err != nil {
		return err
	}
	m, manifested, err := r.Vault.ReadManifest(ctx, bacvault.ManifestName(blob))
	if err != nil {
		return err
	}
	switch {
	case manifested && (m.Blob.Name != blob || m.Database != r.req.Database):
		return bacvault.Fail(bacvault.CodeVerifyHash, "the manifest beside %s is that of %s of %s", blob, m.Blob.Name, m.Database)
	case !manifested && r.req.BackupFileName == "":
		return bacvault.Fail(bacvault.CodeVaultOrphan, "blob %s has no manifest: it is not a backup", blob)
	}
	size, ok, err := r.Vault.Head(ctx, blob)
	if err != nil {
		return err
	}
	switch {
	case !ok && manifested:
		return bacvault.Fail(bacvault.CodeVaultMissing, "there is no blob %s: its manifest stands alone, and is no backup", blob)
	case !ok:
		return bacvault.Fail(bacvault.CodeVaultMissing, "there is no blob %s", blob)
	case manifested && size != m.Blob.Size:
		r.result.Slot = &m.Slot // a drill records the verdict beside it
		return bacvault.Fail(bacvault.CodeVerifyHash, "the blob %s has %d bytes, its manifest promises %d", blob, size, m.Blob.Size)
	}
	r.result.Blob, r.result.Unmanifested = bacvault.Blob{Name: blob, Size: size}, true
	if manifested {
		r.manifest, r.result.Blob, r.result.Slot, r.result.Unmanifested = &m, m.Blob, &m.Slot, false
	}
	return nil
}

// choose gives the blob's name.
func (r *run) choose(ctx context.Context) (string, error) {
	switch {
	case strings.Contains(r.req.BackupFileName, "/"):
		return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "%q is not the flat name of an old file: ask for a backup of ours by blob or slot", r.req.BackupFileName)
	case r.req.BackupFileName != "":
		return r.req.BackupFileName, nil
	case r.req.Blob != "":
		d, _, err := bacvault.ParseBlobName(r.req.Blob)
		if err != nil || d != r.req.Database {
			return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "blob %q is not a backup of %s", r.req.Blob, r.req.Database)
		}
		return r.req.Blob, nil
	case r.req.Slot != nil:
		return r.req.BlobName(*r.req.Slot), nil
	}
	list, err := r.Vault.Catalogue(ctx, r.req.Database)
	if err != nil {
		return "", err
	}
	var backups []Entry // newest first
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		switch {
		case r.req.At != nil && e.Slot.Time().After(*r.req.At):
		case e.NoArchive:
			r.alone = append(r.alone, e)
		case e.HasManifest:
			backups = append(backups, e)
		}
	}
	blob, err := r.pick(ctx, backups)
	if err == nil && blob == "" {
		err = bacvault.Fail(bacvault.CodeRequestNoBackup, "none of the %d backups of %s fits the request", len(backups), r.req.Database)
	}
	if err == nil && r.latest() {
		r.tellPassedOver(blob)
	}
	return blob, err
}

// latest says that the newest backup was asked for, of all or up to a time.
func (r *run) latest() bool {
	return r.req.Backup != bacvault.ChooseLatestProven && r.req.Backup != bacvault.ChooseOldest && r.req.Backup != bacvault.ChooseRandom
}

// tellPassedOver names the manifests without an archive that would be newer than what was chosen.
func (r *run) tellPassedOver(blob string) {
	_, chosen, err := bacvault.ParseBlobName(blob)
	for _, e := range r.alone {
		if err == nil && e.Slot.Time().After(chosen.Time()) && !e.Slot.Time().After(r.now()) {
			r.findings = append(r.findings, "A newer manifest was passed over, for its archive "+e.Blob+" is not there: it is no backup.")
		}
	}
}

// pick takes one of the backups by the request's word; empty if none fits.
func (r *run) pick(ctx context.Context, newestFirst []Entry) (string, error) {
	switch {
	case len(newestFirst) == 0:
		return "", nil
	case r.req.Backup == bacvault.ChooseLatestProven:
		return r.proven(ctx, newestFirst)
	case r.req.Backup == bacvault.ChooseOldest:
		return newestFirst[len(newestFirst)-1].Blob, nil
	case r.req.Backup == bacvault.ChooseRandom:
		return random(r.req.ID, newestFirst), nil
	}
	return newestFirst[0].Blob, nil
}

// proven gives the newest backup whose last drill restored it and found it whole. Drills that failed leave proofs too: one
// that came after a passed one takes that back.
func (r *run) proven(ctx context.Context, newestFirst []Entry) (string, error) {
	read := 0
	for _, e := range newestFirst {
		for i := len(e.ProofNames) - 1; i >= 0; i-- {
			if read++; read > mostProofs {
				return "", bacvault.Fail(bacvault.CodeRequestNoBackup, "the newest %d proofs of %s hold none that passed: name a backup by slot or blob", mostProofs, r.req.Database)
			}
			p, ok, err := r.Vault.ReadProof(ctx, e.ProofNames[i])
			if f := (*bacvault.Failure)(nil); errors.As(err, &f) && f.Class == bacvault.Terminal && f.Code == bacvault.CodeVaultRead {
				r.findings = append(r.findings, "A proof was passed over: "+f.Detail+".")
				continue // one that nobody understands proves nothing, and holds up nothing
			}
			if err != nil {
				return "", err
			}
			if ok && p.Blob == e.Blob {
				if p.Passed {
					return e.Blob, nil
				}
				break
			}
		}
	}
	return "", nil
}

// random takes the backup whose hash with the request's id is highest: each delivery of a request takes the same one, and a
// backup that comes or goes in between changes that only if it is the one. What lies in the archive tier takes no part.
func random(request string, backups []Entry) (blob string) {
	var best [sha256.Size]byte
	for _, e := range backups {
		h := sha256.Sum256([]byte(request + "\x00" + e.Blob))
		if !e.Archived && (blob == "" || bytes.Compare(h[:], best[:]) > 0) {
			blob, best = e.Blob, h
		}
	}
	return blob
}
