package bacvault

import "time"

// ProofSchema names the proof's form.
const ProofSchema = "bacvault.proof.v1"

// Proof is what a drill wrote beside the backup that it restored, passed or not. RestoreSec is the time from request to
// reconciled database, in seconds.
type Proof struct {
	Schema string `json:"schema"`
	Database
	Slot Slot   `json:"slot"`
	Blob string `json:"blob"`
	// Choice is how the request chose the backup: a word of Choices, or at, slot or blob.
	Choice     string       `json:"choice,omitempty"`
	Passed     bool         `json:"passed"`
	At         time.Time    `json:"at"`
	RestoreSec float64      `json:"restoreSeconds"`
	Tables     int          `json:"tables"`
	Rows       int64        `json:"rows"`
	Different  []Difference `json:"different,omitempty"`
	// Negative is the proof that the verification can fail; nil where none was made.
	Negative *NegativeDrill `json:"negative,omitempty"`
	// Failure is why the drill did not pass.
	Failure  *FailureData   `json:"failure,omitempty"`
	Findings []string       `json:"findings,omitempty"`
	Stages   []StageTime    `json:"stages,omitempty"`
	Request  *RequestOrigin `json:"request,omitempty"`
	App      *Program       `json:"app,omitempty"`
}

// NegativeDrill is what became of damaged copies of a real archive: a verification that lets one pass proves nothing.
type NegativeDrill struct {
	Tried    int            `json:"tried"`
	Detected int            `json:"detected"`
	Cases    []NegativeCase `json:"cases"`
}

// NegativeCase is one damaged copy. Code and Detail are what the verification said of it.
type NegativeCase struct {
	Damage   string `json:"damage"`          // flipped-byte, cut, lost-part, lost-rows, wrong-manifest, …
	Where    string `json:"where,omitempty"` // the part, the byte, the table
	Detected bool   `json:"detected"`
	Code     Code   `json:"code,omitempty"`
	Detail   string `json:"detail,omitempty"`
}
