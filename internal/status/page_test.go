package status_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

func TestPageShowsEverything(t *testing.T) {
	page := html(t, status.New(full()))
	for _, want := range []string{
		"The watch looked <time datetime=\"2026-11-24T11:55:00Z\">2026-11-24 11:55</time>, 5 min ago", "https://stx.blob.core.windows.net/vault", "bacvault 1.0.",
		"the dead letters: 403", "Was <b>90 days</b>, is <b>9 days</b>.", "<b>Next:</b> look", "immutability.drifted",
		"srv/db → db_RESTORE", "restore <span class=\"mono\">run1</span>, attempt 2", "half way", "3 of 7", "1.0 MiB of 3.0 MiB", "0.5 MiB/s",
		"10 h ago, consistent copy, <b class=\"warn\">degraded</b>", "2 h ago, restored in 1 min", "in 14 h", "2027-02-22", "1 without manifest", "No backup yet", "Overdue",
		`aria-label="30 slots: 1 proven, 26 taken, 1 orphan (10-29), 1 missed (10-30), 1 failed (10-31)"`, `aria-label="last 27 sizes: 3.0 MiB to 3.0 MiB"`,
		"srv/forgotten", "The newest 24 of 60 slots.", "4 of 5", "<b class=\"bad\">Failed</b><small><span class=\"mono\">verify.rows_differ</span> rows differ",
		"Locked</b>, 90 days, container level", "yes <span class=\"mono\">case7</span>", "5 of 5", "was 90 days, is 9 days", "not every try was refused", "delete: not refused 202", "someone",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestPageOfNothingSaysSo(t *testing.T) {
	page := html(t, status.Model{})
	for _, want := range []string{"No database is protected.", "<p>Nothing.</p>", "<p>None.</p>", "there is no baseline", "0 slots."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestHistoryIsFilteredByWhatIsNoName(t *testing.T) {
	m := status.New(full())
	id := m.Databases[0].ID
	for _, c := range []struct {
		name, query, count string
		rows               int
	}{
		{"nothing asked", "", "The newest 24 of 60 slots.", 24},
		{"a database", "db=" + id, "30 slots.", 30},
		{"a database by name is nothing known", "db=db", "The newest 24 of 60 slots.", 24},
		{"a state", "state=failed", "1 slot.", 1},
		{"a state that is none", "state=good", "The newest 24 of 60 slots.", 24},
		{"some days", "days=7", "14 slots.", 14},
		{"days that nobody offers", "days=8", "The newest 24 of 60 slots.", 24},
		{"all three", "db=" + id + "&state=taken&days=7", "6 slots.", 6},
		{"nothing passes", "db=" + m.Databases[2].ID, "0 slots.", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.Page(q)
			if err != nil {
				t.Fatal(err)
			}
			_, history, ok := strings.Cut(string(b), `<h2 id="history">`)
			if n := strings.Count(history, `data-l="Result"`); !ok || !strings.Contains(history, c.count) || n != c.rows {
				t.Errorf("%d rows, want %d and %q", n, c.rows, c.count)
			}
		})
	}
}

// Names come from the server and errors from anywhere: neither may become markup, and no name stands in a link.
func TestPageEscapesWhatOthersNamed(t *testing.T) {
	const evil = `<script>alert("x")</script>`
	in := full()
	d := bacvault.Database{Server: evil, Name: evil}
	for _, p := range []*watch.Database{&in.Snapshot.Databases[0]} {
		p.Database, p.Slots[5].Detail, p.Slots[5].Code, p.Newest.Consistency, p.LastDrill.Choice = d, evil, evil, evil, evil
		p.LastDrill.Failure.Detail = evil
	}
	in.Snapshot.Findings = append(in.Snapshot.Findings, find(evil, evil, d))
	in.Running = []bacvault.Progress{{Run: evil, Kind: evil, Database: d, Target: evil, Stage: evil, Note: evil}}
	in.Unread, in.Snapshot.Vault, in.Version, in.Snapshot.Posture.State = []string{evil}, evil, evil, evil
	in.Snapshot.Posture.LegalHoldTags, in.Snapshot.Posture.History[0].By, in.Snapshot.Probe.Tries[0].Code = []string{evil}, evil, evil
	page := html(t, status.New(in))
	if strings.Contains(page, "<script>alert") || strings.Count(page, "<script>") != 1 || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("a name became markup: %s", page)
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], "script") {
			t.Errorf("the link %s names a database", m[1])
		}
	}
}

// The policy lets a browser run what the page holds and nothing else, so the hashes must be those of the very bytes.
func TestHeadersAllowThePageItselfOnly(t *testing.T) {
	m := status.New(good())
	page, csp := html(t, m), m.Headers()["Content-Security-Policy"]
	for _, tag := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(page, "<"+tag+">")
		text, _, ok := strings.Cut(rest, "</"+tag+">")
		sum := sha256.Sum256([]byte(text))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !ok || !strings.Contains(csp, want) {
			t.Errorf("%s is not in %s", want, csp)
		}
	}
	if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || regexp.MustCompile(`(src|href|action)="(https?:)?//`).MatchString(page) {
		t.Errorf("something comes from elsewhere: %s", csp)
	}
}

func TestAgesSayTheirTwoLargestUnits(t *testing.T) {
	for age, want := range map[time.Duration]string{
		-time.Second: "0 s ago", 59 * time.Second: "59 s ago", time.Minute: "1 min ago", 59*time.Minute + 59*time.Second: "59 min ago", time.Hour: "1 h ago", 25*time.Hour + 30*time.Minute: "25 h 30 min ago",
		48 * time.Hour: "2 d ago", 99*time.Hour + 59*time.Minute: "4 d 3 h ago", -90 * time.Minute: "in 1 h 30 min",
	} {
		in := good()
		in.Snapshot.Databases[0].Newest.Slot = bacvault.SlotAt(now.Add(-age))
		in.Snapshot.Databases[0].Newest.Consistency = ""
		if page := html(t, status.New(in)); !strings.Contains(page, "<small>"+want+"</small>") {
			t.Errorf("%s is not shown as %q", age, want)
		}
	}
}

// A page of a thousand databases is summary first, and light enough for a phone.
func TestPageOfAThousandDatabasesIsLight(t *testing.T) {
	in := many(1000)
	in.Snapshot.Findings = []bacvault.Finding{find(bacvault.FoundOverdueBackup, bacvault.Alarm, in.Snapshot.Databases[700].Database)}
	m := status.New(in)
	page := html(t, m)
	if len(page) > 3<<20 {
		t.Errorf("the page weighs %d bytes", len(page))
	}
	first, folded, ok := strings.Cut(page, "<details>")
	if !ok || !strings.Contains(first, ">Tenant-0700</a>") || !strings.Contains(folded, "950 more databases") {
		t.Error("what needs a person is not on top, or nothing is folded")
	}
	if n := strings.Count(page, `class="strip" role="img"`); n != 1000 {
		t.Errorf("%d strips", n)
	}
}
