package watch

import (
	"cmp"
	"slices"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Took is how long a database's newest backup took, from its first stage to its last.
type Took struct {
	bacvault.Database
	Slot bacvault.Slot `json:"slot"`
	Took time.Duration `json:"tookNs"`
	Size int64         `json:"size"`
}

// Plan is what a night needs, as far as the newest backups tell. An app takes one backup at a time.
type Plan struct {
	Instances int           `json:"instances"`
	Window    time.Duration `json:"windowNs"`
	// Total is the work of all databases; Night is how long Instances need for it when each takes the longest that is left.
	Total     time.Duration       `json:"totalNs"`
	Night     time.Duration       `json:"nightNs"`
	Longest   []Took              `json:"databases"` // longest first
	Unknown   []bacvault.Database `json:"unknown,omitempty"`
	Warnings  []string            `json:"warnings,omitempty"`
	Databases int                 `json:"count"`
}

// MakePlan spreads the databases over the instances, the longest first, as a queue does on average at best.
func MakePlan(took []Took, unknown []bacvault.Database, instances int, window time.Duration) Plan {
	p := Plan{Instances: max(instances, 1), Window: window, Unknown: unknown, Databases: len(took) + len(unknown), Longest: slices.Clone(took)}
	slices.SortStableFunc(p.Longest, func(a, b Took) int { return cmp.Compare(b.Took, a.Took) })
	busy := make([]time.Duration, p.Instances)
	for _, t := range p.Longest {
		p.Total += t.Took
		i := slices.Index(busy, slices.Min(busy))
		busy[i] += t.Took
	}
	p.Night = slices.Max(busy)
	if p.Night > window {
		p.Warnings = append(p.Warnings, "The night is longer than the window: add instances, raise service objectives, or spread the schedule.")
	}
	if len(unknown) > 0 {
		p.Warnings = append(p.Warnings, "Databases without a backup are not in the sum.")
	}
	return p
}
