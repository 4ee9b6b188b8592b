package bacvault

// PromoteAction is what a promotion is asked to do.
type PromoteAction string

// The actions of a promotion.
const (
	PromotePlan  PromoteAction = "plan"
	PromoteApply PromoteAction = "apply"
	PromoteUndo  PromoteAction = "undo"
)

// Promotion is a restored database put in the place of the live one, or the plan of it, or its undoing.
type Promotion struct {
	Action PromoteAction `json:"action"`
	Server string        `json:"server"`
	// Live is the name that applications use, Restored the name that the restore made, Old the name that the former live
	// database is kept under.
	Live     string `json:"live"`
	Restored string `json:"restored"`
	Old      string `json:"old"`
	// Forced is the reason that a person gave to go on without a passed reconciliation.
	Forced string          `json:"forced,omitempty"`
	Steps  []PromotionStep `json:"steps"`
	// Complete says that nothing is left to do. A plan is complete only if the promotion is already done.
	Complete bool     `json:"complete"`
	Findings []string `json:"findings,omitempty"`
}

// PromotionStep is one step with what was read: before it, and what it is to be.
type PromotionStep struct {
	Step string `json:"step"` // rename-live, rename-restored, scale, short-term-retention, long-term-retention
	Now  string `json:"now"`
	Want string `json:"want"`
	Done bool   `json:"done"`
}

// Retention is how long the platform itself keeps backups of a database. A policy is replaced as a whole.
type Retention struct {
	// Days of point-in-time restore, and hours between differential backups (12 or 24).
	Days      int32 `json:"days"`
	DiffHours int32 `json:"diffHours,omitempty"`
	// Weekly, Monthly and Yearly are ISO 8601 durations such as P4W; PT0S is off. WeekOfYear is that of the yearly backup.
	Weekly     string `json:"weekly,omitempty"`
	Monthly    string `json:"monthly,omitempty"`
	Yearly     string `json:"yearly,omitempty"`
	WeekOfYear int32  `json:"weekOfYear,omitempty"`
}
