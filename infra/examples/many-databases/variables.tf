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

variable "servers" {
  description = "Server name, short or full, to its databases: names, or * for all but our own copies. With * list in watched those whose silence is to be an alert."
  type        = map(object({ databases = list(string), watched = optional(list(string), []) }))
  validation {
    condition     = length(var.servers) > 0 && alltrue([for s in values(var.servers) : length(s.databases) > 0 && (!contains(s.databases, "*") || length(s.databases) == 1)])
    error_message = "servers: each has databases by name, or * alone."
  }
  validation {
    condition     = alltrue([for s in values(var.servers) : !contains(s.databases, "*") || length(s.watched) > 0])
    error_message = "servers: with * the list watched must name databases, else the silence of that server is no alert."
  }
}

variable "sql_resource_group_id" {
  description = "Resource group of the servers (/subscriptions/…/resourceGroups/…), one for all of them. null: nothing can be promoted, for a promotion reads and sets backup retention there."
  type        = string
  default     = null
  validation {
    condition     = var.sql_resource_group_id == null || can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+$", var.sql_resource_group_id))
    error_message = "sql_resource_group_id: the id of a resource group, as az group show --query id prints it."
  }
}

variable "sku" {
  description = "Size of an instance (docs/hosting.md): memory for sqlpackage, disk for twice the largest database."
  type        = string
  default     = "P1mv3"
}

variable "instances" {
  description = "Instances of each plan: total hours of a night divided by the hours of the window, rounded up. `bacvault plan --instances 3 --window 6h` says it from recorded times."
  type        = number
  default     = 2
}

variable "backup_schedule" {
  description = "Six fields, UTC."
  type        = string
  default     = "0 0 1 * * *"
}

variable "drill_schedule" {
  description = "Six fields, UTC. Every database is drilled at each firing, so leave it the time."
  type        = string
  default     = "0 0 6 * * 6"
}

variable "silence_hours" {
  description = "A night of many databases ends later than it began: 24 hours and how much the end of a night varies."
  type        = number
  default     = 30
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
