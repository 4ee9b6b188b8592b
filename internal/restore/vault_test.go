package restore_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

func (s *side) Catalogue(context.Context, bacvault.Database) (list []restore.Entry, err error) {
	err = s.call("catalogue", func() error { list = s.w.catalogue; return nil })
	return list, err
}

func (s *side) ReadManifest(_ context.Context, name string) (m bacvault.Manifest, ok bool, err error) {
	err = s.call("manifest", func() error { m, ok = s.w.manifests[name]; return nil })
	return m, ok, err
}

func (s *side) ReadProof(_ context.Context, name string) (p bacvault.Proof, ok bool, err error) {
	err = s.call("proof", func() error { p, ok = s.w.proofs[name]; return nil })
	return p, ok, err
}

// archivedBlob is how the vault refuses a blob that lies in the archive tier.
func archivedBlob() error {
	f := bacvault.Fail(bacvault.CodeVaultRead, "the blob is in the archive tier")
	f.Class, f.Next = bacvault.Refused, "az storage blob set-tier"
	return f
}

func (s *side) Head(_ context.Context, blob string) (size int64, ok bool, err error) {
	err = s.call("head", func() error {
		var content string
		content, ok = s.w.blobs[blob]
		size = int64(len(content))
		if s.w.archived[blob] {
			return archivedBlob()
		}
		return nil
	})
	return size, ok, err
}

func (s *side) Fetch(_ context.Context, blob string, f *os.File, size int64, progress func(int64)) (sum string, err error) {
	err = s.call("fetch", func() error {
		content := s.w.blobs[blob]
		h := sha256.Sum256([]byte(content))
		sum = hex.EncodeToString(h[:])
		_, err := f.WriteAt([]byte(content), 0)
		return err
	})
	progress(size)
	return sum, err
}

func (s *side) verify(_ context.Context, r io.ReaderAt, size int64) (a bacvault.Archive, err error) {
	var rows bacvault.Rows
	err = s.call("verify", func() error {
		b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil {
			return err
		}
		if !strings.HasSuffix(string(b), ".") {
			return bacvault.Fail(bacvault.CodeVerifyBroken, "the archive has no end")
		}
		rows = parse(string(b))
		return nil
	})
	return bacvault.Archive{Rows: rows.Without(s.unverified), Unverified: s.unverified, Schema: s.model}, err
}

func failure(t *testing.T, err error) *bacvault.Failure {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no failure", err)
	}
	return f
}

// files lists what is left in the work folder.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// complete fails unless the target holds the archive's rows for this request, and nothing else is left or was hurt.
func complete(t *testing.T, w *world, res restore.Result) {
	t.Helper()
	d := w.databases[target.Name]
	if d == nil || d.owner != "r-1" || len(bacvault.Compare(parse(archive), d.rows)) > 0 || len(w.databases) != 2 {
		t.Fatalf("the target is %+v of %d databases", d, len(w.databases))
	}
	if len(res.Tables) != 2 || res.Target != target || res.Source != db || res.Slot == nil || *res.Slot != night || res.Blob.Name != db.BlobName(night) {
		t.Errorf("the result is %+v", res)
	}
	for _, c := range res.Tables {
		if c.Source == nil || c.Archive == nil || c.Restored == nil || *c.Source != *c.Archive || *c.Archive != *c.Restored {
			t.Errorf("table %s is not the same on three sides: %+v", c.Table, c)
		}
	}
	if w.holder != "" || len(w.crimes) > 0 {
		t.Errorf("the lease is %q, crimes %v", w.holder, w.crimes)
	}
	if left := files(t, w.workDir); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
}
