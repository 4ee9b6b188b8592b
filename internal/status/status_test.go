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

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func slot(age time.Duration) *bacvault.Slot { s := bacvault.SlotAt(now.Add(-age)); return &s }

// good is a status with nothing to complain of.
func good() status.Model {
	return status.Model{
		Schema: status.Schema, At: now, Version: "1.0", Vault: "https://stx.blob.core.windows.net/vault",
		Posture:   &bacvault.Posture{State: "Locked", PeriodDays: 90, Scope: "container"},
		Databases: []status.Database{{Database: bacvault.Database{Server: "srv", Name: "db"}, Backups: 7, Newest: slot(10 * time.Hour), Bytes: 3 << 20}},
		Running:   []bacvault.Progress{}, Overdue: []watch.Overdue{},
	}
}

func TestVerdictIsNeverBetterThanWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*status.Model)
		want string
	}{
		{"all is well", func(*status.Model) {}, "ok"},
		{"an unlocked policy", func(m *status.Model) { m.Posture.State = "Unlocked" }, "not locked"},
		{"no policy", func(m *status.Model) { m.Posture.State = "None" }, "not locked"},
		{"no posture", func(m *status.Model) { m.Posture = nil }, "not locked"},
		{"something overdue", func(m *status.Model) { m.Overdue = []watch.Overdue{{}} }, "overdue"},
		{"overdue and unlocked", func(m *status.Model) { m.Overdue = []watch.Overdue{{}}; m.Posture = nil }, "overdue"},
		{"something unread", func(m *status.Model) { m.Unread = []string{"x"} }, "unknown"},
		{"unread and overdue", func(m *status.Model) { m.Unread = []string{"x"}; m.Overdue = []watch.Overdue{{}} }, "unknown"},
		{"nothing at all", func(m *status.Model) { *m = status.Model{} }, "unknown"},
		{"no database is protected", func(m *status.Model) { m.Databases = nil }, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := good()
			c.set(&m)
			if got := m.Verdict(); got != c.want {
				t.Errorf("the verdict is %q, want %q", got, c.want)
			}
			b, err := m.JSON()
			if err != nil {
				t.Fatal(err)
			}
			var doc struct{ Verdict, Schema string }
			if err := json.Unmarshal(b, &doc); err != nil || doc.Verdict != c.want || doc.Schema != m.Schema {
				t.Errorf("the document says %+v, %v", doc, err)
			}
			page, err := m.HTML()
			if err != nil || !strings.Contains(string(page), "<title>bacvault: "+c.want+"</title>") {
				t.Errorf("the page does not say %q: %v", c.want, err)
			}
		})
	}
}

func TestJSONHasListsWhereThereIsNothing(t *testing.T) {
	m := good()
	m.Databases = []status.Database{}
	b, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"databases": []`, `"running": []`, `"overdue": []`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestPageShowsEverything(t *testing.T) {
	m := good()
	m.Posture.LegalHold = true
	m.Databases = append(m.Databases,
		status.Database{Database: bacvault.Database{Server: "srv", Name: "none"}, Orphans: 2},
		status.Database{Database: bacvault.Database{Server: "srv", Name: "old"}, Newest: slot(75 * time.Hour), Backups: 1},
		status.Database{Database: bacvault.Database{Server: "srv", Name: "ahead"}, Newest: slot(-time.Hour), Backups: 1})
	m.Overdue = []watch.Overdue{{Database: bacvault.Database{Server: "srv", Name: "none"}}, {Database: bacvault.Database{Server: "srv", Name: "old"}, Newest: slot(75 * time.Hour)}}
	m.Running = []bacvault.Progress{{Run: "run1", Kind: "restore", Database: bacvault.Database{Server: "srv", Name: "db"}, Target: "db_RESTORE", Stage: "import", Note: "half way", At: now}}
	m.Unread = []string{"the backups of srv/x: 403"}
	b, err := m.HTML()
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, want := range []string{
		"2026-11-24T12:00:00Z", "vault https://stx.blob.core.windows.net/vault", "version 1.0", "Locked, 90 days, container level, legal hold",
		"srv/db</td><td>2026-11-24T02:00:00Z</td><td>10h 0m</td>", "3.0 MiB", "srv/none</td><td>none</td>", "3d 3h", "srv/ahead</td><td>2026-11-24T13:00:00Z</td><td>ahead</td>",
		"srv/none: no backup at all", "srv/old: newest 2026-11-21T09:00:00Z", "the backups of srv/x: 403",
		"run1</td><td>restore</td><td>srv/db → db_RESTORE</td><td>import: half way</td><td>12:00:00",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestPageOfNothingSaysSo(t *testing.T) {
	b, err := status.Model{}.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<td colspan="6">none</td>`, `<td colspan="5">nothing</td>`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, no := range []string{"Overdue", "Could not be read", "Immutability"} {
		if strings.Contains(string(b), no) {
			t.Errorf("the page of nothing speaks of %q", no)
		}
	}
}

// Names come from the server and errors from anywhere: neither may become markup.
func TestPageEscapesWhatOthersNamed(t *testing.T) {
	const evil = `<script>alert("x")</script>`
	m := good()
	d := bacvault.Database{Server: evil, Name: evil}
	m.Databases = []status.Database{{Database: d}}
	m.Overdue = []watch.Overdue{{Database: d}}
	m.Running = []bacvault.Progress{{Run: evil, Kind: evil, Database: d, Target: evil, Stage: evil, Note: evil}}
	m.Unread, m.Vault, m.Version, m.Posture.State = []string{evil}, evil, evil, evil
	b, err := m.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "<script") || !strings.Contains(string(b), "&lt;script&gt;") {
		t.Errorf("a name became markup: %s", b)
	}
}

func TestAgesSayTheirTwoLargestUnits(t *testing.T) {
	for age, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m", time.Hour: "1h 0m", 25*time.Hour + 30*time.Minute: "25h 30m",
		48 * time.Hour: "2d 0h", 99*time.Hour + 59*time.Minute: "4d 3h",
	} {
		m := good()
		m.Databases[0].Newest = slot(age)
		b, err := m.HTML()
		if err != nil || !strings.Contains(string(b), "<td>"+want+"</td>") {
			t.Errorf("%s is not shown as %q", age, want)
		}
	}
}
