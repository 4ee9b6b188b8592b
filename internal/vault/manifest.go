package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// PutManifest writes the commit mark beside its blob. An equal one that is there is success, another one vault.conflict. A
// manifest that could not be read again, or that stands for another name, is refused: it could never be put right.
func (v *Vault) PutManifest(ctx context.Context, m bacvault.Manifest) error {
	if want := m.BlobName(m.Slot); m.Blob.Name != want {
		return fmt.Errorf("put manifest: it is for blob %s, but names %s", want, m.Blob.Name)
	}
	b, err := m.Encode()
	if err != nil {
		return fmt.Errorf("put manifest of %s: %w", m.Blob.Name, err)
	}
	if _, err := bacvault.DecodeManifest(b); err != nil {
		return fmt.Errorf("put manifest of %s: it would not be readable: %w", m.Blob.Name, err)
	}
	return v.putOnce(ctx, bacvault.ManifestName(m.Blob.Name), b)
}

// Manifest reads the manifest of a database's slot: false if the slot has none.
func (v *Vault) Manifest(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error) {
	return v.ReadManifest(ctx, d.BlobName(s))
}

// ReadManifest reads a manifest by its own name or by that of its blob: false if there is none.
func (v *Vault) ReadManifest(ctx context.Context, name string) (bacvault.Manifest, bool, error) {
	if !bacvault.IsManifest(name) {
		name = bacvault.ManifestName(name)
	}
	b, found, err := v.readSmall(ctx, name)
	if err != nil || !found {
		return bacvault.Manifest{}, false, err
	}
	m, err := bacvault.DecodeManifest(b)
	if err == nil && bacvault.ManifestName(m.Blob.Name) != name {
		err = fmt.Errorf("it stands for %s", m.Blob.Name)
	}
	if err != nil {
		return bacvault.Manifest{}, false, damaged(name, err)
	}
	return m, true, nil
}

// PutProof writes a drill's result beside the backup that it restored.
func (v *Vault) PutProof(ctx context.Context, p bacvault.Proof) error {
	if p.Schema != bacvault.ProofSchema || p.Blob == "" || p.At.IsZero() {
		return fmt.Errorf("put proof: schema %q, blob %q or time %s is missing", p.Schema, p.Blob, p.At)
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("put proof of %s: %w", p.Blob, err)
	}
	return v.putOnce(ctx, bacvault.ProofName(p.Blob, p.At), append(b, '\n'))
}

// ReadProof reads a proof by its name, as Entry.ProofNames has it.
func (v *Vault) ReadProof(ctx context.Context, name string) (bacvault.Proof, bool, error) {
	b, found, err := v.readSmall(ctx, name)
	if err != nil || !found {
		return bacvault.Proof{}, false, err
	}
	var p bacvault.Proof
	err = bacvault.DecodeStrict(b, &p)
	if err == nil && (p.Schema != bacvault.ProofSchema || bacvault.ProofName(p.Blob, p.At) != name) {
		err = fmt.Errorf("schema %q, blob %q and time %s are not those of its name", p.Schema, p.Blob, p.At)
	}
	if err != nil {
		return bacvault.Proof{}, false, damaged(name, err)
	}
	return p, true, nil
}

func damaged(name string, err error) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodeVaultRead, "%s can't be understood: %v", name, err)
	f.Class, f.Exists = bacvault.Terminal, nothingRead
	f.Next = "It was written by a newer bacvault or by another program; read it with a newer bacvault, or look at it by hand."
	return f
}

// putOnce creates a small blob in one request. Here azcore may repeat the request: whatever the last answer was, the bytes
// that lie there decide.
func (v *Vault) putOnce(ctx context.Context, name string, data []byte) error {
	c := writing(rightAdd, "write %s", name)
	if ctx.Err() != nil {
		return v.failure(ctx, c, ctx.Err())
	}
	b := newBody(data)
	defer b.revoke()
	_, err := v.c.NewBlockBlobClient(name).Upload(ctx, b, &blockblob.UploadOptions{
		AccessConditions: createOnly(), TransactionalValidation: checksum(data),
		HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
	})
	if err == nil {
		return nil
	}
	if definite(err) {
		return v.failure(ctx, c, err)
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	got, found, rerr := v.readSmall(look, name)
	switch {
	case rerr != nil || !found:
		return v.failure(ctx, c, err)
	case !bytes.Equal(got, data):
		f := bacvault.Fail(bacvault.CodeVaultConflict, "write %s: the name holds other content (%s)", name, brief(err))
		f.Err, f.Exists = err, "the other content, unchanged"
		return f
	}
	return nil
}
