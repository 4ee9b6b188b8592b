package app

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
)

// oldFile is a vault that holds one file of the PowerShell job. Whatever a plan must not do has no method, and panics.
type oldFile struct {
	restore.Vault
	size int64
}

func (v oldFile) ReadManifest(context.Context, string) (bacvault.Manifest, bool, error) {
	return bacvault.Manifest{}, false, nil
}

func (v oldFile) Head(context.Context, string) (int64, bool, error) { return v.size, v.size > 0, nil }

func planned(t *testing.T, v restore.Vault, change func(*bacvault.RestoreRequest)) (RestorePlan, error) {
	t.Helper()
	req, err := complete(bacvault.RestoreRequest{Database: bacvault.Database{Server: "srv", Name: "db"}, BackupFileName: "srv-db_2026-06-01_020013.bacpac"})
	if err != nil {
		t.Fatal(err)
	}
	change(&req)
	r := &restore.Restore{
		Vault: v, Target: "new", ServiceObjective: "S9", MaxSizeGB: 100, Now: time.Now, NewRun: newRun,
		Protects: func(_, name string) bool { return name == "db" },
	}
	return (&App{}).planRestore(t.Context(), r, req)
}

func TestPlanEndsBeforeAnythingIsChanged(t *testing.T) {
	p, err := planned(t, oldFile{size: 7 << 20}, func(r *bacvault.RestoreRequest) { r.MaxSizeGB = 250 })
	if err != nil {
		t.Fatal(err)
	}
	want := bacvault.Blob{Name: "srv-db_2026-06-01_020013.bacpac", Size: 7 << 20}
	if p.Blob != want || !p.Unmanifested || p.DiskNeed != 14<<20 || p.Target != (bacvault.Database{Server: "new", Name: "db_RESTORE"}) || len(p.Notes) != 1 {
		t.Errorf("%+v", p)
	}
	if p.ServiceObjective != "S9" || p.MaxSizeGB != 250 {
		t.Errorf("the request goes before the setting: %s, %d GB", p.ServiceObjective, p.MaxSizeGB)
	}
}

func TestPlanFailsAsTheRestoreWould(t *testing.T) {
	for code, change := range map[bacvault.Code]func(*bacvault.RestoreRequest){
		bacvault.CodeVaultMissing:     func(*bacvault.RestoreRequest) {},
		bacvault.CodeRequestUnknownDB: func(r *bacvault.RestoreRequest) { r.Name = "other" },
		bacvault.CodeRequestNoBackup:  func(r *bacvault.RestoreRequest) { r.BackupFileName = "a/b.bacpac" },
	} {
		_, err := planned(t, oldFile{}, change)
		var f *bacvault.Failure
		if !errors.As(err, &f) || f.Code != code {
			t.Errorf("want %s: %v", code, err)
		}
	}
}

func TestDiskIsLookedAtBeforeTheFolderIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	p := RestorePlan{DiskNeed: 1}
	p.lookAtDisk(dir)
	if p.DiskFree == nil || *p.DiskFree < 1 || len(p.Obstacles)+len(p.Unread) > 0 {
		t.Errorf("%+v", p)
	}
	p = RestorePlan{DiskNeed: 1 << 60}
	if p.lookAtDisk(dir); len(p.Obstacles) != 1 {
		t.Errorf("%+v", p)
	}
}

func TestMemoryHoldsNobodysMark(t *testing.T) {
	m := &memory{marks: map[bacvault.Database]restore.Mark{}}
	target := bacvault.Database{Server: "new", Name: "db"}
	if _, ok, err := m.Mark(t.Context(), target); ok || err != nil {
		t.Errorf("a mark that nobody wrote: %v", err)
	}
	ctx, lease, holder, err := m.Acquire(t.Context(), target, "run", "request")
	if ctx == nil || lease == nil || holder != "" || err != nil {
		t.Fatalf("%v, %q, %v", lease, holder, err)
	}
	if err := errors.Join(m.SaveMark(ctx, target, restore.Mark{Request: "request"}), lease.Release(ctx)); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := m.Mark(ctx, target); !ok || got.Request != "request" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
