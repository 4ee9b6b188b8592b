package vault_test

import (
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

func TestAnArchivedBlobIsRefusedBeforeItIsFetchedInTheSameWords(t *testing.T) {
	v, s := open(t, vault.Config{})
	if _, found, err := v.Readable(t.Context(), name); found || err != nil {
		t.Fatalf("there is no blob: found %t, error %v", found, err)
	}
	s.blobs[name] = &object{data: pattern(1000)}
	if st, found, err := v.Readable(t.Context(), name); !found || err != nil || st.Blob.Size != 1000 {
		t.Fatalf("%+v, found %t, error %v", st, found, err)
	}
	s.blobs[name].tier = "Archive"
	_, _, err := v.Readable(t.Context(), name)
	f := wantCode(t, err, bacvault.CodeVaultRead, "archive tier")
	_, err = v.Fetch(t.Context(), name, target(t), 1000, nil)
	if g := wantCode(t, err, bacvault.CodeVaultRead, "archive tier"); *f != *g || f.Class != bacvault.Refused {
		t.Errorf("refused as %+v, by Fetch as %+v", f, g)
	}
}
