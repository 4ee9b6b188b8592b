package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

func TestJudge(t *testing.T) {
	posture := func(state string, days int) bacvault.Posture {
		return bacvault.Posture{Scope: gate.ScopeContainer, State: state, PeriodDays: days, DataPlaneHasPolicy: state != gate.StateNone}
	}
	versioned := func(p bacvault.Posture) bacvault.Posture { p.Scope = gate.ScopeVersion; return p }
	held := func(p bacvault.Posture) bacvault.Posture { p.LegalHold = true; return p }
	appendAll := func(p bacvault.Posture) bacvault.Posture { p.ProtectedAppendAll = true; return p }
	waiver := gate.Requirement{MinDays: 30, AllowUnlockedUntil: now.Add(time.Second), AllowUnlockedReason: "first night"}
	lapsed := gate.Requirement{MinDays: 30, AllowUnlockedUntil: now, AllowUnlockedReason: "first night"}
	mute := gate.Requirement{MinDays: 30, AllowUnlockedUntil: now.Add(time.Hour)}
	plain := gate.Requirement{MinDays: 30}
	noPlane := func(r gate.Requirement) gate.Requirement { r.NoManagementPlane = true; return r }

	for _, c := range []struct {
		name     string
		p        bacvault.Posture
		r        gate.Requirement
		code     bacvault.Code
		words    string
		degraded []string
	}{
		{name: "locked and long enough", p: posture("Locked", 30), r: plain},
		{name: "locked, longer", p: posture("Locked", 365), r: waiver},
		{name: "locked, no minimum set", p: posture("Locked", 1), r: gate.Requirement{}},
		{name: "locked but a period of nothing", p: posture("Locked", 0), r: gate.Requirement{}, code: bacvault.CodeGateTooShort, words: "0 days"},
		{name: "locked, one day short", p: posture("Locked", 29), r: plain, code: bacvault.CodeGateTooShort, words: "29 days, required are 30"},
		{name: "unlocked", p: posture("Unlocked", 365), r: plain, code: bacvault.CodeGateUnlocked, words: "not locked"},
		{name: "unlocked, waived", p: posture("Unlocked", 365), r: waiver, degraded: []string{"unlocked", "2026-11-24T02:00:01Z", "first night"}},
		{name: "unlocked, the waiver lapsed this second", p: posture("Unlocked", 365), r: lapsed, code: bacvault.CodeGateUnlocked, words: "lapsed on 2026-11-24T02:00:00Z"},
		{name: "unlocked, a waiver without a reason", p: posture("Unlocked", 365), r: mute, code: bacvault.CodeGateUnlocked, words: "no reason"},
		{name: "unlocked, waived, too short", p: posture("Unlocked", 29), r: waiver, code: bacvault.CodeGateTooShort, words: "29 days"},
		{name: "no policy", p: posture("None", 0), r: plain, code: bacvault.CodeGateNoPolicy, words: "no immutability policy"},
		{name: "no policy, waived", p: posture("None", 0), r: waiver, code: bacvault.CodeGateNoPolicy},
		{name: "only a legal hold", p: held(posture("None", 0)), r: waiver, code: bacvault.CodeGateNoPolicy, words: "legal hold"},
		{name: "a state that only the data plane saw", p: posture("Unknown", 0), r: waiver, code: bacvault.CodeGateUnread},
		{name: "a state that nobody has heard of", p: posture("locked", 365), r: plain, code: bacvault.CodeGateUnread},
		{name: "nothing observed at all", p: bacvault.Posture{}, r: waiver, code: bacvault.CodeGateUnread},
		{name: "version-level, locked", p: versioned(posture("Locked", 30)), r: plain, degraded: []string{"version-level", "runAsSuperUser"}},
		{name: "version-level, unlocked", p: versioned(posture("Unlocked", 30)), r: plain, code: bacvault.CodeGateUnlocked},
		{name: "version-level, too short", p: versioned(posture("Locked", 1)), r: plain, code: bacvault.CodeGateTooShort},
		{name: "version-level, no default policy", p: versioned(posture("None", 0)), r: plain, code: bacvault.CodeGateNoPolicy, words: "default"},
		{name: "no management plane", p: posture("Unknown", 0), r: noPlane(plain), code: bacvault.CodeGateUnlocked, words: "no waiver"},
		{name: "no management plane, the waiver lapsed", p: posture("Unknown", 0), r: noPlane(lapsed), code: bacvault.CodeGateUnlocked, words: "no waiver"},
		{name: "no management plane, waived", p: posture("None", 0), r: noPlane(waiver), degraded: []string{"not proven", "first night"}},
		{name: "appending allowed", p: appendAll(posture("Locked", 30)), r: plain, degraded: []string{"allowProtectedAppendWritesAll"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			degraded, f := gate.Judge(c.p, c.r, now)
			if c.code != "" {
				if f == nil || f.Code != c.code || !strings.Contains(f.Detail, c.words) || f.Exists == "" || degraded != nil {
					t.Errorf("%v with %q, want %s with %q", f, degraded, c.code, c.words)
				}
				return
			}
			if f != nil {
				t.Fatalf("refused: %v", f)
			}
			if got := strings.Join(degraded, " "); (got == "") != (c.degraded == nil) {
				t.Errorf("degraded %q", degraded)
			} else {
				for _, w := range c.degraded {
					if !strings.Contains(got, w) {
						t.Errorf("degraded %q does not say %q", got, w)
					}
				}
			}
		})
	}
}
