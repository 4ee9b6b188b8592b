// Package config reads the app settings once, checks them whole and lists every fault in one error; it is the only
// reader of the environment.
package config

import (
	"strconv"
	"strings"
	"time"
)

// Setting is one app setting, as docs/settings.md shows it.
type Setting struct {
	Name     string
	Default  string // empty: none
	Required bool
	Doc      string
	set      func(*Config, string) error
}

func text(p func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *p(c) = v; return nil }
}

func duration(p func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return faultf("%q is not a positive duration such as 30m or 20h", v)
		}
		*p(c) = d
		return nil
	}
}

func number(lo, hi int, p func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < lo || n > hi {
			return faultf("%q is not a whole number from %d to %d", v, lo, hi)
		}
		*p(c) = n
		return nil
	}
}

func oneOf(p func(*Config) *string, words ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		for _, w := range words {
			if v == w {
				*p(c) = v
				return nil
			}
		}
		return faultf("%q is not one of %s", v, strings.Join(words, ", "))
	}
}

func endpoint(p func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !strings.HasPrefix(v, "https://") {
			return faultf("%q does not begin with https://", v)
		}
		*p(c) = strings.TrimRight(v, "/")
		return nil
	}
}

// Settings is every setting that the handler and the command line read, in the order of docs/settings.md.
func Settings() []Setting {
	return []Setting{
		{Name: "SQL_SERVER_NAME", Required: true, Doc: "Logical server, short (sqlsvr-x) or full (sqlsvr-x.database.windows.net); several with commas.",
			set: func(c *Config, v string) error { return c.setServers(v) }},
		{Name: "SQL_DATABASE_NAME", Required: true, Doc: "The database or databases to protect: one, a comma-separated list, or `*` (all but our own copies, restores, drills and `_old_` names). With several servers a name counts for each of them, `server/name` and `server/*` for one.",
			set: text(func(c *Config) *string { return &c.databases })},
		{Name: "STORAGE_ACCOUNT_NAME", Required: true, Doc: "Storage account of the vault.",
			set: text(func(c *Config) *string { return &c.VaultAccount })},
		{Name: "STORAGE_CONTAINER_NAME", Required: true, Doc: "The vault: a container with a locked time-based retention policy.",
			set: text(func(c *Config) *string { return &c.VaultContainer })},
		{Name: "MANAGED_IDENTITY_CLIENT_ID", Required: true, Doc: "Client id of this app's user-assigned identity.",
			set: text(func(c *Config) *string { return &c.ClientID })},
		{Name: "TARGET_SUBSCRIPTION_ID", Doc: "Subscription of the vault and of the server, unless one has its own.",
			set: text(func(c *Config) *string { return &c.Subscription })},
		{Name: "SQL_SERVICE_OBJECTIVE", Doc: "Service objective of a restored database, such as S9, when the request names none.",
			set: text(func(c *Config) *string { return &c.ServiceObjective })},
		{Name: "SQL_MAX_SIZE_GB", Doc: "Maximum size of a restored database in GB, when the request names none.",
			set: number(1, 131072, func(c *Config) *int { return &c.MaxSizeGB })},

		{Name: "BACVAULT_VAULT_SUBSCRIPTION_ID", Doc: "Subscription of the vault, when it is not TARGET_SUBSCRIPTION_ID.",
			set: text(func(c *Config) *string { return &c.VaultSubscription })},
		{Name: "BACVAULT_VAULT_RESOURCE_GROUP", Doc: "Resource group of the vault's account. Required while the management plane is read.",
			set: text(func(c *Config) *string { return &c.VaultResourceGroup })},
		{Name: "BACVAULT_MANAGEMENT_PLANE", Default: "on", Doc: "`on`, or `off` where there is none (the official emulators): then immutability can't be proven and needs the waiver below.",
			set: oneOf(func(c *Config) *string { return &c.managementPlane }, "on", "off")},
		{Name: "BACVAULT_MIN_RETENTION_DAYS", Default: "30", Doc: "A policy with a shorter period is refused before anything is exported. Days.",
			set: number(1, 146000, func(c *Config) *int { return &c.MinRetentionDays })},
		{Name: "BACVAULT_ALLOW_UNLOCKED_UNTIL", Doc: "Last day (2026-12-31, UTC) on which a policy that is not locked is let pass, marked degraded. A waiver lapses by itself.",
			set: func(c *Config, v string) error { return c.setWaiver(v) }},
		{Name: "BACVAULT_ALLOW_UNLOCKED_REASON", Doc: "Why; stands in manifest and events.",
			set: text(func(c *Config) *string { return &c.AllowUnlockedReason })},

		{Name: "BACVAULT_CONSISTENCY", Default: "copy", Doc: "`copy`: export from a database copy, transactionally consistent. `live`: export the database itself, consistent table by table only. `copy-or-live`: live, marked degraded, where no copy can be had.",
			set: oneOf(func(c *Config) *string { return &c.Consistency }, "copy", "copy-or-live", "live")},
		{Name: "BACVAULT_COPY_BY", Default: "tsql", Doc: "`tsql`: CREATE DATABASE … AS COPY OF. `management`: through the management plane, which works behind private endpoints and needs BACVAULT_SQL_RESOURCE_GROUP.",
			set: oneOf(func(c *Config) *string { return &c.CopyBy }, "tsql", "management")},
		{Name: "BACVAULT_SQL_SUBSCRIPTION_ID", Doc: "Subscription of the server, when it is not TARGET_SUBSCRIPTION_ID.",
			set: text(func(c *Config) *string { return &c.SQLSubscription })},
		{Name: "BACVAULT_SQL_RESOURCE_GROUP", Doc: "Resource group of the server. Without it nothing is promoted: a promotion reads and sets backup retention there.",
			set: text(func(c *Config) *string { return &c.SQLResourceGroup })},
		{Name: "BACVAULT_JANITOR_AFTER", Default: "24h", Doc: "A copy of ours that belongs to no live run is dropped when it is older than this.",
			set: duration(func(c *Config) *time.Duration { return &c.JanitorAfter })},
		{Name: "BACVAULT_UNVERIFIED", Default: "refuse", Doc: "What a table means whose rows the walk can't be sure of: `refuse` the backup, or `degrade` it.",
			set: oneOf(func(c *Config) *string { return &c.Unverified }, "refuse", "degrade")},
		{Name: "BACVAULT_FINGERPRINT", Default: "off", Doc: "`checksum`: CHECKSUM_AGG(BINARY_CHECKSUM(*)) of each table goes into the manifest.",
			set: oneOf(func(c *Config) *string { return &c.Fingerprint }, "off", "checksum")},
		{Name: "BACVAULT_READ_BACK", Default: "off", Doc: "`full`: the stored blob is read again and hashed before its manifest is written.",
			set: oneOf(func(c *Config) *string { return &c.ReadBack }, "off", "full")},
		{Name: "BACVAULT_ALLOW_OLD_SQLPACKAGE", Default: "no", Doc: "`yes` lets a sqlpackage below 170.5.96 run, marked degraded; older ones lose rows and break on large databases.",
			set: oneOf(func(c *Config) *string { return &c.AllowOldTool }, "no", "yes")},
		{Name: "BACVAULT_COPY_OBJECTIVE", Doc: "Service objective of the copy; the source's own when absent.",
			set: text(func(c *Config) *string { return &c.CopyObjective })},
		{Name: "BACVAULT_COPY_TIMEOUT", Default: "2h", Doc: "How long a copy may take to come online.",
			set: duration(func(c *Config) *time.Duration { return &c.CopyTimeout })},
		{Name: "BACVAULT_RUN_TIMEOUT", Default: "20h", Doc: "How long one run may take in all; at least half an hour less than the host renews the message's lock.",
			set: duration(func(c *Config) *time.Duration { return &c.RunTimeout })},
		{Name: "BACVAULT_STALL_TIMEOUT", Default: "30m", Doc: "sqlpackage is ended after this long without output, growth or CPU.",
			set: duration(func(c *Config) *time.Duration { return &c.StallTimeout })},
		{Name: "BACVAULT_DRILL_SCHEDULE", Default: "0 0 6 * * 0", Doc: "When the drill timer fires: six fields, UTC; `0 0 6 * * 0` is Sundays at 06:00. The host reads it, and leaves the timer out where it is not set; the image sets the default.",
			set: func(c *Config, v string) error { return c.setDrillSchedule(v) }},
		{Name: "BACVAULT_NEGATIVE_LIMIT", Default: "30m", Doc: "How long a drill may spend on those damaged copies that only a full read tells from the sound archive; what is left then is named in the proof.",
			set: duration(func(c *Config) *time.Duration { return &c.NegativeLimit })},
		{Name: "BACVAULT_STORE_STALL_TIMEOUT", Default: "2m", Doc: "One try of a call to the vault, or of a block, is ended after this long; a fetch gives up when nothing came for as long.",
			set: duration(func(c *Config) *time.Duration { return &c.StoreStallTimeout })},
		{Name: "BACVAULT_MAX_ATTEMPTS", Default: "4", Doc: "Attempts at one request when the fault is a passing one.",
			set: number(1, 100, func(c *Config) *int { return &c.MaxAttempts })},
		{Name: "BACVAULT_RETRY_DELAY", Default: "5m", Doc: "Wait before the second attempt; doubled for each further one.",
			set: duration(func(c *Config) *time.Duration { return &c.RetryDelay })},
		{Name: "BACVAULT_LEASE_SECONDS", Default: "60", Doc: "How long a killed run keeps others out. Seconds.",
			set: number(15, 60, func(c *Config) *int { return &c.LeaseSeconds })},
		{Name: "BACKUP_SCHEDULE", Doc: "When the nightly timer fires: six fields from second to day of week, UTC; `0 0 2 * * *` is 02:00. The host reads it too; the watch knows by it which slots should be there.",
			set: text(func(c *Config) *string { return &c.BackupSchedule })},
		{Name: "BACVAULT_MAX_BACKUP_AGE", Default: "26h", Doc: "Age of a database's newest backup from which it counts as overdue.",
			set: duration(func(c *Config) *time.Duration { return &c.MaxBackupAge })},
		{Name: "BACVAULT_MAX_PROOF_AGE", Default: "192h", Doc: "Age of a database's newest drill that passed from which its proof counts as overdue; 192h is 8 days.",
			set: duration(func(c *Config) *time.Duration { return &c.MaxProofAge })},
		{Name: "BACVAULT_REQUEUE_MISSED", Default: "no", Doc: "`yes`: the watch asks once more for a slot that was missed, 6 hours after it.",
			set: oneOf(func(c *Config) *string { return &c.RequeueMissed }, "no", "yes")},
		{Name: "BACVAULT_PROBE", Default: "on", Doc: "`on`: once a day the watch tries to overwrite and to delete a canary of its own in the vault, and alarms unless both are refused.",
			set: oneOf(func(c *Config) *string { return &c.Probe }, "on", "off")},
		{Name: "BACVAULT_NOTIFY_URL", Doc: "Webhook that the function `notify` posts failures and findings to; https. A secret: a Key Vault reference. Absent: nothing is posted, so disable the function (AzureWebJobs_notify_Disabled=true).",
			set: func(c *Config, v string) error { return c.setNotifyURL(v) }},
		{Name: "BACVAULT_NOTIFY_FORMAT", Default: "slack", Doc: "`slack`: an incoming webhook of Slack, or one compatible with it. `teams`: a Power Automate workflow that posts the card of a webhook request.",
			set: oneOf(func(c *Config) *string { return &c.NotifyFormat }, "slack", "teams")},
		{Name: "BACVAULT_STATUS_URL", Doc: "Address of the status page as people reach it; messages link to it. One with a function key in it is refused.",
			set: func(c *Config, v string) error { return c.setStatusURL(v) }},
		{Name: "BACVAULT_RESTORE_SERVER_NAME", Doc: "Logical server that backups are restored on, short or full; it may lie in another subscription. The database's own server when absent.",
			set: func(c *Config, v string) error { return c.setRestoreServer(v) }},
		{Name: "BACVAULT_ACCESS_TIER", Doc: "Hot, Cool or Cold; the account's own when absent. Archive is refused: it can't be restored without hours of rehydration.",
			set: oneOf(func(c *Config) *string { return &c.AccessTier }, "Hot", "Cool", "Cold")},

		{Name: "BACVAULT_SQLPACKAGE", Default: "/opt/sqlpackage/sqlpackage", Doc: "The sqlpackage program.",
			set: text(func(c *Config) *string { return &c.SQLPackage })},
		{Name: "BACVAULT_WORK_DIR", Default: "/tmp/bacvault", Doc: "Folder for archives and sqlpackage's temporary files; emptied after each run.",
			set: text(func(c *Config) *string { return &c.WorkDir })},
		{Name: "BACVAULT_SQL_DNS_SUFFIX", Default: publicSQL, Doc: "What follows a short server name, by cloud. The audience of SQL tokens follows from it.",
			set: text(func(c *Config) *string { return &c.SQLSuffix })},
		{Name: "BACVAULT_SQL_ENDPOINT", Doc: "host:port that the server is reached at, when that is not its own name; `server=host:port` with commas for several, the restore server among them.",
			set: text(func(c *Config) *string { return &c.sqlEndpoints })},
		{Name: "BACVAULT_BLOB_ENDPOINT", Doc: "Blob endpoint of the vault's account, when it is not that of the public cloud.",
			set: endpoint(func(c *Config) *string { return &c.VaultEndpoint })},
		{Name: "BACVAULT_STATE_ACCOUNT", Doc: "Storage account of the state container; AzureWebJobsStorage__accountName when absent.",
			set: text(func(c *Config) *string { return &c.StateAccount })},
		{Name: "BACVAULT_STATE_CONTAINER", Default: "bacvault-state", Doc: "Mutable container for leases and progress.",
			set: text(func(c *Config) *string { return &c.StateContainer })},
		{Name: "BACVAULT_STATE_ENDPOINT", Doc: "Blob endpoint of the state account, when it is not that of the public cloud.",
			set: endpoint(func(c *Config) *string { return &c.StateEndpoint })},
		{Name: "BACVAULT_ARM_ENDPOINT", Doc: "Management plane, when it is not that of the public cloud.",
			set: endpoint(func(c *Config) *string { return &c.ARMEndpoint })},
		{Name: "BACVAULT_ARM_AUDIENCE", Doc: "Token audience of the management plane; needed with BACVAULT_ARM_ENDPOINT.",
			set: text(func(c *Config) *string { return &c.ARMAudience })},
		{Name: "BACVAULT_LOG_LEVEL", Default: "info", Doc: "debug, info, warning or error.",
			set: oneOf(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warning", "error")},

		{Name: "ServiceBusConnection__fullyQualifiedNamespace", Doc: "Service Bus namespace, such as sb-x.servicebus.windows.net.",
			set: text(func(c *Config) *string { return &c.BusNamespace })},
		{Name: "ServiceBusConnection", Doc: "Connection string of the official emulator (UseDevelopmentEmulator=true); any other is refused.",
			set: func(c *Config, v string) error { return c.setBusEmulator(v) }},
		{Name: "AzureWebJobsStorage", Doc: "The host's own setting: UseDevelopmentStorage=true for Azurite; any other connection string is refused.",
			set: func(_ *Config, v string) error { return checkHostStorage(v) }},
		{Name: "AzureWebJobsStorage__accountName", Doc: "The app's own storage account.",
			set: text(func(c *Config) *string { return &c.appAccount })},
		{Name: lockRenewalName, Default: "1.12:00:00", Doc: "The host's own setting, where it overrides host.json: how long it renews the lock of a message that is worked on. Days.hours:minutes:seconds.",
			set: func(c *Config, v string) error { return c.setLockRenewal(v) }},
		{Name: "FUNCTIONS_CUSTOMHANDLER_PORT", Doc: "Set by the Functions host.",
			set: number(1, 65535, func(c *Config) *int { return &c.Port })},
	}
}
