package status_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

func TestVerdictIsNeverBetterThanWhatIsKnown(t *testing.T) {
	db := good().Snapshot.Databases[0].Database
	add := func(k bacvault.FindingKind, s bacvault.Severity) func(*status.Input) {
		return func(in *status.Input) { in.Snapshot.Findings = append(in.Snapshot.Findings, find(k, s, db)) }
	}
	both := func(a, b func(*status.Input)) func(*status.Input) { return func(in *status.Input) { a(in); b(in) } }
	unread := func(in *status.Input) { in.Unread = []string{"x"} }
	stale := func(in *status.Input) { in.Snapshot.At = now.Add(-46 * time.Minute) }
	unlocked := func(in *status.Input) { in.Snapshot.Posture.State = "Unlocked" }
	for _, c := range []struct {
		name       string
		set        func(*status.Input)
		want, says string
		state      status.State // of the first database
	}{
		{"all is well", func(*status.Input) {}, "ok", "Protected. 2 databases, each with a backup of the last 10 h. Each is proven by a restore, the last 2 h ago. The vault is locked, 90 days.", "ok"},
		{"a look of 45 minutes ago", func(in *status.Input) { in.Snapshot.At = now.Add(-45 * time.Minute) }, "ok", "Protected.", "ok"},
		{"a look of 46 minutes ago", stale, "unknown", "The watch has not looked since 2026-11-24 11:14, 46 min ago.", "unknown"},
		{"an old look that found an alarm", both(stale, add(bacvault.FoundDrift, bacvault.Alarm)), "unknown", "has not looked since", "unknown"},
		{"a look ahead of the clock", func(in *status.Input) { in.Snapshot.At = now.Add(6 * time.Minute) }, "unknown", "lies ahead of this clock", "unknown"},
		{"no look at all", func(in *status.Input) { in.Snapshot = watch.Snapshot{} }, "unknown", "has not looked since", ""},
		{"an unlocked policy", unlocked, "not locked", "The vault's policy is Unlocked", "ok"},
		{"no policy", func(in *status.Input) { in.Snapshot.Posture.State = "None" }, "not locked", "The vault's policy is None", "ok"},
		{"unlocked, and something unread", both(unlocked, unread), "not locked", "Unlocked", "ok"},
		{"no posture", func(in *status.Input) { in.Snapshot.Posture = nil }, "unknown", "could not be read", "ok"},
		{"something unread", unread, "unknown", "1 thing could not be read", "ok"},
		{"something that the watch could not read", func(in *status.Input) { in.Snapshot.Unread = []string{"x", "y"} }, "unknown", "2 things could not be read", "ok"},
		{"a finding that something is unread", add(bacvault.FoundUnread, bacvault.Alarm), "unknown", "could not be read", "warning"},
		{"an alarm beside something unread", both(add(bacvault.FoundUnread, bacvault.Alarm), add(bacvault.FoundDrift, bacvault.Alarm)), "alarm", "Something is wrong with db.", "alarm"},
		{"no database", func(in *status.Input) { in.Snapshot.Databases = nil }, "unknown", "No database is protected.", ""},
		{"one overdue", add(bacvault.FoundOverdueBackup, bacvault.Alarm), "overdue", "The newest backup of srv/db is 10 h old.", "overdue"},
		{"one overdue without any", func(in *status.Input) {
			add(bacvault.FoundOverdueBackup, bacvault.Alarm)(in)
			in.Snapshot.Databases[0].Newest = nil
		}, "overdue", "srv/db has no backup at all.", "overdue"},
		{"overdue and unread", both(add(bacvault.FoundOverdueBackup, bacvault.Alarm), unread), "overdue", "srv/db", "overdue"},
		{"an alarm", add(bacvault.FoundDrift, bacvault.Alarm), "alarm", "Something is wrong with db.", "alarm"},
		{"two alarms", both(add(bacvault.FoundDrift, bacvault.Alarm), add(bacvault.FoundProbe, bacvault.Alarm)), "alarm", "2 findings break the promise", "alarm"},
		{"a proof that is overdue", add(bacvault.FoundOverdueProof, bacvault.Alarm), "unproven", "1 of 2 databases has no restore", "unproven"},
		{"a proof that is overdue, and unread", both(add(bacvault.FoundOverdueProof, bacvault.Warning), unread), "unknown", "could not be read", "unproven"},
		{"a warning", add(bacvault.FoundUnusualSize, bacvault.Warning), "warning", "Protected, with warnings.", "warning"},
		{"a database that is too new for a backup", func(in *status.Input) { in.Snapshot.Databases[0].Newest = nil }, "warning", "1 of 2 databases has no backup yet.", "none"},
		{"nothing proven", func(in *status.Input) {
			for i := range in.Snapshot.Databases {
				in.Snapshot.Databases[i].NewestProof = nil
			}
		}, "ok", "No restore was proven yet.", "unproven"},
		{"one of two proven", func(in *status.Input) { in.Snapshot.Databases[0].NewestProof = nil }, "ok", "1 of 2 proven by a restore", "unproven"},
		{"a direct look", func(in *status.Input) { in.Source = status.Direct }, "ok", "The watch has not looked yet: drills, drift, dead letters and failed runs are not known.", "taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := good()
			c.set(&in)
			m := status.New(in)
			headline, detail := m.Words()
			if m.Verdict() != c.want || !strings.Contains(headline+" "+detail, c.says) {
				t.Errorf("%q: %s %s; want %q: %s", m.Verdict(), headline, detail, c.want, c.says)
			}
			if c.state != "" && m.Databases[0].State != c.state {
				t.Errorf("the database is %q, want %q", m.Databases[0].State, c.state)
			}
			b, err := m.JSON()
			var doc status.Document
			if err != nil || json.Unmarshal(b, &doc) != nil || doc.Verdict != c.want || doc.Sentence != headline+" "+detail {
				t.Errorf("the document says %q %q, %v", doc.Verdict, doc.Sentence, err)
			}
			page := html(t, m)
			if !strings.Contains(page, "<title>bacvault: "+c.want+"</title>") || !strings.Contains(page, `<h1 id="verdict">`+headline) {
				t.Errorf("the page does not say %q", c.want)
			}
			green := strings.Contains(page, `<section class="hero good"`)
			if want := c.want == "ok" && in.Source == status.FromWatch; green != want {
				t.Errorf("the page is green: %t", green)
			}
		})
	}
}

func TestNoRunRunsForEver(t *testing.T) {
	for _, c := range []struct {
		name   string
		silent time.Duration
		gone   bool
		want   status.RunState
	}{
		{"just heard of", time.Second, false, status.Running},
		{"silent, but not for long", 15 * time.Minute, false, status.Running},
		{"silent for too long", 15*time.Minute + time.Second, false, status.Stalled},
		{"silent for longer than a run may take", 20*time.Hour + time.Second, false, status.Failed},
		{"its lease is gone", time.Second, true, status.Stalled},
		{"its lease is gone and nobody took its work up", 15*time.Minute + time.Second, true, status.Failed},
		{"its clock is ahead", -time.Minute, false, status.Running},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := good()
			in.Running = []bacvault.Progress{{Run: "r", At: now.Add(-c.silent)}, {Run: "over", At: now, Ended: true}}
			in.Gone = map[string]bool{"r": c.gone}
			if got := status.New(in).Running; len(got) != 1 || got[0].State != c.want {
				t.Errorf("%+v, want one that is %s", got, c.want)
			}
		})
	}
}

func TestListsAreListsWhereThereIsNothing(t *testing.T) {
	b, err := status.New(status.Input{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"databases":[]`, `"running":[]`, `"overdue":[]`, `"findings":[]`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestAlarmsComeFirstAndDatabasesAreNamedByTheirFindings(t *testing.T) {
	in := full()
	in.Snapshot.Findings = append([]bacvault.Finding{find(bacvault.FoundUnusualRows, bacvault.Warning, in.Snapshot.Databases[0].Database)}, in.Snapshot.Findings...)
	m := status.New(in)
	if m.Findings[0].Severity != bacvault.Alarm || m.Findings[1].Severity != bacvault.Alarm || m.Findings[3].Severity != bacvault.Warning {
		t.Errorf("the order is %v", m.Findings)
	}
	if len(m.Overdue) != 1 || m.Overdue[0].Name != "other" || m.Overdue[0].Age != 10*time.Hour || *m.Overdue[0].Newest != night(0) {
		t.Errorf("overdue: %+v", m.Overdue)
	}
	if len(m.Unprotected) != 1 || m.Unprotected[0].Name != "forgotten" {
		t.Errorf("not protected: %v", m.Unprotected)
	}
	if len(in.Unread)+len(in.Snapshot.Unread) != len(m.Unread) {
		t.Errorf("unread: %v", m.Unread)
	}
	ids := map[string]bool{}
	for _, d := range m.Databases {
		ids[d.ID] = true
		if len(d.ID) != 12 || strings.Contains(d.ID, d.Name) {
			t.Errorf("%s is called %q", d, d.ID)
		}
	}
	if len(ids) != 3 {
		t.Errorf("ids: %v", ids)
	}
}
