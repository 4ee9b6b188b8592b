package status

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// verdicts are all words of Verdict, so that each has its series.
var verdicts = []string{VerdictOK, VerdictWarning, VerdictUnproven, VerdictAlarm, VerdictOverdue, VerdictNotLocked, VerdictUnknown}

// Metrics is the model in the Prometheus text format (prometheus.io/docs/instrumenting/exposition_formats). What is not known has
// no sample, and not 0: an alert on a missing backup asks for absent too.
func (m Model) Metrics() ([]byte, error) {
	var e exposition
	e.gauge("bacvault_verdict", "1 for the verdict of the status page.")
	for _, v := range verdicts {
		e.sample(yes(v == m.Verdict()), "verdict", v)
	}
	e.gauge("bacvault_watch_last_look_timestamp_seconds", "When the watch last looked; 0: it never did, and a direct look is shown.")
	if m.Source == Direct {
		e.sample(0)
	} else {
		e.sample(unix(m.LookedAt))
	}
	e.gauge("bacvault_unread", "Things that could not be read.")
	e.sample(float64(len(m.Unread)))
	e.gauge("bacvault_databases", "Protected databases.")
	e.sample(float64(len(m.Databases)))
	m.perDatabase(&e)
	m.findings(&e)
	if p := m.Posture; p != nil {
		e.gauge("bacvault_policy_locked", "1 if the vault's immutability policy is locked.")
		e.sample(yes(p.Locked()))
		e.gauge("bacvault_policy_days", "Days that the policy protects a new blob.")
		e.sample(float64(p.PeriodDays))
		e.gauge("bacvault_policy_legal_hold", "1 if there is a legal hold.")
		e.sample(yes(p.LegalHold))
		e.gauge("bacvault_policy_extensions_left", "How often the locked policy can still be extended.")
		e.sample(float64(p.ExtensionsLeft))
	}
	e.gauge("bacvault_runs", "Runs that have not said that they are over, by kind and by what is known of them.")
	for _, kind := range []string{"backup", "restore", "drill", "promote"} {
		for _, s := range []RunState{Running, Stalled, Failed} {
			n := 0
			for _, r := range m.Running {
				if r.Kind == kind && r.State == s {
					n++
				}
			}
			e.sample(float64(n), "kind", kind, "state", string(s))
		}
	}
	return e.Bytes(), nil
}

func (m Model) perDatabase(e *exposition) {
	for _, s := range []struct {
		name, help string
		value      func(Database) (float64, bool)
	}{
		{"bacvault_newest_backup_timestamp_seconds", "Slot of the newest backup.", func(d Database) (v float64, ok bool) {
			if d.Newest != nil {
				return unix(d.Newest.Slot.Time()), true
			}
			return
		}},
		{"bacvault_backup_size_bytes", "Size of the newest backup.", func(d Database) (v float64, ok bool) {
			if d.Newest != nil {
				return float64(d.Newest.Size), true
			}
			return
		}},
		{"bacvault_backup_rows", "Rows in the newest backup.", func(d Database) (v float64, ok bool) {
			if d.Newest != nil && m.Source == FromWatch { // a direct look reads no manifest
				return float64(d.Newest.Rows), true
			}
			return
		}},
		{"bacvault_backup_protected_until_timestamp_seconds", "From when on the newest backup could be deleted.", func(d Database) (v float64, ok bool) {
			if d.Newest != nil && !d.Newest.ProtectedTo.IsZero() {
				return unix(d.Newest.ProtectedTo), true
			}
			return
		}},
		{"bacvault_newest_proof_timestamp_seconds", "When a restore of the database was last proven.", func(d Database) (v float64, ok bool) {
			if d.NewestProof != nil {
				return unix(d.NewestProof.At), true
			}
			return
		}},
		{"bacvault_proof_restore_seconds", "How long that restore took.", func(d Database) (v float64, ok bool) {
			if d.NewestProof != nil {
				return d.NewestProof.RestoreSec, true
			}
			return
		}},
		{"bacvault_last_drill_passed", "1 if the last drill passed.", func(d Database) (v float64, ok bool) {
			if d.LastDrill != nil {
				return yes(d.LastDrill.Passed), true
			}
			return
		}},
		{"bacvault_next_run_timestamp_seconds", "When the next backup is due.", func(d Database) (v float64, ok bool) {
			if d.Next != nil {
				return unix(*d.Next), true
			}
			return
		}},
		{"bacvault_backups", "Stored backups.", func(d Database) (float64, bool) { return float64(d.Backups), true }},
		{"bacvault_orphans", "Stored archives without a manifest.", func(d Database) (float64, bool) { return float64(d.Orphans), true }},
		{"bacvault_stored_bytes", "Size of all stored archives.", func(d Database) (float64, bool) { return float64(d.Bytes), true }},
	} {
		e.gauge(s.name, s.help)
		for _, d := range m.Databases {
			if v, ok := s.value(d); ok {
				e.sample(v, "server", d.Server, "database", d.Name)
			}
		}
	}
}

// findings gives each kind and severity, also those of which there is none: an alert can then tell 0 from nothing.
func (m Model) findings(e *exposition) {
	n := map[[2]string]int{}
	for _, f := range m.Findings {
		n[[2]string{string(f.Kind), string(f.Severity)}]++
	}
	e.gauge("bacvault_findings", "What the last look found, by kind and severity.")
	for _, k := range bacvault.FindingKinds() {
		for _, s := range []bacvault.Severity{bacvault.Alarm, bacvault.Warning} {
			e.sample(float64(n[[2]string{string(k), string(s)}]), "kind", string(k), "severity", string(s))
		}
	}
}

// exposition writes the text format. All our metrics are gauges.
type exposition struct {
	bytes.Buffer
	name string
}

func (e *exposition) gauge(name, help string) {
	e.name = name
	e.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n")
}

// escape is what a label's value needs; names of databases may hold any character.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes one value with labels as name and value in turns.
func (e *exposition) sample(v float64, labels ...string) {
	e.WriteString(e.name)
	for i := 0; i < len(labels); i += 2 {
		e.WriteString("{,"[min(i, 1):min(i, 1)+1] + labels[i] + `="` + escape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if len(labels) > 0 {
		e.WriteByte('}')
	}
	e.WriteString(" " + strconv.FormatFloat(v, 'f', -1, 64) + "\n")
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
