package conformance_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/standin/roles"
)

// What infra/ ships is data in two files, so that it can be held here, without a Terraform, equal to what the stand-ins enforce, to
// the functions and to the pages. That Terraform makes of it what it says is for make infra-check.
type infraRoles struct {
	Roles map[string]struct {
		Home, Description string
		Actions           []string `json:"actions"`
		DataActions       []string `json:"data_actions"`
	} `json:"roles"`
	Grants []infraGrant `json:"grants"`
}

// infraGrant is given always, or where the variable that When names is true. Operators, readers, alerting, custodians and promoters are lists
// of people and programs, empty by default.
type infraGrant struct{ Principal, Role, Scope, When string }

const infraRolesFile = "infra/modules/identities/roles.json"

func readInfraRoles(t *testing.T) (r infraRoles) {
	t.Helper()
	if err := bacvault.DecodeStrict([]byte(page(t, infraRolesFile)), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Roles) < 6 || len(r.Grants) < 15 {
		t.Fatalf("only %d roles and %d grants were read", len(r.Roles), len(r.Grants))
	}
	return r
}

const infraSQLServer = "srv"

// infraScopes says what a scope of roles.json is called in the stand-ins' table. Azure has no scope that is every subscription of
// a topic, so alerting gets each by itself.
func infraScopes() map[string]string {
	p := roles.DefaultPlaces()
	const events = "topics/backup-events"
	return map[string]string{
		"vault_container": p.VaultAccount + "/" + p.VaultContainer, "state_container": p.StateAccount + "/" + p.StateContainer,
		"backup_requests": "queues/backup-requests", "restore_requests": "queues/restore-requests", "backup_events": events,
		"subscription_all": events + "/subscriptions/*", "subscription_failures": events + "/subscriptions/*", "subscription_notify": events + "/subscriptions/notify",
		"sql_server": infraSQLServer + "/*", "sql_resource_group": "*",
	}
}

func infraName(id string) string {
	for name, p := range infraPrincipals {
		if p == id {
			return name
		}
	}
	return id
}

var infraPrincipals = map[string]string{
	"backup": roles.Backup, "restore": roles.Restore, "operators": roles.Operator, "alerting": roles.Alerting, "custodians": roles.Custodian, "readers": roles.Reader, "promoters": roles.Promoter,
}

// A right that infra/ does not give is missing in the stand-ins too, where a run shows what it breaks; and the other way round.
func TestInfraGrantsAreThoseOfTheStandins(t *testing.T) {
	atTop(t)
	r := readInfraRoles(t)
	for _, c := range []struct {
		name    string
		options bool
		table   func(roles.Table) roles.Table
	}{
		{"without options", false, func(t roles.Table) roles.Table { return t }},
		{"with every option", true, func(t roles.Table) roles.Table {
			t = t.With(roles.Backup, roles.BusReceive, "topics/backup-events/subscriptions/notify")
			t = roles.ManagementCopies(t, infraSQLServer)
			t = roles.Promotion(roles.Promotion(t, roles.Restore, infraSQLServer), roles.Promoter, infraSQLServer)
			return roles.Viewing(roles.Custody(t, roles.Custodian), roles.Reader)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, got := map[roles.Grant]bool{}, map[roles.Grant]bool{}
			for _, g := range c.table(roles.Default()).Grants() {
				// Rights in SQL Server are docs/grants.sql's; Azure's roles do not know them. An administrator is nobody that we make.
				if !strings.HasPrefix(g.Action, "sql/") && g.Principal != roles.Admin {
					want[g] = true
				}
			}
			for _, g := range r.Grants {
				optional := g.When != "" || slices.Contains([]string{"custodians", "promoters", "readers"}, g.Principal)
				if optional && !c.options {
					continue
				}
				role, ok := r.Roles[g.Role]
				who, scope := infraPrincipals[g.Principal], infraScopes()[g.Scope]
				if !ok || who == "" || scope == "" {
					t.Errorf("%+v: an unknown role, principal or scope", g)
				}
				for _, a := range slices.Concat(role.Actions, role.DataActions) {
					got[roles.Grant{Principal: who, Action: a, Scope: scope}] = true
				}
			}
			for g := range want {
				if !got[g] {
					t.Errorf("%s lacks %s for %s on %s", infraRolesFile, g.Action, infraName(g.Principal), g.Scope)
				}
			}
			for g := range got {
				if !want[g] {
					t.Errorf("%s gives %s to %s on %s; the stand-ins do not", infraRolesFile, g.Action, infraName(g.Principal), g.Scope)
				}
			}
		})
	}
	// Both subscriptions have one name in the table, so one could be forgotten there.
	for _, scope := range []string{"subscription_all", "subscription_failures"} {
		if !slices.Contains(r.Grants, infraGrant{Principal: "alerting", Role: "receiver", Scope: scope}) {
			t.Errorf("alerting may not read %s", scope)
		}
	}
}

// infraHurts is what no role on the vault may hold: whatever deletes, or writes, shortens or removes the policy.
var infraHurts = regexp.MustCompile(`(?i)delete|immutabilityPolicies/write|LegalHold|runAsSuperUser|migrate|containers/write|listKeys`)

func TestInfraRolesAreTheLeast(t *testing.T) {
	atTop(t)
	r := readInfraRoles(t)
	held := map[string]bool{}
	for _, g := range r.Grants {
		held[g.Role] = true
		if onVault := g.Scope == "vault_container"; onVault != (r.Roles[g.Role].Home == "vault") {
			t.Errorf("%+v: a role on the vault is the vault's own, and no other is", g)
		}
	}
	for name, role := range r.Roles {
		if !held[name] {
			t.Errorf("%s: no grant", name)
		}
		if role.Description == "" {
			t.Errorf("%s: no description", name)
		}
		for _, list := range []struct {
			data    bool
			actions []string
		}{{false, role.Actions}, {true, role.DataActions}} {
			for _, a := range list.actions {
				if strings.Contains(a, "*") {
					t.Errorf("%s: %s is a wildcard", name, a)
				}
				if role.Home == "vault" && infraHurts.MatchString(a) {
					t.Errorf("%s: %s hurts the vault", name, a)
				}
				// Azure refuses a role that has an action in the wrong list.
				if data := strings.Contains(a, "/containers/blobs/") || strings.Contains(a, "/namespaces/messages/"); data != list.data {
					t.Errorf("%s: %s is in the wrong list", name, a)
				}
			}
		}
	}
}

// A vault that Terraform makes passes the gate of an app with default settings.
func TestInfraVaultAsksForWhatTheGateAsks(t *testing.T) {
	atTop(t)
	m := regexp.MustCompile(`!var\.production \|\| var\.retention_days >= (\d+)`).FindStringSubmatch(page(t, "infra/modules/vault/variables.tf"))
	i := slices.IndexFunc(config.Settings(), func(s config.Setting) bool { return s.Name == "BACVAULT_MIN_RETENTION_DAYS" })
	if m == nil || i < 0 || config.Settings()[i].Default != m[1] {
		t.Errorf("infra wants %v days in production, BACVAULT_MIN_RETENTION_DAYS is setting %d", m, i)
	}
}

func TestInfraHandsOutNoSecret(t *testing.T) {
	atTop(t)
	files, err := filepath.Glob("infra/modules/*/outputs.tf")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if m := regexp.MustCompile(`(?i)(primary|secondary)_\w*(key|connection_string)|access_key|password|_sas\b`).FindString(page(t, file)); m != "" {
			t.Errorf("%s hands out %s", file, m)
		}
	}
}
