variable "name" {
  description = "Short name that all resources bear: lower case letters, digits and hyphens, 16 characters at most."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "name is 2 to 16 characters: lower case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "resource_group_name" {
  description = "Resource group of the rules on logs and Service Bus, in the apps' subscription."
  type        = string
}

variable "vault_resource_group_name" {
  description = "Resource group of the activity log rules and their action group, in the vault's subscription: whoever owns the apps can't silence them."
  type        = string
}

variable "location" {
  description = "Azure region of the rule on logs; the workspace's own."
  type        = string
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}

variable "email_receivers" {
  description = "Addresses that every alert is sent to. At least one: an alert that nobody gets is none."
  type        = list(string)
  validation {
    condition     = length(var.email_receivers) > 0 && alltrue([for e in var.email_receivers : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", e))])
    error_message = "email_receivers is a list of one or more mail addresses."
  }
  validation {
    condition     = length(distinct([for e in var.email_receivers : lower(e)])) == length(var.email_receivers)
    error_message = "email_receivers names an address twice."
  }
}

variable "webhook_receivers" {
  description = "Further receivers, name to https address, such as an on-call tool's. Such an address is often a secret and would stand in the state: prefer action_group_ids."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for u in values(var.webhook_receivers) : startswith(u, "https://")])
    error_message = "webhook_receivers are https addresses."
  }
}

variable "action_group_ids" {
  description = "Action groups of yours that every alert is sent to as well."
  type        = list(string)
  default     = []
}

variable "databases" {
  description = "The databases that must have a backup, as server/database with short server names: the silence of each is an alert of its own. With * for SQL_DATABASE_NAME list them here all the same; one that is not listed is missed by the watch only."
  type        = list(string)
  validation {
    condition     = length(var.databases) > 0 && alltrue([for d in var.databases : can(regex("^[a-z0-9-]+/[^/*\"'\\\\]+$", d))])
    error_message = "databases is a list of server/database, short server name in lower case, no *: an alert must know whose silence it hears."
  }
}

variable "silence_hours" {
  description = "No manifest for a database within so many hours is an alert. 26 is one night and two hours. 46 at most: a rule looks back two days, and logs arrive late."
  type        = number
  default     = 26
  validation {
    condition     = var.silence_hours >= 2 && var.silence_hours <= 46 && floor(var.silence_hours) == var.silence_hours
    error_message = "silence_hours is a whole number from 2 to 46."
  }
}

variable "silence_frequency" {
  description = "How often silence is looked for."
  type        = string
  default     = "PT1H"
  validation {
    condition     = contains(["PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H"], var.silence_frequency)
    error_message = "silence_frequency is PT15M, PT30M, PT45M, PT1H, PT2H, PT3H, PT4H, PT5H or PT6H."
  }
}

variable "old_alert" {
  description = "true keeps the alert of the PowerShell jobs beside the new ones while you move: no PutBlockList in the vault's account for 48 hours."
  type        = bool
  default     = false
}

variable "log_analytics_workspace_id" {
  description = "Workspace that the vault account's StorageWrite log goes to."
  type        = string
}

variable "vault_account_id" {
  description = "The vault's storage account."
  type        = string
  validation {
    condition     = can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Storage/storageAccounts/[a-z0-9]{3,24}$", var.vault_account_id))
    error_message = "vault_account_id is the resource id of a storage account: /subscriptions/…/providers/Microsoft.Storage/storageAccounts/<name>."
  }
}

variable "bus_namespace_id" {
  description = "The Service Bus namespace."
  type        = string
}

variable "dead_letter_entities" {
  description = "Queues and topics whose dead letters are an alert. A topic counts those of all its subscriptions."
  type        = list(string)
  default     = ["backup-requests", "restore-requests", "backup-events"]
  validation {
    condition     = length(var.dead_letter_entities) > 0
    error_message = "dead_letter_entities is empty: name at least the two request queues."
  }
}

variable "dead_letter_threshold" {
  description = "More dead letters than this in one entity are an alert."
  type        = number
  default     = 0
  validation {
    condition     = var.dead_letter_threshold >= 0
    error_message = "dead_letter_threshold is 0 or more."
  }
}

variable "failed_events" {
  description = "The queue that gets a copy of each failed event, as modules/bus gives it out (failed_events_alert): entity, metric, aggregation. null: no such alert."
  type        = object({ entity = string, metric = string, aggregation = string })
  default     = null
  validation {
    condition     = var.failed_events == null || contains(["IncomingMessages/Total", "ActiveMessages/Maximum"], "${try(var.failed_events.metric, "")}/${try(var.failed_events.aggregation, "")}")
    error_message = "failed_events.metric is IncomingMessages with aggregation Total, or ActiveMessages with Maximum."
  }
}

variable "drift_operations" {
  description = "Further operations of the activity log to alert on: short name to scope (account or subscription) and operation."
  type        = map(object({ scope = string, operation = string }))
  default     = {}
  validation {
    condition     = alltrue([for k, v in var.drift_operations : can(regex("^[a-z-]+$", k)) && contains(["account", "subscription"], v.scope) && can(regex("^Microsoft\\.", v.operation))])
    error_message = "drift_operations: names of lower case letters and hyphens, scope account or subscription, operation such as Microsoft.Storage/storageAccounts/failover/action."
  }
}

variable "silent_operations" {
  description = "Short names of operations (operations.json) that are not alerted on, such as keys-listed where a portal user lists keys daily."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for k in var.silent_operations : contains(keys(jsondecode(file("${path.module}/operations.json"))), k)])
    error_message = "silent_operations holds a name that operations.json does not have."
  }
}

variable "severity" {
  description = "Severity (0 worst, 4 least) of: silence, failed events, dead letters."
  type        = object({ silence = optional(number, 1), failed = optional(number, 1), dead_letters = optional(number, 2) })
  default     = {}
  validation {
    condition     = alltrue([for s in values(var.severity) : s >= 0 && s <= 4 && floor(s) == s])
    error_message = "severity is a whole number from 0 to 4."
  }
}
