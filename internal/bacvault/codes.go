package bacvault

import "slices"

// Code names a kind of failure for good: alerts and scripts match on it. docs/failures.md lists every one.
type Code string

// The codes, by the room that finds them.
const (
	CodeUnknown Code = "unknown"

	CodeRequestMalformed Code = "request.malformed"
	CodeRequestUnknownDB Code = "request.unknown_database"
	CodeRequestNoBackup  Code = "request.no_backup"

	CodeLeaseLost Code = "lease.lost"

	CodeGateNoPolicy  Code = "gate.no_policy"
	CodeGateUnlocked  Code = "gate.unlocked"
	CodeGateTooShort  Code = "gate.too_short"
	CodeGateUnread    Code = "gate.unread"
	CodeGateDisagrees Code = "gate.planes_disagree"

	CodePolicyChanged Code = "policy.changed"
	CodePolicyRefused Code = "policy.refused"
	CodePolicyFailed  Code = "policy.failed"

	CodeSQLUnreachable Code = "sql.unreachable"
	CodeSQLDenied      Code = "sql.denied"
	CodeSQLNotFound    Code = "sql.database_not_found"
	CodeSQLRefused     Code = "sql.refused"
	CodeCopyFailed     Code = "copy.failed"
	CodeCopyTimeout    Code = "copy.timeout"
	CodeCopyNoRoom     Code = "copy.no_room"
	CodeTargetExists   Code = "target.exists"

	CodeDiskFull    Code = "preflight.disk"
	CodeFiltered    Code = "preflight.filtered"
	CodeUnsupported Code = "preflight.unsupported"

	CodeExportFailed   Code = "export.failed"
	CodeExportStalled  Code = "export.stalled"
	CodeExportDeadline Code = "export.deadline"
	CodeExportDenied   Code = "export.denied"
	CodeExportSchema   Code = "export.unsupported_schema"
	CodeImportFailed   Code = "import.failed"
	CodeImportStalled  Code = "import.stalled"
	CodeImportDeadline Code = "import.deadline"
	CodeImportNotEmpty Code = "import.target_not_empty"
	CodeToolMissing    Code = "sqlpackage.missing"
	CodeToolKilled     Code = "sqlpackage.killed"
	CodeToolOld        Code = "sqlpackage.too_old"

	CodeVerifyBroken     Code = "verify.broken_archive"
	CodeVerifyUnverified Code = "verify.unverified_type"
	CodeVerifyRows       Code = "verify.rows_differ"
	CodeVerifyHash       Code = "verify.hash_differs"

	CodeVaultDenied   Code = "vault.denied"
	CodeVaultConflict Code = "vault.conflict"
	CodeVaultOrphan   Code = "vault.orphan"
	CodeVaultPhantom  Code = "vault.phantom"
	CodeVaultMissing  Code = "vault.missing"
	CodeVaultWrite    Code = "vault.write"
	CodeVaultRead     Code = "vault.read"

	CodeRestoreRows Code = "restore.rows_differ"

	CodeDrillBlind Code = "drill.blind"

	CodePromoteUnproven  Code = "promote.unproven"
	CodePromoteGeo       Code = "promote.geo_replicated"
	CodePromoteImmutable Code = "promote.immutable_retention"
	CodePromoteChanged   Code = "promote.changed"
	CodePromoteFailed    Code = "promote.failed"
)

type codeInfo struct {
	class Class
	next  string
}

// codes is the one table from code to class and advice.
var codes = map[Code]codeInfo{
	CodeUnknown: {Retry, "The run is tried again by itself; if it keeps failing, look at the handler's log for this run."},

	CodeRequestMalformed: {Rejected, "Correct the field that is named and send the request again."},
	CodeRequestUnknownDB: {Refused, "Add the database to SQL_DATABASE_NAME, or correct the request."},
	CodeRequestNoBackup:  {Refused, "List the backups of the database and name one that is there."},

	CodeLeaseLost: {Retry, "Another run may have taken over; this one stopped before it wrote anything more."},

	CodeGateNoPolicy:  {Refused, "Set a time-based retention policy on the container and lock it."},
	CodeGateUnlocked:  {Refused, "Lock the container's immutability policy (bacvault policy lock --plan says what that means); for a test set BACVAULT_ALLOW_UNLOCKED_UNTIL and its reason."},
	CodeGateTooShort:  {Refused, "Extend the container's immutability period (bacvault policy extend --days N --plan), or lower BACVAULT_MIN_RETENTION_DAYS."},
	CodeGateUnread:    {Retry, "Check that the identity may read the container and its immutability policy in the management plane."},
	CodeGateDisagrees: {Refused, "Check that STORAGE_ACCOUNT_NAME, STORAGE_CONTAINER_NAME and the subscription name the same container on both planes."},

	CodePolicyChanged: {Refused, "Somebody changed the policy after the plan was made. Ask for the plan again and read it."},
	CodePolicyRefused: {Refused, "What was asked can't be done to this policy, or should not be; read why."},
	CodePolicyFailed:  {Retry, "Read the policy (bacvault policy check), then run the same command again."},

	CodeSQLUnreachable: {Retry, "Check the server's name, firewall and private endpoint."},
	CodeSQLDenied:      {Terminal, "Grant the rights of docs/permissions.md to the identity."},
	CodeSQLNotFound:    {Refused, "Check the server's and the database's name."},
	CodeSQLRefused:     {Terminal, "Read the server's message."},
	CodeCopyFailed:     {Retry, "Look at the server's operations for the copy; nothing was exported."},
	CodeCopyTimeout:    {Retry, "The copy did not come online in BACVAULT_COPY_TIMEOUT; raise it or the service objective."},
	CodeCopyNoRoom:     {Terminal, "Give the server, the elastic pool or the subscription's quota room for the copy, set BACVAULT_COPY_OBJECTIVE, or choose copy-or-live."},
	CodeTargetExists:   {Refused, "Name a target database that does not exist; a restore never writes into an existing one."},

	CodeDiskFull: {Terminal, "Give the work folder (BACVAULT_WORK_DIR) more room."},

	CodeUnsupported: {Refused, "A bacpac cannot hold what is named; change it, or leave the database out."},
	CodeFiltered:    {Refused, "Exempt the identity from the security policies and grant it UNMASK, then ask again."},

	CodeExportFailed:   {Retry, "Read sqlpackage's last lines in this event."},
	CodeExportStalled:  {Retry, "sqlpackage showed no sign of life for BACVAULT_STALL_TIMEOUT and was ended."},
	CodeExportDeadline: {Terminal, "Raise BACVAULT_RUN_TIMEOUT or the database's service objective."},
	CodeExportDenied:   {Terminal, "Grant db_datareader and VIEW DEFINITION on the database to the identity."},
	CodeExportSchema:   {Terminal, "A bacpac cannot hold the object that sqlpackage names; change it or leave the database out."},
	CodeImportFailed:   {Terminal, "Read sqlpackage's last lines in this event; only the database of this run was dropped."},
	CodeImportStalled:  {Retry, "sqlpackage showed no sign of life for BACVAULT_STALL_TIMEOUT and was ended."},
	CodeImportDeadline: {Terminal, "Raise BACVAULT_RUN_TIMEOUT or the target's service objective."},
	CodeImportNotEmpty: {Refused, "Name a target database that does not exist."},
	CodeToolMissing:    {Terminal, "Set BACVAULT_SQLPACKAGE to the sqlpackage program in this image."},
	CodeToolKilled:     {Retry, "sqlpackage was killed, most often for want of memory; give the container more."},

	CodeToolOld: {Terminal, "Install sqlpackage 170.5.96 or later, or set BACVAULT_ALLOW_OLD_SQLPACKAGE and read its known faults."},

	CodeVerifyBroken:     {Terminal, "The archive is not usable and was not stored; look at the export's log."},
	CodeVerifyUnverified: {Terminal, "The archive holds a type whose rows cannot be counted yet; it was not stored."},
	CodeVerifyRows:       {Terminal, "Rows are missing from or added to the archive; it was not stored. Export again and compare."},
	CodeVerifyHash:       {Terminal, "The stored bytes are not the bytes that the manifest promises. Raise an alarm: do not restore this blob."},

	CodeVaultDenied:   {Terminal, "Grant the rights of docs/permissions.md on the container to the identity."},
	CodeVaultConflict: {Terminal, "The name is taken by other content, and nothing there is ever overwritten. Request a backup for another slot."},
	CodeVaultOrphan:   {Terminal, "A blob without a manifest holds this slot and its manifest can't be rebuilt. Request a backup for another slot."},
	CodeVaultPhantom:  {Terminal, "The manifest of this slot stands for no sound archive, and the name is taken for good. Ask for a backup of now (bacvault backup), and look in the storage log who wrote it."},
	CodeVaultMissing:  {Refused, "List the backups of the database and name one that is there."},
	CodeVaultWrite:    {Retry, "The store did not take the write; it is tried again."},
	CodeVaultRead:     {Retry, "The store did not answer the read; it is tried again."},

	CodeRestoreRows: {Terminal, "The restored database is kept for inspection; do not put it into service."},

	CodeDrillBlind: {Terminal, "The verification let a damaged archive pass: trust no verdict of this release until it is mended."},

	CodePromoteUnproven:  {Refused, "Restore again and let it reconcile, or force it with a reason."},
	CodePromoteGeo:       {Refused, "End the geo-replication of the database, or put the restored one into service by hand."},
	CodePromoteImmutable: {Refused, "The live database has immutable long-term retention, which would stay with the old one; put the restored one into service by hand."},
	CodePromoteChanged:   {Refused, "The names are not as this promotion left them; ask for a plan and read it."},
	CodePromoteFailed:    {Retry, "Send the same request again: it goes on where it broke off. Or undo it."},
}

// Codes lists every code, sorted.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for c := range codes {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// Class is the class that the code has by itself.
func (c Code) Class() Class { return codes[c].class }

// Next is the advice that goes with the code.
func (c Code) Next() string { return codes[c].next }
