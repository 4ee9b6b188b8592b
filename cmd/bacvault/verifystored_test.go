package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

const pubs = "../../testdata/bacpacs/pubs.bacpac"

// stored is a backup of pubs whose bytes and manifest a test may change; removed says that its file is gone again.
func stored(t *testing.T, change func(content []byte, m *bacvault.Manifest) []byte) (f *fake, removed *bool) {
	t.Helper()
	content, err := os.ReadFile(pubs)
	if err != nil {
		t.Fatal(err)
	}
	rep, rows, err := check(t.Context(), pubs)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	m := &bacvault.Manifest{Blob: bacvault.Blob{Name: "srv/db/x.bacpac", Size: rep.Size, SHA256: hex.EncodeToString(sum[:])}}
	for table, n := range rows {
		m.Tables = append(m.Tables, bacvault.TableRows{Table: table, Source: n, Archive: n, Verdict: bacvault.VerdictOK})
	}
	content = change(content, m)
	file := filepath.Join(t.TempDir(), "x.bacpac")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	removed = new(bool)
	return &fake{fetched: func() (app.Fetched, error) {
		return app.Fetched{File: file, Blob: m.Blob, Manifest: m, Remove: func() error { *removed = true; return os.Remove(file) }}, nil
	}}, removed
}

func TestStoredBackupIsHeldAgainstItsManifest(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(content []byte, m *bacvault.Manifest) []byte
		code    int
		verdict string
		words   string
	}{
		{"as it was written", func(b []byte, _ *bacvault.Manifest) []byte { return b }, exitOK, "ok", ""},
		{"other bytes", func(b []byte, _ *bacvault.Manifest) []byte { b[len(b)/2] ^= 1; return b }, exitVerify, "differs", "SHA-256"},
		{"cut short", func(b []byte, _ *bacvault.Manifest) []byte { return b[:len(b)/2] }, exitVerify, "differs", "bytes"},
		{"other rows", func(b []byte, m *bacvault.Manifest) []byte { m.Tables[0].Archive++; return b }, exitVerify, "differs", m0},
		{"broken, and the manifest agrees", func(b []byte, m *bacvault.Manifest) []byte {
			b = b[:len(b)/2]
			sum := sha256.Sum256(b)
			m.Blob.Size, m.Blob.SHA256 = int64(len(b)), hex.EncodeToString(sum[:])
			return b
		}, exitVerify, "broken", "broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, removed := stored(t, c.change)
			got := enter(t, f, nil, "verify", "--database", "srv/db", "--backup", "oldest")
			rep := decode[report](t, got.out)
			if got.code != c.code || rep.Verdict != c.verdict || !strings.Contains(got.words, c.words) || rep.File != "srv/db/x.bacpac" || !*removed {
				t.Errorf("removed %t: %+v", *removed, got)
			}
			if r := f.restores[0]; r.Backup != bacvault.ChooseOldest || r.Database != (bacvault.Database{Server: "srv", Name: "db"}) {
				t.Errorf("asked for %+v", r)
			}
			f, _ = stored(t, c.change)
			if text := enter(t, f, onTerminal, "verify", "--database", "srv/db"); text.code != c.code || !strings.Contains(text.out, c.verdict) {
				t.Errorf("as text: %+v", text)
			}
		})
	}
}

// m0 is in the words on a table whose rows differ.
const m0 = "differs: "

func TestStoredBackupThatCanNotBeHadHasTheCodeOfItsFailure(t *testing.T) {
	for code, want := range map[bacvault.Code]int{
		bacvault.CodeRequestNoBackup: exitNotFound, bacvault.CodeVaultOrphan: exitNotFound, bacvault.CodeVerifyHash: exitVerify, bacvault.CodeDiskFull: exitRefused,
		bacvault.CodeVaultRead: exitUnreachable,
	} {
		f := &fake{err: bacvault.Fail(code, "x")}
		if got := enter(t, f, nil, "verify", "--database", "db"); got.code != want || got.out != "" || !strings.Contains(got.words, string(code)) {
			t.Errorf("%s: %+v", code, got)
		}
	}
}

func TestWhatTheManifestIsNotSureOfIsNoAlarm(t *testing.T) {
	sure, unsure := bacvault.Table{Schema: "dbo", Name: "a"}, bacvault.Table{Schema: "dbo", Name: "b"}
	rep := report{Tables: []tableReport{{Table: sure, Verdict: "ok"}, {Table: unsure, Verdict: "unverified"}}}
	if !rep.known(map[bacvault.Table]string{unsure: "unverified"}) || rep.known(map[bacvault.Table]string{sure: "unverified"}) || rep.known(nil) {
		t.Error("known tells tables apart wrongly")
	}
}

func TestFileThatCanNotBeRemovedIsToldAndIsNoSuccess(t *testing.T) {
	f, _ := stored(t, func(b []byte, _ *bacvault.Manifest) []byte { return b })
	whole := f.fetched
	f.fetched = func() (app.Fetched, error) {
		got, err := whole()
		got.Remove = func() error { return errors.New("it is in use") }
		return got, err
	}
	if got := enter(t, f, nil, "verify", "--database", "db"); got.code != exitFault || !strings.Contains(got.words, "in use") {
		t.Errorf("%+v", got)
	}
}

func TestVerifyKnowsFilesFromStoredBackups(t *testing.T) {
	for _, args := range []string{"--offline", "--offline x --database db", "--offline x --slot 2026-11-24T02:00:00Z", "--database db x", "--slot 2026-11-24T02:00:00Z", "--database db --slot noon", "--database db --slot 2026-11-24T02:00:00Z --backup latest"} {
		f := &fake{}
		if got := enter(t, f, nil, append([]string{"verify"}, strings.Fields(args)...)...); got.code != exitUsage || len(f.restores) > 0 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
