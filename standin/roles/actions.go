package roles

// Control-plane actions of storage accounts, as Azure Resource Manager names them. Scope is "<account>" for the first
// two, "<account>/<container>" for the others. ContainerRead is also what Get Container Properties of the data plane needs.
const (
	AccountRead     = "Microsoft.Storage/storageAccounts/read"
	BlobServiceRead = "Microsoft.Storage/storageAccounts/blobServices/read"
	ContainerRead   = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
	ContainerWrite  = "Microsoft.Storage/storageAccounts/blobServices/containers/write"
	ContainerDelete = "Microsoft.Storage/storageAccounts/blobServices/containers/delete"
	PolicyRead      = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read"
	PolicyWrite     = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/write"
	PolicyDelete    = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/delete"
	PolicyLock      = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action"
	PolicyExtend    = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/extend/action"
	SetLegalHold    = "Microsoft.Storage/storageAccounts/blobServices/containers/setLegalHold/action"
	ClearLegalHold  = "Microsoft.Storage/storageAccounts/blobServices/containers/clearLegalHold/action"
)

// Data actions of blobs. Scope is "<account>/<container>". BlobWrite creates and overwrites, and alone allows blocks;
// BlobAdd creates by Put Blob or appends, and never overwrites.
const (
	BlobRead      = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	BlobWrite     = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
	BlobAdd       = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"
	BlobDelete    = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"
	BlobTagsRead  = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/read"
	BlobTagsWrite = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/write"
	BlobImmutable = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/immutableStorage/runAsSuperUser/action"
)

// Data actions of Service Bus. Scope is "queues/<name>", "topics/<name>" or "topics/<name>/subscriptions/<name>"; a queue's
// dead letters belong to the queue.
const (
	BusSend    = "Microsoft.ServiceBus/namespaces/messages/send/action"
	BusReceive = "Microsoft.ServiceBus/namespaces/messages/receive/action"
)

// Rights in a SQL server, which Azure's roles do not know; the grants script gives them. Scope is the server for SQLLogin
// and SQLAdmin, "master" for SQLDBManager, the database for the others.
const (
	SQLLogin             = "sql/login"
	SQLDataReader        = "sql/db_datareader"
	SQLViewDefinition    = "sql/VIEW DEFINITION"
	SQLViewDatabaseState = "sql/VIEW DATABASE STATE"
	// SQLDependencies is what sqlpackage's documentation asks for beside VIEW DEFINITION; only db_owner has it by itself.
	SQLDependencies = "sql/SELECT sys.sql_expression_dependencies"
	SQLDBManager    = "sql/dbmanager"
	SQLAdmin        = "sql/admin"
)

// For is the least-privilege table of a stack: neither app may delete blobs of the vault or touch its policy, and the
// restore app can create blobs there but not upload blocks or overwrite.
func For(p Places) Table {
	vault, state := p.VaultAccount+"/"+p.VaultContainer, p.StateAccount+"/"+p.StateContainer
	t := Table{places: p}
	grant := func(principal, scope string, actions ...string) {
		for _, a := range actions {
			t.grants = append(t.grants, Grant{principal, a, scope})
		}
	}

	// BlobWrite alone allows blocks; with it Put Blob needs no BlobAdd.
	grant(Backup, vault, ContainerRead, PolicyRead, BlobRead, BlobWrite)
	grant(Backup, "queues/backup-requests", BusReceive, BusSend)
	// The watch peeks at both queues' dead letters, and there is no smaller right than to receive from the queue.
	grant(Backup, "queues/restore-requests", BusReceive)
	grant(Backup, "topics/backup-events", BusSend)
	grant(Backup, "*", SQLLogin, SQLDataReader, SQLViewDefinition, SQLViewDatabaseState, SQLDependencies)

	// What a restore made it owns, so the server lets it read that without a grant.
	grant(Restore, vault, BlobRead, BlobAdd)
	grant(Restore, "queues/restore-requests", BusReceive, BusSend)
	grant(Restore, "topics/backup-events", BusSend)
	grant(Restore, "*", SQLLogin)

	for _, app := range []string{Backup, Restore} {
		grant(app, state, BlobRead, BlobWrite, BlobDelete)
		grant(app, "master", SQLDBManager)
	}

	grant(Alerting, "topics/backup-events/subscriptions/*", BusReceive)
	grant(Operator, "queues/backup-requests", BusSend)
	grant(Operator, "queues/restore-requests", BusSend)
	grant(Admin, "*", "*")
	return t
}

// Control-plane actions of databases. Scope is "<server>/<database>", and the location for operations.
const (
	DatabaseRead   = "Microsoft.Sql/servers/databases/read"
	DatabaseWrite  = "Microsoft.Sql/servers/databases/write"
	DatabaseDelete = "Microsoft.Sql/servers/databases/delete"
	OperationRead  = "Microsoft.Sql/locations/databaseAzureAsyncOperation/read"
)

// Control-plane actions of a database's own backups. Scope is "<server>/<database>", and the location for operations.
const (
	ShortTermRead          = "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/read"
	ShortTermWrite         = "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/write"
	LongTermRead           = "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/read"
	LongTermWrite          = "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/write"
	ShortTermOperationRead = "Microsoft.Sql/locations/shortTermRetentionPolicyAzureAsyncOperation/read"
	LongTermOperationRead  = "Microsoft.Sql/locations/longTermRetentionPolicyAzureAsyncOperation/read"
)

// ManagementCopies gives the backup app what it needs to copy databases of a server by the management plane. It then needs
// SQLDBManager no more. OperationRead only tells why a copy failed.
func ManagementCopies(t Table, server string) Table {
	for _, action := range []string{DatabaseRead, DatabaseWrite, DatabaseDelete} {
		t = t.With(Backup, action, server+"/*")
	}
	return t.With(Backup, OperationRead, "*")
}

// Promotion gives a principal what it needs to put a restored database in a live one's place on a server, and nothing that
// reads or writes rows: SQLDBManager renames and scales, SQLViewDatabaseState tells of geo-replication and lets it in, and the
// rest is how long Azure keeps its own backups, and the mark of the restore and the record in the state container.
// Whoever may not read how a change of retention ended (LongTermOperationRead) reads the policy. SQLDBManager also creates databases and drops those that its holder owns; Azure SQL has no smaller role that renames.
func Promotion(t Table, clientID, server string) Table {
	for _, g := range []struct {
		scope   string
		actions []string
	}{
		{"server", []string{SQLLogin}},
		{"master", []string{SQLDBManager}},
		{"*", []string{SQLViewDatabaseState}},
		{server + "/*", []string{DatabaseRead, ShortTermRead, ShortTermWrite, LongTermRead, LongTermWrite}},
		{t.places.StateAccount + "/" + t.places.StateContainer, []string{BlobRead, BlobWrite, BlobDelete}},
	} {
		for _, action := range g.actions {
			t = t.With(clientID, action, g.scope)
		}
	}
	return t
}

// Viewing gives a principal what it needs to look, and to wait for what it asked for: all data of every backup can be read with it.
func Viewing(t Table, clientID string) Table {
	for _, action := range []string{ContainerRead, PolicyRead, BlobRead} {
		t = t.With(clientID, action, t.places.VaultAccount+"/"+t.places.VaultContainer)
	}
	return t.With(clientID, BlobRead, t.places.StateAccount+"/"+t.places.StateContainer)
}

// Custody gives a principal what it needs to lock and to extend the vault's policy, for the hour that it takes. It neither sees
// the backups nor may make, change or remove a policy.
func Custody(t Table, clientID string) Table {
	for _, action := range []string{ContainerRead, PolicyRead, PolicyLock, PolicyExtend} {
		t = t.With(clientID, action, t.places.VaultAccount+"/"+t.places.VaultContainer)
	}
	return t
}
