package state_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/state"
)

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	for name, c := range map[string]state.Config{
		"plain http":    {ContainerURL: "http://a/c", Credential: token{}},
		"a SAS":         {ContainerURL: "https://a/c?sig=secret", Credential: token{}},
		"no container":  {ContainerURL: "https://a/", Credential: token{}},
		"no credential": {ContainerURL: "https://a/c"},
		"short lease":   {ContainerURL: "https://a/c", Credential: token{}, LeaseSeconds: 14},
		"long lease":    {ContainerURL: "https://a/c", Credential: token{}, LeaseSeconds: 61},
	} {
		if _, err := state.New(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProgressLastsUntilTheRunEnds(t *testing.T) {
	s, st := open(t, 30)
	st.missing = true
	if got, err := s.Progress(t.Context()); len(got) != 0 || err != nil {
		t.Fatalf("without a container: %v, %v", got, err)
	}
	at := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	late := bacvault.Progress{Run: "r2", Kind: "backup", Stage: bacvault.StageCopy, At: at.Add(time.Minute)}
	early := bacvault.Progress{Run: "r/1", Kind: "drill", Stage: bacvault.StageFetch, At: at}
	for _, p := range []bacvault.Progress{late, {Run: "r/1", At: at.Add(time.Hour)}, early} {
		if err := s.SaveProgress(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Progress(t.Context())
	if diff := cmp.Diff([]bacvault.Progress{early, late}, got); diff != "" || err != nil {
		t.Errorf("progress (-want +got):\n%s%v", diff, err)
	}
	st.blobs["runs/x.json"] = &blob{data: []byte("?")}
	if got, err := s.Progress(t.Context()); len(got) != 2 || err == nil || !strings.Contains(err.Error(), "runs/x.json") {
		t.Errorf("with one that is broken: %d, %v", len(got), err)
	}
	delete(st.blobs, "runs/x.json")
	for range 2 {
		if err := s.EndProgress(t.Context(), "r/1"); err != nil {
			t.Error(err)
		}
	}
	if got, err := s.Progress(t.Context()); len(got) != 1 || err != nil {
		t.Errorf("after the end of one: %v, %v", got, err)
	}
	if err := s.SaveProgress(t.Context(), bacvault.Progress{}); err == nil {
		t.Error("progress of no run was saved")
	}
}

func TestPendingManifestLastsUntilItIsDropped(t *testing.T) {
	s, _ := open(t, 30)
	db := bacvault.Database{Server: "srv", Name: "db"}
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	if _, found, err := s.Pending(t.Context(), db, slot); found || err != nil {
		t.Fatalf("%t, %v", found, err)
	}
	m := bacvault.Manifest{
		Schema: bacvault.ManifestSchema, Database: db, Slot: slot, Tables: []bacvault.TableRows{},
		Blob: bacvault.Blob{Name: db.BlobName(slot), Size: 1, SHA256: strings.Repeat("a", 64)},
	}
	if err := s.SavePending(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, found, err := s.Pending(t.Context(), db, slot)
	if diff := cmp.Diff(m, got, sameHolder); diff != "" || !found || err != nil {
		t.Errorf("pending (-want +got):\n%s%t %v", diff, found, err)
	}
	if err := s.DropPending(t.Context(), db, slot); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Pending(t.Context(), db, slot); found || err != nil {
		t.Errorf("after the drop: %t, %v", found, err)
	}
	m.Schema = ""
	if err := s.SavePending(t.Context(), m); err == nil {
		t.Error("a manifest that can't be read again was saved")
	}
}

func TestSaveKeepsToAPlaceOfItsOwn(t *testing.T) {
	s, _ := open(t, 30)
	for _, name := range []string{"leases/x", "runs/x.json", "pending/x", "x"} {
		if s.Save(t.Context(), name, 1) == nil || s.Remove(t.Context(), name) == nil {
			t.Errorf("%s was written or removed", name)
		}
	}
	var got map[string]int
	if found, err := s.Load(t.Context(), "marks/srv/db", &got); found || err != nil {
		t.Errorf("%t, %v", found, err)
	}
	if err := s.Save(t.Context(), "marks/srv/db", map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Load(t.Context(), "marks/srv/db", &got); !found || err != nil || got["a"] != 1 {
		t.Errorf("%v, %t, %v", got, found, err)
	}
	var other []int
	if found, err := s.Load(t.Context(), "marks/srv/db", &other); found || !errors.Is(err, state.ErrUnreadable) {
		t.Errorf("what is something else: %t, %v", found, err)
	}
	if err := s.Save(t.Context(), "marks/srv/db", strings.Repeat("x", 64<<20)); err == nil {
		t.Error("what could not be read again was saved")
	}
	if err := s.Remove(t.Context(), "marks/srv/db"); err != nil {
		t.Error(err)
	}
}

func TestDeniedSaysWhichRightIsMissing(t *testing.T) {
	s, st := open(t, 30)
	st.setFault(func(r *http.Request, _ string) (*http.Response, error) {
		return answer(r, 403, "AuthorizationPermissionMismatch"), nil
	})
	err := s.SaveProgress(t.Context(), bacvault.Progress{Run: "r"})
	wantCode(t, err, bacvault.CodeVaultDenied)
	if err == nil || !strings.Contains(err.Error(), "blobs/write") || !strings.Contains(err.Error(), "state container") {
		t.Errorf("%v", err)
	}
	_, err = s.Progress(t.Context())
	if err == nil || !strings.Contains(err.Error(), "blobs/read") {
		t.Errorf("an unreadable list is no empty one: %v", err)
	}
}
