variable "name" {
  description = "Short name of this deployment; it is in the names of identities and roles. Names of custom roles are unique in a tenant."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$", var.name))
    error_message = "name: at most 16 lower-case letters, digits and hyphens, no hyphen at either end."
  }
}

variable "resource_group_name" {
  description = "Resource group of the apps."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "vault_container_id" {
  description = "Resource id of the vault container (module vault: container_id)."
  type        = string
  validation {
    condition     = can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+$", var.vault_container_id))
    error_message = "vault_container_id: the id of a container, not of an account or a group: a wider scope would reach more than the vault."
  }
}

variable "state_container_id" {
  description = "Resource id of the container bacvault-state (module app: state_container_id)."
  type        = string
  validation {
    condition     = can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+$", var.state_container_id))
    error_message = "state_container_id: the id of a container, not of an account or a group."
  }
  validation {
    condition     = lower(var.state_container_id) != lower(var.vault_container_id)
    error_message = "state_container_id: not the vault. State is deleted and rewritten, and the role for it holds a delete."
  }
}

variable "host_account_ids" {
  description = "Resource ids of the storage accounts of the two Functions hosts. Each identity becomes Storage Blob Data Owner of its own."
  type        = object({ backup = string, restore = string })
}

variable "bus_entity_ids" {
  description = "Resource ids of queues, topic and subscriptions (module bus: entity_ids)."
  type = object({
    backup_requests       = string
    restore_requests      = string
    backup_events         = string
    subscription_all      = string
    subscription_failures = string
    subscription_notify   = optional(string)
  })
}

variable "notify" {
  description = "Lets the backup app read the subscription notify; only where BACVAULT_NOTIFY_URL is set. The same as module bus has."
  type        = bool
  default     = false
}

variable "sql_server_id" {
  description = "Resource id of the logical SQL server; needed only for copy_by_management, promoters and restore_promotes. Must be known at plan to be null or not. Rights within SQL Server are not given here: docs/grants.sql."
  type        = string
  default     = null
  validation {
    condition     = var.sql_server_id == null || can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Sql/servers/[^/]+$", var.sql_server_id))
    error_message = "sql_server_id: the resource id of one logical server."
  }
}

variable "copy_by_management" {
  description = "For BACVAULT_COPY_BY=management: the backup identity may read, write and delete databases of the server, all of them. Prefer the T-SQL way where no private endpoint is in between."
  type        = bool
  default     = false
  validation {
    condition     = !var.copy_by_management || var.sql_server_id != null
    error_message = "copy_by_management needs sql_server_id: the server whose databases are copied."
  }
}

variable "operators" {
  description = "Object ids of groups, people or programs that may ask for backups and restores. To ask for a restore is in effect the right to copy all data to a new database. As in the lists below, ids must be known at plan."
  type        = set(string)
  default     = []
}

variable "readers" {
  description = "Object ids of people who may look: `bacvault status`, list, show, verify, policy check, and --wait of what operators ask for. It is the right to read all data in every backup. Without it operators can ask and not see."
  type        = set(string)
  default     = []
}

variable "alerting" {
  description = "Object ids of programs that read the event subscriptions all and failures."
  type        = set(string)
  default     = []
}

variable "custodians" {
  description = "Object ids of people who may lock the policy and extend it. Meant for an hour: where you have Privileged Identity Management leave this empty and make people eligible there for the role vault-custodian (output role_ids); Terraform's assignments have no end."
  type        = set(string)
  default     = []
}

variable "promoters" {
  description = "Object ids of people who may put a restored database in a live one's place. Grant it when a promotion is due and take it away after: Terraform's assignments have no end, those of Privileged Identity Management on the roles promoter and state have. The SQL part is docs/grants-promote.sql."
  type        = set(string)
  default     = []
  validation {
    condition     = length(var.promoters) == 0 || var.sql_server_id != null
    error_message = "promoters needs sql_server_id: the server on which databases are promoted."
  }
}

variable "restore_promotes" {
  description = "The same for the restore identity, for promotions that are asked for by message."
  type        = bool
  default     = false
  validation {
    condition     = !var.restore_promotes || var.sql_server_id != null
    error_message = "restore_promotes needs sql_server_id: the server on which databases are promoted."
  }
}

variable "container_registry_id" {
  description = "Resource id of an Azure Container Registry; both identities may pull from it. null: the image comes from elsewhere. Must be known at plan to be null or not."
  type        = string
  default     = null
}

variable "application_insights" {
  description = "What the apps send their telemetry to, { id = … }: both identities may publish to it, for its local authentication is off. null: nowhere. An object, so that whether there is one is known before it is made."
  type        = object({ id = string })
  default     = null
}

variable "tags" {
  description = "Tags of the identities."
  type        = map(string)
  default     = {}
}
