package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// Each right of whoever promotes is needed: without it a promotion that is planned, applied, undone and applied again does not end well.
func TestEveryRightOfAPromotionIsNeeded(t *testing.T) {
	n := 0
	for _, g := range roles.Promotion(roles.Default(), roles.Promoter, server).Grants() {
		if g.Principal != roles.Promoter {
			continue
		}
		if n++; !soak && !slices.Contains([]string{roles.ShortTermRead, roles.LongTermWrite}, g.Action) {
			continue
		}
		t.Run(strings.ReplaceAll(g.Action+" on "+g.Scope, "/", "|"), func(t *testing.T) {
			if why := startPromoting(t, g).troubleOfAPromotion(); why == "" {
				t.Errorf("all went well without %s on %s: it should not be granted", g.Action, g.Scope)
			}
		})
	}
	if n < 11 {
		t.Fatalf("only %d rights were looked at", n)
	}
	t.Run("with all of them", func(t *testing.T) {
		if why := startPromoting(t, roles.Grant{}).troubleOfAPromotion(); why != "" {
			t.Error(why)
		}
	})
}

// startPromoting has a live database, and its restored one that is to take its place; whoever promotes lacks one right.
func startPromoting(t *testing.T, without roles.Grant) *azure {
	a := start(t, protected(stack.Options{
		Settings: map[string]string{"BACVAULT_SQL_RESOURCE_GROUP": stack.ResourceGroup},
		Rights: func(r roles.Table) roles.Table {
			return take(roles.Promotion(r, roles.Promoter, server), without)
		},
	}))
	a.backUp()
	a.send("restore-requests", "r1", restoreRequest("r1", "DB", nil))
	a.event(restored, "r1")
	a.idle("restore-requests")
	if err := a.ARM.SetRetention("DB", kept); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *azure) troubleOfAPromotion() string {
	for _, action := range []string{"plan", "apply", "undo", "apply"} {
		args := []string{"promote", action, "--database", "DB", "-o", "json"}
		if action != "plan" {
			args = append(args, "--yes")
		}
		out, words, code := a.cli(roles.Promoter, args...)
		var p promotion
		switch {
		case code != 0:
			return fmt.Sprintf("%s: exit %d, %s", action, code, words)
		case json.Unmarshal([]byte(out), &p) != nil || action != "plan" && !p.Complete:
			return action + " printed " + out
		case len(p.Findings) > 0 && action == "apply": // a plan and an undo always have something to say
			return action + ": " + p.Findings[0]
		}
	}
	left, err := a.Blob.Blobs(a.t.Context(), a.Places.StateAccount, a.Places.StateContainer)
	if err != nil {
		return err.Error()
	}
	if slices.ContainsFunc(left, func(n string) bool { return strings.HasPrefix(n, "runs/") }) {
		return "a promotion that has ended is still said to be at work"
	}
	return ""
}
