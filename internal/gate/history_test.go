package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

// The log is recorded as it is; only what it leaves to do follows from it.
func TestObserveRecordsThePolicysHistory(t *testing.T) {
	entry := func(update string, days int, by map[string]any) map[string]any {
		e := map[string]any{"update": update, "immutabilityPeriodSinceCreationInDays": days, "timestamp": now.Format(time.RFC3339)}
		for k, v := range by {
			e[k] = v
		}
		return e
	}
	extends := func(n int) (out []any) {
		for i := range n {
			out = append(out, entry("extend", 30+i, nil))
		}
		return out
	}
	observe := func(t *testing.T, state string, version bool, log []any) bacvault.Posture {
		policy := timePolicy(state, 30, nil)
		policy["updateHistory"] = log
		p := &planes{properties: map[string]any{"immutabilityPolicy": policy}, data: flags("true", "false", fmt.Sprint(version))}
		if version {
			p.properties["immutableStorageWithVersioning"] = map[string]any{"enabled": true}
		}
		got, err := open(t, p, nil).Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("who did what", func(t *testing.T) {
		got := observe(t, "Locked", false, []any{
			entry("put", 7, map[string]any{"upn": "ann@example.org", "objectIdentifier": "o-1"}), entry("lock", 7, map[string]any{"objectIdentifier": "app-2"}),
			entry("extend", 30, nil), nil, map[string]any{},
		})
		want := []bacvault.PolicyChange{
			{Kind: "put", Days: 7, At: now, By: "ann@example.org"}, {Kind: "lock", Days: 7, At: now, By: "app-2"}, {Kind: "extend", Days: 30, At: now}, {},
		}
		if diff := cmp.Diff(want, got.History); diff != "" || got.ExtensionsLeft != 4 {
			t.Errorf("%d extensions left, history (-want +got):\n%s", got.ExtensionsLeft, diff)
		}
	})
	for _, c := range []struct {
		name    string
		state   string
		version bool
		log     []any
		left    int
	}{
		{"locked, never extended", "Locked", false, nil, 5},
		{"locked, used up", "Locked", false, extends(5), 0},
		{"more than the state explains", "Locked", false, extends(9), 0},
		{"unlocked, and yet it says lock and extend", "Unlocked", false, append(extends(1), entry("lock", 30, nil)), 0},
		{"version-level has no such limit", "Locked", true, extends(1), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := observe(t, c.state, c.version, c.log)
			if got.ExtensionsLeft != c.left || len(got.History) != len(c.log) {
				t.Errorf("%d extensions left, %d entries; want %d, %d", got.ExtensionsLeft, len(got.History), c.left, len(c.log))
			}
			// The verdict is that of the same posture without a log.
			bare := got
			bare.History = nil
			_, with := gate.Judge(got, gate.Requirement{MinDays: 30}, now)
			_, without := gate.Judge(bare, gate.Requirement{MinDays: 30}, now)
			if (with == nil) != (without == nil) || (with == nil) != (c.state == "Locked") {
				t.Errorf("judged %v with the log, %v without it", with, without)
			}
		})
	}
}

// Neither state nor period is to be seen on the data plane, whatever flags it shows: without the other plane nothing passes.
func TestTheDataPlaneAloneProvesNoLock(t *testing.T) {
	for _, data := range []map[string]string{flags("true", "false", "false"), flags("true", "true", ""), flags("true", "true", "true")} {
		g := open(t, &planes{data: data}, func(c *gate.Config) { c.NoManagementPlane, c.SubscriptionID, c.ResourceGroup = true, "", "" })
		p, err := g.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Locked() || p.PeriodDays != 0 {
			t.Errorf("%v is taken for %+v", data, p)
		}
		for _, noPlane := range []bool{true, false} {
			_, f := gate.Judge(p, gate.Requirement{AllowUnlockedReason: "x", NoManagementPlane: noPlane}, now)
			if f == nil {
				t.Errorf("%v passed the gate", data)
			}
		}
	}
}
