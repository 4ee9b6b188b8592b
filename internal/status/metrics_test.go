package status_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

var (
	metricName  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	sampleParts = regexp.MustCompile(`^([^{ ]+)(?:\{(.*)\})? (\S+)$`)
)

// scrape reads the text format as strictly as its page describes it: HELP, then TYPE, then all samples of one metric, once each.
func scrape(text string) (map[string]float64, error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	out, helped, typed := map[string]float64{}, map[string]bool{}, map[string]bool{}
	current := ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			if !metricName.MatchString(name) || help == "" || helped[name] {
				return nil, fmt.Errorf("%q: no help, or help twice", line)
			}
			helped[name], current = true, name
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if rest != current+" gauge" || typed[current] {
				return nil, fmt.Errorf("%q does not follow its help", line)
			}
			typed[current] = true
			continue
		}
		m := sampleParts.FindStringSubmatch(line)
		if m == nil || m[1] != current || !typed[current] {
			return nil, fmt.Errorf("%q is no sample of %s", line, current)
		}
		labels, err := parseLabels(m[2])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, err
		}
		key := m[1] + "|" + strings.Join(labels, "|")
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%q is there twice", key)
		}
		out[key] = v
	}
	return out, nil
}

// parseLabels gives name=value, unescaped, in their order.
func parseLabels(s string) (out []string, err error) {
	for s != "" {
		name, rest, ok := strings.Cut(s, `="`)
		if !ok || !labelName.MatchString(name) {
			return nil, fmt.Errorf("%q is no label", s)
		}
		var v strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != '"'; i++ {
			c := rest[i]
			if c == '\\' {
				i++
				if i == len(rest) || !strings.ContainsRune(`\"n`, rune(rest[i])) {
					return nil, fmt.Errorf("%q escapes what nobody escapes", rest)
				}
				if c = rest[i]; c == 'n' {
					c = '\n'
				}
			}
			v.WriteByte(c)
		}
		if i == len(rest) {
			return nil, fmt.Errorf("%q does not end", rest)
		}
		out = append(out, name+"="+v.String())
		if s = rest[i+1:]; s != "" {
			if s, ok = strings.CutPrefix(s, ","); !ok || s == "" {
				return nil, fmt.Errorf("%q follows a label", rest[i+1:])
			}
		}
	}
	return out, nil
}

func metrics(t *testing.T, in status.Input) map[string]float64 {
	t.Helper()
	b, err := status.New(in).Metrics()
	if err != nil {
		t.Fatal(err)
	}
	m, err := scrape(string(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return m
}

func TestMetricsTellTheModel(t *testing.T) {
	in := full()
	in.Running[0].At = now.Add(-time.Hour)
	got := metrics(t, in)
	unix := func(t time.Time) float64 { return float64(t.Unix()) }
	const db = "|server=srv|database=db"
	for key, want := range map[string]float64{
		"bacvault_verdict|verdict=overdue": 1, "bacvault_verdict|verdict=ok": 0, "bacvault_watch_last_look_timestamp_seconds|": unix(now.Add(-5 * time.Minute)),
		"bacvault_unread|": 1, "bacvault_databases|": 3, "bacvault_newest_backup_timestamp_seconds" + db: unix(night(0).Time()),
		"bacvault_backup_size_bytes" + db: 3 << 20, "bacvault_backup_rows" + db: 1000, "bacvault_backups" + db: 30, "bacvault_orphans" + db: 1, "bacvault_stored_bytes" + db: 90 << 20,
		"bacvault_backup_protected_until_timestamp_seconds" + db: unix(night(0).Time().AddDate(0, 0, 90)), "bacvault_newest_proof_timestamp_seconds" + db: unix(now.Add(-2 * time.Hour)),
		"bacvault_proof_restore_seconds" + db: 90, "bacvault_last_drill_passed" + db: 0, "bacvault_last_drill_passed|server=srv|database=other": 1,
		"bacvault_next_run_timestamp_seconds" + db: unix(night(-1).Time()), "bacvault_findings|kind=backup.overdue|severity=alarm": 1, "bacvault_findings|kind=run.stalled|severity=warning": 0,
		"bacvault_policy_locked|": 1, "bacvault_policy_days|": 90, "bacvault_policy_legal_hold|": 1, "bacvault_policy_extensions_left|": 5,
		"bacvault_runs|kind=restore|state=stalled": 1, "bacvault_runs|kind=restore|state=running": 0,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v (there: %t), want %v", key, v, ok, want)
		}
	}
	n := 0
	for key := range got {
		if strings.HasPrefix(key, "bacvault_findings|") {
			n++
		}
	}
	if want := 2 * len(bacvault.FindingKinds()); n != want {
		t.Errorf("%d kinds and severities, want %d", n, want)
	}
}

func TestWhatIsNotKnownHasNoSample(t *testing.T) {
	in := good()
	in.Source, in.Snapshot.Posture = status.Direct, nil
	in.Snapshot.Databases = []watch.Database{{Database: bacvault.Database{Server: "srv", Name: "db"}}}
	got := metrics(t, in)
	if v, ok := got["bacvault_watch_last_look_timestamp_seconds|"]; !ok || v != 0 {
		t.Errorf("a watch that never looked is %v, %t: an alert on its age needs the 0", v, ok)
	}
	for key := range got {
		for _, no := range []string{"newest", "size", "rows", "protected", "proof", "drill", "next", "policy"} {
			if name, _, _ := strings.Cut(key, "|"); strings.Contains(name, no) {
				t.Errorf("%s is told and not known", key)
			}
		}
	}
}

// A database may bear any name; what it holds must come back out of the label.
func TestLabelsHoldAnyName(t *testing.T) {
	for _, name := range []string{`a"b`, `a\b`, "a\nb", `\n`, `a",x="y`, "a}b 1", "ä 🙂", "#"} {
		in := good()
		in.Snapshot.Databases[0].Name = name
		if _, ok := metrics(t, in)["bacvault_backups|server=srv|database="+name]; !ok {
			t.Errorf("%q does not come back", name)
		}
	}
	in := good()
	in.Snapshot.Databases[0].Name = "a\xffb"
	if _, ok := metrics(t, in)["bacvault_backups|server=srv|database=a\uFFFDb"]; !ok {
		t.Error("a name that is no UTF-8 is told as it is")
	}
}

func TestScrapeIsStrict(t *testing.T) {
	const head = "# HELP a b\n# TYPE a gauge\n"
	if _, err := scrape(head + "a{x=\"1\"} 1\na{x=\"2\"} 1\n"); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
	for _, bad := range []string{
		"", "a 1\n", head + "b 1\n", head + "a 1\na 2\n", head + "a{x=\"1} 1\n", head + "a{x=\"\\t\"} 1\n", head + "a{x=\"1\",} 1\n", head + "a{1=\"1\"} 1\n",
		head + "a one\n", head + "a 1", head + head, "# TYPE a gauge\na 1\n", head + "a{x=\"1\"y=\"2\"} 1\n",
	} {
		if got, err := scrape(bad); err == nil {
			t.Errorf("%q reads as %v", bad, got)
		}
	}
}

// The page on metrics names each of them, with its labels.
func TestMetricsPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	real := map[string][]string{}
	for key := range metrics(t, full()) {
		name, labels, _ := strings.Cut(key, "|")
		var names []string
		for _, l := range strings.Split(labels, "|") {
			if label, _, ok := strings.Cut(l, "="); ok {
				names = append(names, label)
			}
		}
		real[name] = names
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(bacvault_\\w+)` \\| ([^|:;]+)").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
		want := strings.Join(real[m[1]], ", ")
		if want == "" {
			want = "none"
		}
		if _, ok := real[m[1]]; !ok || strings.TrimSpace(m[2]) != want {
			t.Errorf("%s is documented with %q, it has %q", m[1], m[2], want)
		}
	}
	for name := range real {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, v := range []string{status.VerdictOK, status.VerdictWarning, status.VerdictUnproven, status.VerdictAlarm, status.VerdictOverdue, status.VerdictNotLocked, status.VerdictUnknown} {
		if !slices.Contains(regexp.MustCompile("(?m)^\\| `([a-z ]+)` ").FindAllString(string(page), -1), "| `"+v+"` ") {
			t.Errorf("the verdict %s is not documented", v)
		}
	}
}
