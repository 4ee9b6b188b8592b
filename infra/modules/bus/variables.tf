variable "name" {
  description = "Short name of this deployment; the namespace is sb-bacvault-<name>, unique in all of Azure."
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

variable "sku" {
  description = "Standard, or Premium where private endpoints are needed. Basic has neither topics nor duplicate detection. Going to Premium replaces the namespace: requests that wait in it are lost."
  type        = string
  default     = "Standard"
  validation {
    condition     = contains(["Standard", "Premium"], var.sku)
    error_message = "sku: Standard or Premium. Basic has neither topics nor duplicate detection."
  }
}

variable "premium_capacity" {
  description = "Messaging units of a Premium namespace; one is far more than a few messages a night need."
  type        = number
  default     = 1
  validation {
    condition     = contains([1, 2, 4, 8, 16], var.premium_capacity)
    error_message = "premium_capacity: 1, 2, 4, 8 or 16."
  }
}

variable "public_network_access_enabled" {
  description = "false only in Premium, with a private endpoint that you attach to the output namespace_id. Access is by Microsoft Entra ID in any case."
  type        = bool
  default     = true
  validation {
    condition     = var.public_network_access_enabled || var.sku == "Premium"
    error_message = "public_network_access_enabled: only a Premium namespace can have private endpoints; in Standard nobody would reach it."
  }
}

variable "notify" {
  description = "Makes the subscription that the function notify reads; only where BACVAULT_NOTIFY_URL is set."
  type        = bool
  default     = false
}

variable "events_time_to_live" {
  description = "How long the subscriptions all and failures keep an event that nobody takes, as an ISO 8601 duration in days. Events are news, not the record: the manifests in the vault are."
  type        = string
  default     = "P14D"
  validation {
    condition     = can(regex("^P([1-9]|[1-8][0-9]|90)D$", var.events_time_to_live))
    error_message = "events_time_to_live: P1D to P90D. Without an end a subscription that nobody reads fills the topic."
  }
}

variable "log_analytics_workspace_id" {
  description = "Workspace that gets the namespace's logs and metrics."
  type        = string
}

variable "tags" {
  description = "Tags of the namespace."
  type        = map(string)
  default     = {}
}
