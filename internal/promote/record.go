package promote

import (
	"context"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Record is what was read of a promotion before its first change: with it a run that was killed anywhere is carried on, or
// undone. There is one for each live database, that of its last promotion.
type Record struct {
	// Action is apply or undo, whichever was asked for last.
	Action bacvault.PromoteAction `json:"action"`
	// Requests are those that have this action done, by id. Past are those that had an earlier one done, as action and id: a
	// request that comes a second time after a later one changed things must not change them back.
	Requests []string `json:"requests"`
	Past     []string `json:"past,omitempty"`

	Live            string    `json:"live"`
	Restored        string    `json:"restored"`
	Old             string    `json:"old"`
	LiveCreated     time.Time `json:"liveCreated"`
	RestoredCreated time.Time `json:"restoredCreated"`
	// Size and Retention are those of the live database before; Want is the size that the restored one gets.
	Size      Size               `json:"size"`
	Want      Size               `json:"want"`
	Retention bacvault.Retention `json:"retention"`

	Reconciled *Reconciliation `json:"reconciled,omitempty"`
	Forced     string          `json:"forced,omitempty"`
	Started    time.Time       `json:"started"`
	Finished   *time.Time      `json:"finished,omitempty"`
}

// mostPast bounds the list of requests that are over; a message lives for days, not for that many promotions.
const mostPast = 100

// turn notes that a request has this action done. It says whether that was news.
func (r *Record) turn(action bacvault.PromoteAction, request string) bool {
	if r.Action != action {
		r.pass()
		r.Action = action
	}
	if slices.Contains(r.Requests, request) {
		return false
	}
	r.Requests = append(r.Requests, request)
	return true
}

// pass ends the action that the record speaks of.
func (r *Record) pass() {
	for _, id := range r.Requests {
		r.Past = append(r.Past, pastName(r.Action, id))
	}
	r.Past = r.Past[max(0, len(r.Past)-mostPast):]
	r.Requests, r.Finished = nil, nil
}

func pastName(action bacvault.PromoteAction, id string) string { return string(action) + " " + id }

// last is the request that the record speaks of.
func (r *Record) last() string {
	if len(r.Requests) == 0 {
		return "unknown"
	}
	return r.Requests[len(r.Requests)-1]
}

// old is the name that the live database is put aside under, cut to what a name may have.
func old(live string, at time.Time) string {
	return bacvault.FitName(live, "_old_"+at.UTC().Format("20060102150405"))
}

// load reads the record, and refuses a request that a later one has overtaken.
func (r *run) load(ctx context.Context) (bool, error) {
	rec, ok, err := r.State.Record(ctx, r.live)
	if err != nil || !ok {
		return false, err
	}
	r.rec = rec
	if slices.Contains(rec.Past, pastName(r.req.Action, r.req.ID)) {
		return true, changed("this request was overtaken by the %s of request %s", rec.Action, rec.last())
	}
	return true, nil
}

// save writes the record. Every change to the server comes after it.
func (r *run) save(ctx context.Context) error {
	return r.State.SaveRecord(ctx, r.live, r.rec)
}

func changed(format string, args ...any) *bacvault.Failure {
	return bacvault.Fail(bacvault.CodePromoteChanged, format, args...)
}
