package bacvault

import (
	"errors"
	"fmt"
	"strings"
)

// Class says what a failure means for the message that asked for the run.
type Class string

const (
	// Retry is a passing fault: try again later. It is the class of every error that nobody classed.
	Retry Class = "retry"
	// Refused is a request that was understood and must not be done as things stand.
	Refused Class = "refused"
	// Terminal is a run that failed for good: doing it again cannot help.
	Terminal Class = "terminal"
	// Rejected is a request that was not understood.
	Rejected Class = "rejected"
)

// Failure is how a run ends that did not succeed. The reader is tired and it is 3 a.m.: say what is wrong, what exists
// now and what to do next. It never holds a secret.
type Failure struct {
	Code   Code   // stable, listed in docs/failures.md
	Class  Class  // empty takes the class of the code
	Stage  Stage  // where it happened
	Detail string // what is wrong, with names and numbers
	Exists string // what exists now: "nothing was written"
	Next   string // empty takes the advice of the code
	Err    error  // the cause, or nil
}

// Fail makes a Failure with the class and the advice of its code.
func Fail(code Code, format string, args ...any) *Failure {
	f := &Failure{Code: code, Detail: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.Err = err
		}
	}
	return f.complete()
}

func (f *Failure) complete() *Failure {
	k := codes[f.Code]
	if f.Class == "" {
		f.Class = k.class
	}
	if f.Class == "" {
		f.Class = Retry
	}
	if f.Next == "" {
		f.Next = k.next
	}
	return f
}

// Error is one line: stage, code, detail.
func (f *Failure) Error() string {
	var b strings.Builder
	if f.Stage != "" {
		fmt.Fprintf(&b, "%s: ", f.Stage)
	}
	fmt.Fprintf(&b, "%s: %s", f.Code, f.Detail)
	return b.String()
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// AsFailure takes any error to a Failure at a stage: one that is a Failure already keeps its code, any other is
// unknown and therefore passing.
func AsFailure(err error, stage Stage) *Failure {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Code: CodeUnknown, Detail: oneLine(err.Error()), Err: err}
	}
	out := *f
	if out.Stage == "" {
		out.Stage = stage
	}
	return out.complete()
}

// oneLine folds the texts of SDKs, some of which run over twenty lines.
func oneLine(s string) string {
	const most = 1000
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Stage is a step of a run, in the words of the design.
type Stage string

// The stages of a backup and of a restore, in their order.
const (
	StageAdmit     Stage = "admit"
	StageLease     Stage = "lease"
	StageGate      Stage = "gate"
	StageCopy      Stage = "copy"
	StagePreflight Stage = "preflight"
	StageCount     Stage = "count"
	StageExport    Stage = "export"
	StageVerify    Stage = "verify"
	StageCommit    Stage = "commit"
	StageReadBack  Stage = "read-back"
	StageManifest  Stage = "manifest"
	StageFetch     Stage = "fetch"
	StageImport    Stage = "import"
	StageReconcile Stage = "reconcile"
	StageDrop      Stage = "drop"
	StageProof     Stage = "proof"
	StageEvent     Stage = "event"
	StageClean     Stage = "clean"
)
