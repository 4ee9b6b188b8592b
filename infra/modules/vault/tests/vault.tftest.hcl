mock_provider "azurerm" {
  mock_resource "azurerm_storage_account" {
    defaults = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault"
    }
  }
  mock_resource "azurerm_storage_container" {
    defaults = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault/blobServices/default/containers/sql-backups"
    }
  }
}

variables {
  account_name               = "stvault"
  resource_group_name        = "rg-vault"
  location                   = "uksouth"
  retention_days             = 365
  policy_locked              = true
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/log-x"
}

run "locked_and_without_a_way_around" {
  command = apply
  assert {
    condition = (
      azurerm_storage_container_immutability_policy.vault.locked
      && azurerm_storage_container_immutability_policy.vault.immutability_period_in_days == 365
      && azurerm_storage_container_immutability_policy.vault.storage_container_resource_manager_id == azurerm_storage_container.vault.id
      && !azurerm_storage_container_immutability_policy.vault.protected_append_writes_enabled
      && !azurerm_storage_container_immutability_policy.vault.protected_append_writes_all_enabled
    )
    error_message = "the container's policy is locked, for the days asked for, without an exception for appends"
  }
  assert {
    condition = (
      !azurerm_storage_account.vault.shared_access_key_enabled
      && azurerm_storage_account.vault.default_to_oauth_authentication
      && !azurerm_storage_account.vault.local_user_enabled
      && !azurerm_storage_account.vault.allow_nested_items_to_be_public
      && !azurerm_storage_account.vault.cross_tenant_replication_enabled
      && azurerm_storage_account.vault.https_traffic_only_enabled
      && azurerm_storage_account.vault.min_tls_version == "TLS1_2"
      && azurerm_storage_container.vault.container_access_type == "private"
    )
    error_message = "no key, no local user, no public blob, no old TLS"
  }
  assert {
    condition     = azurerm_storage_account.vault.access_tier == "Cold" && azurerm_storage_account.vault.account_replication_type == "ZRS"
    error_message = "cold and over zones unless asked otherwise"
  }
  assert {
    condition     = length(azurerm_storage_management_policy.vault) == 0 && length(azurerm_management_lock.vault) == 0
    error_message = "nothing is deleted unless asked"
  }
  assert {
    condition     = toset([for l in azurerm_monitor_diagnostic_setting.blobs.enabled_log : l.category]) == toset(["StorageRead", "StorageWrite", "StorageDelete"])
    error_message = "alerts read StorageBlobLogs"
  }
  assert {
    condition = jsonencode(output.place) == jsonencode({
      subscription_id     = "00000000-0000-4000-8000-000000000001"
      resource_group_name = "rg-vault"
      account_name        = "stvault"
      container_name      = "sql-backups"
      retention_days      = 365
      unlocked_until      = null
    })
    error_message = "the apps get the vault's place: ${jsonencode(output.place)}"
  }
}

run "a_waiver_of_three_weeks" {
  command = plan
  variables {
    policy_locked  = false
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "504h"))
  }
  assert {
    condition     = !azurerm_storage_container_immutability_policy.vault.locked && var.unlocked_until != null
    error_message = "an unlocked policy passes until its day"
  }
}

run "a_waiver_of_today" {
  command = plan
  variables {
    policy_locked  = false
    unlocked_until = formatdate("YYYY-MM-DD", timestamp())
  }
}

run "a_locked_policy_needs_no_waiver" {
  command = apply
  variables {
    unlocked_until = "2020-01-01"
  }
  assert {
    condition     = output.place.unlocked_until == null
    error_message = "a locked policy hands no waiver to the apps"
  }
}

run "a_trial" {
  command = plan
  variables {
    production     = false
    policy_locked  = false
    retention_days = 1
    unlocked_until = "2099-01-01"
  }
}

run "closed_network" {
  command = plan
  variables {
    allowed_ip_ranges = ["203.0.113.0/28"]
  }
  assert {
    condition     = azurerm_storage_account.vault.network_rules[0].default_action == "Deny"
    error_message = "an entry shuts all others out"
  }
}

run "private_network" {
  command = plan
  variables {
    public_network_access_enabled = false
  }
  assert {
    condition     = azurerm_storage_account.vault.network_rules[0].default_action == "Deny" && !azurerm_storage_account.vault.public_network_access_enabled
    error_message = "private endpoints alone"
  }
}

run "deleted_after_retention" {
  command = apply
  variables {
    delete_after_days = 380
    delete_lock       = true
  }
  assert {
    condition = (
      azurerm_storage_management_policy.vault[0].rule[0].actions[0].base_blob[0].delete_after_days_since_creation_greater_than == 380
      && toset(azurerm_storage_management_policy.vault[0].rule[0].filters[0].prefix_match) == toset(["sql-backups/"])
      && azurerm_management_lock.vault[0].lock_level == "CanNotDelete"
    )
    error_message = "in this container alone, by age since creation"
  }
}

run "unlocked_in_production" {
  command = plan
  variables {
    policy_locked = false
  }
  expect_failures = [var.unlocked_until]
}

run "a_waiver_that_lapsed" {
  command = plan
  variables {
    policy_locked  = false
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "-24h"))
  }
  expect_failures = [var.unlocked_until]
}

run "a_waiver_of_more_than_a_month" {
  command = plan
  variables {
    policy_locked  = false
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "792h"))
  }
  expect_failures = [var.unlocked_until]
}

run "a_waiver_that_is_no_date" {
  command = plan
  variables {
    policy_locked  = false
    unlocked_until = "2026-02-31"
  }
  expect_failures = [var.unlocked_until]
}

run "a_week_in_production" {
  command = plan
  variables {
    retention_days = 7
  }
  expect_failures = [var.retention_days]
}

run "no_days" {
  command = plan
  variables {
    production     = false
    retention_days = 0
  }
  expect_failures = [var.retention_days]
}

run "deleted_within_retention" {
  command = plan
  variables {
    delete_after_days = 365
  }
  expect_failures = [var.delete_after_days]
}

run "archive" {
  command = plan
  variables {
    access_tier = "Archive"
  }
  expect_failures = [var.access_tier]
}

run "an_unknown_replication" {
  command = plan
  variables {
    replication = "XRS"
  }
  expect_failures = [var.replication]
}

run "odd_names" {
  command = plan
  variables {
    account_name   = "st-vault"
    container_name = "sql--backups"
  }
  expect_failures = [var.account_name, var.container_name]
}
