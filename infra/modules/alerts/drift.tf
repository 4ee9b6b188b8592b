# What changes the vault's protection, told by the activity log of the vault's own subscription. Rules and receivers lie there too:
# whoever owns the apps' subscription can't silence them. Can't see: what only reads, a role given above the subscription, the tenant's
# elevated access, data plane calls. A log entry takes some minutes; an apply of this code raises some of these alerts itself.
locals {
  operations = {
    for k, v in merge(jsondecode(file("${path.module}/operations.json")), var.drift_operations) : k => v
    if !contains(var.silent_operations, k)
  }
  scopes = {
    account      = var.vault_account_id
    subscription = join("/", slice(split("/", var.vault_account_id), 0, 3))
  }
}

resource "azurerm_monitor_action_group" "vault" {
  provider            = azurerm.vault
  name                = "ag-bacvault-vault-${var.name}"
  resource_group_name = var.vault_resource_group_name
  short_name          = "bacvaultwrm"
  tags                = var.tags
  dynamic "email_receiver" {
    for_each = local.receivers
    content {
      name                    = email_receiver.key
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
  dynamic "webhook_receiver" {
    for_each = var.webhook_receivers
    content {
      name                    = webhook_receiver.key
      service_uri             = webhook_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_activity_log_alert" "drift" {
  provider            = azurerm.vault
  for_each            = local.operations
  name                = "bacvault-${var.name}-${each.key}"
  description         = "${each.value.operation} on or above the vault ${local.vault}, done or tried. If nobody meant it: docs/runbook.md."
  resource_group_name = var.vault_resource_group_name
  location            = "global"
  scopes              = [local.scopes[each.value.scope]]
  tags                = var.tags
  criteria {
    category       = "Administrative"
    operation_name = each.value.operation
    statuses       = ["Succeeded", "Failed"] # a refused try is worth a look as well
  }
  dynamic "action" {
    for_each = concat([azurerm_monitor_action_group.vault.id], var.action_group_ids)
    content {
      action_group_id = action.value
    }
  }
}
