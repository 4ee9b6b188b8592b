package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func backups() app.BackupList {
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	until := time.Date(2027, 11, 24, 2, 5, 0, 0, time.UTC)
	d := bacvault.Database{Server: "srv", Name: "db"}
	return app.BackupList{Schema: app.BackupsSchema, Backups: []app.ListedBackup{
		{Database: d, Slot: slot, Blob: d.BlobName(slot), Size: 3 << 20, Consistency: bacvault.ConsistencyCopy, Rows: 42, ProtectedTo: &until, Proven: app.ProvenPassed},
		{Database: d, Slot: bacvault.SlotAt(slot.Time().Add(24 * time.Hour)), Size: 1 << 20, Orphan: true, Archived: true, Proven: app.ProvenNone},
	}}
}

func TestListShowsWhatLiesThere(t *testing.T) {
	f := &fake{list: backups()}
	text, doc := enter(t, f, onTerminal, "list"), enter(t, f, nil, "list")
	missing := lacks(text.out, "2026-11-24T02:00:00Z", "srv/db", "3.0 MiB", "42", "copy", "passed", "2027-11-24", "orphan: no manifest, no backup; archive tier")
	if text.code != exitOK || missing != nil || text.words != "" {
		t.Errorf("lacks %v: %+v", missing, text)
	}
	if l := decode[app.BackupList](t, doc.out); doc.code != exitOK || len(l.Backups) != 2 || !l.Backups[1].Orphan || l.Backups[0].Rows != 42 {
		t.Errorf("%+v", doc)
	}
}

func TestListIsAsGoodAsWhatItRead(t *testing.T) {
	unread := backups()
	unread.Unread = []string{"the manifest of x: 503"}
	for _, c := range []struct {
		name string
		f    *fake
		code int
	}{
		{"nothing there", &fake{list: app.BackupList{Backups: []app.ListedBackup{}}}, exitNotFound},
		{"a manifest not read", &fake{list: unread}, exitPartial},
		{"no right", &fake{err: bacvault.Fail(bacvault.CodeVaultDenied, "403")}, exitRefused},
		{"away", &fake{err: bacvault.Fail(bacvault.CodeVaultRead, "503")}, exitUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := enter(t, c.f, nil, "list"); got.code != c.code || got.words == "" || (got.out == "") != (c.f.err != nil) {
				t.Errorf("%+v", got)
			}
			if got := enter(t, c.f, onTerminal, "list"); got.code != c.code {
				t.Errorf("as text: %+v", got)
			}
		})
	}
}

func TestListAsksForWhatTheCommandLineSaid(t *testing.T) {
	now := time.Now()
	for args, want := range map[string]app.BackupFilter{
		"":                                   {},
		"--all":                              {All: true},
		"--database srv/db":                  {Database: bacvault.Database{Server: "srv", Name: "db"}},
		"--database db --server other":       {Database: bacvault.Database{Server: "other", Name: "db"}},
		"--since 2026-11-01":                 {Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		"--all --since 2026-11-01T06:00:00Z": {All: true, Since: time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)},
		"--since 72h":                        {Since: now.Add(-72 * time.Hour)},
		"--since 30d":                        {Since: now.AddDate(0, 0, -30)},
	} {
		f := &fake{list: backups()}
		got := enter(t, f, nil, append([]string{"list"}, strings.Fields(args)...)...)
		if got.code != exitOK || len(f.filters) != 1 {
			t.Fatalf("%s: %+v", args, got)
		}
		has := f.filters[0]
		if has.All != want.All || has.Database != want.Database || has.Since.Sub(want.Since).Abs() > time.Minute {
			t.Errorf("%s: asked for %+v, want %+v", args, has, want)
		}
	}
	for _, args := range []string{"--since noon", "--since -3h", "--since 0d", "--database db --all", "x"} {
		f := &fake{}
		if got := enter(t, f, nil, append([]string{"list"}, strings.Fields(args)...)...); got.code != exitUsage || len(f.filters) > 0 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func shownBackup() app.Backup {
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	d := bacvault.Database{Server: "srv", Name: "db"}
	return app.Backup{
		Schema: app.BackupSchema,
		Manifest: bacvault.Manifest{
			Schema: bacvault.ManifestSchema, Database: d, Slot: slot, Blob: bacvault.Blob{Name: d.BlobName(slot), Size: 3 << 20, SHA256: strings.Repeat("ab", 32)},
			Consistency: bacvault.ConsistencyCopy, Source: &bacvault.SourceState{Edition: "Standard", ServiceObjective: "S9", Collation: "Latin1_General_CI_AS"},
			Tables: []bacvault.TableRows{
				{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Source: 42, Archive: 42, Verdict: bacvault.VerdictOK},
				{Table: bacvault.Table{Schema: "dbo", Name: "odd"}, Source: 7, Archive: -1, Verdict: bacvault.VerdictUnverified},
			},
			Posture: bacvault.Posture{State: "Locked", PeriodDays: 365, Scope: "container"}, Tool: bacvault.Program{Name: "sqlpackage", Version: "170.5.96"},
			Stages: []bacvault.StageTime{{Stage: bacvault.StageExport, Start: slot.Time(), End: slot.Time().Add(90 * time.Second)}},
		},
		Proofs: []bacvault.Proof{{At: slot.Time().Add(4 * time.Hour), Failure: &bacvault.FailureData{Code: bacvault.CodeRestoreRows, Detail: "2 rows"}}},
	}
}

func TestShowSaysAllOfABackup(t *testing.T) {
	f := &fake{shown: shownBackup()}
	text, doc := enter(t, f, onTerminal, "show", "latest", "--database", "db"), enter(t, f, nil, "show", "latest", "--database", "db")
	missing := lacks(text.out, "2026-11-24T02:00:00Z of srv/db", strings.Repeat("ab", 32), "Locked, 365 days", "Standard S9", "170.5.96", "stage export", "1m30s", "dbo.t", "dbo.odd", "unverified",
		"drill at 2026-11-24T06:00:00Z", "restore.rows_differ: 2 rows")
	if text.code != exitOK || missing != nil {
		t.Errorf("lacks %v: %+v", missing, text)
	}
	if b := decode[app.Backup](t, doc.out); doc.code != exitOK || len(b.Manifest.Tables) != 2 || len(b.Proofs) != 1 || b.Schema != app.BackupSchema {
		t.Errorf("%+v", doc)
	}
	f.shown.Proofs, f.shown.Unread = nil, []string{"a proof: 503"}
	if got := enter(t, f, onTerminal, "show", "latest", "--database", "db"); got.code != exitPartial || lacks(got.out, "no drill has restored", "a proof: 503") != nil {
		t.Errorf("%+v", got)
	}
	f.err = bacvault.Fail(bacvault.CodeVaultOrphan, "no manifest")
	if got := enter(t, f, nil, "show", "latest", "--database", "db"); got.code != exitNotFound || got.out != "" {
		t.Errorf("%+v", got)
	}
}

func TestShowTakesASlotABlobOrAWord(t *testing.T) {
	d := bacvault.Database{Server: "srv", Name: "db"}
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	blob := d.BlobName(slot)
	for _, c := range []struct {
		args string
		ok   func(bacvault.RestoreRequest) bool
	}{
		{"2026-11-24T02:00:00Z --database srv/db", func(r bacvault.RestoreRequest) bool { return r.Slot != nil && *r.Slot == slot && r.Database == d }},
		{"latest-proven --database db", func(r bacvault.RestoreRequest) bool { return r.Backup == bacvault.ChooseLatestProven && r.Name == "db" }},
		{blob, func(r bacvault.RestoreRequest) bool { return r.Blob == blob && r.Database == d }},
		{bacvault.ManifestName(blob) + " --database db", func(r bacvault.RestoreRequest) bool { return r.Blob == blob && r.Database == d }},
	} {
		f := &fake{shown: shownBackup()}
		if got := enter(t, f, nil, append([]string{"show"}, strings.Fields(c.args)...)...); got.code != exitOK || len(f.restores) != 1 || !c.ok(f.restores[0]) {
			t.Errorf("%s: %+v asked for %+v", c.args, got, f.restores)
		}
	}
	for _, args := range []string{"", "latest", "noon --database db", "2026-11-24T02:00:00Z", "x.bacpac", blob + " --database other", blob + " --database db --server other", "random --database db", "a b --database db"} {
		f := &fake{}
		if got := enter(t, f, nil, append([]string{"show"}, strings.Fields(args)...)...); got.code != exitUsage || len(f.restores) > 0 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
