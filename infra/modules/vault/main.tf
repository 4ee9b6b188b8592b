# The vault: one container in which nothing is rewritten or deleted before its time. The account holds nothing else.
resource "azurerm_storage_account" "vault" {
  name                = var.account_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.replication
  access_tier              = var.access_tier

  # A key is every right: whoever holds one needs no role. Nothing here works by key, and nobody can turn one into a SAS.
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  local_user_enabled              = false

  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  https_traffic_only_enabled        = true
  min_tls_version                   = "TLS1_2"
  infrastructure_encryption_enabled = true

  public_network_access_enabled = var.public_network_access_enabled

  # No versioning and no last-access tracking: the policy is the container's own. No soft delete: whoever may take an unlocked policy
  # away may turn soft delete off too, and behind a locked one it protects nothing that the policy does not.
  blob_properties {
    versioning_enabled       = false
    change_feed_enabled      = false
    last_access_time_enabled = false
  }

  # With an empty list the block must be there nevertheless: taking it out would leave the old rules in force.
  network_rules {
    default_action             = local.closed ? "Deny" : "Allow"
    bypass                     = var.network_bypass
    ip_rules                   = var.allowed_ip_ranges
    virtual_network_subnet_ids = var.allowed_subnet_ids
  }
}

locals {
  closed = !var.public_network_access_enabled || length(var.allowed_ip_ranges) + length(var.allowed_subnet_ids) > 0
}

resource "azurerm_storage_container" "vault" {
  name                  = var.container_name
  storage_account_id    = azurerm_storage_account.vault.id
  container_access_type = "private"
}

# azurerm makes the policy first and locks it by a second call. When the second fails, an unlocked policy is left and the next
# apply locks it: the gate refuses backups until then.
resource "azurerm_storage_container_immutability_policy" "vault" {
  storage_container_resource_manager_id = azurerm_storage_container.vault.id
  immutability_period_in_days           = var.retention_days
  locked                                = var.policy_locked
  # Every object is written exactly once: an exception for appends would be a hole.
  protected_append_writes_enabled     = false
  protected_append_writes_all_enabled = false
}

# Days count from the blob's creation, as the policy's do. A proof is younger than the backup that it proves, so it outlives it.
resource "azurerm_storage_management_policy" "vault" {
  count              = var.delete_after_days == null ? 0 : 1
  storage_account_id = azurerm_storage_account.vault.id

  rule {
    name    = "delete-after-retention"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${azurerm_storage_container.vault.name}/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = var.delete_after_days
      }
    }
  }
}

# StorageBlobLogs: what alerts on silence read (PutBlockList), who tried to delete, and who read a backup.
resource "azurerm_monitor_diagnostic_setting" "blobs" {
  name                       = "bacvault"
  target_resource_id         = "${azurerm_storage_account.vault.id}/blobServices/default"
  log_analytics_workspace_id = var.log_analytics_workspace_id

  dynamic "enabled_log" {
    for_each = toset(["StorageRead", "StorageWrite", "StorageDelete"])
    content {
      category = enabled_log.value
    }
  }
}

resource "azurerm_management_lock" "vault" {
  count      = var.delete_lock ? 1 : 0
  name       = "bacvault-vault"
  scope      = azurerm_storage_account.vault.id
  lock_level = "CanNotDelete"
  notes      = "Backups. Locks of this kind stop deletes by the management plane, not deletes of blobs: that is what the container's policy is for."
}
