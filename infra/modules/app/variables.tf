variable "name" {
  description = "Short name that all resources bear: lower case letters, digits and hyphens, 16 characters at most. The apps' names are global."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "name is 2 to 16 characters: lower case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "resource_group_name" {
  description = "Resource group of plan, apps and host accounts."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "The image of both apps: registry (host name), name, and digest (sha256:…) or tag. A tag moves; production names a digest. pull_with_identity: false only for a registry that asks nobody who they are."
  type = object({
    registry           = string
    name               = string
    digest             = optional(string)
    tag                = optional(string)
    pull_with_identity = optional(bool, true)
  })
  validation {
    condition     = (var.image.digest == null) != (var.image.tag == null)
    error_message = "image names a digest or a tag: exactly one of them."
  }
  validation {
    condition     = var.image.digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image.digest))
    error_message = "image.digest is sha256: and 64 hex digits, as the registry prints it."
  }
  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?$", var.image.registry)) && can(regex("^[a-z0-9._/-]+$", var.image.name))
    error_message = "image.registry is a host name without https://, image.name a repository without tag or digest."
  }
}

variable "backup_identity" {
  description = "User-assigned identity of the backup app: id, client_id. It also pulls the image, reads Key Vault references and serves the Functions host."
  type        = object({ id = string, client_id = string, principal_id = optional(string), name = optional(string) })
}

variable "restore_identity" {
  description = "User-assigned identity of the restore app. Another one: whoever holds both can read every backup and write the live server."
  type        = object({ id = string, client_id = string, principal_id = optional(string), name = optional(string) })
  validation {
    condition     = var.restore_identity.id != var.backup_identity.id || var.restore_identity.name != var.backup_identity.name
    error_message = "restore_identity is the backup app's identity: give each app its own."
  }
}

variable "sql_server_name" {
  description = "SQL_SERVER_NAME: logical server, short or full; several with commas."
  type        = string
  validation {
    condition     = length(trimspace(var.sql_server_name)) > 0
    error_message = "sql_server_name is empty: name the logical server whose databases are protected."
  }
}

variable "sql_database_name" {
  description = "SQL_DATABASE_NAME: the database or databases to protect: one, a list with commas, or * for all."
  type        = string
  validation {
    condition     = length(trimspace(var.sql_database_name)) > 0
    error_message = "sql_database_name is empty: name the databases to protect, or * for all."
  }
}

variable "vault" {
  description = "The vault, as modules/vault gives it out (place). unlocked_until: last day on which a policy that is not locked is let pass; null once it is locked."
  type = object({
    subscription_id     = string
    resource_group_name = string
    account_name        = string
    container_name      = string
    retention_days      = number
    unlocked_until      = optional(string)
  })
  validation {
    condition     = var.vault.unlocked_until == null || can(regex("^20[0-9]{2}-[01][0-9]-[0-3][0-9]$", var.vault.unlocked_until))
    error_message = "vault.unlocked_until is a date such as 2026-12-31, or null."
  }
  validation {
    condition     = var.vault.retention_days >= 1 && var.vault.retention_days <= 146000
    error_message = "vault.retention_days is from 1 to 146000."
  }
}

variable "unlocked_reason" {
  description = "BACVAULT_ALLOW_UNLOCKED_REASON: stands in each manifest and event while vault.unlocked_until lets an unlocked policy pass."
  type        = string
  default     = "the vault's policy is not locked yet"
  validation {
    condition     = length(trimspace(var.unlocked_reason)) > 0
    error_message = "unlocked_reason is empty: a waiver needs a reason."
  }
}

variable "service_bus_fqdn" {
  description = "Service Bus namespace, such as sb-x.servicebus.windows.net."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+(\\.[a-z0-9-]+)+$", var.service_bus_fqdn))
    error_message = "service_bus_fqdn is a host name such as sb-x.servicebus.windows.net, without sb:// and without a key."
  }
}

variable "backup_schedule" {
  description = "BACKUP_SCHEDULE: six fields from second to day of week, UTC."
  type        = string
  default     = "0 0 2 * * *"
  validation {
    condition     = length(split(" ", var.backup_schedule)) == 6
    error_message = "backup_schedule has six fields with one blank between them, such as 0 0 2 * * *."
  }
}

variable "drill_schedule" {
  description = "BACVAULT_DRILL_SCHEDULE: six fields, UTC; the default is Sundays at 06:00."
  type        = string
  default     = "0 0 6 * * 0"
  validation {
    condition     = length(split(" ", var.drill_schedule)) == 6
    error_message = "drill_schedule has six fields with one blank between them, such as 0 0 6 * * 0."
  }
}

variable "log_analytics_workspace_id" {
  description = "Workspace that the hosts' logs go to."
  type        = string
}

variable "application_insights_settings" {
  description = "As modules/logs gives it out: connection_string. null: no Application Insights, and no log lines of the apps anywhere but in FunctionAppLogs."
  type        = object({ connection_string = string })
  sensitive   = true
  default     = null
}

variable "notify" {
  description = "Messages in a chat (docs/events.md), or null. webhook_secret_id: address of the Key Vault secret that holds the webhook, never the webhook itself; the backup identity needs Key Vault Secrets User on it. As long as the reference can't be read the app refuses to start. format: slack or teams."
  type        = object({ webhook_secret_id = string, format = optional(string, "slack") })
  default     = null
  validation {
    condition     = var.notify == null || can(regex("^https://[A-Za-z0-9-]+\\.vault\\.[a-z.]+/secrets/[A-Za-z0-9-]+(/[0-9a-f]*)?$", var.notify.webhook_secret_id))
    error_message = "notify.webhook_secret_id is the address of a Key Vault secret, such as https://kv-x.vault.azure.net/secrets/bacvault-webhook."
  }
  validation {
    condition     = var.notify == null || contains(["slack", "teams"], coalesce(try(var.notify.format, null), "slack"))
    error_message = "notify.format is slack or teams."
  }
}
