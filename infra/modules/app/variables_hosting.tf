variable "sku" {
  description = "Dedicated plan: Premium v3 or v4, or Isolated v2. The default has 2 cores and 16 GB for both apps (docs/hosting.md)."
  type        = string
  default     = "P1mv3"
  validation {
    condition     = can(regex("^(P[0-5]m?v[34]|I[1-6]m?v2)$", var.sku))
    error_message = "sku is a Dedicated one (P…v3, P…v4, I…v2). Elastic Premium, Consumption and Flex end or move long runs, Basic and Standard are too small: infra/README.md says what each form would need."
  }
}

variable "instances" {
  description = "How many instances the plan has, always. One instance makes one backup and one restore at a time; more make as many side by side."
  type        = number
  default     = 1
  validation {
    condition     = var.instances >= 1 && var.instances <= 30 && floor(var.instances) == var.instances
    error_message = "instances is a whole number from 1 to 30."
  }
}

variable "separate_plans" {
  description = "true: a plan for each app. All containers of a plan share its memory and its fixed local disk, so a drill can take the room of a backup."
  type        = bool
  default     = false
}

variable "subnet_id" {
  description = "Subnet, delegated to Microsoft.Web/serverFarms, for all outgoing traffic of both apps. null: none."
  type        = string
  default     = null
}

variable "pull_image_over_subnet" {
  description = "With subnet_id: the image is pulled through it too, which a registry behind a private endpoint needs."
  type        = bool
  default     = true
}

variable "status_page" {
  description = "Who reaches the backup app over HTTP. public: false leaves a private endpoint of yours, and `bacvault status`. allowed_ips: CIDR ranges; the rest is denied. sign_in: an Entra app registration (tenant_id, client_id) that people sign in with; the function's key is asked for all the same."
  type = object({
    public      = optional(bool, false)
    allowed_ips = optional(list(string), [])
    sign_in     = optional(object({ tenant_id = string, client_id = string }))
  })
  default = {}
  validation {
    condition     = !var.status_page.public || length(var.status_page.allowed_ips) > 0 || var.status_page.sign_in != null
    error_message = "status_page.public without allowed_ips or sign_in opens the app to everybody who holds or guesses a key: give one of them."
  }
  validation {
    condition     = alltrue([for ip in var.status_page.allowed_ips : can(cidrhost(ip, 0)) && ip != "0.0.0.0/0"])
    error_message = "status_page.allowed_ips are ranges such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "host_account_names" {
  description = "Names of the hosts' own storage accounts (global). null: made from name."
  type        = object({ backup = string, restore = string })
  default     = null
  validation {
    condition     = var.host_account_names == null || alltrue([for n in [try(var.host_account_names.backup, ""), try(var.host_account_names.restore, "")] : can(regex("^[a-z0-9]{3,24}$", n))])
    error_message = "host_account_names are 3 to 24 lower case letters and digits each."
  }
  validation {
    condition     = var.host_account_names == null || try(var.host_account_names.backup, "") != try(var.host_account_names.restore, "x")
    error_message = "host_account_names: each app has an account of its own, for its host's role reaches the whole account."
  }
}

variable "host_account_replication" {
  description = "Redundancy of the hosts' accounts. What lies there can be rebuilt from the vault."
  type        = string
  default     = "LRS"
  validation {
    condition     = contains(["LRS", "ZRS"], var.host_account_replication)
    error_message = "host_account_replication is LRS or ZRS."
  }
}

variable "host_account_public_access" {
  description = "false: the hosts' accounts are reached by private endpoints only (blob, queue and table of both), which you make."
  type        = bool
  default     = true
}

variable "start_time_limit_seconds" {
  description = "How long the platform waits for a container to answer before it starts it anew; pulling the image counts. The platform's own is 230, its maximum 1800."
  type        = number
  default     = 1800
  validation {
    condition     = var.start_time_limit_seconds >= 230 && var.start_time_limit_seconds <= 1800
    error_message = "start_time_limit_seconds is from 230 to 1800."
  }
}

variable "settings" {
  description = "Further app settings of both apps, by the names of docs/settings.md. What other variables set is refused here."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for k in keys(var.settings) : try(jsondecode(file("${path.module}/settings.json"))[k], "unknown") == "caller"])
    error_message = "settings holds a name that docs/settings.md does not know, or that this module sets by a variable of its own (settings.json: caller may be set, module and never may not)."
  }
}

variable "backup_settings" {
  description = "Further app settings of the backup app alone; they go before settings."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for k in keys(var.backup_settings) : try(jsondecode(file("${path.module}/settings.json"))[k], "unknown") == "caller"])
    error_message = "backup_settings holds a name that docs/settings.md does not know, or that this module sets by a variable of its own (settings.json: caller may be set, module and never may not)."
  }
}

variable "restore_settings" {
  description = "Further app settings of the restore app alone; they go before settings."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for k in keys(var.restore_settings) : try(jsondecode(file("${path.module}/settings.json"))[k], "unknown") == "caller"])
    error_message = "restore_settings holds a name that docs/settings.md does not know, or that this module sets by a variable of its own (settings.json: caller may be set, module and never may not)."
  }
}
