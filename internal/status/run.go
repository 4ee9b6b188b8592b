package status

import "github.com/bacvault/bacvault/internal/bacvault"

// Run is a run that has not said that it is over.
type Run struct {
	bacvault.Progress
	State RunState `json:"state"`
}

// RunState is what is known of a run. A run that died says nothing any more, so that its last words alone never make it a
// running one.
type RunState string

// The states of a run.
const (
	Running RunState = "running"
	Stalled RunState = "stalled" // its lease is gone and its message may yet come again, or no sign of life for too long
	Failed  RunState = "failed"  // its lease is gone and nobody took its work up, or it is silent for longer than a run may take
)

func runState(p bacvault.Progress, in Input) RunState {
	silent := in.Now.Sub(p.At)
	quiet, gone := silent > in.Silence, in.Gone[p.Run]
	switch {
	case gone && quiet, in.RunLimit > 0 && silent > in.RunLimit:
		return Failed
	case gone || quiet:
		return Stalled
	}
	return Running
}
