package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The verdicts: one word for the whole. Scripts match on them.
const (
	VerdictOK        = "ok"
	VerdictWarning   = "warning"
	VerdictUnproven  = "unproven"
	VerdictAlarm     = "alarm"
	VerdictOverdue   = "overdue"
	VerdictNotLocked = "not locked"
	VerdictUnknown   = "unknown"
)

// staleAfter is three looks of the watch: two may fail or be late before nobody knows any more.
const staleAfter = 45 * time.Minute

// clockSkew is how far a look may lie ahead of our clock.
const clockSkew = 5 * time.Minute

// Stale says that the look is too old to tell anything of now, or lies ahead of our clock.
func (m Model) Stale() bool {
	age := m.At.Sub(m.LookedAt)
	return age > staleAfter || age < -clockSkew
}

// Verdict is never better than what is known: an old look, one that could not read all and one that found no database say nothing
// good. What is known to be wrong stays wrong, whatever else could not be read.
func (m Model) Verdict() string {
	switch {
	case m.Stale():
		return VerdictUnknown
	case m.Posture != nil && !m.Posture.Locked():
		return VerdictNotLocked
	case len(m.Overdue) > 0:
		return VerdictOverdue
	case len(m.broken()) > 0:
		return VerdictAlarm
	case len(m.Unread) > 0 || len(m.Databases) == 0 || m.Posture == nil || has(m.Findings, bacvault.FoundUnread):
		return VerdictUnknown
	case has(m.Findings, bacvault.FoundOverdueProof):
		return VerdictUnproven
	case len(m.Findings) > 0 || m.count(StateNone) > 0:
		return VerdictWarning
	}
	return VerdictOK
}

// broken are the alarms that have no verdict of their own.
func (m Model) broken() (out []bacvault.Finding) {
	for _, f := range m.Findings {
		if f.Severity == bacvault.Alarm && f.Kind != bacvault.FoundOverdueProof && f.Kind != bacvault.FoundUnread {
			out = append(out, f)
		}
	}
	return out
}

func (m Model) count(s State) (n int) {
	for _, d := range m.Databases {
		if d.State == s {
			n++
		}
	}
	return n
}

// Words say the verdict: a headline, and one sentence or two of why.
func (m Model) Words() (headline, detail string) {
	n := len(m.Databases)
	switch m.Verdict() {
	case VerdictUnknown:
		return m.unknown()
	case VerdictNotLocked:
		return "Not locked.", fmt.Sprintf("The vault's policy is %s: whoever administers the account can still delete every backup.", m.Posture.State)
	case VerdictOverdue:
		if len(m.Overdue) > 1 {
			return "Overdue.", fmt.Sprintf("%d of %s have no backup in time.", len(m.Overdue), databases(n))
		}
		if o := m.Overdue[0]; o.Newest != nil {
			return "Overdue.", fmt.Sprintf("The newest backup of %s is %s old.", o.Database, age(o.Age))
		}
		return "Overdue.", fmt.Sprintf("%s has no backup at all.", m.Overdue[0].Database)
	case VerdictAlarm:
		broken := m.broken()
		if len(broken) > 1 {
			return "Alarm.", fmt.Sprintf("%d findings break the promise; each says what to do next.", len(broken))
		}
		return "Alarm.", sentence(broken[0].Detail)
	case VerdictUnproven:
		k := m.count(StateUnproven)
		return "Not proven.", fmt.Sprintf("All backups are in time, but %d of %s %s no restore that was tried lately and passed.", k, databases(n), plural(k, "has", "have"))
	case VerdictWarning:
		return "Protected, with warnings.", m.facts()
	}
	if m.Source == Direct {
		return "In time, by a direct look.", m.facts() + " The watch has not looked yet: drills, drift, dead letters and failed runs are not known."
	}
	return "Protected.", m.facts()
}

func (m Model) unknown() (string, string) {
	switch {
	case m.Stale() && m.LookedAt.After(m.At):
		return "Unknown.", fmt.Sprintf("The watch's last look, %s, lies ahead of this clock.", stamp(m.LookedAt))
	case m.Stale():
		return "Unknown.", fmt.Sprintf("The watch has not looked since %s, %s ago. What follows is how things stood then.", stamp(m.LookedAt), age(m.At.Sub(m.LookedAt)))
	case len(m.Unread) > 0:
		return "Unknown.", fmt.Sprintf("%d %s could not be read; nothing that is known is wrong.", len(m.Unread), plural(len(m.Unread), "thing", "things"))
	case len(m.Databases) == 0:
		return "Unknown.", "No database is protected."
	}
	return "Unknown.", "Part of the picture could not be read; nothing that is known is wrong."
}

// facts is what a good verdict stands on.
func (m Model) facts() string {
	var b strings.Builder
	oldest, newest, proven := time.Time{}, time.Time{}, 0
	for _, d := range m.Databases {
		if d.Newest != nil && (oldest.IsZero() || d.Newest.Slot.Time().Before(oldest)) {
			oldest = d.Newest.Slot.Time()
		}
		if p := d.NewestProof; p != nil {
			proven++
			if p.At.After(newest) {
				newest = p.At
			}
		}
	}
	n := len(m.Databases)
	if none := m.count(StateNone); none > 0 {
		fmt.Fprintf(&b, "%d of %s %s no backup yet.", none, databases(n), plural(none, "has", "have"))
	} else {
		fmt.Fprintf(&b, "%s, %s a backup of the last %s.", databases(n), plural(n, "with", "each with"), age(m.At.Sub(oldest)))
	}
	switch {
	case m.Source == Direct:
	case proven == 0:
		b.WriteString(" No restore was proven yet.")
	case proven < n:
		fmt.Fprintf(&b, " %d of %d proven by a restore, the last %s ago.", proven, n, age(m.At.Sub(newest)))
	default:
		fmt.Fprintf(&b, " %s proven by a restore, the last %s ago.", plural(n, "It is", "Each is"), age(m.At.Sub(newest)))
	}
	if m.Posture != nil {
		fmt.Fprintf(&b, " The vault is locked, %d days.", m.Posture.PeriodDays)
	}
	return b.String()
}

func databases(n int) string { return fmt.Sprintf("%d %s", n, plural(n, "database", "databases")) }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// sentence makes one of a detail as rooms write them, in lower case; a name at its beginning stays as it is.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if first != "" && strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// stamp is a time as people read it; the page says once that all times are UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// age is a duration in the two largest units that say something.
func age(d time.Duration) string {
	two := func(n int, a string, m int, b string) string {
		if m == 0 {
			return fmt.Sprintf("%d %s", n, a)
		}
		return fmt.Sprintf("%d %s %d %s", n, a, m, b)
	}
	s := int(d / time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(s, 0))
	case d < time.Hour:
		return fmt.Sprintf("%d min", s/60)
	case d < 48*time.Hour:
		return two(s/3600, "h", s/60%60, "min")
	}
	return two(s/86400, "d", s/3600%24, "h")
}
