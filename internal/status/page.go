package status

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// page is parsed once: it is the same for every view.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"strip": strip, "spark": spark, "legend": legend, "mib": mib, "thousands": thousands, "age": age, "stamp": stamp, "sentence": sentence,
	"since": func(now, t time.Time) string {
		if t.Sub(now) > time.Minute {
			return "in " + age(t.Sub(now))
		}
		return age(now.Sub(t)) + " ago"
	},
	"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"day":  func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"secs": func(s float64) string { return age(time.Duration(s * float64(time.Second))) },
	"rate": func(perSecond float64) string { return fmt.Sprintf("%.1f MiB/s", perSecond/(1<<20)) },
	"dbs":  func(v view, rows []Database, caption string) table { return table{v, rows, caption} },
	"word": func(s State) string { return stateWords[s] },
}).Parse(pageText))

// stateWords is what a person reads for a state.
var stateWords = map[State]string{
	StateOverdue: "Overdue", StateAlarm: "Alarm", StateUnknown: "Unknown", StateNone: "No backup yet", StateUnproven: "Not proven",
	StateWarning: "Warning", StateTaken: "Backed up", StateOK: "Proven",
}

// tones are the colours of the verdicts; the words say the same.
var tones = map[string]string{VerdictOK: "good", VerdictWarning: "warn", VerdictUnproven: "warn", VerdictUnknown: "dim"}

// view is what the template sees.
type view struct {
	Model
	Word, Tone, Headline, Detail string
	First, More                  []Database
	Filter                       Filter
	Past                         []past
	PastTotal                    int
	Drills                       []Database
	Drifts                       []bacvault.Finding
	Style                        template.CSS
	Script                       template.JS
}

// table is a part of the databases.
type table struct {
	V       view
	Rows    []Database
	Caption string
}

// firstRows is how many databases are shown unfolded, those that need a person first.
const firstRows = 50

// mostDrills is how many drills are listed, the newest first.
const mostDrills = 50

// HTML is the model for people.
func (m Model) HTML() ([]byte, error) { return m.Page(nil) }

// Page is HTML with the history filtered by a query of the page's own form: db, state and days.
func (m Model) Page(q url.Values) ([]byte, error) {
	v := view{
		Model: m, Word: m.Verdict(), Filter: m.filter(q),
		Style: template.CSS(pageStyle), Script: template.JS(pageScript),
	}
	v.Headline, v.Detail = m.Words()
	v.Tone = cmp.Or(tones[v.Word], "bad")
	if v.Word == VerdictOK && m.Source == Direct {
		v.Tone = "warn"
	}
	v.Past, v.PastTotal = m.history(v.Filter)
	sorted := slices.Clone(m.Databases)
	slices.SortStableFunc(sorted, func(a, b Database) int {
		return slices.Index(states, a.State) - slices.Index(states, b.State)
	})
	v.First, v.More = sorted[:min(firstRows, len(sorted))], sorted[min(firstRows, len(sorted)):]
	for _, d := range m.Databases {
		if d.LastDrill != nil {
			v.Drills = append(v.Drills, d)
		}
	}
	slices.SortStableFunc(v.Drills, func(a, b Database) int { return b.LastDrill.At.Compare(a.LastDrill.At) })
	v.Drills = v.Drills[:min(mostDrills, len(v.Drills))]
	for _, f := range m.Findings {
		if f.Kind == bacvault.FoundDrift {
			v.Drifts = append(v.Drifts, f)
		}
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return b.Bytes(), nil
}

// SlotLabels are the kinds of squares, best first, for legend and form.
func (v view) SlotLabels() (out []watch.SlotState) {
	for i := len(slotStates) - 1; i >= 0; i-- {
		out = append(out, slotStates[i].State)
	}
	return out
}

// Spans are the days that the form offers.
func (v view) Spans() []int { return spans }

// MedianRestore is the middle of the measured restore times, in seconds; 0 where none was measured.
func (v view) MedianRestore() float64 {
	var ms []int64
	for _, d := range v.Databases {
		if d.NewestProof != nil {
			ms = append(ms, int64(d.NewestProof.RestoreSec*1000))
		}
	}
	return float64(median(ms)) / 1000
}

// Proven counts the databases with a proof.
func (v view) Proven() (n int) {
	for _, d := range v.Databases {
		if d.NewestProof != nil {
			n++
		}
	}
	return n
}

// InTime counts the databases whose newest backup is in time.
func (v view) InTime() (n int) {
	for _, d := range v.Databases {
		if d.Newest != nil {
			n++
		}
	}
	for _, o := range v.Overdue {
		if o.Newest != nil {
			n--
		}
	}
	return n
}

// Alarms and Warnings count the findings.
func (v view) Alarms() (n int) {
	for _, f := range v.Findings {
		if f.Severity == bacvault.Alarm {
			n++
		}
	}
	return n
}

func (v view) Warnings() int { return len(v.Findings) - v.Alarms() }

// Headers are the page's HTTP headers: nothing from elsewhere, no frame around it, and no address of it told to others.
func (Model) Headers() map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; img-src data:; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) +
			"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
