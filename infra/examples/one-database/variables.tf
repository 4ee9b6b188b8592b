variable "subscription_id" {
  description = "Subscription of the apps, Service Bus and logs."
  type        = string
}

variable "vault_subscription_id" {
  description = "Subscription of the vault. Another one, with other owners: that is what keeps the backups out of reach of whoever takes the first."
  type        = string
  validation {
    condition     = var.vault_subscription_id != var.subscription_id
    error_message = "vault_subscription_id is the apps' subscription: whoever owns that would own the vault too. Use another one."
  }
}

variable "name" {
  description = "Short name that all resources bear; some are unique in all of Azure. 2 to 16 lower case letters, digits and hyphens."
  type        = string
}

variable "location" {
  description = "Azure region of everything; that of the SQL server."
  type        = string
}

variable "vault_account_name" {
  description = "Name of the vault's storage account; unique in all of Azure."
  type        = string
}

variable "retention_days" {
  description = "How long nobody can change or delete a backup. Once the policy is locked this never gets shorter."
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
  description = "Logical server, short (sqlsvr-x) or full (sqlsvr-x.database.windows.net)."
  type        = string
  validation {
    condition     = !strcontains(var.sql_server_name, ",")
    error_message = "sql_server_name: one server here; several are examples/many-databases."
  }
}

variable "sql_server_id" {
  description = "Resource id of the logical server: where backup retention is read and set when a restored database is promoted. Without these settings a promotion is refused."
  type        = string
  validation {
    condition     = can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Sql/servers/[^/]+$", var.sql_server_id))
    error_message = "sql_server_id: the resource id of the logical server, as az sql server show --query id prints it."
  }
  validation {
    condition     = lower(reverse(split("/", var.sql_server_id))[0]) == lower(split(".", var.sql_server_name)[0])
    error_message = "sql_server_id is the id of another server than sql_server_name."
  }
}

variable "promoters" {
  description = "Object ids that may put a restored database in a live one's place; for as long as it takes (docs/permissions.md). The SQL part is docs/grants-promote.sql. Whoever applies needs User Access Administrator on the server's resource group then."
  type        = set(string)
  default     = []
}

variable "sql_database_name" {
  description = "The database."
  type        = string
  validation {
    condition     = !strcontains(var.sql_database_name, ",") && var.sql_database_name != "*"
    error_message = "sql_database_name: one database here; several are examples/many-databases."
  }
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
