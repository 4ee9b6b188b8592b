package roles_test

import (
	"testing"

	"github.com/bacvault/bacvault/standin/roles"
)

func TestDefault(t *testing.T) {
	const vault, state = "bacvaultvault/sql-backups", "bacvaultstate/bacvault-state"
	for _, c := range []struct {
		name              string
		who, action, what string
		want              bool
	}{
		{"backup uploads blocks", roles.Backup, roles.BlobWrite, vault, true},
		{"backup reads the policy", roles.Backup, roles.PolicyRead, vault, true},
		{"backup may not delete from the vault", roles.Backup, roles.BlobDelete, vault, false},
		{"backup may not touch the policy", roles.Backup, roles.PolicyWrite, vault, false},
		{"backup may not lock the policy", roles.Backup, roles.PolicyLock, vault, false},
		{"backup has no rights of a super user", roles.Backup, roles.BlobImmutable, vault, false},
		{"backup deletes in the state container", roles.Backup, roles.BlobDelete, state, true},
		{"backup reads any database", roles.Backup, roles.SQLDataReader, "Orders", true},
		{"backup is no administrator", roles.Backup, roles.SQLAdmin, "server", false},
		{"another container is another scope", roles.Backup, roles.BlobRead, vault + "2", false},
		{"restore creates proofs", roles.Restore, roles.BlobAdd, vault, true},
		{"restore may not upload blocks", roles.Restore, roles.BlobWrite, vault, false},
		{"restore reads no foreign database", roles.Restore, roles.SQLDataReader, "Orders", false},
		{"backup peeks at the dead letters of restores", roles.Backup, roles.BusReceive, "queues/restore-requests", true},
		{"backup asks for no restore", roles.Backup, roles.BusSend, "queues/restore-requests", false},
		{"restore does not take backup requests", roles.Restore, roles.BusReceive, "queues/backup-requests", false},
		{"alerting reads subscriptions", roles.Alerting, roles.BusReceive, "topics/backup-events/subscriptions/oncall", true},
		{"alerting does not publish", roles.Alerting, roles.BusSend, "topics/backup-events", false},
		{"operator sends", roles.Operator, roles.BusSend, "queues/restore-requests", true},
		{"operator does not receive", roles.Operator, roles.BusReceive, "queues/restore-requests", false},
		{"admin deletes blobs", roles.Admin, roles.BlobDelete, vault, true},
		{"case of names does not count", roles.Backup, "microsoft.storage/STORAGEACCOUNTS/blobservices/containers/read", "BACVAULTVAULT/sql-backups", true},
		{"nobody knows a stranger", "11111111-1111-4111-8111-111111111111", roles.BlobRead, vault, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := roles.Default().Allow(c.who, c.action, c.what); got != c.want {
				t.Errorf("Allow(%s, %s, %s) = %v", c.who, c.action, c.what, got)
			}
		})
	}
}

func TestWithoutTakesARightOfThatPrincipalOnly(t *testing.T) {
	const vault = "bacvaultvault/sql-backups"
	full := roles.Default()
	less := full.Without(roles.Backup, roles.BlobWrite).Without(roles.Admin, roles.BlobDelete)
	here := full.WithoutOn(roles.Backup, roles.BlobRead, vault)
	if here.Allow(roles.Backup, roles.BlobRead, vault) || !here.Allow(roles.Backup, roles.BlobRead, "bacvaultstate/bacvault-state") {
		t.Error("what is taken on one scope is taken there, and only there")
	}
	if less.Allow(roles.Backup, roles.BlobWrite, vault) || less.Allow(roles.Admin, roles.BlobDelete, vault) {
		t.Error("a right taken out is still there")
	}
	if !less.Allow(roles.Backup, roles.BlobRead, vault) || !less.Allow(roles.Admin, roles.BlobWrite, vault) {
		t.Error("Without took more than it was asked to")
	}
	if !full.Allow(roles.Backup, roles.BlobWrite, vault) {
		t.Error("Without changed the table that it was called on")
	}
	if more := full.With(roles.Restore, roles.BlobWrite, vault); !more.Allow(roles.Restore, roles.BlobWrite, vault) ||
		full.Allow(roles.Restore, roles.BlobWrite, vault) {
		t.Error("With did not add a grant to a new table")
	}
}

// A promotion's principal had no right before, has those it needs, and none that would hurt.
func TestPromotion(t *testing.T) {
	const who, server, vault, state = roles.Promoter, "srv", "bacvaultvault/sql-backups", "bacvaultstate/bacvault-state"
	before := roles.Default()
	table := roles.Promotion(before, who, server)
	for _, c := range []struct {
		action, scope string
		want          bool
	}{
		{roles.SQLLogin, "server", true}, {roles.SQLDBManager, "master", true}, {roles.SQLAdmin, "server", false},
		{roles.SQLViewDatabaseState, "Orders", true}, {roles.SQLDataReader, "Orders", false}, {roles.SQLViewDefinition, "Orders", false},
		{roles.DatabaseRead, "srv/Orders", true}, {roles.DatabaseWrite, "srv/Orders", false}, {roles.DatabaseDelete, "srv/Orders", false},
		{roles.ShortTermRead, "srv/Orders", true}, {roles.ShortTermWrite, "srv/Orders", true},
		{roles.LongTermRead, "srv/Orders", true}, {roles.LongTermWrite, "srv/Orders", true}, {roles.LongTermWrite, "srv2/Orders", false},
		{roles.LongTermOperationRead, "uksouth", false}, {roles.ShortTermOperationRead, "uksouth", false}, {roles.OperationRead, "uksouth", false},
		{roles.BlobRead, vault, false}, {roles.BlobAdd, vault, false}, {roles.BlobWrite, vault, false}, {roles.BlobDelete, vault, false},
		{roles.PolicyRead, vault, false}, {roles.BlobRead, state, true}, {roles.BlobWrite, state, true}, {roles.BlobDelete, state, true},
		{roles.BusReceive, "queues/restore-requests", false},
	} {
		if got := table.Allow(who, c.action, c.scope); got != c.want {
			t.Errorf("Allow(%s, %s) = %t", c.action, c.scope, got)
		}
		if before.Allow(who, c.action, c.scope) {
			t.Errorf("the table it was made of allows %s on %s", c.action, c.scope)
		}
	}
	for _, action := range []string{roles.ShortTermRead, roles.ShortTermWrite, roles.LongTermRead, roles.LongTermWrite} {
		for _, app := range []string{roles.Backup, roles.Restore} {
			if table.Allow(app, action, "srv/Orders") {
				t.Errorf("%s may do %s by itself", app, action)
			}
		}
	}
}

// A custodian had no right before, can lock and extend after, and nothing else.
func TestCustody(t *testing.T) {
	const who, vault, state = roles.Custodian, "bacvaultvault/sql-backups", "bacvaultstate/bacvault-state"
	before := roles.Default()
	table := roles.Custody(before, who)
	for _, c := range []struct {
		action, scope string
		want          bool
	}{
		{roles.ContainerRead, vault, true}, {roles.PolicyRead, vault, true}, {roles.PolicyLock, vault, true}, {roles.PolicyExtend, vault, true},
		{roles.PolicyLock, state, false}, {roles.PolicyWrite, vault, false}, {roles.PolicyDelete, vault, false}, {roles.ContainerWrite, vault, false},
		{roles.ContainerDelete, vault, false}, {roles.SetLegalHold, vault, false}, {roles.ClearLegalHold, vault, false}, {roles.BlobImmutable, vault, false},
		{roles.BlobRead, vault, false}, {roles.BlobWrite, vault, false}, {roles.BlobDelete, vault, false}, {roles.BlobRead, state, false}, {roles.BlobWrite, state, false},
		{roles.BusReceive, "queues/backup-requests", false}, {roles.SQLLogin, "server", false},
	} {
		if got := table.Allow(who, c.action, c.scope); got != c.want {
			t.Errorf("Allow(%s, %s) = %t", c.action, c.scope, got)
		}
		if before.Allow(who, c.action, c.scope) {
			t.Errorf("the table it was made of allows %s on %s", c.action, c.scope)
		}
	}
	for _, app := range []string{roles.Backup, roles.Restore} {
		if table.Allow(app, roles.PolicyLock, vault) || table.Allow(app, roles.PolicyExtend, vault) {
			t.Errorf("%s may change the policy", app)
		}
	}
}
