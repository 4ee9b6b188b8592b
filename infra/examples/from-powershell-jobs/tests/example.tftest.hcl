mock_provider "azurerm" {
  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test" }
  }
  mock_resource "azurerm_log_analytics_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.OperationalInsights/workspaces/log-test" }
  }
  mock_resource "azurerm_application_insights" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Insights/components/appi-test", connection_string = "InstrumentationKey=00000000-0000-4000-8000-000000000009" }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-test"
      client_id    = "00000000-0000-4000-8000-0000000000c1"
      principal_id = "00000000-0000-4000-8000-0000000000d1"
    }
  }
  mock_resource "azurerm_role_definition" {
    defaults = { role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000a1" }
  }
  mock_resource "azurerm_storage_account" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Storage/storageAccounts/stbvtest" }
  }
  mock_resource "azurerm_storage_container" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Storage/storageAccounts/stbvtest/blobServices/default/containers/bacvault-state" }
  }
  mock_resource "azurerm_servicebus_namespace" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.ServiceBus/namespaces/sb-test", endpoint = "https://sb-test.servicebus.windows.net:443/" }
  }
  mock_resource "azurerm_servicebus_queue" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.ServiceBus/namespaces/sb-test/queues/backup-requests" }
  }
  mock_resource "azurerm_servicebus_topic" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.ServiceBus/namespaces/sb-test/topics/backup-events" }
  }
  mock_resource "azurerm_servicebus_subscription" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.ServiceBus/namespaces/sb-test/topics/backup-events/subscriptions/all" }
  }
  mock_resource "azurerm_service_plan" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Web/serverFarms/asp-test" }
  }
  mock_resource "azurerm_linux_function_app" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Web/sites/func-test", default_hostname = "func-test-backup.azurewebsites.net" }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-bacvault-test/providers/Microsoft.Insights/actionGroups/ag-test" }
  }
}

mock_provider "azurerm" {
  alias = "vault"
  mock_resource "azurerm_storage_account" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bacvault-vault-test/providers/Microsoft.Storage/storageAccounts/stvaulttest" }
  }
  mock_resource "azurerm_storage_container" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bacvault-vault-test/providers/Microsoft.Storage/storageAccounts/stvaulttest/blobServices/default/containers/sql-backups" }
  }
  mock_resource "azurerm_role_definition" {
    defaults = { role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000a2" }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bacvault-vault-test/providers/Microsoft.Insights/actionGroups/ag-vault" }
  }
}

# What is mocked can't be imported (OpenTofu 1.12 panics), so import_policy is off in all of these.
variables {
  subscription_id           = "00000000-0000-4000-8000-000000000001"
  vault_subscription_id     = "00000000-0000-4000-8000-000000000002"
  name                      = "test"
  location                  = "uksouth"
  vault_resource_group_name = "rg-audit"
  storage_account_name      = "stoldjobs"
  storage_container_name    = "sql-backups-immutable"
  sql_server_name           = "sqlsvr-cohman-test-uks"
  sql_server_id             = "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql/providers/Microsoft.Sql/servers/sqlsvr-test"
  sql_database_name         = "DToSDB"
  retention_days            = 365
  import_policy             = false
  image                     = { registry = "acrtest.azurecr.io", name = "bacvault", tag = "v0.1.0" }
  alert_emails              = ["dba@example.com"]
}

run "the_old_container_is_the_vault" {
  command = plan
  variables {
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "504h"))
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.vault.storage_container_resource_manager_id == "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-audit/providers/Microsoft.Storage/storageAccounts/stoldjobs/blobServices/default/containers/sql-backups-immutable" && azurerm_storage_container_immutability_policy.vault.immutability_period_in_days == 365 && !azurerm_storage_container_immutability_policy.vault.locked
    error_message = "the policy is not that of the old container, as it is"
  }
  assert {
    condition     = output.vault.account_name == "stoldjobs" && output.vault.unlocked_until == var.unlocked_until
    error_message = "the apps are not told of the old container, or not that it is unlocked"
  }
  assert {
    condition     = strcontains(output.silence_query, "\"sqlsvr-cohman-test-uks/DToSDB\"")
    error_message = "the database's silence is not heard"
  }
  assert {
    condition     = contains([for l in azurerm_monitor_diagnostic_setting.vault.enabled_log : l.category], "StorageWrite")
    error_message = "without this log each database is silent for ever"
  }
}

run "an_unlocked_policy_without_an_end_is_refused" {
  command         = plan
  expect_failures = [azurerm_storage_container_immutability_policy.vault]
}

run "a_waiver_that_lapsed" {
  command = plan
  variables {
    unlocked_until = "2020-01-01"
  }
  expect_failures = [var.unlocked_until]
}

run "a_waiver_of_more_than_a_month" {
  command = plan
  variables {
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "800h"))
  }
  expect_failures = [var.unlocked_until]
}

run "the_restore_jobs_target_is_refused" {
  command = plan
  variables {
    policy_locked     = true
    sql_database_name = "DToSDB_RESTORE"
  }
  expect_failures = [var.sql_database_name]
}
