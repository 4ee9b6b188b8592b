package watch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// drift holds the posture against the baseline. The first locked posture becomes the baseline; one that protects more takes its
// place, after it was told. One that protects less never does: it stays an alarm until it is put right or until a person
// takes the new state for the baseline.
func drift(s *Snapshot) []bacvault.Finding {
	if s.Posture == nil {
		return nil
	}
	if s.Baseline == nil {
		if s.Posture.Locked() {
			b := *s.Posture
			s.Baseline = &b
			return nil
		}
		f := finding(bacvault.FoundDrift, bacvault.Alarm, s.Vault, "Lock the container's policy: bacvault policy lock --plan says what that means.", "the vault's policy is not locked: %s", describe(*s.Posture))
		f.Before, f.After = "a locked policy", describe(*s.Posture)
		return []bacvault.Finding{f}
	}
	before, after := describe(*s.Baseline), describe(*s.Posture)
	if before == after {
		return nil
	}
	severity, next := bacvault.Alarm, "Find who changed it in the activity log; put it right, or take it for the new baseline with: bacvault policy check --accept."
	if stronger(*s.Posture, *s.Baseline) {
		severity, next = bacvault.Warning, "It protects more than before, and is the baseline from now on; see that it was meant."
		b := *s.Posture
		s.Baseline = &b
	}
	f := finding(bacvault.FoundDrift, severity, s.Vault, next, "the vault's immutability is not what it was: %s", strings.Join(differences(before, after), "; "))
	f.Before, f.After = before, after
	return []bacvault.Finding{f}
}

// describe is what counts of a posture, in a fixed order. When it was read, the ETag and the history do not.
func describe(p bacvault.Posture) string {
	return fmt.Sprintf("scope %s, state %s, period %d days, append %t, append all %t, legal hold %t, tags %s",
		p.Scope, p.State, p.PeriodDays, p.ProtectedAppend, p.ProtectedAppendAll, p.LegalHold, strings.Join(p.LegalHoldTags, "+"))
}

func differences(before, after string) (out []string) {
	b, a := strings.Split(before, ", "), strings.Split(after, ", ")
	for i := range b {
		if b[i] != a[i] {
			out = append(out, b[i]+" became "+strings.TrimPrefix(a[i], strings.SplitN(a[i], " ", 2)[0]+" "))
		}
	}
	return out
}

// stronger says whether nothing of a posture protects less than before.
func stronger(p, than bacvault.Posture) bool {
	return p.Scope == than.Scope && p.Locked() && p.PeriodDays >= than.PeriodDays && p.ProtectedAppend == than.ProtectedAppend &&
		p.ProtectedAppendAll == than.ProtectedAppendAll && (p.LegalHold || !than.LegalHold) &&
		!slices.ContainsFunc(than.LegalHoldTags, func(tag string) bool { return !slices.Contains(p.LegalHoldTags, tag) })
}
