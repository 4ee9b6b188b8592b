package main

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// promotes answers every action; apply ends as far as complete says.
func promotes(complete bool, err error) *fake {
	return &fake{promote: func(r bacvault.RestoreRequest) (bacvault.Promotion, error) {
		p := bacvault.Promotion{Action: r.Action, Server: "srv", Live: r.Name, Restored: "db_RESTORE", Old: "db_old_1", Complete: complete && r.Action != bacvault.PromotePlan,
			Steps: []bacvault.PromotionStep{{Step: "rename-live", Now: "db", Want: "db_old_1", Done: complete}}}
		if r.Action == bacvault.PromotePlan {
			return p, nil
		}
		return p, err
	}}
}

func typing(answer string) func(*cli) {
	return func(c *cli) { c.inTTY, c.outTTY, c.stdin = true, true, strings.NewReader(answer) }
}

func TestPromotionIsPlannedWithoutAQuestion(t *testing.T) {
	f := promotes(false, nil)
	got := enter(t, f, onTerminal, "promote", "plan", "--database", "db", "--restored", "db_X", "--objective", "S9")
	if missing := lacks(got.out, "STEP", "rename-live", "db_old_1", "next: bacvault promote apply"); got.code != exitOK || missing != nil {
		t.Errorf("lacks %v: %+v", missing, got)
	}
	if strings.Count(got.words, "admit done in 1s") != 1 {
		t.Errorf("progress: %q", got.words)
	}
	if r := f.promoted[0]; r.Kind != bacvault.KindPromote || r.Action != bacvault.PromotePlan || r.TargetDatabase != "db_X" || r.ServiceObjective != "S9" {
		t.Errorf("%+v", r)
	}
}

func TestPromotionAsksForTheName(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		code, done   int
	}{
		{"the name", "db\n", exitOK, 1}, {"a yes", "yes\n", exitRefused, 0}, {"another case", "DB\n", exitRefused, 0}, {"nothing", "", exitRefused, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := promotes(true, nil)
			got := enter(t, f, typing(c.answer), "promote", "apply", "--database", "db")
			applied := 0
			for _, r := range f.promoted {
				if r.Action != bacvault.PromotePlan {
					applied++
				}
			}
			if got.code != c.code || applied != c.done || !strings.Contains(got.words, "Type the database's name") || !strings.Contains(got.words, "rename-live") {
				t.Errorf("%d applied: %+v", applied, got)
			}
		})
	}
}

func TestPromotionWithoutATerminalNeedsYes(t *testing.T) {
	for _, action := range []string{"apply", "undo"} {
		f := promotes(true, nil)
		if got := enter(t, f, nil, "promote", action, "--database", "db"); got.code != exitUsage || len(f.promoted) > 0 || !strings.Contains(got.words, "--yes") {
			t.Errorf("%s: %+v, %+v", action, got, f.promoted)
		}
		got := enter(t, f, nil, "promote", action, "--database", "db", "--yes")
		if p := decode[bacvault.Promotion](t, got.out); got.code != exitOK || len(f.promoted) != 1 || string(p.Action) != action || !p.Complete {
			t.Errorf("%s: %+v", action, got)
		}
	}
}

func TestForcedPromotionSaysWhy(t *testing.T) {
	f := promotes(true, nil)
	if got := enter(t, f, nil, "promote", "apply", "--database", "db", "--yes", "--force"); got.code != exitUsage || len(f.promoted) > 0 {
		t.Errorf("%+v", got)
	}
	if got := enter(t, f, nil, "promote", "apply", "--database", "db", "--yes", "--force", "--reason", "incident"); got.code != exitOK || !f.promoted[0].Force || f.promoted[0].Reason != "incident" {
		t.Errorf("%+v, %+v", got, f.promoted)
	}
}

func TestPromotionThatIsNotWholeIsNoSuccess(t *testing.T) {
	if got := enter(t, promotes(false, nil), nil, "promote", "apply", "--database", "db", "--yes"); got.code != exitPartial || !strings.Contains(got.words, "steps are left") {
		t.Errorf("%+v", got)
	}
	f := promotes(false, bacvault.Fail(bacvault.CodePromoteUnproven, "nothing was reconciled"))
	got := enter(t, f, nil, "promote", "apply", "--database", "db", "--yes")
	if p := decode[bacvault.Promotion](t, got.out); got.code != exitRefused || len(p.Steps) != 1 || lacks(got.words, "promote.unproven", "next:") != nil {
		t.Errorf("what was done before it broke off is not told: %+v", got)
	}
}

func TestPromotionByTheQueueOnlySends(t *testing.T) {
	f := promotes(true, nil)
	got := enter(t, f, nil, "promote", "undo", "--database", "db", "--yes", "--queue")
	if r := decode[bacvault.RestoreRequest](t, got.out); got.code != exitOK || len(f.promoted) > 0 || r.Kind != bacvault.KindPromote || r.Action != bacvault.PromoteUndo {
		t.Errorf("%+v, %+v", got, r)
	}
}
