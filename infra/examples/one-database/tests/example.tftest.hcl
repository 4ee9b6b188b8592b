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

variables {
  subscription_id       = "00000000-0000-4000-8000-000000000001"
  vault_subscription_id = "00000000-0000-4000-8000-000000000002"
  name                  = "test"
  location              = "uksouth"
  vault_account_name    = "stvaulttest"
  retention_days        = 365
  sql_server_name       = "sqlsvr-test.database.windows.net"
  sql_server_id         = "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql/providers/Microsoft.Sql/servers/sqlsvr-test"
  sql_database_name     = "Orders"
  image                 = { registry = "acrtest.azurecr.io", name = "bacvault", tag = "v0.1.0" }
  container_registry_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-acr/providers/Microsoft.ContainerRegistry/registries/acrtest"
  alert_emails          = ["dba@example.com"]
}

run "first_the_policy_is_unlocked_for_some_days" {
  command = apply
  variables {
    unlocked_until = formatdate("YYYY-MM-DD", timeadd(timestamp(), "240h"))
  }
  assert {
    condition     = output.vault.unlocked_until == var.unlocked_until && output.vault.retention_days == 365 && output.vault.account_name == "stvaulttest" && output.vault.subscription_id == var.vault_subscription_id
    error_message = "the apps are not told where the vault is and that it may be unlocked"
  }
  assert {
    condition     = strcontains(output.silence_query, "\"sqlsvr-test/Orders\"") && strcontains(output.silence_query, "\"stvaulttest\"")
    error_message = "the alert on silence does not wait for this database's manifest in this vault"
  }
  assert {
    condition     = output.apps == { backup = "func-test-backup", restore = "func-test-restore" } && output.identities.backup != output.identities.restore
    error_message = "there are two apps, and two identities"
  }
}

run "then_it_is_locked_and_the_waiver_is_gone" {
  command = apply
  variables {
    policy_locked = true
  }
  assert {
    condition     = strcontains(output.grants_commands, "-S sqlsvr-test.database.windows.net") && strcontains(output.grants_commands, "in master 'Orders'; do") && strcontains(output.grants_commands, "BackupIdentity=id-bacvault-test-backup RestoreIdentity=id-bacvault-test-restore ||")
    error_message = "the grants do not name this server, database and identities: ${output.grants_commands}"
  }
  assert {
    condition     = strcontains(output.cli_environment, "export SQL_DATABASE_NAME='Orders'") && !strcontains(output.cli_environment, "ALLOW_UNLOCKED") && strcontains(output.cli_environment, "export BACVAULT_SQL_SUBSCRIPTION_ID='00000000-0000-4000-8000-000000000003'") && strcontains(output.cli_environment, "export BACVAULT_SQL_RESOURCE_GROUP='rg-sql'") && strcontains(output.doctor_commands.restore, "--as restore")
    error_message = "what people type beside the apps does not follow the apps"
  }
  assert {
    condition     = output.vault.unlocked_until == null
    error_message = "a waiver stands although the policy is locked"
  }
}

run "a_webhook_goes_to_all_who_must_know" {
  command = apply
  variables {
    policy_locked = true
    notify        = { webhook_secret_id = "https://kv-test.vault.azure.net/secrets/bacvault-webhook" }
  }
  assert {
    condition     = module.bus.entity_ids.subscription_notify != null
    error_message = "the function notify has no subscription to read"
  }
}

run "one_subscription_for_both_is_refused" {
  command = plan
  variables {
    vault_subscription_id = "00000000-0000-4000-8000-000000000001"
    policy_locked         = true
    sql_server_name       = "a,b"
    sql_database_name     = "*"
  }
  expect_failures = [var.vault_subscription_id, var.sql_server_name, var.sql_database_name]
}

run "the_id_of_another_server_is_refused" {
  command = plan
  variables {
    policy_locked   = true
    sql_server_name = "sqlsvr-other"
  }
  expect_failures = [var.sql_server_id]
}
