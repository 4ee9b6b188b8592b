package gate

import (
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// What Posture.Scope and Posture.State can say. The management plane says Locked and Unlocked; None is no policy; Unknown is
// a policy that only the data plane shows, which knows neither state nor period.
const (
	ScopeContainer = "container"
	ScopeVersion   = "version"

	StateLocked   = "Locked"
	StateUnlocked = "Unlocked"
	StateNone     = "None"
	StateUnknown  = "Unknown"
)

// Requirement is what the settings demand.
type Requirement struct {
	// MinDays is the shortest retention period that is accepted, in days; less than 1 counts as 1.
	MinDays int
	// AllowUnlockedUntil and AllowUnlockedReason let an unlocked policy pass until then, and nothing else. Both must be given.
	AllowUnlockedUntil  time.Time
	AllowUnlockedReason string
	// NoManagementPlane says that nobody can be asked for state and period: then nothing passes but by the waiver.
	NoManagementPlane bool
}

// waives says whether an unlocked policy may pass now.
func (r Requirement) waives(now time.Time) bool {
	return r.AllowUnlockedReason != "" && now.Before(r.AllowUnlockedUntil)
}

// Judge compares what was observed with what is required. A nil failure lets the run pass; degraded then says in sentences
// what is weaker than the promise. An unlocked policy refuses deletion too, but whoever may delete the policy can undo that.
func Judge(p bacvault.Posture, r Requirement, now time.Time) (degraded []string, f *bacvault.Failure) {
	if r.NoManagementPlane {
		return unproven(p, r, now)
	}
	switch p.State {
	case StateLocked:
	case StateUnlocked:
		if !r.waives(now) {
			return nil, unlocked(p, r)
		}
		degraded = append(degraded, fmt.Sprintf("The immutability policy is unlocked and can be removed; allowed until %s because: %s",
			r.AllowUnlockedUntil.UTC().Format(time.RFC3339), r.AllowUnlockedReason))
	case StateNone:
		return nil, noPolicy(p)
	default:
		return nil, refuse(bacvault.CodeGateUnread, "the state of the immutability policy is %q, which says neither Locked nor Unlocked", p.State)
	}
	if want := max(1, r.MinDays); p.PeriodDays < want {
		return nil, refuse(bacvault.CodeGateTooShort, "the %s policy keeps blobs for %d days, required are %d", p.State, p.PeriodDays, want)
	}
	if p.Scope == ScopeVersion {
		degraded = append(degraded, "Immutability is version-level: only the container's default policy was judged; a writer with immutableStorage/runAsSuperUser can give new blobs a weaker one, and an overwrite makes a new version instead of being refused.")
	}
	if p.ProtectedAppendAll {
		degraded = append(degraded, "The policy allows appending to protected block blobs (allowProtectedAppendWritesAll): a stored archive can grow, which its SHA-256 shows.")
	}
	return degraded, nil
}

// unproven is the verdict where only the data plane was asked, which knows neither state nor period.
func unproven(p bacvault.Posture, r Requirement, now time.Time) ([]string, *bacvault.Failure) {
	if !r.waives(now) {
		return nil, refuse(bacvault.CodeGateUnlocked, "without a management plane nothing shows that the policy is locked (the data plane says %q), and no waiver is in force", p.State)
	}
	return []string{fmt.Sprintf("Immutability was not proven: there is no management plane, and the data plane says %q; allowed until %s because: %s",
		p.State, r.AllowUnlockedUntil.UTC().Format(time.RFC3339), r.AllowUnlockedReason)}, nil
}

func unlocked(p bacvault.Posture, r Requirement) *bacvault.Failure {
	switch {
	case r.AllowUnlockedUntil.IsZero():
		return refuse(bacvault.CodeGateUnlocked, "the immutability policy (%d days) is not locked", p.PeriodDays)
	case r.AllowUnlockedReason == "":
		return refuse(bacvault.CodeGateUnlocked, "the immutability policy (%d days) is not locked, and the waiver gives no reason", p.PeriodDays)
	}
	return refuse(bacvault.CodeGateUnlocked, "the immutability policy (%d days) is not locked, and the waiver lapsed on %s",
		p.PeriodDays, r.AllowUnlockedUntil.UTC().Format(time.RFC3339))
}

func noPolicy(p bacvault.Posture) *bacvault.Failure {
	switch {
	case p.Scope == ScopeVersion:
		return refuse(bacvault.CodeGateNoPolicy, "the container has version-level immutability without a default policy; a default of the account is not judged")
	case p.LegalHold:
		return refuse(bacvault.CodeGateNoPolicy, "the container has a legal hold but no time-based policy; a hold can be cleared at any time")
	}
	return refuse(bacvault.CodeGateNoPolicy, "the container has no immutability policy")
}

func refuse(code bacvault.Code, format string, args ...any) *bacvault.Failure {
	f := bacvault.Fail(code, format, args...)
	f.Exists = nothingYet
	return f
}
