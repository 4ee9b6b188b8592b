package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestPlanOfANightIsAsGoodAsItFits(t *testing.T) {
	d := bacvault.Database{Server: "srv", Name: "db"}
	for _, c := range []struct {
		name  string
		night app.NightPlan
		code  int
	}{
		{"fits", app.NightPlan{Night: time.Hour, Window: 2 * time.Hour, Databases: 1}, exitOK},
		{"does not fit", app.NightPlan{Night: 3 * time.Hour, Window: 2 * time.Hour, Warnings: []string{"longer"}}, exitBad},
		{"not all known", app.NightPlan{Night: time.Hour, Window: 2 * time.Hour, Unknown: []bacvault.Database{d}}, exitPartial},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{night: c.night}
			text, doc := enter(t, f, onTerminal, "plan"), enter(t, f, nil, "plan")
			if got := decode[app.NightPlan](t, doc.out); text.code != c.code || doc.code != c.code || got.Night != c.night.Night || !strings.Contains(text.out, "hours a night") {
				t.Errorf("%+v, %+v", text, doc)
			}
			for _, w := range c.night.Warnings {
				if !strings.Contains(text.words, w) || strings.Contains(text.out, w) {
					t.Errorf("a warning is for stderr: %+v", text)
				}
			}
		})
	}
}

func TestStatusThatCanNotBeReadIsNotGood(t *testing.T) {
	f := &fake{model: app.StatusModel{Vault: "https://v", Unread: []string{"the vault: 403"}}}
	text, doc := enter(t, f, onTerminal, "status"), enter(t, f, nil, "status")
	if got := decode[map[string]any](t, doc.out); text.code != exitPartial || doc.code != exitPartial || got["verdict"] != "unknown" || !strings.Contains(text.out, "the vault: 403") {
		t.Errorf("%+v, %+v", text, doc)
	}
}

func restorePlan() app.RestorePlan {
	free := true
	slot := bacvault.SlotAt(time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC))
	when := slot.Time().Add(time.Hour)
	return app.RestorePlan{
		Schema: app.RestorePlanSchema, Database: bacvault.Database{Server: "srv", Name: "db"}, Blob: bacvault.Blob{Name: "srv/db/x.bacpac", Size: 3 << 20}, Slot: &slot,
		Proven: &when, Target: bacvault.Database{Server: "srv", Name: "db_RESTORE"}, TargetFree: &free, ServiceObjective: "S9", DiskNeed: 6 << 20,
		Source: &bacvault.SourceState{ServiceObjective: "P1", MaxSizeBytes: 500 << 30},
	}
}

func TestPlanOfARestoreSaysWhatWouldBeDone(t *testing.T) {
	f := &fake{plan: restorePlan()}
	got := enter(t, f, onTerminal, "restore", "--database", "db", "--plan", "--backup", "latest-proven")
	missing := lacks(got.out, "2026-11-24T02:00:00Z", "srv/db/x.bacpac, 3.0 MiB", "restored by a drill at 2026-11-24T03:00:00Z", "srv/db_RESTORE, name is free: yes",
		"S9 (the source had P1, at most 500 GB)", "6.0 MiB needed")
	if got.code != exitOK || missing != nil || f.restores[0].Backup != bacvault.ChooseLatestProven {
		t.Errorf("lacks %v: %+v", missing, got)
	}
	if p := decode[app.RestorePlan](t, enter(t, f, nil, "restore", "--database", "db", "--plan").out); p.Blob.Size != 3<<20 || p.Schema != app.RestorePlanSchema {
		t.Errorf("%+v", p)
	}
}

func TestPlanOfARestoreIsAsGoodAsWhatItSaw(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*app.RestorePlan)
		code   int
	}{
		{"all is well", func(*app.RestorePlan) {}, exitOK},
		{"the name is taken", func(p *app.RestorePlan) { p.Obstacles = []string{"a database exists"} }, exitRefused},
		{"the server was not seen", func(p *app.RestorePlan) { p.TargetFree, p.Unread = nil, []string{"the name"} }, exitPartial},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := restorePlan()
			c.change(&p)
			if got := enter(t, &fake{plan: p}, onTerminal, "restore", "--database", "db", "--plan"); got.code != c.code || got.out == "" {
				t.Errorf("%+v", got)
			}
		})
	}
}
