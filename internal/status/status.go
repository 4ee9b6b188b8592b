// Package status is the read model: what is protected, what runs, what is overdue; the page and its JSON show the same.
package status

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

// Schema names the JSON form.
const Schema = "bacvault.status.v1"

// Model is the whole of it at one moment.
type Model struct {
	Schema    string              `json:"schema"`
	At        time.Time           `json:"at"`
	Version   string              `json:"version"`
	Vault     string              `json:"vault"`
	Posture   *bacvault.Posture   `json:"posture,omitempty"`
	Databases []Database          `json:"databases"`
	Running   []bacvault.Progress `json:"running"`
	Overdue   []watch.Overdue     `json:"overdue"`
	// Unprotected are databases that a server has and SQL_DATABASE_NAME does not name.
	Unprotected []bacvault.Database `json:"unprotected,omitempty"`
	// Unread lists what could not be read: what is missing above may be there all the same.
	Unread []string `json:"unread,omitempty"`
}

// Database is one protected database.
type Database struct {
	bacvault.Database
	Backups int            `json:"backups"`
	Orphans int            `json:"orphans"`
	Newest  *bacvault.Slot `json:"newest,omitempty"`
	Bytes   int64          `json:"bytes"`
}

// Verdict is one word for the whole: a status that could not be read is never "ok".
func (m Model) Verdict() string {
	switch {
	case len(m.Unread) > 0 || len(m.Databases) == 0: // a status of nothing is no good news
		return "unknown"
	case len(m.Overdue) > 0:
		return "overdue"
	case m.Posture == nil || !m.Posture.Locked():
		return "not locked"
	}
	return "ok"
}

// JSON is the model for machines.
func (m Model) JSON() ([]byte, error) {
	type plain Model // without the method set, so that Verdict can stand beside the fields
	return json.MarshalIndent(struct {
		Verdict string `json:"verdict"`
		plain
	}{m.Verdict(), plain(m)}, "", "  ")
}

//go:embed page.html
var page string

// HTML is the model for people.
func (m Model) HTML() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"age": func(t time.Time) string { return age(m.At.Sub(t)) },
		"mib": func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) },
	}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, m); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return []byte(b.String()), nil
}

// age is a duration in the two largest units that say something.
func age(d time.Duration) string {
	switch {
	case d < -time.Minute: // a slot that somebody asked for, not this night's
		return "ahead"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}
