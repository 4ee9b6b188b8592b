variable "name" {
  description = "Short name that all resources bear: lower case letters, digits and hyphens, 16 characters at most."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "name is 2 to 16 characters: lower case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "resource_group_name" {
  description = "Resource group of workspace and Application Insights."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "retention_days" {
  description = "How long logs are kept. An incident is often found late: 90 days is the least to look back a quarter."
  type        = number
  default     = 90
  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730
    error_message = "retention_days is from 30 to 730."
  }
}

variable "daily_quota_gb" {
  description = "Daily cap of the workspace in GB; -1 for none. A cap that is reached makes the alerts blind until the next day, so it is off by default."
  type        = number
  default     = -1
  validation {
    condition     = var.daily_quota_gb == -1 || var.daily_quota_gb > 0
    error_message = "daily_quota_gb is -1 for none, or more than 0."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
