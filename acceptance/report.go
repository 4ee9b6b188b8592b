package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/bacvault/bacvault/internal/app"
)

// Schema names the form of a Report.
const Schema = "bacvault.acceptance.v1"

// The verdicts of a step. An answer is neither good nor bad: it is what was to be found out.
const (
	verdictPass    = "pass"
	verdictFail    = "FAIL"
	verdictSkipped = "skipped"
	verdictAnswer  = "answer"
)

// Report is what a run found. It holds no token, no key and no row.
type Report struct {
	Schema string `json:"schema"`
	// StandIn says that an address was this machine's own: then nothing in the report says anything about Azure.
	StandIn bool `json:"standIn"`
	// Passed says that every step that was asked for passed or gave its answer, and that every statement was run.
	Passed      bool       `json:"passed"`
	Begun       time.Time  `json:"begun"`
	Ended       time.Time  `json:"ended"`
	LeastRights bool       `json:"leastRights"` // as whoever ran it declared
	Versions    Versions   `json:"versions"`
	Places      Places     `json:"places"`
	Steps       []Step     `json:"steps"`
	Attempts    []Attempt  `json:"attempts"`
	Questions   []Question `json:"questions"`
	Statements  []Sent     `json:"statements"`
	// Unknown are texts that were sent and that no constant explains.
	Unknown []string `json:"unknownStatements,omitempty"`
	// Left is what the run made and did not remove.
	Left []string `json:"left,omitempty"`
}

// Versions are those of the programs.
type Versions struct {
	Bacvault   string `json:"bacvault"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	Sqlpackage string `json:"sqlpackage,omitempty"`
}

// Places are addresses and names, none of them secret.
type Places struct {
	Server           string `json:"server"`
	Container        string `json:"container"`
	StateContainer   string `json:"stateContainer"`
	ManagementPlane  string `json:"managementPlane"`
	Database         string `json:"database"`
	Copy             string `json:"copy"` // that stood for the live database
	ServiceObjective string `json:"serviceObjective"`
}

// Step is one part of the run.
type Step struct {
	Name    string    `json:"name"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Verdict string    `json:"verdict"`
	Detail  string    `json:"detail"`
	// Optional is a step that a flag asks for: if it was not asked for, that does not count.
	Optional bool    `json:"optional,omitempty"`
	Stages   []Stage `json:"stages,omitempty"`
}

// Stage is one stage of the product's own run within a step.
type Stage struct {
	Run     string  `json:"run"`
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
	Note    string  `json:"note,omitempty"`
}

// Attempt is one request that the store or the management plane was to refuse or to take, and its answer to the letter.
type Attempt struct {
	What      string            `json:"what"`
	Expected  string            `json:"expected"` // what bacvault assumes
	Status    int               `json:"status"`   // 0: no answer
	Code      string            `json:"code,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	RequestID string            `json:"requestId,omitempty"`
	Differs   bool              `json:"differs"`
	Error     string            `json:"error,omitempty"` // where there was no answer
}

// Question is one that documentation leaves open.
type Question struct {
	Number  int    `json:"number"`
	Text    string `json:"question"`
	Assumed string `json:"assumed"`
	Answer  string `json:"answer"`
	Settled bool   `json:"settled"`
	Differs bool   `json:"differs"`
}

// Sent is one T-SQL constant. Outcome is ran, refused (every time) or NOT RUN.
type Sent struct {
	Constant string `json:"constant"`
	Outcome  string `json:"outcome"`
	Times    int    `json:"times"`
	Refused  int    `json:"refused,omitempty"`
	Error    string `json:"error,omitempty"` // the last
}

func newReport(a *acceptance) *Report {
	plane := a.cfg.ARMEndpoint
	if plane == "" {
		plane = "https://management.azure.com"
	}
	return &Report{
		Schema: Schema, Begun: a.began, LeastRights: a.o.leastRights,
		StandIn:  standsIn(a.parts.Address, a.cfg.VaultURL(), plane),
		Versions: Versions{Bacvault: app.BuildVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH},
		Places: Places{
			Server: a.parts.Address, Container: a.cfg.VaultURL(), StateContainer: a.cfg.StateURL(), ManagementPlane: plane, Database: a.source,
			Copy: a.live, ServiceObjective: a.size.objective,
		},
	}
}

// judge says whether all of it held. Nothing is good because it was not looked at.
func (r *Report) judge() {
	r.Passed = len(r.Steps) > 0 && len(r.Statements) > 0 && len(r.Unknown) == 0
	for _, s := range r.Steps {
		switch {
		case s.Verdict == verdictPass || s.Verdict == verdictAnswer:
		case s.Verdict == verdictSkipped && s.Optional:
		default:
			r.Passed = false
		}
	}
	for _, s := range r.Statements {
		r.Passed = r.Passed && s.Outcome == outcomeRan
	}
}

// writable makes the folder and tries it: an hour's answers must not be lost at the end.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".acceptance-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write makes both files, for programs and for people.
func (r *Report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "acceptance.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "acceptance.md"), []byte(r.markdown()), 0o644)
}
