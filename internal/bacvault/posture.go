package bacvault

import "time"

// Posture is what both planes of Azure say about the immutability of the vault container, at one moment.
type Posture struct {
	ObservedAt time.Time `json:"observedAt"`
	// Scope is "container" (container-level WORM) or "version" (version-level WORM).
	Scope string `json:"scope"`
	// State is "Locked", "Unlocked" or "None", as the management plane says it.
	State              string   `json:"state"`
	PeriodDays         int      `json:"periodDays"`
	ProtectedAppend    bool     `json:"allowProtectedAppendWrites"`
	ProtectedAppendAll bool     `json:"allowProtectedAppendWritesAll"`
	LegalHold          bool     `json:"legalHold"`
	LegalHoldTags      []string `json:"legalHoldTags,omitempty"`
	PolicyETag         string   `json:"policyEtag,omitempty"`
	// ExtensionsLeft is how often a locked container-level policy can still be extended; Azure allows five.
	ExtensionsLeft        int            `json:"extensionsLeft"`
	History               []PolicyChange `json:"history,omitempty"`
	DataPlaneHasPolicy    bool           `json:"dataPlaneHasPolicy"`
	DataPlaneHasLegalHold bool           `json:"dataPlaneHasLegalHold"`
}

// PolicyChange is one entry of the policy's own history, as the management plane keeps it.
type PolicyChange struct {
	Kind string    `json:"kind"` // put, lock or extend
	Days int       `json:"days"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
}

// Locked says whether nobody, the subscription's owner included, can shorten or remove the policy.
func (p Posture) Locked() bool { return p.State == "Locked" }

// ProtectedUntil is the first moment at which a blob created then could be deleted, in UTC.
func (p Posture) ProtectedUntil(created time.Time) time.Time {
	return created.UTC().AddDate(0, 0, p.PeriodDays)
}
