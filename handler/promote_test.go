package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

const promoteBody = `,"kind":"promote","action":"apply","targetDatabase":"db_check","force":true,"reason":"CHG1"`

// The event of a promotion tells its steps whether it succeeded or not: then they say how far it came.
func TestPromotionsEventTellsItsSteps(t *testing.T) {
	p := bacvault.Promotion{
		Action: bacvault.PromoteApply, Server: "srv", Live: "db", Restored: "db_check", Old: "db_old_20261124100000", Forced: "CHG1",
		Steps:    []bacvault.PromotionStep{{Step: "rename-live", Now: "db", Want: "db_old_20261124100000", Done: true}},
		Findings: []string{"forced (CHG1): no restore left a passed reconciliation"},
	}
	for _, c := range []struct {
		name string
		err  error
		want bacvault.EventType
	}{
		{"completed", nil, bacvault.PromoteCompleted},
		{"failed", bacvault.Fail(bacvault.CodePromoteGeo, "linked"), bacvault.PromoteFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked bacvault.RestoreRequest
			a := &fakeApp{promote: func(_ context.Context, req bacvault.RestoreRequest) (bacvault.Promotion, error) {
				asked = req
				return p, c.err
			}}
			h, _ := newHandler(a)
			if code, _ := post(t, h, "restore", delivery(t, restoreBody(promoteBody))); code != http.StatusOK || len(a.events) != 1 {
				t.Fatalf("%d after %v", code, a.calls)
			}
			if !asked.Force || asked.Reason != "CHG1" || asked.Action != bacvault.PromoteApply {
				t.Errorf("asked %+v", asked)
			}
			e := a.events[0]
			if e.Type != c.want || e.Subject != "srv/db" || e.Data.Target == nil || e.Data.Target.Name != "db_check" {
				t.Errorf("the event is %+v", e)
			}
			if diff := cmp.Diff(&p, e.Data.Promotion); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(p.Findings, e.Data.Findings); diff != "" {
				t.Error(diff)
			}
			if c.err != nil && (!e.Data.Final || e.Data.Failure.Code != bacvault.CodePromoteGeo || !strings.Contains(string(e.Data.Request), `"action":"apply"`)) {
				t.Errorf("the failure's event is %+v with %s", e.Data, e.Data.Request)
			}
		})
	}
}

// A promotion that ran into the limit stands between two databases: another attempt carries it on.
func TestPromotionBeyondItsLimitComesAgain(t *testing.T) {
	a := &fakeApp{promote: func(ctx context.Context, _ bacvault.RestoreRequest) (bacvault.Promotion, error) {
		<-ctx.Done()
		return bacvault.Promotion{}, bacvault.AsFailure(context.Cause(ctx), "scale")
	}}
	h, _ := newHandler(a)
	h.runLimit = 10 * time.Millisecond
	if code, _ := post(t, h, "restore", delivery(t, restoreBody(promoteBody))); code != http.StatusOK || len(a.events) != 0 || len(a.sent) != 1 {
		t.Fatalf("%d after %v", code, a.calls)
	}
	r, err := bacvault.ParseRestoreRequest(a.sent[0].Body, bacvault.Delivery{})
	if err != nil || r.Attempt != 2 || r.Action != bacvault.PromoteApply || !r.Force || r.TargetDatabase != "db_check" {
		t.Errorf("the copy is %+v, %v", r, err)
	}
}
