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
  policy_locked         = true
  servers = {
    "sqlsvr-shop.database.windows.net" = { databases = ["Orders", "Customers"] }
    "sqlsvr-finance"                   = { databases = ["*"], watched = ["Ledger"] }
  }
  image        = { registry = "acrtest.azurecr.io", name = "bacvault", tag = "v0.1.0" }
  alert_emails = ["dba@example.com"]
}

run "every_database_is_protected_and_its_silence_heard" {
  command = apply
  assert {
    condition     = toset(output.watched) == toset(["sqlsvr-shop/Orders", "sqlsvr-shop/Customers", "sqlsvr-finance/Ledger"])
    error_message = "somebody's silence is not heard"
  }
  assert {
    condition     = alltrue([for d in output.watched : strcontains(output.silence_query, "\"${d}\"")])
    error_message = "the query does not wait for each of them"
  }
  assert {
    condition     = join(",", local.protected) == "sqlsvr-finance/*,sqlsvr-shop.database.windows.net/Orders,sqlsvr-shop.database.windows.net/Customers"
    error_message = "what is protected is not what servers says"
  }
}

run "a_server_that_nobody_listens_to_is_refused" {
  command = plan
  variables {
    servers = { "sqlsvr-x" = { databases = ["*"] } }
  }
  expect_failures = [var.servers]
}

run "star_beside_names_is_refused" {
  command = plan
  variables {
    servers = { "sqlsvr-x" = { databases = ["*", "Orders"], watched = ["Orders"] } }
  }
  expect_failures = [var.servers]
}
