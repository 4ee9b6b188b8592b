# The old container's policy, taken over as it is: unlocked, by an import; from then on this code alone describes it.
resource "azurerm_storage_container_immutability_policy" "vault" {
  provider                              = azurerm.vault
  storage_container_resource_manager_id = local.vault_container_id
  immutability_period_in_days           = var.retention_days
  locked                                = var.policy_locked
  protected_append_writes_enabled       = false
  protected_append_writes_all_enabled   = false

  lifecycle {
    prevent_destroy = true # an unlocked policy that is destroyed leaves every old file without protection
    precondition {
      condition     = var.policy_locked || var.unlocked_until != null
      error_message = "The policy is not locked: every backup would be refused. Set unlocked_until to a day soon, and lock it until then."
    }
  }
}

# The alerts read the account's own log. Another diagnostic setting that is there already may stay beside it.
resource "azurerm_monitor_diagnostic_setting" "vault" {
  provider                   = azurerm.vault
  name                       = "bacvault"
  target_resource_id         = "${local.vault_account_id}/blobServices/default"
  log_analytics_workspace_id = module.logs.workspace_id
  enabled_log {
    category = "StorageWrite"
  }
  enabled_log {
    category = "StorageDelete"
  }
}

locals {
  place = {
    subscription_id     = var.vault_subscription_id
    resource_group_name = var.vault_resource_group_name
    account_name        = var.storage_account_name
    container_name      = var.storage_container_name
    retention_days      = azurerm_storage_container_immutability_policy.vault.immutability_period_in_days
    unlocked_until      = var.policy_locked ? null : var.unlocked_until
  }
}
