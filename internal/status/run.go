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
	Stalled RunState = "stalled" // no sign of life for too long
	Ended   RunState = "ended"   // its lease is gone, or it is silent for longer than a run may take
)

func runState(p bacvault.Progress, in Input) RunState {
	silent := in.Now.Sub(p.At)
	switch {
	case p.Ended || in.Gone[p.Run] || in.RunLimit > 0 && silent > in.RunLimit:
		return Ended
	case silent > in.Silence:
		return Stalled
	}
	return Running
}
