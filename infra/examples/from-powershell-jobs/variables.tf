variable "subscription_id" {
  description = "Subscription of the apps, Service Bus and logs."
  type        = string
}

variable "vault_subscription_id" {
  description = "TARGET_SUBSCRIPTION_ID of the old jobs: the subscription of the storage account."
  type        = string
}

variable "name" {
  description = "Short name that all resources bear; some are unique in all of Azure. 2 to 16 lower case letters, digits and hyphens."
  type        = string
}

variable "location" {
  description = "Azure region of everything; that of the SQL server."
  type        = string
}

variable "vault_resource_group_name" {
  description = "Resource group of the old jobs' storage account. Alerts are put there as well."
  type        = string
}

variable "storage_account_name" {
  description = "STORAGE_ACCOUNT_NAME of the old jobs."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.storage_account_name))
    error_message = "storage_account_name: 3 to 24 lower case letters and digits."
  }
}

variable "storage_container_name" {
  description = "STORAGE_CONTAINER_NAME of the old jobs."
  type        = string
  default     = "sql-backups-immutable"
  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.storage_container_name))
    error_message = "storage_container_name: 3 to 63 lower case letters, digits and single hyphens."
  }
}

variable "retention_days" {
  description = "The period that the policy has now, in days; look it up first, or the first apply changes it."
  type        = number
}

variable "policy_locked" {
  description = "false at first. `bacvault policy lock` locks the policy; then set this to true as well. There is no way back."
  type        = bool
  default     = false
}

variable "unlocked_until" {
  description = "Last day (2026-12-31, UTC) on which backups go to an unlocked policy; 31 days ahead at most. null once policy_locked is true."
  type        = string
  default     = null
  validation {
    condition     = var.unlocked_until == null || can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.unlocked_until)) && can(timeadd("${var.unlocked_until}T00:00:00Z", "0s"))
    error_message = "unlocked_until: a date such as 2026-12-31."
  }
  validation {
    condition = var.unlocked_until == null || var.policy_locked || try(
      timecmp(timeadd("${var.unlocked_until}T00:00:00Z", "24h"), plantimestamp()) > 0 && timecmp("${var.unlocked_until}T00:00:00Z", timeadd(plantimestamp(), "744h")) <= 0, false
    )
    error_message = "unlocked_until: today or later, and at most 31 days ahead. A waiver lapses by itself: lock the policy (policy_locked = true), or set a new day and be seen doing it."
  }
}

variable "import_policy" {
  description = "Takes the container's present policy into the state, which azurerm needs before it may lock it. false only where a container without a policy is adopted, and in tests: what is mocked can't be imported."
  type        = bool
  default     = true
}

variable "image" {
  description = "The image: registry (host name), name, and digest (sha256:…) or tag."
  type        = object({ registry = string, name = string, digest = optional(string), tag = optional(string) })
}

variable "container_registry_id" {
  description = "Resource id of the Azure Container Registry that holds the image; both identities may pull from it. null: rights are given elsewhere."
  type        = string
  default     = null
}

variable "sql_server_name" {
  description = "SQL_SERVER_NAME of the old jobs; several with commas."
  type        = string
}

variable "sql_server_id" {
  description = "Resource id of the logical server: where backup retention is read and set when a restored database is promoted. Without these settings a promotion is refused."
  type        = string
  validation {
    condition     = can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Sql/servers/[^/]+$", var.sql_server_id))
    error_message = "sql_server_id: the resource id of the logical server, as az sql server show --query id prints it."
  }
}

variable "promoters" {
  description = "Object ids that may put a restored database in a live one's place; for as long as it takes (docs/permissions.md). The SQL part is docs/grants-promote.sql. Whoever applies needs User Access Administrator on the server's resource group then."
  type        = set(string)
  default     = []
}

variable "sql_database_name" {
  description = "SQL_DATABASE_NAME of the backup job. The restore app gets the same: what it may restore, not the target (docs/migration.md)."
  type        = string
  validation {
    condition     = !strcontains(var.sql_database_name, "*") && !endswith(var.sql_database_name, "_RESTORE")
    error_message = "sql_database_name: the databases that are backed up, by name; not the restore job's target."
  }
}

variable "old_alert" {
  description = "Keeps the old jobs' alert (no PutBlockList for 48 hours) beside the new ones."
  type        = bool
  default     = true
}

variable "operators" {
  description = "Object ids that may ask for backups and restores; they see nothing by that, see readers."
  type        = set(string)
  default     = []
}

variable "readers" {
  description = "Object ids that may look: `bacvault status`, list, show, and --wait of what operators ask for. It is the right to read all data in every backup."
  type        = set(string)
  default     = []
}

variable "custodians" {
  description = "Object ids that may lock and extend the policy: nobody for longer than an hour. Who plans a lock wants to be among readers too."
  type        = set(string)
  default     = []
}

variable "alert_emails" {
  description = "Who gets the alerts."
  type        = list(string)
}

variable "settings" {
  description = "Further app settings of both apps, by the names of docs/settings.md."
  type        = map(string)
  default     = {}
}

variable "notify" {
  description = "Messages in a chat (docs/events.md), or null: webhook_secret_id is the address of the Key Vault secret that holds the webhook, format is slack or teams. Give the backup identity Key Vault Secrets User on that secret, or the app refuses to start."
  type        = object({ webhook_secret_id = string, format = optional(string, "slack") })
  default     = null
}
