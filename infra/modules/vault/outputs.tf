output "account_id" {
  description = "Resource id of the vault's account."
  value       = azurerm_storage_account.vault.id
}

output "container_id" {
  description = "Resource id of the vault: the scope of every role on it."
  value       = azurerm_storage_container.vault.id
}

output "place" {
  description = "Where the vault is and what it promises, for module app."
  value = {
    subscription_id     = split("/", azurerm_storage_account.vault.id)[2]
    resource_group_name = var.resource_group_name
    account_name        = azurerm_storage_account.vault.name
    container_name      = azurerm_storage_container.vault.name
    retention_days      = var.retention_days
    unlocked_until      = var.policy_locked ? null : var.unlocked_until
  }
  # An app that starts before the policy is there would refuse its first backup.
  depends_on = [azurerm_storage_container_immutability_policy.vault]
}
