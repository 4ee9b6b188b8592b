package bacvault

import "time"

// Progress is where a run stands: what the state container holds while it lives, and what its log lines say.
type Progress struct {
	Run      string   `json:"run"`
	Kind     string   `json:"kind"`
	Database Database `json:"database"`
	Slot     *Slot    `json:"slot,omitempty"`
	Target   string   `json:"target,omitempty"`
	Request  string   `json:"request"`
	Attempt  int      `json:"attempt"`
	Stage    Stage    `json:"stage"`
	// Done says that the stage has ended; Elapsed is then how long it took, in nanoseconds.
	Done    bool          `json:"done"`
	Elapsed time.Duration `json:"elapsedNs,omitempty"`
	Note    string        `json:"note,omitempty"`
	// Tables of TablesTotal and Bytes of BytesTotal are what the stage has done so far, Rate is bytes a second; 0 where it is not
	// known.
	Tables      int     `json:"tables,omitempty"`
	TablesTotal int     `json:"tablesTotal,omitempty"`
	Bytes       int64   `json:"bytes,omitempty"`
	BytesTotal  int64   `json:"bytesTotal,omitempty"`
	Rate        float64 `json:"bytesPerSecond,omitempty"`
	// Ended says that the run is over, however it ended; nothing more comes of it.
	Ended bool      `json:"ended,omitempty"`
	At    time.Time `json:"at"`
}

// Working says that this is one of many words within a stage, which may be dropped.
func (p Progress) Working() bool {
	return !p.Done && !p.Ended && (p.Note != "" || p.Tables > 0 || p.Bytes > 0)
}

// Report takes progress. It must not block.
type Report func(Progress)
