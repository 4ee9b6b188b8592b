// Package roles is the one table of who may do what in a stack: the least that each identity needs, and no more.
package roles

import (
	"slices"
	"strings"
)

// The identities of a stack, by client id.
const (
	// Backup is the backup app's managed identity; its Functions host uses it too.
	Backup = "b0000000-0000-4000-8000-000000000001"
	// Restore is the restore app's managed identity; its Functions host uses it too.
	Restore = "b0000000-0000-4000-8000-000000000002"
	// Admin is a human administrator: everything, including what would hurt.
	Admin = "b0000000-0000-4000-8000-000000000003"
	// Alerting reads the event subscriptions.
	Alerting = "b0000000-0000-4000-8000-000000000004"
	// Operator sends requests.
	Operator = "b0000000-0000-4000-8000-000000000005"
	// Promoter may put restored databases in the place of live ones once Promotion gave it that; before, it may do nothing.
	Promoter = "b0000000-0000-4000-8000-000000000006"
	// Custodian may lock and extend the vault's policy once Custody gave it that; before, it may do nothing.
	Custodian = "b0000000-0000-4000-8000-000000000007"
	// Reader may look once Viewing gave it that; before, it may do nothing.
	Reader = "b0000000-0000-4000-8000-000000000008"
)

// All lists the client ids of every identity.
func All() []string {
	return []string{Backup, Restore, Admin, Alerting, Operator, Promoter, Custodian, Reader}
}

// Grant lets one principal do one action within a scope. A trailing * of Action or Scope stands for any rest.
type Grant struct {
	Principal string
	Action    string
	Scope     string
}

// Table is who may do what. It is a value: Without and With leave the table that they are called on as it is.
type Table struct {
	grants []Grant
	taken  []Grant
	places Places
}

// Places names what the roles of a stack are scoped to.
type Places struct {
	VaultAccount, VaultContainer string
	StateAccount, StateContainer string
}

// DefaultPlaces are the names that Default is scoped to.
func DefaultPlaces() Places {
	return Places{
		VaultAccount: "bacvaultvault", VaultContainer: "sql-backups",
		StateAccount: "bacvaultstate", StateContainer: "bacvault-state",
	}
}

// Default is the table for DefaultPlaces.
func Default() Table { return For(DefaultPlaces()) }

// Allow says whether a grant covers the action on the scope.
func (t Table) Allow(principal, action, scope string) bool {
	covers := func(g Grant) bool {
		return g.Principal == principal && matches(g.Action, action) && matches(g.Scope, scope)
	}
	return slices.ContainsFunc(t.grants, covers) && !slices.ContainsFunc(t.taken, covers)
}

// With adds a grant.
func (t Table) With(clientID, action, scope string) Table {
	t.grants = append(slices.Clip(t.grants), Grant{clientID, action, scope})
	return t
}

// Without takes an action away from a principal on every scope, also where a wildcard grants it.
func (t Table) Without(clientID, action string) Table {
	return t.WithoutOn(clientID, action, "*")
}

// WithoutOn takes an action away from a principal on one scope, or on those that begin with what stands before a trailing *.
func (t Table) WithoutOn(clientID, action, scope string) Table {
	t.taken = append(slices.Clip(t.taken), Grant{clientID, action, scope})
	return t
}

// Grants lists the table's grants, so that a test can compare them with the role definitions that infra ships.
func (t Table) Grants() []Grant { return slices.Clone(t.grants) }

// Azure compares action names and resource scopes without regard to case.
func matches(pattern, s string) bool {
	if rest, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(s) >= len(rest) && strings.EqualFold(s[:len(rest)], rest)
	}
	return strings.EqualFold(pattern, s)
}
