package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// recentProofs are looked through for one of this request: between two deliveries of it lie hours at most, and few drills.
const recentProofs = 20

// recorded finds the proof that an earlier delivery of the request wrote. A passed one answers every later attempt too; one
// that did not pass only its own, for whoever sends the request again wants another look.
func (d Drill) recorded(ctx context.Context, req bacvault.RestoreRequest) (bacvault.Proof, bool, error) {
	names, err := d.ProofNames(ctx, req.Database)
	if err != nil {
		return bacvault.Proof{}, false, err
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(proofTime(b), proofTime(a)), cmp.Compare(b, a)) })
	for _, name := range names[:min(len(names), recentProofs)] {
		p, found, err := d.ReadProof(ctx, name)
		if f := (*bacvault.Failure)(nil); errors.As(err, &f) && f.Class == bacvault.Terminal {
			continue // a proof of a newer release, or none at all: not one that this request wrote
		}
		if err != nil {
			return bacvault.Proof{}, false, err
		}
		if found && p.Request != nil && p.Request.ID == req.ID && (p.Passed || p.Failure != nil && p.Request.Attempt == req.Attempt) {
			return p, true, nil
		}
	}
	return bacvault.Proof{}, false, nil
}

// proofTime is the part of a proof's name that sorts by time.
func proofTime(name string) string {
	return name[strings.LastIndex(name, ".proof-")+1:]
}

// why is the failure that a proof tells of; nil where it passed.
func why(p bacvault.Proof) error {
	if p.Passed {
		return nil
	}
	f := p.Failure
	return &bacvault.Failure{Code: f.Code, Class: f.Class, Stage: f.Stage, Detail: f.Detail, Exists: f.Exists, Next: f.Next}
}

// failed makes a proof of a restore that condemned the backup, and of no other: a passing fault, a name that is taken, a right
// that lacks say nothing about it.
func (d Drill) failed(ctx context.Context, req bacvault.RestoreRequest, got Restored, start time.Time, err error) (bacvault.Proof, error) {
	var f *bacvault.Failure
	if got.Blob == "" || !errors.As(err, &f) || !condemns(f) {
		return bacvault.Proof{}, err
	}
	return d.condemn(ctx, d.proof(req, got, start), f)
}

// condemns says that a failure is a verdict on the backup, or on the verification.
func condemns(f *bacvault.Failure) bool {
	if f.Class != bacvault.Terminal {
		return false
	}
	switch f.Code {
	case bacvault.CodeRestoreRows, bacvault.CodeImportFailed, bacvault.CodeDrillBlind:
		return true
	}
	return judged(f.Code)
}

// condemn records a drill that did not pass. The alarm does not wait for the record: where it can't be written, the failure
// says so.
func (d Drill) condemn(ctx context.Context, p bacvault.Proof, f *bacvault.Failure) (bacvault.Proof, error) {
	p.Failure = f.Data()
	p, err := d.put(ctx, p)
	if err != nil {
		unrecorded := *f
		unrecorded.Detail += fmt.Sprintf("; and the proof could not be recorded: %v", err)
		return p, &unrecorded
	}
	return p, f
}

// put writes the proof once. Its name has a time in whole seconds: where another drill of the same backup took that very
// one, the next is taken.
func (d Drill) put(ctx context.Context, p bacvault.Proof) (bacvault.Proof, error) {
	const tries = 5
	for i := 1; ; i++ {
		err := d.PutProof(ctx, p)
		if f := (*bacvault.Failure)(nil); i < tries && errors.As(err, &f) && f.Code == bacvault.CodeVaultConflict {
			p.At = p.At.Add(time.Second)
			continue
		}
		return p, err
	}
}
