variable "account_name" {
  description = "Name of the vault's storage account; unique in all of Azure. It holds the vault and nothing else."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account_name))
    error_message = "account_name: 3 to 24 lower-case letters and digits."
  }
}

variable "resource_group_name" {
  description = "Resource group, in the vault's own subscription. Whoever owns the apps' subscription must not own this one."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "container_name" {
  description = "The vault: STORAGE_CONTAINER_NAME of the apps."
  type        = string
  default     = "sql-backups"
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9]|-[a-z0-9]){2,62}$", var.container_name))
    error_message = "container_name: 3 to 63 lower-case letters, digits and single hyphens."
  }
}

variable "production" {
  description = "true: an unlocked policy is refused unless unlocked_until says until when, and retention is 30 days or more. false: for trying out, where the account is to be deleted again."
  type        = bool
  default     = true
}

variable "retention_days" {
  description = <<-EOT
    How long nobody can change or delete what is in the vault, in days from each blob's creation. No default: once the policy is
    locked it never gets shorter, and what was written costs money for that long.
    To lengthen a locked policy: first `bacvault policy extend` (at most five times in its life), then put the same number here.
    azurerm can't extend a locked policy. When only the number here was raised it stops with "immutability_period_in_days cannot be
    decreased", which is the wrong way round. When the number was lowered the plan passes and Azure refuses the apply: put it back.
  EOT
  type        = number
  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 146000 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days: whole days, 1 to 146000."
  }
  validation {
    condition     = !var.production || var.retention_days >= 30
    error_message = "retention_days: 30 or more in production, as BACVAULT_MIN_RETENTION_DAYS asks; for a trial with less set production = false."
  }
}

variable "policy_locked" {
  description = <<-EOT
    Locks the policy. Nobody can undo that: from then on the period can only be extended, and container and account can't be
    deleted while they hold a blob under retention, so `terraform destroy` fails. A second, deliberate step: apply with
    unlocked_until first, make a backup and a restore, then lock.
    When `bacvault policy lock` has locked it, set this to true as well; until then each plan stops with "unable to set `locked = false`".
  EOT
  type        = bool
  default     = false
}

variable "unlocked_until" {
  description = <<-EOT
    Last day (2026-12-31, UTC) on which backups go to a policy that is not locked; they are marked degraded. The apps get it as
    BACVAULT_ALLOW_UNLOCKED_UNTIL. In production at most 31 days ahead, and after that day each plan is refused until the policy is
    locked: a waiver lapses by itself. Take it out when the policy is locked.
  EOT
  type        = string
  default     = null
  validation {
    condition     = var.policy_locked || !var.production || var.unlocked_until != null
    error_message = "unlocked_until: in production the policy must be locked. Set policy_locked = true, which can't be undone, or unlocked_until to the last day, at most 31 days ahead, on which it may be unlocked."
  }
  validation {
    condition     = var.unlocked_until == null || can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.unlocked_until)) && can(timeadd("${var.unlocked_until}T00:00:00Z", "0s"))
    error_message = "unlocked_until: a date such as 2026-12-31."
  }
  validation {
    condition     = var.unlocked_until == null || !var.production || var.policy_locked || try(timecmp(timeadd("${var.unlocked_until}T00:00:00Z", "24h"), plantimestamp()) > 0, false)
    error_message = "unlocked_until: this day is over. Lock the policy (policy_locked = true), or set another day, at most 31 days ahead."
  }
  validation {
    condition     = var.unlocked_until == null || !var.production || var.policy_locked || try(timecmp("${var.unlocked_until}T00:00:00Z", timeadd(plantimestamp(), "744h")) <= 0, false)
    error_message = "unlocked_until: at most 31 days ahead in production. Whoever needs longer sets a new day then, and is seen doing it."
  }
}

variable "replication" {
  description = <<-EOT
    ZRS: three zones of one region. ZRS and not GRS by default, because it can become GZRS later in place, while azurerm replaces an
    account that goes from LRS or GRS to a zone-redundant kind, which a locked policy forbids. GZRS adds a second region: choose it where
    the loss of a region must not cost the backups. LRS and GRS are for regions without zones.
  EOT
  type        = string
  default     = "ZRS"
  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"], var.replication)
    error_message = "replication: LRS, ZRS, GRS, RAGRS, GZRS or RAGZRS."
  }
}

variable "access_tier" {
  description = "The account's tier, which blobs have when BACVAULT_ACCESS_TIER is not set. Cold is the cheapest that can be read at once; Azure bills a cold blob for at least 90 days, and each drill for what it reads."
  type        = string
  default     = "Cold"
  validation {
    condition     = contains(["Hot", "Cool", "Cold"], var.access_tier)
    error_message = "access_tier: Hot, Cool or Cold. Archive can't be restored without hours of rehydration."
  }
}

variable "delete_after_days" {
  description = "Deletes blobs this many days after their creation; null: nothing is ever deleted. More than retention_days, and mind that a policy which was extended keeps them for longer. Archive and manifest do not go in one moment: the watch may tell of an archive without a manifest (orphan.blob) until both are gone."
  type        = number
  default     = null
  validation {
    condition     = var.delete_after_days == null || try(var.delete_after_days > var.retention_days && var.delete_after_days <= 99999 && floor(var.delete_after_days) == var.delete_after_days, false)
    error_message = "delete_after_days: whole days, more than retention_days and at most 99999, or null."
  }
}

variable "public_network_access_enabled" {
  description = "false: reachable through private endpoints alone, which you attach to the output account_id; then the apps must be in that network. Access is by Microsoft Entra ID in any case."
  type        = bool
  default     = true
}

variable "allowed_ip_ranges" {
  description = "Public IPv4 addresses or ranges that may reach the account. With an entry here or in allowed_subnet_ids all others are shut out."
  type        = list(string)
  default     = []
}

variable "allowed_subnet_ids" {
  description = "Subnets with the service endpoint Microsoft.Storage that may reach the account."
  type        = list(string)
  default     = []
}

variable "network_bypass" {
  description = "What passes the network rules nevertheless: Logging, Metrics, AzureServices, or None."
  type        = list(string)
  default     = ["AzureServices"]
}

variable "log_analytics_workspace_id" {
  description = "Workspace that gets StorageBlobLogs. Better one that the apps' owners can't delete."
  type        = string
}

variable "delete_lock" {
  description = "A CanNotDelete lock on the account. It also stops the deletion of role assignments in it, such as a custodian's of an hour; a locked policy makes it unnecessary."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
