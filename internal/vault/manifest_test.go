package vault_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

var db = bacvault.Database{Server: "srv", Name: "my db/x"}

func slotAt(h int) bacvault.Slot {
	return bacvault.SlotAt(time.Date(2026, 11, 24, h, 0, 0, 0, time.UTC))
}

func manifest(s bacvault.Slot) bacvault.Manifest {
	return bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: db, Slot: s, Consistency: bacvault.ConsistencyCopy,
		Blob: bacvault.Blob{Name: db.BlobName(s), Size: 5, SHA256: hexSum([]byte("12345"))}, Tables: []bacvault.TableRows{},
	}
}

var sameManifest = cmp.Comparer(func(a, b bacvault.Slot) bool { return a.Time().Equal(b.Time()) })

func TestManifestIsWrittenOnceAndReadAgain(t *testing.T) {
	v, s := open(t, vault.Config{})
	m := manifest(slotAt(2))
	if _, found, err := v.Manifest(t.Context(), db, m.Slot); found || err != nil {
		t.Fatalf("found %t, %v before it was written", found, err)
	}
	if err := v.PutManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if h := s.headers["PUT "]; h.Get("If-None-Match") != "*" || h.Get("x-ms-content-crc64") == "" {
		t.Errorf("headers %v", h)
	}
	for _, name := range []string{m.Blob.Name, bacvault.ManifestName(m.Blob.Name)} {
		got, found, err := v.ReadManifest(t.Context(), name)
		if err != nil || !found {
			t.Fatalf("%s: found %t, %v", name, found, err)
		}
		if diff := cmp.Diff(m, got, sameManifest); diff != "" {
			t.Errorf("manifest (-written +read):\n%s", diff)
		}
	}
	if err := v.PutManifest(t.Context(), m); err != nil {
		t.Errorf("the same again: %v", err)
	}
	m.Degraded = []string{"other"}
	wantCode(t, v.PutManifest(t.Context(), m), bacvault.CodeVaultConflict, "other content")
}

func TestManifestThatTookEffectBehindAnErrorIsSuccess(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(http.ResponseWriter)
	}{
		{"500", func(w http.ResponseWriter) { refuse(w, 500, "InternalError") }},
		{"cut", cut},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{})
			s.after = func(w http.ResponseWriter, _ *http.Request, call string) bool {
				hit := strings.HasPrefix(call, "PUT ") && s.count("PUT ") == 1
				if hit {
					c.spoil(w)
				}
				return hit
			}
			if err := v.PutManifest(t.Context(), manifest(slotAt(2))); err != nil {
				t.Error(err)
			}
			if s.count("PUT ") != 2 {
				t.Errorf("%d tries", s.count("PUT "))
			}
		})
	}
}

func TestManifestThatCouldNeverBePutRightIsNotWritten(t *testing.T) {
	for name, spoil := range map[string]func(*bacvault.Manifest){
		"no schema":      func(m *bacvault.Manifest) { m.Schema = "" },
		"no size":        func(m *bacvault.Manifest) { m.Blob.Size = 0 },
		"another's blob": func(m *bacvault.Manifest) { m.Blob.Name = "srv/other/x.bacpac" },
	} {
		t.Run(name, func(t *testing.T) {
			v, s := open(t, vault.Config{})
			m := manifest(slotAt(2))
			spoil(&m)
			if err := v.PutManifest(t.Context(), m); err == nil || len(s.calls) != 0 {
				t.Errorf("%v after %v", err, s.calls)
			}
		})
	}
}

func TestManifestThatIsNotOursIsNotBelieved(t *testing.T) {
	v, s := open(t, vault.Config{})
	m := manifest(slotAt(2))
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		bacvault.ManifestName(db.BlobName(slotAt(3))): b, // copied from another slot
		bacvault.ManifestName(db.BlobName(slotAt(4))): []byte("{}"),
	} {
		s.blobs[name] = &object{data: data}
		_, _, err := v.ReadManifest(t.Context(), name)
		if f := wantCode(t, err, bacvault.CodeVaultRead); f.Class != bacvault.Terminal {
			t.Errorf("%s: class %s", name, f.Class)
		}
	}
}

func TestCatalogueTellsBackupsFromOrphans(t *testing.T) {
	v, s := open(t, vault.Config{})
	put := func(slot bacvault.Slot, tier string) string {
		n := db.BlobName(slot)
		s.blobs[n] = &object{data: []byte("12345"), tier: tier, created: slot.Time()}
		return n
	}
	late, early, orphan := put(slotAt(9), ""), put(slotAt(2), "Archive"), put(slotAt(5), "")
	for _, slot := range []bacvault.Slot{slotAt(9), slotAt(2)} {
		if err := v.PutManifest(t.Context(), manifest(slot)); err != nil {
			t.Fatal(err)
		}
	}
	proof := bacvault.Proof{Schema: bacvault.ProofSchema, Database: db, Slot: slotAt(2), Blob: early, Passed: true, At: slotAt(12).Time()}
	if err := v.PutProof(t.Context(), proof); err != nil {
		t.Fatal(err)
	}
	s.blobs[db.Prefix()+"readme.txt"] = &object{}
	s.blobs["srv/other/srv-other_2026-11-24_020000.bacpac"] = &object{}
	s.blobs["flat-2024.bacpac"] = &object{}
	wrote := s.blobs[bacvault.ManifestName(late)].created.Truncate(time.Second)
	s.blobs[bacvault.ManifestName(early)].created, s.blobs[bacvault.ManifestName(late)].created = wrote, wrote
	planted := db.BlobName(slotAt(20)) // a manifest alone
	s.blobs[bacvault.ManifestName(planted)] = &object{data: []byte("{}"), created: slotAt(3).Time()}
	s.blobs[db.Prefix()+"strange.manifest.json"] = &object{}

	got, err := v.Catalogue(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	proofName := bacvault.ProofName(early, proof.At)
	want := []vault.Entry{
		{Blob: early, Slot: slotAt(2), Size: 5, Created: slotAt(2).Time(), HasManifest: true, ManifestAt: wrote, Proofs: 1, ProofNames: []string{proofName}, Archived: true},
		{Blob: orphan, Slot: slotAt(5), Size: 5, Created: slotAt(5).Time()},
		{Blob: late, Slot: slotAt(9), Size: 5, Created: slotAt(9).Time(), HasManifest: true, ManifestAt: wrote},
	}
	if diff := cmp.Diff(want, got, sameManifest); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
	calls := s.count("GET list")
	if _, phantoms, err := v.Listing(t.Context(), db); err != nil || len(phantoms) != 1 || phantoms[0] != (vault.Phantom{Blob: planted, Slot: slotAt(20), Created: slotAt(3).Time()}) {
		t.Errorf("manifests without an archive: %+v, %v", phantoms, err)
	}
	if n := s.count("GET list") - calls; n != 1 {
		t.Errorf("%d listing calls, want 1", n)
	}
	if p, found, err := v.ReadProof(t.Context(), proofName); err != nil || !found || !p.Passed {
		t.Errorf("proof %+v, %t, %v", p, found, err)
	}
	dbs, err := v.Databases(t.Context())
	if diff := cmp.Diff([]bacvault.Database{db, {Server: "srv", Name: "other"}}, dbs); diff != "" || err != nil {
		t.Errorf("databases (-want +got):\n%s%v", diff, err)
	}
}

func TestCatalogueThatCannotBeReadIsNoEmptyOne(t *testing.T) {
	v, s := open(t, vault.Config{})
	s.before = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		refuse(w, 403, "AuthorizationFailure")
		return true
	}
	_, err := v.Catalogue(t.Context(), db)
	wantCode(t, err, bacvault.CodeVaultDenied, "blobs/read", "network rules")
	_, err = v.Databases(t.Context())
	wantCode(t, err, bacvault.CodeVaultDenied)
}

// Whoever may only create blobs, as the restore identity may, can be told so where a name is taken.
func TestProofThatIsThereAlreadyIsSuccessForACreator(t *testing.T) {
	v, s := open(t, vault.Config{})
	p := bacvault.Proof{Schema: bacvault.ProofSchema, Database: db, Slot: slotAt(2), Blob: db.BlobName(slotAt(2)), At: slotAt(12).Time()}
	if err := v.PutProof(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s.before = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method == http.MethodPut {
			refuse(w, 403, "UnauthorizedBlobOverwrite")
		}
		return r.Method == http.MethodPut
	}
	if err := v.PutProof(t.Context(), p); err != nil {
		t.Error(err)
	}
	p.Passed = true
	wantCode(t, v.PutProof(t.Context(), p), bacvault.CodeVaultConflict)
}
